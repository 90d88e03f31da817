//! The parsers of outside bytes, each with what must hold whatever comes. To add one: a function, and a line in [`ALL`].

use std::path::Path;

use axum::http::{HeaderMap, HeaderValue, header};
use bellboard::channels::templates::{Source, Templates};
use bellboard::channels::{apns, browser, hipchat, hipchat_rooms, limit, preview, slack_answers, smtp, tls};
use bellboard::cli::args::{Arguments, Command};
use bellboard::cli::ingest::lines::{BATCH_EVENTS_MAX, Lines};
use bellboard::cli::restricted;
use bellboard::config::Config;
use bellboard::console::query::Query;
use bellboard::console::terminal::input::Input;
use bellboard::console::theme;
use bellboard::domain::access::SecretHash;
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::{Answer, SendError};
use bellboard::domain::payload::Payload;
use bellboard::domain::sample;
use bellboard::domain::text::safe_line;
use bellboard::domain::time::{Timestamp, parse_duration};
use bellboard::http::events::{Batch, EventBody};
use bellboard::http::{browser as browser_pages, devices, vendor_body};
use clap::Parser;

use crate::router;

/// Every target by its name, which is also its folder of the corpus.
pub const ALL: &[(&str, fn(&[u8]))] = &[
    ("ingest", ingest),
    ("http", http),
    ("vendor", vendor),
    ("payload", payload),
    ("config", config),
    ("template", template),
    ("slack", |bytes| answer(bytes, slack_answers::judge)),
    ("hipchat", |bytes| answer(bytes, hipchat::judge)),
    ("rooms", rooms),
    ("apns", |bytes| answer(bytes, apns::judge)),
    ("webpush", |bytes| answer(bytes, browser::judge)),
    ("smtp", smtp_reply),
    ("ssh", ssh),
    ("pem", pem),
    ("words", words),
    ("keys", keys),
    ("theme", theme),
    ("router", router::ask),
];

/// A time that all of it happens at.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Lines of `bellboard ingest`.
fn ingest(bytes: &[u8]) {
    let mut lines = Lines::new(bytes);
    let mut last = 0;
    while let Ok(Some(batch)) = lines.next_batch() {
        assert!(batch.events.len() <= BATCH_EVENTS_MAX, "a batch is bounded");
        for (number, event) in batch.events {
            assert!(number > last, "lines come in order");
            last = number;
            let again = Payload::parse(event.data.as_str()).expect("what was taken is a payload");
            assert_eq!(again, event.data, "and is kept as it came");
        }
    }
}

/// Bodies of the HTTP side.
fn http(bytes: &[u8]) {
    let _ = serde_json::from_slice::<EventBody>(bytes);
    let _ = serde_json::from_slice::<Batch>(bytes);
    let _ = serde_json::from_slice::<devices::Registration>(bytes);
    let _ = serde_json::from_slice::<devices::RegistrationByCode>(bytes);
    let _ = serde_json::from_slice::<browser_pages::Enrolment>(bytes);
    let _ = serde_json::from_slice::<browser_pages::Shown>(bytes);
    let _ = SecretHash::of_code(&String::from_utf8_lossy(bytes));
}

/// The vendor's body; the first byte says how it is sent.
fn vendor(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let kinds = ["application/json", "application/x-www-form-urlencoded", "text/plain"];
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kinds[usize::from(*first) % kinds.len()]));
    let _ = vendor_body::parse(&headers, body);
}

/// A payload: what every channel makes of it for its readers is made without a fault.
fn payload(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(payload) = Payload::parse(text) else { return };
    let body = payload.body(NOW.seconds(), "server.stopped");
    let read: serde_json::Value = serde_json::from_str(&body).expect("the body is JSON");
    assert_eq!(read["event_type"], "server.stopped", "bellboard's own members win");
    assert_eq!(read["timestamp"], NOW.seconds(), "bellboard's own members win");
    let templates = Templates::default();
    for name in ["server.stopped", "job.backon", "payment.fail", "process.down", "own-failure"] {
        for message in sample::messages(name).into_iter().take(1) {
            let message = bellboard::domain::message::Message { payload: payload.clone(), ..message };
            for channel in Channel::ALL {
                let _ = preview::preview(channel, &templates, &message);
            }
        }
    }
}

/// A config file.
fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(Path::new("config.toml"), text) {
        Ok(config) => {
            for (_, value) in config.effective() {
                let _ = value.map(|value| value.to_toml());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty(), "it says what is wrong"),
    }
}

/// A template of a person's own.
fn template(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let source = Source { name: "server.stopped".to_owned(), path: "server.stopped.txt".to_owned(), text };
    if let Ok(templates) = Templates::with(vec![source]) {
        for message in sample::messages("server.stopped") {
            let words = templates.words(&message);
            assert!(!words.title.is_empty(), "a message has a title");
        }
    }
}

/// An answer of a service: two bytes of status, lines of headers, an empty line, the body.
fn answer(bytes: &[u8], judge: fn(&Answer, Timestamp) -> Result<(), SendError>) {
    let Some((status, rest)) = bytes.split_at_checked(2) else { return };
    let status = 100 + u16::from_le_bytes([status[0], status[1]]) % 500;
    let text = String::from_utf8_lossy(rest);
    let (head, body) = text.split_once("\n\n").unwrap_or(("", &text));
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let answer = Answer { status, headers, body: body.to_owned() };
    check_reason(judge(&answer, NOW));
    if let Some(allowance) = limit::allowance(&answer, NOW) {
        assert!(allowance.until > NOW, "a limit counts anew in the future");
    }
}

/// A reason goes onto screens.
fn check_reason(result: Result<(), SendError>) {
    if let Err(error) = result {
        let text = error.reason().to_string();
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "a reason is one harmless line: {text:?}");
    }
}

/// HipChat's list of rooms.
fn rooms(bytes: &[u8]) {
    if let Ok(rooms) = hipchat_rooms::read(&String::from_utf8_lossy(bytes)) {
        let all_harmless = rooms.iter().all(|room| !room.name.chars().any(char::is_control));
        assert!(all_harmless, "a room's name is harmless");
    }
}

/// What a mail server answers.
fn smtp_reply(bytes: &[u8]) {
    let Some((status, rest)) = bytes.split_at_checked(2) else { return };
    let status = 200 + u16::from_le_bytes([status[0], status[1]]) % 400;
    let body = String::from_utf8_lossy(rest).into_owned();
    check_reason(smtp::judge(&Answer { status, headers: Vec::new(), body }));
}

/// The command that somebody asks for over SSH.
fn ssh(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let given = Arguments::try_parse_from(["bellboard", "--restricted", "--db", "/srv/b.db"]).expect("a command line");
    let Ok(arguments) = restricted::arguments(given, Some(text)) else { return };
    assert!(arguments.globals.restricted, "nobody gets out of it");
    assert_eq!(arguments.globals.db.as_deref(), Some(Path::new("/srv/b.db")), "nor to another database");
    let out_of_reach = matches!(
        arguments.command,
        Some(
            Command::Serve(_)
                | Command::Demo(_)
                | Command::Backup(_)
                | Command::Restore(_)
                | Command::Prune(_)
                | Command::Tokens { .. }
                | Command::Config { .. }
                | Command::Doctor(_)
                | Command::Ingest(_)
        )
    );
    assert!(!out_of_reach, "nor to what reads and writes files: {text:?}");
}

/// Certificates and keys that a person pastes.
fn pem(bytes: &[u8]) {
    let text = tls::tidy_pem(&String::from_utf8_lossy(bytes));
    let _ = tls::certificates(&text);
    let _ = tls::private_key(&text);
    let _ = tls::first_end(&text);
    let _ = tls::in_short(&text);
}

/// What a person types to narrow a list, and times.
fn words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Query::parse(&text, NOW, &jiff::tz::TimeZone::UTC);
    let _ = parse_duration(&text);
    let _ = Timestamp::parse(&text);
    let safe = safe_line(&text);
    assert!(!safe.chars().any(char::is_control), "a safe line has no control character");
    assert_eq!(safe_line(&safe), safe, "what is safe stays as it is");
}

/// What a terminal sends: cut anywhere, it makes a bounded number of events, and nothing stays open once nothing more comes, first
/// after an escape and then in what was being pasted.
fn keys(bytes: &[u8]) {
    let Some((at, bytes)) = bytes.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(*at).min(bytes.len()));
    let mut input = Input::default();
    let mut events = 0;
    for part in [first, second] {
        input.take(part);
        events += std::iter::from_fn(|| input.event()).count();
    }
    input.settle();
    input.settle();
    events += std::iter::from_fn(|| input.event()).count();
    assert!(events <= bytes.len() + 1, "{events} events of {} bytes", bytes.len());
    assert!(input.wait().is_none(), "nothing is waited for");
}

/// A file of colours.
fn theme(bytes: &[u8]) {
    if let Err(error) = theme::file::parse(&String::from_utf8_lossy(bytes)) {
        assert!(!error.is_empty(), "it says what is wrong");
    }
}
