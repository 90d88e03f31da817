//! What messages say: the built-in templates, and those of a person's own.

use bellboard::channels::templates::{BUILT_IN, EXTENSION, Source, Templates};
use bellboard::domain::catalogue::{Severity, built_in};
use bellboard::domain::message::Message;
use bellboard::domain::payload::Payload;
use bellboard::domain::sample::{self, sample_payload};
use bellboard::domain::time::Timestamp;
use proptest::prelude::{Strategy, any, prop, proptest};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn message(event_type: &str, payload: &str) -> Message {
    let mut message = sample::messages(event_type).remove(0);
    message.payload = Payload::parse(payload).unwrap();
    message
}

fn own(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), path: format!("t/{name}{EXTENSION}"), text: text.to_owned() }
}

const FRAME: &str = "{% block title %}T{% endblock %}{% block next %}{% endblock %}";

fn with_text(text: &str) -> String {
    format!("{FRAME}\n{{% block text %}}{text}{{% endblock %}}")
}

#[test]
fn all_types_in_english() {
    let templates = Templates::default();
    let mut all = String::new();
    for (name, _) in BUILT_IN {
        let words = templates.words(&sample::messages(name).remove(0));
        all = format!("{all}{name}\n  {}\n  {}\n  {}\n", words.title, words.text, words.next);
    }
    insta::assert_snapshot!("texts-all", all);
}

#[test]
fn every_type_has_a_template_and_is_checked_with_its_samples() {
    for event_type in built_in() {
        assert!(BUILT_IN.iter().any(|(name, _)| *name == event_type.name), "{} has no template", event_type.name);
    }
    let sources = BUILT_IN.iter().map(|(name, text)| own(name, text)).collect();
    Templates::with(sources).map(|_| ()).unwrap();
}

#[test]
fn nothing_is_said_that_is_not_known() {
    let says = |event_type: &str, payload: &str, expected: &str| {
        let mut message = message(event_type, payload);
        message.down_since = None;
        assert_eq!(Templates::default().words(&message).text, expected, "{event_type} {payload}");
    };
    says("server.backon", "{}", "The server came back at 22:13 UTC on 14 Nov 2023.");
    says("server.backon", r#"{"server":"web1"}"#, "The server web1 came back at 22:13 UTC on 14 Nov 2023.");
    says("job.backon", "{}", "The job ran well again at 22:13 UTC on 14 Nov 2023.");
    says("payment.fail", "{}", "A payment for the account Sample Ltd failed at 22:13 UTC on 14 Nov 2023.");
    says("process.down", r#"{"server":"web1"}"#, "The process has not been running since 22:13 UTC on 14 Nov 2023.");
    says(
        "app.auth",
        r#"{"user":null}"#,
        "The application was given access to the account Sample Ltd at 22:13 UTC on 14 Nov 2023.",
    );
    says(
        "account.deploy.started",
        r#"{"deploy_context":[]}"#,
        "A deployment of your application began at 22:13 UTC on 14 Nov 2023.",
    );
    let built_in_for = |event_type: &str, payload: &str| {
        let words = Templates::default().words(&message(event_type, payload));
        assert!(!words.text.contains(&words.title), "{event_type} {payload} fell back to plain words: {words:?}");
    };
    for event_type in built_in() {
        for odd in ["{}", r#"{"deploy_context":"x","server":[1],"reason":{},"user":7,"fqdn":null,"name":{"a":1}}"#] {
            built_in_for(&event_type.name, odd);
        }
    }
}

#[test]
fn the_time_is_the_accounts() {
    let mut message = message("job.fail", r#"{"name":"backup"}"#);
    message.timezone = "Europe/Vienna".to_owned();
    let text = Templates::default().words(&message).text;
    assert_eq!(text, "The job backup failed at 23:13 CET on 14 Nov 2023.");
}

#[test]
fn a_test_says_that_it_is_one_and_who_sent_it() {
    for event_type in built_in() {
        let words = Templates::default().words(&sample::messages(&event_type.name)[2]);
        assert!(words.title.starts_with("Test: "), "{words:?}");
        let note = "This is a test, sent by jane to see whether messages arrive. Nothing has happened.";
        assert_eq!(words.paragraphs().next(), Some(note));
    }
}

#[test]
fn template_syntax_in_a_payload_stays_as_it_is() {
    let hostile = "{{ account }}{% block title %}x{% endblock %}{# c #}";
    let payload = serde_json::json!({"name": hostile}).to_string();
    let templates = Templates::with(vec![own("job.fail", &with_text("{{ name }}|{{ data.name }}"))]).unwrap();
    for templates in [Templates::default(), templates] {
        let words = templates.words(&message("job.fail", &payload));
        assert!(words.text.contains(hostile), "{words:?}");
        assert_eq!(words.details, [("name".to_owned(), hostile.to_owned())]);
    }
}

#[test]
fn a_template_of_ones_own_stands_before_the_built_in_one() {
    let kept = "{% extends \"server.stopped.txt\" %}{% block next %}Call us: 555.{% endblock %}";
    let templates = Templates::with(vec![
        own("server.stopped", kept),
        own("job.fail", &with_text("{{ data.cron }} & <b>")),
        own("own-failure", &with_text("ours")),
        own("disk.full", &with_text("{{ data.disk }}")),
    ])
    .unwrap();
    let words = templates.words(&message("server.stopped", r#"{"server":"web1"}"#));
    assert_eq!((words.title.as_str(), words.next.as_str()), ("Server heartbeat stopped: web1", "Call us: 555."));
    assert_eq!(templates.words(&sample::messages("job.fail")[0]).text, "0 3 * * * & <b>");
    let of_own = |name: &str, payload: &str| {
        let mut message = message("job.fail", payload);
        message.event_type = sample::own_type(name, Severity::Failure).into();
        templates.words(&message).text
    };
    assert_eq!(of_own("disk.full", r#"{"disk":"sda"}"#), "sda");
    assert_eq!(of_own("disk.full", "{}"), "ours", "what cannot be said, the next one says");
    assert_eq!(of_own("other", "{}"), "ours");
    let words = templates.words(&message("job.fail", r#"{"name":"x"}"#));
    assert_eq!(words.text, "The job x failed at 22:13 UTC on 14 Nov 2023.", "without `cron` the built-in one speaks");
}

#[test]
fn a_broken_template_is_refused_with_its_place_and_what_to_do() {
    let check = |name: &str, text: &str, place: &str, words: &[&str]| {
        let error = Templates::with(vec![own(name, text)]).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("t/{name}.txt{place}: ")), "{error}");
        for word in words {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    };
    let text = |text: &str| with_text(text);
    check("job.fail", "{% block title %}\n{% if %}", ":2", &["syntax error", "take the file away"]);
    check("job.fail", &text("{{ nmae }}"), ":2", &["there is no `nmae`", "name, account, time"]);
    check("job.fail", &text("{% if test %}{% else %}\n\n{{ nmae }}{% endif %}"), ":4", &["there is no `nmae`"]);
    check("job.fail", &text("{{ data.nmae }}"), ":2", &["undefined", "is defined"]);
    check("job.fail", &text("{{ name | shout }}"), ":2", &["unknown filter", "shout"]);
    check("job.fail", &text("{% include 'other.txt' %}"), ":2", &["other.txt"]);
    let forever = "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}";
    check("job.fail", &text(forever), ":2", &["out of fuel", "loops too long"]);
    check("job.fail", &text("{% include 't/job.fail.txt' %}x"), ":2", &["recursion"]);
    check("job.fail", &text("{{ 'x' * 99999999 }}"), ":2", &["loops too long"]);
    check("job.fail", &text("{{ 'x' * 5000 }}"), "", &["`text` makes 5000 characters", "2000 fit"]);
    check("job.fail", &text(" "), "", &["`text` makes 0 characters"]);
    check("job.fail", &"x".repeat(20_000), "", &["20000 bytes", "at most 16384"]);
    check("job.fail", "plain", "", &["unknown block", "title, text and next"]);
    check("job.Fail", "x", "", &["`job.Fail` is no event type"]);
    check("disk.full", &text("{{ dta.disk }}"), ":2", &["there is no `dta`"]);
}

/// Payloads of what breaks things most: control characters, markup, template syntax.
fn hostile() -> impl Strategy<Value = String> {
    let parts = prop::collection::vec(
        prop::sample::select(vec![
            "\n",
            "\r\n",
            "\u{2028}",
            "\u{202e}",
            "\x1b[2J",
            "\0",
            "<b>",
            "</p>",
            "&amp;",
            "{{",
            "}}",
            "{%",
            "%}",
            "*_~`",
            "é漢🚀",
        ]),
        0..12,
    );
    (parts, any::<String>()).prop_map(|(parts, text)| format!("{}{text}", parts.concat()))
}

proptest! {
    #[test]
    fn no_payload_breaks_a_line(value in hostile()) {
        let templates = Templates::default();
        for event_type in built_in() {
            let harmless = sample_payload(&event_type.name, AT);
            let hostile = serde_json::to_value(&harmless).unwrap();
            let members = hostile.as_object().unwrap().iter().map(|(name, old)| {
                let new = if old.is_string() { value.clone().into() } else { old.clone() };
                (name.clone(), new)
            });
            let payload = serde_json::Value::Object(members.collect()).to_string();
            let expected = templates.words(&message(&event_type.name, harmless.as_str()));
            let found = templates.words(&message(&event_type.name, &payload));
            assert_eq!(found.title.lines().count(), 1);
            assert_eq!(found.text.lines().count(), expected.text.lines().count(), "{found:?}");
            assert_eq!(found.next.lines().count(), expected.next.lines().count(), "{found:?}");
            let all = format!("{found:?}");
            assert!(!all.contains(['\x1b', '\u{202e}', '\r', '\u{2028}']), "{all}");
            for (name, value) in &found.details {
                assert!(!name.contains('\n') && !value.contains('\n'), "{name}: {value}");
            }
        }
    }
}
