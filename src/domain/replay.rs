//! Bulk replays: many deliveries sent again, or for the first time, without starving what comes in meanwhile.
//!
//! What is to be sent is counted first, and a replay then acts on exactly what was counted. Two things are never mixed up:
//! *again* is for deliveries that exist and have ended; *missed* is for events that were never sent to a destination which
//! would get them now.

use std::time::Duration;

use serde::Serialize;

use crate::domain::id::{DeliveryId, DestinationId, EventId, ReplayId};
use crate::domain::time::Timestamp;

/// Most that one replay sends; what is beyond is left for the next, and that is said.
pub const ITEMS_MAX: usize = 1_000_000;

/// Deliveries of a replay that may be on their way at once. What comes in live to the same destination waits behind these at most.
pub const UNDER_WAY_MAX: u32 = 100;

/// A step that is smaller than this waits for a bigger one, as long as something is under way.
const STEP_MIN: u32 = 20;

/// After this long without a step one is made whatever is under way: a destination that hangs must not hold up the others.
const STEP_AFTER: Duration = Duration::from_secs(10);

/// One thing to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayItem {
    /// A delivery that has ended, once more from the first try.
    Again(DeliveryId),
    /// An event to a destination that it was never sent to.
    Missed(EventId, DestinationId),
}

/// Where a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// Something is still to be sent.
    Running,
    /// All of it is on its way, or was.
    Done,
    /// A person ended it; what it had sent by then stays sent.
    Cancelled,
}

impl ReplayState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Running, Self::Done, Self::Cancelled];

    /// The name in the store and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A bulk replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// What it sends, for people.
    pub what: String,
    /// Where it stands.
    pub state: ReplayState,
    /// How many were counted.
    pub total: u64,
    /// How many of them are on their way, or were.
    pub sent: u64,
    /// How many had to be passed over: they were on their way already, or had nowhere to go any more.
    pub passed: u64,
    /// Who started it.
    pub started_by: String,
    /// When.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Replay {
    /// How far it has come, as `400 of 1200 sent again, 3 passed over`.
    #[must_use]
    pub fn progress(&self) -> String {
        let passed = if self.passed > 0 { format!(", {} passed over", self.passed) } else { String::new() };
        format!("{} of {} on their way{passed}", self.sent, self.total)
    }
}

/// How many a replay may send now, of which `under_way` have not been tried yet, and whose last step was `since_last` ago.
#[must_use]
pub fn step(under_way: u32, since_last: Duration) -> u32 {
    let free = UNDER_WAY_MAX.saturating_sub(under_way);
    if free >= STEP_MIN {
        free
    } else if since_last >= STEP_AFTER {
        UNDER_WAY_MAX
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_leaves_room_for_others_and_yet_goes_on() {
        let check = |under_way: u32, seconds: u64, expected: u32| {
            assert_eq!(step(under_way, Duration::from_secs(seconds)), expected, "{under_way} after {seconds} s");
        };
        check(0, 0, 100);
        check(80, 0, 20);
        check(81, 9, 0);
        check(100, 0, 0);
        check(5_000, 9, 0);
        check(100, 10, 100);
    }
}
