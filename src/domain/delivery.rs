//! One event to one destination: its states, what a try ends in, and what follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::retry::{Patience, RetryPolicy, wait};
use crate::domain::text;
use crate::domain::time::Timestamp;

/// Where a delivery stands.
///
/// `pending` → (claim) → `sending` → (result) → `delivered`, `failed`, or `pending` again. `pending` → (cancel) →
/// `cancelled`, or (claim, in a storm) → `folded`, or (claim, when it cannot be sent as it is) → `parked`. From an end, only a replay leads back to `pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits for its due time, its lane or its server.
    Pending,
    /// Is being sent.
    Sending,
    /// The other end took it.
    Delivered,
    /// Will not be tried again.
    Failed,
    /// Will not be tried, because a person or a removed destination said so.
    Cancelled,
    /// Will not be sent singly: a summary tells of it.
    Folded,
    /// Cannot be sent as it is, and would only stand in the way of others.
    Parked,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Sending, Self::Delivered, Self::Failed, Self::Cancelled, Self::Folded, Self::Parked];

    /// The name in the store and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Folded => "folded",
            Self::Parked => "parked",
        }
    }

    /// Reads [`DeliveryState::name`] back.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is no state of a delivery; write one of {names}")
        })
    }

    /// Whether nothing more will happen to it by itself.
    #[must_use]
    pub const fn is_end(self) -> bool {
        !matches!(self, Self::Pending | Self::Sending)
    }
}

/// Why something is as it is: one line for people, made safe and short, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(String);

impl Reason {
    /// Longest reason, in characters.
    pub const CHARACTERS_MAX: usize = 240;

    /// Makes the text safe and short.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text::shorten(text::safe_line(text.as_ref()).trim(), Self::CHARACTERS_MAX).into_owned())
    }

    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Why a send did not get through. The decision travels with the error: no caller looks at a status code again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Try again later.
    Retry {
        /// What went wrong.
        reason: Reason,
        /// The other end's wish: not before this long. It is about all that is sent there, not about this message.
        after: Option<Duration>,
        /// How far the schedule goes.
        patience: Patience,
    },
    /// The other end will never take this message; others may go through.
    Reject {
        /// What it said.
        reason: Reason,
    },
    /// The address itself is no more: end the delivery and disable the destination.
    Gone {
        /// What it said.
        reason: Reason,
    },
}

impl SendError {
    /// What went wrong.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        match self {
            Self::Retry { reason, .. } | Self::Reject { reason } | Self::Gone { reason } => reason,
        }
    }

    /// The outcome's name in the store and in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "failed",
            Self::Reject { .. } => "rejected",
            Self::Gone { .. } => "gone",
        }
    }
}

/// What was sent, as it left, secrets masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRequest {
    /// The HTTP method, or `SMTP`.
    pub method: String,
    /// Where to, secrets masked.
    pub url: String,
    /// Header lines in order, secrets masked.
    pub headers: Vec<(String, String)>,
    /// What it carried.
    pub body: SentBody,
}

/// A body as it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SentBody {
    /// The event's own payload as `Payload::body` writes it with this `timestamp` (Unix seconds). Not kept twice.
    Payload(i64),
    /// Anything else.
    Text(String),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP or SMTP status.
    pub status: u16,
    /// Header lines in order.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body.
    pub body: String,
}

/// One try as it went over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What was sent; nothing when the try ended before a request could be made.
    pub request: Option<SentRequest>,
    /// What came back, when something did.
    pub answer: Option<Answer>,
    /// How it ended.
    pub result: Result<(), SendError>,
}

impl Exchange {
    /// The status that came back.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }
}

/// What follows a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is delivered.
    Delivered,
    /// It is tried again then.
    Retry {
        /// When.
        at: Timestamp,
        /// Whether the try just made counts as one.
        counted: bool,
    },
    /// It has failed for good.
    Failed {
        /// Why it is not tried again.
        reason: Reason,
        /// Whether the destination is at an end too.
        gone: bool,
    },
    /// It cannot be sent as it is, through no fault of the receiver's.
    Parked {
        /// Why.
        reason: Reason,
    },
}

/// Decides what follows try number `attempt` of a delivery that was first due at `first_due`, by the schedule in force.
#[must_use]
pub fn after_try(
    policy: &RetryPolicy,
    attempt: u32,
    first_due: Timestamp,
    now: Timestamp,
    result: &Result<(), SendError>,
    jitter: f64,
) -> Next {
    match result {
        Ok(()) => Next::Delivered,
        Err(SendError::Reject { reason }) => Next::Failed { reason: reason.clone(), gone: false },
        Err(SendError::Gone { reason }) => Next::Failed { reason: reason.clone(), gone: true },
        Err(SendError::Retry { reason, after, patience }) => {
            let counted = *patience != Patience::NotCounted;
            match policy.next_try(attempt, *patience, now, *after, jitter) {
                Some(at) if at.since(first_due) <= policy.age_max => Next::Retry { at, counted },
                Some(_) => {
                    Next::Failed { reason: Reason::new(format!("{reason}; too old to be tried again")), gone: false }
                }
                None => {
                    let tries = if attempt == 1 { "try" } else { "tries" };
                    let reason = Reason::new(format!("{reason}; given up after {attempt} {tries}"));
                    if *patience == Patience::Own {
                        Next::Parked { reason }
                    } else {
                        Next::Failed { reason, gone: false }
                    }
                }
            }
        }
    }
}

/// Until when a destination is left alone after such a result: `Retry-After` and its like speak of the service and not of one message, so
/// whatever else waits for it waits too.
#[must_use]
pub fn hold_after(now: Timestamp, result: &Result<(), SendError>, jitter: f64) -> Option<Timestamp> {
    match result {
        Err(SendError::Retry { after, patience, .. }) if after.is_some() || *patience == Patience::NotCounted => {
            Some(now.plus(wait(*after, jitter)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn retry(patience: Patience) -> Result<(), SendError> {
        Err(SendError::Retry { reason: Reason::new("answered 500"), after: None, patience })
    }

    #[test]
    fn each_result_leads_to_its_state() {
        let policy = RetryPolicy::default();
        let next = |attempt, result: &Result<(), SendError>| after_try(&policy, attempt, NOW, NOW, result, 0.0);
        assert_eq!(next(1, &Ok(())), Next::Delivered);
        let at = NOW.plus(Duration::from_secs(5));
        assert_eq!(next(1, &retry(Patience::Full)), Next::Retry { at, counted: true });
        let a_second = NOW.plus(Duration::from_secs(1));
        assert_eq!(
            next(1, &retry(Patience::NotCounted)),
            Next::Retry { at: a_second, counted: false },
            "never at once"
        );
        let failed = |text: &str, gone| Next::Failed { reason: Reason::new(text), gone };
        assert_eq!(next(10, &retry(Patience::Full)), failed("answered 500; given up after 10 tries", false));
        assert!(matches!(next(3, &retry(Patience::Own)), Next::Retry { counted: true, .. }));
        let reason = Reason::new("answered 500; given up after 4 tries");
        assert_eq!(next(4, &retry(Patience::Own)), Next::Parked { reason });
        assert_eq!(next(4, &retry(Patience::Short)), failed("answered 500; given up after 4 tries", false));
        assert_eq!(next(1, &Err(SendError::Reject { reason: Reason::new("no") })), failed("no", false));
        assert_eq!(next(1, &Err(SendError::Gone { reason: Reason::new("left") })), failed("left", true));
    }

    #[test]
    fn what_asks_for_a_rest_gets_one_as_a_whole() {
        let check = |after: Option<u64>, patience, expected: Option<u64>| {
            let result =
                Err(SendError::Retry { reason: Reason::new("x"), after: after.map(Duration::from_secs), patience });
            let found = hold_after(NOW, &result, 0.0).map(|until| until.since(NOW).as_secs());
            assert_eq!(found, expected, "{after:?} {patience:?}");
        };
        check(Some(600), Patience::NotCounted, Some(600));
        check(Some(600), Patience::Full, Some(600));
        check(Some(9_999_999_999), Patience::Full, Some(86_400));
        check(Some(0), Patience::NotCounted, Some(1));
        check(Some(0), Patience::Short, Some(1));
        check(None, Patience::NotCounted, Some(1));
        check(None, Patience::Full, None);
        assert_eq!(hold_after(NOW, &Ok(()), 0.0), None);
        assert_eq!(hold_after(NOW, &Err(SendError::Gone { reason: Reason::new("x") }), 0.0), None);
    }

    #[test]
    fn an_old_delivery_is_not_tried_again() {
        let policy = RetryPolicy { age_max: Duration::from_mins(1), ..RetryPolicy::default() };
        let late = NOW.plus(Duration::from_secs(58));
        let next = after_try(&policy, 1, NOW, late, &retry(Patience::Full), 0.0);
        assert!(matches!(next, Next::Failed { gone: false, .. }), "{next:?}");
    }

    #[test]
    fn a_reason_is_one_safe_line() {
        assert_eq!(Reason::new(" a\nb\x1b[2J ").as_str(), "a b·[2J");
        assert_eq!(Reason::new("x".repeat(500)).as_str().chars().count(), Reason::CHARACTERS_MAX);
    }
}
