//! Mutes: a cell, a row, a column or a whole account gets nothing until a time, and then again by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::Catalogue;
use crate::domain::channel::Channel;
use crate::domain::text;
use crate::domain::time::Timestamp;

/// Longest mute; what is to stay off longer is turned off.
pub const MUTE_MAX: Duration = Duration::from_hours(24 * 366);

/// Longest reason, in characters.
pub const REASON_CHARACTERS_MAX: usize = 120;

/// What is muted: all of an account where neither narrows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// Only events of this type.
    pub event_type: Option<String>,
    /// Only this channel.
    pub channel: Option<Channel>,
}

impl Scope {
    /// Whether it holds a cell.
    #[must_use]
    pub fn covers(&self, event_type: &str, channel: Channel) -> bool {
        self.event_type.as_deref().is_none_or(|only| only == event_type)
            && self.channel.is_none_or(|only| only == channel)
    }

    /// For scripts and records, as `Slack for job.fail`.
    #[must_use]
    pub fn words(&self) -> String {
        in_words(self.event_type.as_deref(), self.channel)
    }

    /// For people, as `Slack for job failed`.
    #[must_use]
    pub fn titled(&self, catalogue: &Catalogue) -> String {
        let short = |name| catalogue.get(name).map_or(name, |kind| &kind.short);
        in_words(self.event_type.as_deref().map(short), self.channel)
    }
}

fn in_words(event_type: Option<&str>, channel: Option<Channel>) -> String {
    match (event_type, channel) {
        (Some(event_type), Some(channel)) => format!("{} for {event_type}", channel.title()),
        (Some(event_type), None) => format!("every channel for {event_type}"),
        (None, Some(channel)) => format!("{} for every event type", channel.title()),
        (None, None) => "the whole account".to_owned(),
    }
}

/// A mute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// What gets nothing.
    #[serde(flatten)]
    pub scope: Scope,
    /// Until when.
    pub until: Timestamp,
    /// Who said so.
    pub by: String,
    /// What for; may be empty.
    pub reason: String,
}

impl Mute {
    /// Whether it is in force.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// A reason as it is kept: one line, safe and short.
#[must_use]
pub fn reason(text: &str) -> String {
    text::shorten(text::safe_line(text).trim(), REASON_CHARACTERS_MAX).into_owned()
}

/// Checks the end of a mute that begins now.
///
/// # Errors
/// When it is not in the future, or too far away.
pub fn check_end(until: Timestamp, now: Timestamp) -> Result<(), String> {
    if until <= now {
        return Err(format!("{until} has passed already; name a time that is still to come"));
    }
    if until.since(now) > MUTE_MAX {
        return Err("a mute lasts a year at most; turn off what is to stay off".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_the_screen_calls_an_event_type() {
        let scope = Scope { event_type: Some("job.fail".to_owned()), channel: Some(Channel::Slack) };
        assert_eq!(scope.titled(&Catalogue::new(Vec::new())), "Slack for job failed");
        assert_eq!(scope.words(), "Slack for job.fail");
    }

    #[test]
    fn a_scope_covers_its_cells() {
        let check = |event_type: Option<&str>, channel: Option<Channel>, expected: [bool; 3], words: &str| {
            let scope = Scope { event_type: event_type.map(str::to_owned), channel };
            let cells =
                [("job.fail", Channel::Slack), ("job.fail", Channel::Email), ("server.stopped", Channel::Slack)];
            assert_eq!(cells.map(|(event_type, channel)| scope.covers(event_type, channel)), expected, "{scope:?}");
            assert_eq!(scope.words(), words);
        };
        check(Some("job.fail"), Some(Channel::Slack), [true, false, false], "Slack for job.fail");
        check(Some("job.fail"), None, [true, true, false], "every channel for job.fail");
        check(None, Some(Channel::Slack), [true, false, true], "Slack for every event type");
        check(None, None, [true, true, true], "the whole account");
    }

    #[test]
    fn it_ends_by_itself_at_a_sensible_time() {
        let now = Timestamp::from_millis(1_000_000);
        let later = |seconds| now.plus(Duration::from_secs(seconds));
        assert!(check_end(now, now).is_err());
        assert!(check_end(later(1), now).is_ok());
        assert!(check_end(later(400 * 86_400), now).is_err());
        let mute = Mute { scope: Scope::default(), until: later(60), by: "jane".to_owned(), reason: String::new() };
        assert!(mute.holds(now) && mute.holds(later(59)) && !mute.holds(later(60)));
    }
}
