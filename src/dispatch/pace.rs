//! How much a lane claims ahead of what it sends, by how fast its receiver has answered of late.

use std::time::Duration;

use crate::dispatch::shares::{SLOW, Speed};
use crate::domain::time::Timestamp;

/// Where order does not matter, as much is claimed ahead as is likely to be sent within this time: the next send begins when
/// one ends, without waiting for a commit, and commits carry more. A slow receiver gets nothing ahead, since what is claimed
/// can neither be cancelled nor be sent by anybody else.
const AHEAD_TIME: Duration = Duration::from_millis(50);

/// The most that is claimed ahead, as a multiple of the lane's concurrency; also the sends that a claim may have to wait for.
/// With 15, a backlog is drained a third faster than with 3; with 31, claimed by halves, a tenth faster again.
pub const AHEAD_MAX: u32 = 31;

/// The same for a long backlog while there is fresh work, which has to wait for the transaction under way: that must be short.
/// With a backlog of 200,000 the 99th percentile of a hundred other destinations was 1.6 to 1.8 times what it is without with 15,
/// 1.3 times with 3, and the same with 1.
const AHEAD_BESIDE_FRESH: u32 = 1;

/// For how long after fresh work, which was claimed as it was stored, more of it is expected.
const FRESH: Duration = Duration::from_millis(100);

/// Whether there has been fresh work of late, which was last at that time.
#[must_use]
pub fn is_beside_fresh(fresh_at: Timestamp, now: Timestamp) -> bool {
    now.since(fresh_at) < FRESH
}

/// How long results of a backlog rest beside fresh work, which has to wait for each commit of theirs: so there are few. Beside a
/// backlog of 200,000 a hundred others, which have their 99th percentile in 1.3 ms without it, had it in 1.8 then, and the backlog was
/// drained with 2,900 a second. With 4 ms that was half, with 64 claimed ahead (2.4 ms) 10,000, and with no rest and no limit
/// (4.3 ms) 19,000. A receiver that takes some 5 ms or more to answer does not notice any of it.
const REST: Duration = Duration::from_millis(1);

/// How long after the last claim results are held to be of a backlog.
const CLAIMED: Duration = Duration::from_millis(16);

/// How long results rest before they are handed to the writer, when it was last asked to claim that long ago: fresh work alone, which
/// is claimed as it is stored, asks for none.
#[must_use]
pub fn rest(beside_fresh: bool, since_claim: Duration) -> Duration {
    if beside_fresh && since_claim < CLAIMED { REST } else { Duration::ZERO }
}

/// How many deliveries, of all lanes, one claim makes this process's.
#[must_use]
pub const fn claim_max(beside_fresh: bool) -> usize {
    if beside_fresh { 128 } else { 512 }
}

/// How long a send to one destination takes of late.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    took: Option<Duration>,
}

impl Pace {
    /// A send took that long.
    pub fn took(&mut self, took: Duration) {
        self.took = Some(self.took.map_or(took, |before| (before * 7 + took) / 8));
    }

    /// A send has lasted for [`SLOW`] and goes on: what follows is not to wait for its end to know that.
    pub fn late(&mut self) {
        self.took = Some(self.took.map_or(SLOW, |before| before.max(SLOW)));
    }

    /// How fast it answers.
    #[must_use]
    pub fn speed(self) -> Speed {
        match self.took {
            None => Speed::Unknown,
            Some(took) if took >= SLOW => Speed::Slow,
            Some(_) => Speed::Fast,
        }
    }

    /// How many deliveries may be claimed at once, of which `concurrency` may be under way; less where the lane yields to fresh
    /// work.
    #[must_use]
    pub fn claims_max(self, concurrency: u32, yields: bool) -> usize {
        let ahead_max = if yields { AHEAD_BESIDE_FRESH } else { AHEAD_MAX };
        let ahead = match self.took {
            _ if concurrency == 1 => 0,
            None => 1,
            Some(took) => AHEAD_TIME.as_micros().checked_div(took.as_micros()).unwrap_or(u128::MAX),
        };
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX).min(ahead_max);
        (concurrency * (1 + ahead)) as usize
    }

    /// How many to claim now, with so many claimed: none before half of what is claimed ahead is used up, since the writer has
    /// far less to do for a few large claims than for many small ones, and it is the writer that a backlog waits for.
    #[must_use]
    pub fn claims_now(self, concurrency: u32, yields: bool, claimed: usize) -> usize {
        let most = self.claims_max(concurrency, yields);
        let (ahead, free) = (most - concurrency as usize, most.saturating_sub(claimed));
        if free * 2 < ahead { 0 } else { free }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_rest_only_while_a_backlog_is_claimed_beside_fresh_work() {
        assert_eq!(rest(true, Duration::ZERO), REST);
        assert_eq!(rest(true, Duration::from_secs(1)), Duration::ZERO, "fresh work alone");
        assert_eq!(rest(false, Duration::ZERO), Duration::ZERO, "a backlog alone");
    }

    #[test]
    fn it_claims_by_halves() {
        let mut fast = Pace::default();
        fast.took(Duration::from_millis(1));
        for (claimed, expected) in [(0, 256), (132, 124), (133, 0), (256, 0), (300, 0)] {
            assert_eq!(fast.claims_now(8, false, claimed), expected, "{claimed} of 256 are claimed");
        }
        // Where little or nothing is claimed ahead, what is free is claimed at once.
        let mut slow = Pace::default();
        slow.took(SLOW);
        assert_eq!(
            [(8, 7), (8, 8), (1, 0), (1, 1)].map(|(most, claimed)| slow.claims_now(most, false, claimed)),
            [1, 0, 1, 0]
        );
    }
}
