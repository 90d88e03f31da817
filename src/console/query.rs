//! What a person types to find something: words whose letters are looked for in order, and `field:value`.
//!
//! `slack since:2h oom` finds what has the letters of "slack" and "oom" and is not older than two hours. The fields are
//! `account`, `channel`, `type`, `state` and `since`; any other word with a colon is a word.

use jiff::tz::TimeZone;

use crate::domain::channel::Channel;
use crate::domain::time::{Timestamp, parse_duration};

/// The fields, as hints write them.
pub const FIELDS: &str = "account: channel: type: state: since:";

/// A query as it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Words without a field.
    pub words: Vec<String>,
    /// Letters of an account's key or name.
    pub account: Option<String>,
    /// A channel.
    pub channel: Option<Channel>,
    /// Letters of an event type's name.
    pub event_type: Option<String>,
    /// A state, as the screen names it.
    pub state: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// What was not understood.
    pub problem: Option<String>,
}

impl Query {
    /// Reads it; a value that is still being typed narrows nothing yet.
    #[must_use]
    pub fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Self {
        let mut query = Self::default();
        for word in text.split_whitespace() {
            match word.split_once(':') {
                Some(("account", value)) => query.account = not_empty(value),
                Some(("type", value)) => query.event_type = not_empty(value),
                Some(("state", value)) => query.state = not_empty(value).map(|value| value.to_lowercase()),
                Some(("channel" | "since", "")) => {}
                Some(("channel", value)) => match channel(value) {
                    Some(channel) => query.channel = Some(channel),
                    None => query.problem = Some(format!("`{value}` is no channel")),
                },
                Some(("since", value)) => match since(value, now, zone) {
                    Some(at) => query.since = Some(at),
                    None => query.problem = Some(format!("`{value}` is no time; write 2h, 09:30, today or 2026-05-04")),
                },
                _ => query.words.push(word.to_owned()),
            }
        }
        query
    }

    /// Whether it narrows nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every word's letters stand in the text in their order.
    #[must_use]
    pub fn words_in(&self, text: &str) -> bool {
        self.words.iter().all(|word| score(word, text).is_some())
    }

    /// Whether a state that a screen names this way is meant.
    #[must_use]
    pub fn is_state(&self, name: &str) -> bool {
        self.state.as_ref().is_none_or(|state| name.starts_with(state.as_str()))
    }
}

/// How well letters fit a text, the less the better: 0 at its beginning, 1 at a word's, 2 inside of one, 3 with gaps; nothing
/// when they do not stand there in this order. Capitals do not matter.
#[must_use]
pub fn score(letters: &str, text: &str) -> Option<u8> {
    let (letters, text) = (letters.to_lowercase(), text.to_lowercase());
    match text.find(&letters) {
        Some(0) => return Some(0),
        Some(at) => {
            let is_start = text[..at].chars().next_back().is_some_and(|before| !before.is_alphanumeric());
            return Some(if is_start { 1 } else { 2 });
        }
        None => {}
    }
    let mut rest = text.chars();
    letters.chars().all(|letter| rest.any(|other| other == letter)).then_some(3)
}

/// The channel whose name begins with these letters.
#[must_use]
pub fn channel(letters: &str) -> Option<Channel> {
    let letters = letters.to_lowercase();
    Channel::ALL.into_iter().find(|channel| !letters.is_empty() && channel.name().starts_with(&letters))
}

/// A point in time as people say it: `2h` ago, `09:30` today (or yesterday, when that is still to come), `today`,
/// `yesterday`, a date, or RFC 3339. Times of a day and days are those of the zone.
#[must_use]
pub fn since(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(ago) = parse_duration(text) {
        return Some(now.minus(ago));
    }
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let today = now.in_zone(zone).date();
    let at = |date: jiff::civil::Date, time: jiff::civil::Time| {
        let at = zone.to_timestamp(date.to_datetime(time)).ok()?;
        Some(Timestamp::from_millis(at.as_millisecond()))
    };
    let midnight = jiff::civil::Time::midnight();
    match text {
        "today" => return at(today, midnight),
        "yesterday" => return at(today.yesterday().ok()?, midnight),
        _ => {}
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        return at(date, midnight);
    }
    let (hour, minute) = text.split_once(':')?;
    let time = jiff::civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
    at(today, time).filter(|at| *at <= now).or_else(|| at(today.yesterday().ok()?, time))
}

fn not_empty(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 14 November 2023, 22:13:20 UTC.
    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn fields_and_words_are_told_apart() {
        let query = Query::parse("oom channel:sl type:job account:acme state:Fail since:2h 10:x", NOW, &TimeZone::UTC);
        assert_eq!(query.words, ["oom", "10:x"]);
        assert_eq!((query.channel, query.event_type.as_deref()), (Some(Channel::Slack), Some("job")));
        assert_eq!((query.account.as_deref(), query.state.as_deref()), (Some("acme"), Some("fail")));
        assert_eq!(query.since, Some(NOW.minus(std::time::Duration::from_hours(2))));
        assert_eq!(query.problem, None);
        assert!(Query::parse("channel: since:", NOW, &TimeZone::UTC).is_empty(), "still being typed");
        assert!(Query::parse("channel:fax", NOW, &TimeZone::UTC).problem.is_some());
    }

    #[test]
    fn a_better_fit_has_a_lower_score() {
        let check = |letters: &str, text: &str, expected| assert_eq!(score(letters, text), expected, "{letters}");
        check("heart", "Heartbeat stopped", Some(0));
        check("stop", "heartbeat stopped", Some(1));
        check("beat", "heartbeat stopped", Some(2));
        check("hbst", "heartbeat stopped", Some(3));
        check("zz", "heartbeat stopped", None);
        check("", "x", Some(0));
    }

    #[test]
    fn times_are_read_as_people_say_them() {
        let check = |text: &str, expected: Option<&str>| {
            let found = since(text, NOW, &TimeZone::UTC).map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("09:30", Some("2023-11-14T09:30:00.000Z"));
        check("23:00", Some("2023-11-13T23:00:00.000Z"));
        check("today", Some("2023-11-14T00:00:00.000Z"));
        check("yesterday", Some("2023-11-13T00:00:00.000Z"));
        check("2023-11-01", Some("2023-11-01T00:00:00.000Z"));
        check("2023-11-01T10:20:30.123Z", Some("2023-11-01T10:20:30.123Z"));
        check("30m", Some("2023-11-14T21:43:20.000Z"));
        check("soon", None);
        check("99:99", None);
    }
}
