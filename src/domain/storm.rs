//! Storms: when one destination of a person would get many messages of one type within a while, the rest are folded into one.
//!
//! Counted are the messages of a *family*: a type together with the one that recovers from it, so that a pair that flaps folds
//! too. The window begins with its first message; what is beyond the limit goes into a summary that is due at the window's end.

use std::time::Duration;

use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::domain::time::Timestamp;

/// How many messages make a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormPolicy {
    /// Messages of a family in one window that are sent as they are; nothing is folded when it is 0.
    pub messages: u32,
    /// How long a window is.
    pub window: Duration,
}

impl Default for StormPolicy {
    fn default() -> Self {
        Self { messages: 5, window: Duration::from_mins(10) }
    }
}

impl StormPolicy {
    /// Whether what goes over a channel is ever folded: what people read is, what programs read never.
    #[must_use]
    pub fn folds(&self, channel: Channel) -> bool {
        self.messages > 0 && channel != Channel::Webhook
    }
}

/// The family of an event type.
#[must_use]
pub fn family(event_type: &EventType) -> &str {
    event_type.recovers.as_deref().unwrap_or(&event_type.name)
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent as it is.
    Send,
    /// It goes into the summary that is due then.
    Fold(Timestamp),
}

/// The messages of one family to one destination within one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When the first of them was sent.
    pub began_at: Timestamp,
    /// How many were sent.
    pub sent: u32,
}

impl Window {
    /// Without a message so far.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { began_at: now, sent: 0 }
    }

    /// Whether it is over; also when the clock was set back to before its beginning.
    #[must_use]
    pub fn is_over(&self, policy: StormPolicy, now: Timestamp) -> bool {
        now < self.began_at || now.since(self.began_at) >= policy.window
    }

    /// Decides about one more message.
    pub fn take(&mut self, policy: StormPolicy, now: Timestamp) -> Verdict {
        if self.is_over(policy, now) {
            *self = Self::new(now);
        }
        if self.sent < policy.messages {
            self.sent += 1;
            Verdict::Send
        } else {
            Verdict::Fold(self.began_at.plus(policy.window))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_so_many_and_folds_the_rest() {
        let policy = StormPolicy { messages: 2, window: Duration::from_mins(10) };
        let start = Timestamp::from_millis(1_000_000);
        let at = |minutes| start.plus(Duration::from_mins(minutes));
        let mut window = Window::new(start);
        let verdicts: Vec<_> = [0, 1, 2, 9, 10, 11, 12].map(|minute| window.take(policy, at(minute))).into();
        let fold = |minutes| Verdict::Fold(at(minutes));
        assert_eq!(
            verdicts,
            [Verdict::Send, Verdict::Send, fold(10), fold(10), Verdict::Send, Verdict::Send, fold(20)]
        );
        assert_eq!(window.take(policy, start), Verdict::Send, "a clock that was set back begins a new window");
    }

    #[test]
    fn a_type_and_its_recovery_are_one_family_and_webhooks_never_fold() {
        let catalogue = crate::domain::catalogue::Catalogue::new(Vec::new());
        let of = |name: &str| catalogue.get(name).map(|event_type| family(event_type).to_owned());
        assert_eq!(of("server.stopped").as_deref(), Some("server.stopped"));
        assert_eq!(of("server.backon").as_deref(), Some("server.stopped"));
        assert_eq!(of("job.fail").as_deref(), Some("job.fail"));
        let policy = StormPolicy::default();
        assert!(policy.folds(Channel::Email) && policy.folds(Channel::Slack) && !policy.folds(Channel::Webhook));
        assert!(!StormPolicy { messages: 0, ..policy }.folds(Channel::Email));
    }
}
