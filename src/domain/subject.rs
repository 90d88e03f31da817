//! What an event is about: the name that people know it by, and the mark by which a recovery finds its failure.
//!
//! Payloads are carried and not understood, so both are the first of some well-known members that is there.

use crate::domain::catalogue::EventType;
use crate::domain::payload::Payload;
use crate::domain::text::{safe_line, shorten};

/// Members that name what an event is about, the best for people first.
const NAMES: [&str; 9] =
    ["name", "server.name", "process_name", "account_name", "app.name", "app", "fqdn", "server", "uid"];

/// Members that tell one thing from another, whatever it is called; the surest first.
const MARKS: [&str; 10] =
    ["uid", "id", "name", "process_name", "server.uid", "server", "server.name", "app", "fqdn", "account_name"];

/// The same for the heartbeat of a server: its `uid` may be the heartbeat's own.
const SERVER_MARKS: [&str; 5] = ["server.uid", "server", "uid", "server.name", "name"];

/// The type whose marks begin with the server's.
const SERVER_STOPPED: &str = "server.stopped";

/// Longest name and mark, in characters.
const CHARACTERS_MAX: usize = 200;

/// The name for people, as one safe line; nothing when the payload has none.
#[must_use]
pub fn name(payload: &Payload) -> Option<String> {
    let found = payload.first_text(&NAMES).filter(|text| !text.trim().is_empty())?;
    Some(shorten(safe_line(&found).trim(), CHARACTERS_MAX).into_owned())
}

/// The failure that an event tells of, or tells the end of: the failure's type, and the mark of what has failed. The same for
/// both. Nothing for an event of another kind, and for one whose payload marks nothing: two of those may be about two things.
#[must_use]
pub fn failure<'a>(event_type: &'a EventType, payload: &Payload) -> Option<(&'a str, String)> {
    let of = match &event_type.recovers {
        Some(recovered) => recovered,
        None if event_type.is_recovered => &event_type.name,
        None => return None,
    };
    let marks: &[&str] = if of == SERVER_STOPPED { &SERVER_MARKS } else { &MARKS };
    let mark = payload.first_text(marks)?;
    let fits = !mark.is_empty() && mark.chars().count() <= CHARACTERS_MAX;
    fits.then_some((of, mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::Catalogue;

    #[test]
    fn people_know_it_by_the_best_name() {
        let check = |json: &str, expected: Option<&str>| {
            let payload = Payload::parse(json).unwrap_or(Payload::empty());
            assert_eq!(name(&payload).as_deref(), expected, "{json}");
        };
        check(r#"{"uid":"s1","name":"web1"}"#, Some("web1"));
        check(r#"{"process_name":"worker","server":{"name":"web1"}}"#, Some("web1"));
        check(r#"{"server":"s1","uid":"h1"}"#, Some("s1"));
        check("{\"name\":\"a\\r\\nb\\u001b[2J\"}", Some("a  b·[2J"));
        check(r#"{"name":" "}"#, None);
        check(r#"{"name":{"first":"x"}}"#, None);
        check("{}", None);
    }

    #[test]
    fn a_recovery_and_its_failure_have_the_same_mark() {
        let catalogue = Catalogue::new(Vec::new());
        let check = |event_type: &str, json: &str, expected: Option<(&str, &str)>| {
            let event_type = catalogue.get(event_type).unwrap_or_else(|| panic!("{event_type}"));
            let payload = Payload::parse(json).unwrap_or(Payload::empty());
            let found = failure(event_type, &payload);
            assert_eq!(found.as_ref().map(|(of, mark)| (*of, mark.as_str())), expected, "{json}");
        };
        check("server.stopped", r#"{"uid":"h1","server":"s1"}"#, Some(("server.stopped", "s1")));
        check("server.backon", r#"{"uid":"h2","server":{"uid":"s1"}}"#, Some(("server.stopped", "s1")));
        check("server.backon", r#"{"name":"web1"}"#, Some(("server.stopped", "web1")));
        check("job.fail", r#"{"uid":7,"name":"x","server":"s1"}"#, Some(("job.fail", "7")));
        check("job.backon", r#"{"name":"y","uid":7}"#, Some(("job.fail", "7")));
        check("server.backon", "{}", None);
        check("server.backon", r#"{"uid":""}"#, None);
        check("server.backon", &format!(r#"{{"uid":"{}"}}"#, "x".repeat(201)), None);
        check("process.down", r#"{"process_name":"worker"}"#, None);
    }
}
