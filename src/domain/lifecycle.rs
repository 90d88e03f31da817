//! A delivery's life as one pure function: what each thing that happens makes of it.
//!
//! The store does the same in statements over any number of rows, and `tests/it/dispatch/lifecycle.rs` holds both against each
//! other in random orders. What cannot happen to a delivery in its state changes nothing: a claim of one that is being sent, a
//! result that comes too late, a cancellation after the end.

use std::time::Duration;

use crate::domain::delivery::{DeliveryState, Next};
use crate::domain::time::Timestamp;

/// Interrupted tries that do not use up the schedule, and after which the next one is made at once: they may never have begun. Beyond
/// these the delivery itself may be what ends the process.
pub const INTERRUPTED_FREE_MAX: u32 = 3;

/// How long the next try waits after the first interrupted one beyond those, in milliseconds; after each further one four times as long.
/// Of many that were under way when the process ended, again and again, the one that ends it comes apart from the others: those get
/// through between two ends, and are not parked with it.
pub const INTERRUPTED_WAIT_MS: i64 = 5_000;

/// Interrupted tries after which a delivery is parked. The last wait before that is an hour and a half.
pub const INTERRUPTED_MAX: u32 = 10;

/// How long the next try waits after so many interrupted ones.
#[must_use]
pub const fn wait_after_interruptions(interrupted: u32) -> Duration {
    match interrupted.checked_sub(INTERRUPTED_FREE_MAX + 1) {
        None => Duration::ZERO,
        Some(beyond) => Duration::from_millis((INTERRUPTED_WAIT_MS as u64) << (2 * beyond)),
    }
}

/// Where a delivery stands, as far as it decides what can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The state.
    pub state: DeliveryState,
    /// Claims so far that count; the claim in force has this number, and its result must bring it back.
    pub attempts: u32,
    /// How many of them do not use up the schedule: those before the last replay, and some that were interrupted.
    pub free: u32,
    /// How many tries were interrupted.
    pub interrupted: u32,
    /// Pending: when the next try is due. Being sent: when its lease ends. Nothing after the end.
    pub due_at: Option<Timestamp>,
    /// When it, or its last replay, was first due.
    pub due_since: Timestamp,
}

/// Something that happens to a delivery. `open` tells whether its destination can be sent to at all: it was neither disabled
/// nor removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It is about to be sent.
    Claimed {
        /// Until when it is the claimer's.
        lease_ends: Timestamp,
    },
    /// A send ended.
    Sent {
        /// The number of its claim.
        attempt: u32,
        /// What follows.
        next: Next,
        /// Whether there is still somewhere to send it to.
        open: bool,
    },
    /// The process that was sending it is no more.
    Interrupted {
        /// Whether there is still somewhere to send it to.
        open: bool,
    },
    /// A person wants it no more.
    Cancelled,
    /// Its destination was disabled or removed.
    Closed,
    /// A person wants it sent again.
    Replayed {
        /// Whether there is somewhere to send it to.
        open: bool,
    },
}

impl Life {
    /// A delivery that was just made.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { state: DeliveryState::Pending, attempts: 0, free: 0, interrupted: 0, due_at: Some(now), due_since: now }
    }

    /// Which try of the schedule the claim in force is, from 1.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.attempts.saturating_sub(self.free)
    }

    /// What is made of it by that.
    #[must_use]
    pub fn after(self, happening: &Happening, now: Timestamp) -> Self {
        match (self.state, happening) {
            (DeliveryState::Pending, Happening::Claimed { lease_ends }) => {
                Self { state: DeliveryState::Sending, attempts: self.attempts + 1, due_at: Some(*lease_ends), ..self }
            }
            (DeliveryState::Sending, Happening::Sent { attempt, next, open }) if *attempt == self.attempts => {
                self.after_send(next, *open)
            }
            (DeliveryState::Sending, Happening::Interrupted { open }) => self.after_interruption(*open, now),
            (DeliveryState::Pending, Happening::Cancelled | Happening::Closed) => self.ended(DeliveryState::Cancelled),
            (state, Happening::Replayed { open: true }) if state.is_end() => {
                Self { state: DeliveryState::Pending, free: self.attempts, due_at: Some(now), due_since: now, ..self }
            }
            _ => self,
        }
    }

    fn after_send(self, next: &Next, open: bool) -> Self {
        match next {
            Next::Delivered => self.ended(DeliveryState::Delivered),
            Next::Failed { .. } => self.ended(DeliveryState::Failed),
            Next::Parked { .. } => self.ended(DeliveryState::Parked),
            Next::Retry { at, counted } => {
                let attempts = self.attempts - u32::from(!counted);
                let waits = Self { state: DeliveryState::Pending, attempts, due_at: Some(*at), ..self };
                if open { waits } else { waits.ended(DeliveryState::Cancelled) }
            }
        }
    }

    fn after_interruption(self, open: bool, now: Timestamp) -> Self {
        let interrupted = self.interrupted + 1;
        let noted = Self { interrupted, ..self };
        if !open {
            return noted.ended(DeliveryState::Cancelled);
        }
        if interrupted >= INTERRUPTED_MAX {
            return noted.ended(DeliveryState::Parked);
        }
        let free = self.free + u32::from(interrupted <= INTERRUPTED_FREE_MAX);
        let due_at = Some(now.plus(wait_after_interruptions(interrupted)));
        Self { state: DeliveryState::Pending, free, due_at, ..noted }
    }

    const fn ended(self, state: DeliveryState) -> Self {
        Self { state, due_at: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn only_a_replay_leads_on_from_an_end() {
        let sending = Life::new(NOW).after(&Happening::Claimed { lease_ends: NOW }, NOW);
        let end = sending.after(&Happening::Sent { attempt: 1, next: Next::Delivered, open: true }, NOW);
        assert_eq!((end.state, end.due_at), (DeliveryState::Delivered, None));
        for happening in [
            Happening::Claimed { lease_ends: NOW },
            Happening::Sent { attempt: 1, next: Next::Retry { at: NOW, counted: true }, open: true },
            Happening::Interrupted { open: true },
            Happening::Cancelled,
            Happening::Closed,
            Happening::Replayed { open: false },
        ] {
            assert_eq!(end.after(&happening, NOW), end, "{happening:?}");
        }
        let again = end.after(&Happening::Replayed { open: true }, NOW);
        assert_eq!((again.state, again.tries()), (DeliveryState::Pending, 0));
    }

    #[test]
    fn what_ends_the_process_each_time_is_parked() {
        let mut life = Life::new(NOW);
        for _ in 0..INTERRUPTED_MAX {
            assert_eq!(life.state, DeliveryState::Pending);
            let claim = Happening::Claimed { lease_ends: NOW };
            life = life.after(&claim, NOW).after(&Happening::Interrupted { open: true }, NOW);
        }
        assert_eq!(life.state, DeliveryState::Parked);
    }

    #[test]
    fn what_was_interrupted_often_waits_ever_longer() {
        let seconds: Vec<_> = (0..INTERRUPTED_MAX).map(|count| wait_after_interruptions(count).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 5, 20, 80, 320, 1280, 5120]);
    }

    #[test]
    fn a_late_result_changes_nothing() {
        let claim = Happening::Claimed { lease_ends: NOW };
        let again =
            Life::new(NOW).after(&claim, NOW).after(&Happening::Interrupted { open: true }, NOW).after(&claim, NOW);
        assert_eq!((again.attempts, again.tries()), (2, 1));
        assert_eq!(again.after(&Happening::Sent { attempt: 1, next: Next::Delivered, open: true }, NOW), again);
    }
}
