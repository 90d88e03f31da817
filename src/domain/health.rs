//! The health of a destination: when one that only fails is warned about, and when it is disabled.
//!
//! The time that it may only fail is cut into fifths. It is disabled at the end of that time if it failed in at least three of
//! them: two failures with days of silence between them say nothing. On the way there are two warnings, after the first and the
//! third fifth.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// Into how many parts the time is cut.
const PARTS: u32 = 5;

/// In how many of them it must have failed, so that it counts as failing all the time.
const PARTS_MIN: u32 = 3;

/// The parts after which there is a warning.
const WARNINGS: [u32; 2] = [1, 3];

/// A destination that has not taken anything since a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The first failure.
    pub since: Timestamp,
    /// In which fifths it failed, a bit for each.
    pub fifths: u32,
    /// How many warnings there were.
    pub told: u32,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is only noted.
    Note,
    /// Its owner is warned.
    Warn,
    /// It is not sent to any more.
    Disable,
}

impl Failing {
    /// The first failure.
    #[must_use]
    pub const fn first(now: Timestamp) -> Self {
        Self { since: now, fifths: 1, told: 0 }
    }

    /// One more failure. `failing_max` is the time that it may only fail.
    pub fn again(&mut self, failing_max: Duration, now: Timestamp) -> Verdict {
        let fifth = (failing_max / PARTS).max(Duration::from_millis(1));
        let index = u32::try_from(now.since(self.since).as_millis() / fifth.as_millis()).unwrap_or(u32::MAX);
        if index >= PARTS {
            if self.fifths.count_ones() >= PARTS_MIN {
                return Verdict::Disable;
            }
            // What was long ago has nothing to do with this.
            *self = Self { told: self.told, ..Self::first(now) };
            return Verdict::Note;
        }
        self.fifths |= 1 << index;
        let due = WARNINGS.iter().filter(|after| index >= **after && self.fifths.count_ones() > **after).count();
        let due = u32::try_from(due).unwrap_or(0);
        if due > self.told {
            self.told = due;
            return Verdict::Warn;
        }
        Verdict::Note
    }
}

/// How often a destination that keeps failing is looked at.
#[must_use]
pub fn noted_every(failing_max: Duration) -> Duration {
    failing_max / (PARTS * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAYS_5: Duration = Duration::from_hours(5 * 24);

    /// What follows from failures so many hours after the first.
    fn verdicts(hours: &[u64]) -> Vec<Verdict> {
        let start = Timestamp::from_millis(1_000_000);
        let mut failing = Failing::first(start);
        hours.iter().map(|hours| failing.again(DAYS_5, start.plus(Duration::from_hours(*hours)))).collect()
    }

    #[test]
    fn it_is_warned_about_twice_and_then_disabled() {
        use Verdict::{Disable, Note, Warn};
        assert_eq!(
            verdicts(&[1, 23, 25, 30, 50, 73, 100, 119, 120]),
            [Note, Note, Warn, Note, Note, Warn, Note, Note, Disable]
        );
        // One delivery's whole schedule, and the next one two days later.
        assert_eq!(verdicts(&[2, 7, 17, 31, 51, 75, 123]), [Note, Note, Note, Warn, Note, Warn, Disable]);
    }

    #[test]
    fn failures_with_silence_between_them_do_not_disable() {
        use Verdict::{Note, Warn};
        assert_eq!(verdicts(&[120]), [Note]);
        assert_eq!(verdicts(&[120, 240, 360]), [Note, Note, Note]);
        assert_eq!(verdicts(&[100, 121]), [Warn, Note]);
    }

    #[test]
    fn a_clock_that_was_set_back_harms_nothing() {
        let start = Timestamp::from_millis(1_000_000);
        let mut failing = Failing::first(start);
        assert_eq!(failing.again(DAYS_5, start.minus(Duration::from_hours(1))), Verdict::Note);
        assert_eq!(failing, Failing::first(start));
        assert_eq!(failing.again(Duration::ZERO, start.plus(Duration::from_secs(1))), Verdict::Note);
    }
}
