//! When a delivery that did not get through is tried again.

use std::time::Duration;

use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;

/// Standard Webhooks' schedule: how long after each failed try the next one is made (standardwebhooks.com, "Deliverability
/// and reliability"). The first try is at once.
pub const STANDARD_SCHEDULE: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// How many retries a receiver gets whose answer will hardly change by waiting.
pub const SHORT_RETRIES: usize = 3;

/// Longest that a receiver's `Retry-After` is heeded.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// Longest that anybody is left alone for it: with jitter.
pub const WAIT_MAX: Duration = RETRY_AFTER_MAX.saturating_add(Duration::from_mins(24 * 6));

/// Shortest wait for a rate or a server. One that asks for no wait at all, or for one until a time that has passed, would otherwise be
/// knocked at as fast as it answers.
pub const WAIT_MIN: Duration = Duration::from_secs(1);

/// The most that jitter adds, as a part of the delay.
pub const JITTER_PART_MAX: f64 = 0.1;

/// How far a failed delivery's schedule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The whole schedule: the trouble is likely to pass.
    Full,
    /// The first [`SHORT_RETRIES`]: the receiver is probably misconfigured, or being redeployed.
    Short,
    /// The same few: bellboard itself cannot send it as it is (settings that cannot be read, a fault of its own). Then it is parked.
    Own,
    /// It was no try at all (a rate limit, no server configured yet), so it does not count.
    NotCounted,
}

/// The schedule in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How long after each failed try the next one is made.
    pub schedule: Vec<Duration>,
    /// Age of a delivery from which it is not tried again.
    pub age_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { schedule: STANDARD_SCHEDULE.to_vec(), age_max: Duration::from_hours(96) }
    }
}

impl RetryPolicy {
    /// When try number `attempts + 1` is due, after `attempts` tries of which the last just failed; nothing when there is
    /// none. `retry_after` is the receiver's wish and a floor; `jitter` is 0.0 to 1.0 and only ever adds.
    #[must_use]
    pub fn next_try(
        &self,
        attempts: u32,
        patience: Patience,
        now: Timestamp,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Timestamp> {
        let retries = match patience {
            Patience::Full => self.schedule.len(),
            Patience::Short | Patience::Own => SHORT_RETRIES.min(self.schedule.len()),
            Patience::NotCounted => return Some(now.plus(wait(retry_after, jitter))),
        };
        let index = usize::try_from(attempts).ok()?.checked_sub(1)?;
        let delay = self.schedule.get(..retries)?.get(index)?;
        Some(now.plus(with_jitter(floor(*delay, retry_after), jitter)))
    }
}

/// How long a service is left alone that asks for it.
#[must_use]
pub fn wait(retry_after: Option<Duration>, jitter: f64) -> Duration {
    with_jitter(floor(WAIT_MIN, retry_after), jitter)
}

fn floor(delay: Duration, retry_after: Option<Duration>) -> Duration {
    delay.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

fn with_jitter(delay: Duration, jitter: f64) -> Duration {
    delay + delay.mul_f64(JITTER_PART_MAX * jitter.clamp(0.0, 1.0))
}

/// A number from 0 to 1 that is another for each delivery and try, and the same whenever it is asked for (splitmix64's
/// finalizer), so that a herd spreads and a test can foretell.
#[must_use]
pub fn jitter(delivery: DeliveryId, attempt: u32) -> f64 {
    let seed = u64::try_from(delivery.number()).unwrap_or(0).wrapping_mul(64).wrapping_add(u64::from(attempt));
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0);
    f64::from(top) / f64::from(u32::MAX)
}

/// Reads a `Retry-After` header: seconds or an HTTP date (RFC 9110 section 10.2.3). A date in the past is no wait at all;
/// what is neither is ignored.
#[must_use]
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX));
    }
    // "Never", as some write it; just beyond the last day that is a date here.
    if value.ends_with("31 Dec 9999 23:59:59 GMT") {
        return Some(RETRY_AFTER_MAX);
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    Some(Timestamp::from_millis(date.timestamp().as_millisecond()).since(now).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(784_111_777_000);

    #[test]
    fn the_schedule_is_standard_webhooks() {
        let policy = RetryPolicy::default();
        let after = |attempts, patience, retry_after: Option<u64>, jitter| {
            policy
                .next_try(attempts, patience, NOW, retry_after.map(Duration::from_secs), jitter)
                .map(|at| at.since(NOW).as_secs())
        };
        assert_eq!(after(1, Patience::Full, None, 0.0), Some(5));
        assert_eq!(after(2, Patience::Full, None, 0.0), Some(300));
        assert_eq!(after(9, Patience::Full, None, 0.0), Some(86_400));
        assert_eq!(after(10, Patience::Full, None, 0.0), None);
        assert_eq!(after(3, Patience::Short, None, 0.0), Some(1800));
        assert_eq!(after(4, Patience::Short, None, 0.0), None);
        assert_eq!(after(1, Patience::Full, Some(7), 0.0), Some(7));
        assert_eq!(after(1, Patience::Full, Some(2), 0.0), Some(5));
        assert_eq!(after(1, Patience::Full, Some(1 << 40), 0.0), Some(86_400));
        assert_eq!(after(1, Patience::Full, Some(100), 1.0), Some(110));
        assert_eq!(after(99, Patience::NotCounted, Some(60), 0.0), Some(60));
    }

    proptest::proptest! {
        #[test]
        fn no_try_comes_before_its_time_or_much_after_it(
            attempts in 1..20_u32, short: bool, asked in proptest::option::of(0..u64::MAX), jitter in -1.0..2.0_f64,
        ) {
            let policy = RetryPolicy::default();
            let patience = if short { Patience::Short } else { Patience::Full };
            let retries = if short { SHORT_RETRIES } else { policy.schedule.len() };
            let at = policy.next_try(attempts, patience, NOW, asked.map(Duration::from_secs), jitter);
            let delay = policy.schedule.get(attempts as usize - 1).filter(|_| attempts as usize <= retries);
            proptest::prop_assert_eq!(at.is_some(), delay.is_some());
            if let (Some(at), Some(delay)) = (at, delay) {
                let least = (*delay).max(Duration::from_secs(asked.unwrap_or(0)).min(RETRY_AFTER_MAX));
                let waits = at.since(NOW);
                proptest::prop_assert!(least <= waits && waits <= least.mul_f64(1.1), "{waits:?}, at least {least:?}");
            }
        }

        #[test]
        fn any_retry_after_is_read_or_ignored(value: String) {
            if let Some(wait) = parse_retry_after(&value, NOW) {
                proptest::prop_assert!(wait <= RETRY_AFTER_MAX);
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |value: &str, seconds: Option<u64>| {
            assert_eq!(parse_retry_after(value, NOW), seconds.map(Duration::from_secs), "`{value}`");
        };
        check("7", Some(7));
        check(" 120 ", Some(120));
        check("99999999999999999999999", Some(86_400));
        check("Sun, 06 Nov 1994 08:49:47 GMT", Some(10));
        check("Sun, 06 Nov 1994 08:49:07 GMT", Some(0));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400));
        check("", None);
        check("-5", None);
        check("soon", None);
    }

    #[test]
    fn jitter_spreads_between_nothing_and_all() {
        let all: Vec<f64> = (1..1000).map(|id| jitter(DeliveryId::new(id), 1)).collect();
        assert!(all.iter().all(|chance| (0.0..=1.0).contains(chance)));
        let low = all.iter().filter(|chance| **chance < 0.5).count();
        assert!((400..600).contains(&low), "{low} of 999 in the lower half");
    }
}
