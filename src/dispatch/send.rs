//! One send: from a claim to what follows from its end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use crate::channels::{Senders, Settings};
use crate::dispatch::Options;
use crate::domain::delivery::{Exchange, Next, Reason, SendError, after_try};
use crate::domain::health::noted_every;
use crate::domain::id::DeliveryId;
use crate::domain::own_event;
use crate::domain::retry::Patience;
use crate::domain::time::{SharedClock, Timestamp};
use crate::store::failpoint;
use crate::store::queue::{Claimed, Finished, Health, Kept};

/// A send that has ended.
#[derive(Debug)]
pub struct Sent {
    /// What was claimed.
    pub claimed: Claimed,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What went over the wire.
    pub exchange: Exchange,
    /// The same as it is kept.
    pub kept: Kept,
}

/// Beyond a channel's own time limit; reached only when that has failed.
const GRACE: Duration = Duration::from_secs(5);

/// How long a send holds its claim: nothing that may still be under way is ever claimed again.
#[must_use]
pub fn lease(senders: &Senders, sends_before: u32) -> Duration {
    (senders.timeout() + GRACE) * (sends_before + 2)
}

/// Sends.
pub async fn send(
    senders: Arc<Senders>,
    settings: Result<Arc<Settings>, String>,
    clock: SharedClock,
    mut claimed: Claimed,
) -> Sent {
    let started_at = clock.now();
    claimed.message.sent_at = started_at;
    let began = Instant::now();
    failpoint::pass("send.before");
    let exchange = match settings {
        Ok(settings) => {
            let message = &claimed.message;
            let sending = async {
                failpoint::fail_at(&message.event_type.name);
                senders.send(&settings, message).await
            };
            let sending = AssertUnwindSafe(sending).catch_unwind();
            match tokio::time::timeout(senders.timeout() + GRACE, sending).await {
                Ok(Ok(exchange)) => exchange,
                Ok(Err(_)) => broken("bellboard failed at this message; see its log", Patience::Own),
                Err(_) => broken("the send did not end within its time limit", Patience::Full),
            }
        }
        Err(problem) => broken(&format!("the destination's settings cannot be used: {problem}"), Patience::Own),
    };
    failpoint::pass("send.after");
    let duration = began.elapsed();
    Sent { claimed, started_at, duration, kept: Kept::of(&exchange), exchange }
}

/// A claim given back: it was no try.
#[must_use]
pub fn release(claimed: &Claimed, now: Timestamp) -> Finished {
    Finished {
        delivery: claimed.message.delivery,
        attempt: claimed.message.attempt,
        destination: claimed.destination,
        started_at: now,
        duration: Duration::ZERO,
        exchange: Kept::of(&Exchange { request: None, answer: None, result: Ok(()) }),
        next: Next::Retry { at: now, counted: false },
        decided_at: now,
        health: None,
    }
}

/// An exchange that never was one.
#[must_use]
pub fn broken(text: &str, patience: Patience) -> Exchange {
    let error = SendError::Retry { reason: Reason::new(text), after: None, patience };
    Exchange { request: None, answer: None, result: Err(error) }
}

impl Sent {
    /// What is to be written, by the schedule in force and what is known of the destination's health.
    #[must_use]
    pub fn finish(self, options: &Options, failing: Failing, now: Timestamp) -> Finished {
        let message = &self.claimed.message;
        let chance = jitter(message.delivery, message.attempt);
        let tries = self.claimed.tries;
        let next = after_try(&options.retry, tries, self.claimed.due_since, now, &self.exchange.result, chance);
        // Nor does a notice about one destination say anything about another, or it would cause the next notice.
        let own_fault = matches!(self.exchange.result, Err(SendError::Retry { patience: Patience::Own, .. }));
        let says_nothing = message.test || own_fault || own_event::is_notice(&message.event_type.name);
        let health = if says_nothing { None } else { health(&self.exchange, &next, options, failing, now) };
        Finished {
            delivery: message.delivery,
            attempt: message.attempt,
            destination: self.claimed.destination,
            started_at: self.started_at,
            duration: self.duration,
            exchange: self.kept,
            next,
            decided_at: now,
            health,
        }
    }
}

/// What is known of a destination that fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failing {
    /// Since when; nothing while all is well.
    pub since: Option<Timestamp>,
    /// When that was last noted in the store by this process.
    pub noted_at: Option<Timestamp>,
}

/// What a result says about the destination. Waiting for a rate or a server says nothing; one that keeps failing is noted now and
/// then, and the store decides what follows from that.
fn health(exchange: &Exchange, next: &Next, options: &Options, failing: Failing, now: Timestamp) -> Option<Health> {
    let reason = match &exchange.result {
        Ok(()) => return failing.since.map(|_| Health::Recovered),
        Err(error) => error.reason().clone(),
    };
    let is_due = |at: Timestamp| now < at || now.since(at) >= noted_every(options.failing_max);
    match next {
        Next::Retry { counted: false, .. } => None,
        Next::Failed { gone: true, .. } => Some(Health::Disable { reason }),
        _ if failing.since.is_none() || failing.noted_at.is_none_or(is_due) => Some(Health::Failing { reason }),
        _ => None,
    }
}

/// A number from 0 to 1 that is another for each delivery and try, and the same whenever it is asked for (splitmix64's
/// finalizer), so that a herd spreads and a test can foretell.
fn jitter(delivery: DeliveryId, attempt: u32) -> f64 {
    let seed = u64::try_from(delivery.number()).unwrap_or(0).wrapping_mul(64).wrapping_add(u64::from(attempt));
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0);
    f64::from(top) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);

    fn failed() -> Exchange {
        broken("answered 500", Patience::Full)
    }

    fn gone() -> Exchange {
        let error = SendError::Gone { reason: Reason::new("answered 410") };
        Exchange { request: None, answer: None, result: Err(error) }
    }

    #[test]
    fn health_is_noted_when_it_changes_and_now_and_then() {
        let delivered = Exchange { request: None, answer: None, result: Ok(()) };
        let retry = Next::Retry { at: NOW, counted: true };
        let ago = |hours: u64| Some(NOW.minus(Duration::from_hours(hours)));
        let check = |exchange: &Exchange, next: &Next, since, noted_at, expected: &str| {
            let found = match health(exchange, next, &Options::default(), Failing { since, noted_at }, NOW) {
                None => "none",
                Some(Health::Recovered) => "recovered",
                Some(Health::Failing { .. }) => "failing",
                Some(Health::Disable { .. }) => "disable",
            };
            assert_eq!(found, expected, "{exchange:?} {since:?} {noted_at:?}");
        };
        check(&delivered, &Next::Delivered, None, None, "none");
        check(&delivered, &Next::Delivered, ago(200), ago(1), "recovered");
        check(&failed(), &retry, None, None, "failing");
        check(&failed(), &retry, ago(90), ago(5), "none");
        check(&failed(), &retry, ago(90), ago(6), "failing");
        check(&failed(), &retry, ago(90), None, "failing");
        check(&failed(), &Next::Retry { at: NOW, counted: false }, None, None, "none");
        check(&gone(), &Next::Failed { reason: Reason::new("x"), gone: true }, None, None, "disable");
    }

    #[test]
    fn jitter_spreads_between_nothing_and_all() {
        let all: Vec<f64> = (1..1000).map(|id| jitter(DeliveryId::new(id), 1)).collect();
        assert!(all.iter().all(|chance| (0.0..=1.0).contains(chance)));
        let low = all.iter().filter(|chance| **chance < 0.5).count();
        assert!((400..600).contains(&low), "{low} of 999 in the lower half");
    }
}
