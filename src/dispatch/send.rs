//! One send: from a claim to what follows from its end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use crate::channels::{Senders, Settings};
use crate::dispatch::Options;
use crate::dispatch::holds::Whom;
use crate::domain::delivery::{Exchange, Next, Reason, SendError, after_try};
use crate::domain::health::noted_every;
use crate::domain::own_event;
use crate::domain::retry::{Patience, jitter};
use crate::domain::time::{SharedClock, Timestamp};
use crate::store::failpoint;
use crate::store::queue::{Claimed, Finished, Health, Kept};

/// A send that has ended.
#[derive(Debug)]
pub struct Sent {
    /// What was claimed.
    pub claimed: Claimed,
    /// For whom an answer speaks.
    pub whom: Whom,
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
    whom: Whom,
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
    Sent { claimed, whom, started_at, duration, kept: Kept::of(&exchange), exchange }
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
        word: None,
    }
}

/// An exchange that never was one.
#[must_use]
pub fn broken(text: &str, patience: Patience) -> Exchange {
    let error = SendError::Retry { reason: Reason::new(text), after: None, patience };
    Exchange { request: None, answer: None, result: Err(error) }
}

impl Sent {
    /// How far into its jitter what follows comes.
    #[must_use]
    pub fn chance(&self) -> f64 {
        jitter(self.claimed.message.delivery, self.claimed.message.attempt)
    }

    /// What is to be written, by the schedule in force and what is known of the destination's health.
    #[must_use]
    pub fn finish(self, options: &Options, failing: Failing, now: Timestamp) -> Finished {
        let message = &self.claimed.message;
        let chance = self.chance();
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
            word: None,
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
    /// Since when it has answered nothing but that it be left alone.
    pub held_since: Option<Timestamp>,
}

/// For how long a receiver may answer nothing but that it be left alone before that counts as failing: longer than limits are counted
/// by, and than a backlog takes to be let through again.
const HELD_MAX: Duration = Duration::from_hours(1);

/// What a result says about the destination. Waiting for a rate or a server says nothing, unless it is a receiver that has answered 429 to
/// all for more than an hour: it would be so for ever, and nobody would hear of it. One that keeps failing is noted now and
/// then, and the store decides what follows from that.
fn health(exchange: &Exchange, next: &Next, options: &Options, failing: Failing, now: Timestamp) -> Option<Health> {
    let reason = match &exchange.result {
        Ok(()) => return failing.since.map(|_| Health::Recovered),
        Err(error) => error.reason().clone(),
    };
    let is_due = |at: Timestamp| now < at || now.since(at) >= noted_every(options.failing_max);
    let is_held_long =
        exchange.status() == Some(429) && failing.held_since.is_some_and(|since| now.since(since) >= HELD_MAX);
    match next {
        Next::Retry { counted: false, .. } if !is_held_long => None,
        Next::Failed { gone: true, .. } => Some(Health::Disable { reason }),
        _ if failing.since.is_none() || failing.noted_at.is_none_or(is_due) => Some(Health::Failing { reason }),
        _ => None,
    }
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
            let found =
                match health(exchange, next, &Options::default(), Failing { since, noted_at, held_since: None }, NOW) {
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
}
