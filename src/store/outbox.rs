//! How the dispatcher of this process hears at once of what was stored: which deliveries wait, and which are its own already.
//!
//! Another process's dispatcher hears of neither; it is woken by the commit and looks for itself.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::domain::id::DestinationId;
use crate::metrics::Metrics;
use crate::store::queue::{Claimed, News};
use crate::store::slots::Slots;

/// Commits whose new deliveries may wait for the dispatcher to hear of them. Where there is none, or it is slower, it is told to
/// look for itself.
const WORK_MAX: usize = 1024;

/// Where the dispatcher hears of what came in. When it is dropped, nothing is claimed for it any more.
#[derive(Debug)]
pub struct Inbox {
    /// What waits since just now, or until another time.
    pub work: mpsc::Receiver<Vec<(DestinationId, News)>>,
    /// What was claimed as it was stored. As many as were offered at most, and none of them may be lost: without a bound.
    pub claims: mpsc::UnboundedReceiver<Vec<Claimed>>,
    /// What may be claimed so.
    pub slots: Slots,
}

impl Inbox {
    /// One that never hears anything.
    #[must_use]
    pub fn silent() -> Self {
        Self { work: mpsc::channel(1).1, claims: mpsc::unbounded_channel().1, slots: Slots::default() }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.slots.close();
    }
}

/// The writer's end.
pub(crate) struct Outbox {
    work: mpsc::Sender<Vec<(DestinationId, News)>>,
    claims: mpsc::UnboundedSender<Vec<Claimed>>,
    pub(crate) slots: Slots,
    /// Where what is written is counted.
    pub(crate) metrics: Arc<Metrics>,
}

/// Both ends.
pub(crate) fn outbox(metrics: Arc<Metrics>) -> (Outbox, Inbox) {
    let (work_sender, work) = mpsc::channel(WORK_MAX);
    let (claim_sender, claims) = mpsc::unbounded_channel();
    let slots = Slots::default();
    (Outbox { work: work_sender, claims: claim_sender, slots: slots.clone(), metrics }, Inbox { work, claims, slots })
}

impl Outbox {
    /// Tells what a commit brought; whether all of it could be told.
    pub(crate) fn tell(&self, work: Vec<(DestinationId, News)>, claimed: Vec<Claimed>) -> bool {
        if !claimed.is_empty() {
            let _ = self.claims.send(claimed);
        }
        let Err(untold) = (if work.is_empty() { Ok(()) } else { self.work.try_send(work) }) else { return true };
        self.forget(&untold.into_inner(), &[]);
        false
    }

    /// Takes back what was noted for a transaction that did not come about.
    pub(crate) fn forget(&self, work: &[(DestinationId, News)], claimed: &[Claimed]) {
        for (lane, _) in work {
            self.slots.told(*lane);
        }
        for claimed in claimed {
            self.slots.received(claimed.destination);
        }
        if !claimed.is_empty() {
            // Whoever waits for them learns that they do not come.
            let _ = self.claims.send(Vec::new());
        }
    }
}
