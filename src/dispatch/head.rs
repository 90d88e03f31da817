//! The beginning of a lane: the first deliveries that wait, in the order in which they are due, as far as they are known.
//!
//! In a strict lane nothing overtakes: the head is read anew after each send, and holds only the earliest accepted delivery,
//! whenever that is due, and the tests. So one that waits for its retry holds all that were accepted after it, until it is
//! delivered, fails for good, or is cancelled. A replay takes the place that its number gives it, before whatever came in
//! later. Tests neither hold nor are held: somebody sits and waits for their answer, often to see whether what holds the
//! lane is over.

use std::collections::BTreeSet;

use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::queue::{HEAD_MAX, Waiting};

/// What is known of a lane's pending deliveries: the first [`HEAD_MAX`] at most.
#[derive(Debug, Default)]
pub struct Head {
    known: BTreeSet<(Timestamp, DeliveryId)>,
    /// No more wait than are known.
    complete: bool,
    /// None that is not known comes before the last that is.
    fresh: bool,
    /// Something came since the last read was asked for, which that read may or may not see.
    missed: bool,
}

impl Head {
    /// Somebody else may have put something in.
    pub fn is_stale(&mut self) {
        self.fresh = false;
        self.missed = true;
    }

    /// What is known may not wait any more.
    pub fn forget(&mut self) {
        self.known.clear();
        self.complete = false;
        self.is_stale();
    }

    /// A read is asked for.
    pub fn asked(&mut self) {
        self.missed = false;
    }

    /// Takes what was read.
    pub fn read(&mut self, waiting: impl Iterator<Item = Waiting>, is_claimed: impl Fn(DeliveryId) -> bool) {
        let read: Vec<_> = waiting.collect();
        self.complete = read.len() < HEAD_MAX;
        self.fresh = !std::mem::take(&mut self.missed);
        let unclaimed = read.into_iter().filter(|waiting| !is_claimed(waiting.delivery));
        self.known = unclaimed.map(|waiting| (waiting.due_at, waiting.delivery)).collect();
    }

    /// A delivery that is pending since just now. It is remembered when it belongs into the known part.
    pub fn push(&mut self, waiting: Waiting) {
        self.missed = true;
        let key = (waiting.due_at, waiting.delivery);
        if self.complete || self.known.last().is_some_and(|last| key < *last) {
            self.known.insert(key);
        }
        if self.known.len() > HEAD_MAX {
            self.known.pop_last();
            self.complete = false;
        }
    }

    /// Takes out the first that are due, at most so many.
    pub fn take_due(&mut self, now: Timestamp, count: usize) -> Vec<DeliveryId> {
        let due: Vec<_> = self.known.iter().take_while(|(at, _)| *at <= now).take(count).copied().collect();
        for key in &due {
            self.known.remove(key);
        }
        due.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Whether, with nothing due that is known, it must be read before more can be said.
    #[must_use]
    pub fn must_be_read(&self) -> bool {
        !self.fresh || (self.known.is_empty() && !self.complete)
    }

    /// Whether more may wait than is known.
    #[must_use]
    pub const fn is_long(&self) -> bool {
        !self.complete
    }

    /// When the first that is known is due.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.known.first().map(|(at, _)| *at)
    }

    /// Whether nothing waits, for certain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.complete && self.fresh && self.known.is_empty()
    }
}
