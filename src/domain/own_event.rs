//! Events that bellboard makes itself: summaries of storms, and notices about destinations. Their types are in no matrix; each goes
//! to one destination.

use serde_json::{Value, json};

use crate::domain::catalogue::{EventType, Severity};
use crate::domain::payload::Payload;

/// What the names of these types begin with. No account can give its own type such a name.
pub const PREFIX: &str = "bellboard.";

/// One message for many that were not sent singly.
pub const SUMMARY: &str = "bellboard.summary";

/// A destination has only failed for a while.
pub const FAILING: &str = "bellboard.destination.failing";

/// A destination is not sent to any more, since it is no more or has only failed for too long.
pub const DISABLED: &str = "bellboard.destination.disabled";

/// A destination that was warned about takes messages again.
pub const RECOVERED: &str = "bellboard.destination.recovered";

/// Whether it is a notice about a destination.
#[must_use]
pub fn is_notice(name: &str) -> bool {
    [FAILING, DISABLED, RECOVERED].contains(&name)
}

/// Whether events of this type are made by bellboard.
#[must_use]
pub fn is_own(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The type of an event of bellboard's own: its title comes from what the event carries.
#[must_use]
pub fn event_type(name: &str, payload: &Payload) -> EventType {
    let text = |path: &str| payload.text(path).unwrap_or_default();
    let destination = || format!("{} {}", text("channel"), text("destination"));
    let (title, severity) = match name {
        SUMMARY => (format!("{} more: {}", text("count"), text("messages")), Severity::Info),
        FAILING => (format!("{} is failing", destination()), Severity::Failure),
        DISABLED => (format!("{} was disabled", destination()), Severity::Failure),
        RECOVERED => (format!("{} takes messages again", destination()), Severity::Recovery),
        _ => (name.to_owned(), Severity::Info),
    };
    EventType {
        name: name.to_owned(),
        short: name.trim_start_matches(PREFIX).to_owned(),
        title,
        group: "bellboard".to_owned(),
        severity,
        recovers: None,
        is_recovered: false,
        built_in: false,
    }
}

/// One kind of message in a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The type's title.
    pub title: String,
    /// How many.
    pub count: u64,
}

/// What a summary carries: how many, which, what they are about, and the last of them.
#[must_use]
pub fn summary(kinds: &[Folded], about: &[String], first: &str, last: &str, last_message: &str) -> Value {
    let count: u64 = kinds.iter().map(|kind| kind.count).sum();
    let messages: Vec<_> = kinds.iter().map(|kind| format!("{} {}", kind.count, kind.title)).collect();
    json!({
        "count": count,
        "messages": messages.join(", "),
        "about": about.join(", "),
        "first": first,
        "last": last,
        "last_message": last_message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_how_many_and_what() {
        let kinds = [("Server heartbeat stopped", 7), ("Server heartbeat restored", 6)]
            .map(|(title, count)| Folded { title: title.to_owned(), count });
        let about = ["web1".to_owned(), "web2".to_owned()];
        let value = summary(&kinds, &about, "2026-05-04", "2026-05-05", "Server heartbeat restored: web1");
        let payload = Payload::parse(&value.to_string()).unwrap_or(Payload::empty());
        let kind = event_type(SUMMARY, &payload);
        assert_eq!(kind.title, "13 more: 7 Server heartbeat stopped, 6 Server heartbeat restored");
        assert!(is_own(&kind.name) && !is_own("server.stopped"));
        let payload = Payload::parse(r##"{"channel":"Slack","destination":"#ops"}"##).unwrap_or(Payload::empty());
        assert_eq!(event_type(DISABLED, &payload).title, "Slack #ops was disabled");
        assert!(is_notice(DISABLED) && !is_notice(SUMMARY));
    }
}
