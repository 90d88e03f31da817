//! Hostile texts (`hostile.json`, and more made at random) as names, payloads and answers: through every screen of the console,
//! every channel's messages, and what commands print. Nothing in them does anything, and no line looks like another.

use std::fmt::Write as _;

use bellboard::channels::preview::preview;
use bellboard::channels::slack;
use bellboard::channels::templates::Templates;
use bellboard::console::proof::{Format, Table, of_delivery};
use bellboard::domain::account::{AccountStatus, Profile};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{Next, Reason};
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::message::Message;
use bellboard::domain::payload::Payload;
use bellboard::domain::sample;
use bellboard::domain::text::safe_json;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::console::harness::Console;
use crate::support::{TestStore, acme};

/// Names of members that templates and screens look at.
const MEMBERS: [&str; 8] = ["name", "server", "uid", "process_name", "reason", "user", "app", "account_name"];

fn corpus() -> Vec<String> {
    serde_json::from_str(include_str!("hostile.json")).unwrap()
}

/// Pieces of the corpus, put together at random, with anything else between.
fn mixed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => proptest::sample::select(corpus()), 1 => any::<String>(), 1 => "[\u{1b}\u{9b}\r\n<>&*`{}%]{1,4}"];
    proptest::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

fn payload(text: &str) -> String {
    let members: serde_json::Map<String, Value> =
        MEMBERS.iter().map(|name| ((*name).to_owned(), json!(text))).collect();
    Value::Object(members).to_string()
}

/// What a terminal would do something for, or show elsewhere than where it stands.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

#[track_caller]
fn is_tame(screen: &str, what: &str) {
    let found = screen.chars().find(|character| *character != '\n' && acts(*character));
    assert_eq!(found, None, "{what}: {screen:?}");
}

/// Every screen that shows what others wrote: the account, its live pane, a delivery, its event, why, history, failures, dead
/// destinations, the form, a preview, help and palette.
const WALK: [&str; 12] =
    ["tab", "enter", "enter", "esc esc esc", "w", "esc", "H", "esc", "enter", "enter", "esc esc esc", "D"];

async fn walk(text: &str) {
    let mut console = Console::on_acme().await;
    let name: String = text.chars().filter(|character| !character.is_control()).take(60).collect();
    if let Ok(profile) = Profile::new(&name, "ops@acme.test", "UTC", AccountStatus::Active) {
        console.test.run(Command::EditAccount { key: acme(), profile, over: None }).await.unwrap();
    }
    console.test.webhook().await;
    console.test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    console.test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let delivery = console.test.emit("job.fail", &payload(text)).await.deliveries[0].0;
    console.deliver(delivery, 500, Next::Failed { reason: Reason::new(text), gone: false }).await;
    console.reopen().await;
    for (width, height) in [(80, 24), (40, 12), (132, 50)] {
        console.resize(width, height);
        console.reload().await;
        console.keys("enter").await;
        for keys in WALK {
            console.keys(keys).await;
            let picture = console.picture();
            is_tame(&picture, &format!("{text:?} after {keys}"));
            assert_eq!(picture.lines().count().max(1), picture.split('\n').count(), "no line more");
        }
        console.keys("esc esc esc esc").await;
    }
}

#[tokio::test]
async fn every_screen_stays_itself() {
    for text in corpus() {
        walk(&text).await;
    }
}

fn message_with(text: &str, event_type: &str) -> Message {
    let mut message = sample::messages(event_type).remove(0);
    message.payload = Payload::parse(&payload(text)).unwrap();
    // No account can be called what has control characters in it.
    message.account_name = text.chars().filter(|character| !character.is_control()).collect();
    message
}

/// Markup of Slack's that somebody's text would have to bring: `<` with what follows.
const SLACK: [&str; 5] = ["<!", "<@", "<#", "<http", "<mailto"];

fn check_messages(text: &str) {
    let templates = Templates::default();
    for kind in ["job.fail", "server.stopped", "payment.fail", "app.auth", "process.down", "account.suspended"] {
        let message = message_with(text, kind);
        let words = templates.words(&message);
        let mut slack = slack::body(&message, &words);
        // Slack shows a text of the type `plain_text` as it is; everywhere else markup must be escaped.
        slack["blocks"].as_array_mut().unwrap().retain(|block| block["text"]["type"] != "plain_text");
        let slack = slack.to_string();
        assert!(!SLACK.iter().any(|markup| slack.contains(markup)), "{text:?}: {slack}");
        for part in preview(Channel::Email, &templates, &message) {
            match part.part {
                "subject" => assert!(!part.text.contains(['\r', '\n', '\0', '\u{1b}']), "{text:?}: {:?}", part.text),
                "html" => is_plain_html(&part.text, text),
                _ => {}
            }
        }
        let hipchat = preview(Channel::Hipchat, &templates, &message).pop().unwrap().text;
        is_plain_html(&hipchat, text);
        for channel in [Channel::Browser, Channel::Ios] {
            for part in preview(channel, &templates, &message) {
                match part.part {
                    "payload" => drop(serde_json::from_str::<Value>(&part.text).unwrap()),
                    "title" => is_tame(&part.text, text),
                    _ => {}
                }
            }
        }
        let body: Value = serde_json::from_str(&message.body()).unwrap();
        assert_eq!(body["name"], json!(text), "a webhook carries what came in, unchanged");
    }
}

/// Only the tags that bellboard writes itself, and no attribute that runs anything.
fn is_plain_html(html: &str, text: &str) {
    let lower = html.to_lowercase();
    for tag in ["<script", "<img", "<svg", "<iframe", "<object", "<style>alert"] {
        assert!(!lower.contains(tag), "{text:?}: {html}");
    }
    for tag in lower.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        for attribute in ["onerror", "onload", "onmouseover", "javascript:", "evil.test"] {
            assert!(!tag.contains(attribute), "{text:?}: <{tag}>");
        }
    }
}

#[test]
fn every_message_says_it_and_does_nothing() {
    for text in corpus() {
        check_messages(&text);
    }
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&mixed(), |text| {
        check_messages(&text);
        Ok(())
    });
    ran.unwrap();
}

/// The cells of a line of CSV (RFC 4180), for which a line break in a cell would be another line.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut signs = line.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if quoted && signs.peek() == Some(&'"') => cells.last_mut().unwrap().extend(signs.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(sign),
        }
    }
    cells
}

fn check_export(text: &str) {
    let row = || vec![text.to_owned(), format!("={text}"), format!("{text}\r\n=1+1")];
    let table = Table { names: &["one", "two", "three"], rows: vec![row(), row()] };
    let csv = table.write(Format::Csv);
    assert_eq!(csv.matches("\r\n").count(), 3, "a line a row: {csv:?}");
    for line in csv.trim_end_matches("\r\n").split("\r\n") {
        is_tame(line, text);
        let cells = cells(line);
        assert_eq!(cells.len(), 3, "{text:?}: {line:?}");
        let formula = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
        for cell in &cells {
            assert!(!cell.trim_start().starts_with(formula), "{text:?}: {cell:?}");
        }
    }
    is_tame(&table.write(Format::Text), text);
    assert_eq!(table.write(Format::Text).lines().count(), 2, "{text:?}");
    let json = table.write(Format::Json);
    is_tame(&json, text);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()[1]["one"], json!(text), "the same text");
    let document = serde_json::to_string_pretty(&json!({ text: text })).unwrap();
    is_tame(&safe_json(&document), text);
    assert_eq!(serde_json::from_str::<Value>(&safe_json(&document)).unwrap(), json!({ text: text }));
}

#[test]
fn what_is_exported_is_read_as_text_and_nothing_else() {
    for text in corpus() {
        check_export(&text);
    }
    let formulas =
        ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "\u{200b}=1", "\"=1", "'=1", ",=1", ";=1"];
    for text in formulas {
        check_export(text);
    }
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&mixed(), |text| {
        check_export(&text);
        Ok(())
    });
    ran.unwrap();
}

#[tokio::test]
async fn a_proof_is_tame() {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let console = Console::open(test).await;
    for text in corpus() {
        let delivery = console.test.emit("job.fail", &payload(&text)).await.deliveries[0].0;
        console.deliver(delivery, 500, Next::Failed { reason: Reason::new(&text), gone: false }).await;
        let detail = console.test.store.delivery(delivery).await.unwrap();
        for format in [Format::Text, Format::Json] {
            is_tame(&of_delivery(&detail, console.test.clock_now(), format), &text);
        }
    }
}

#[test]
fn what_commands_print_is_a_line_a_thing() {
    let cli = Cli::acme();
    cli.run("matrix set acme job.fail email off").ok();
    let texts = corpus();
    let mut lines = String::new();
    for text in &texts {
        let event = json!({"account": "acme", "event_type": "job.fail", "data": serde_json::from_str::<Value>(&payload(text)).unwrap()});
        let _ = writeln!(lines, "{event}");
    }
    cli.feed("ingest -", lines.as_bytes());
    assert_eq!(cli.events(), texts.len());
    // No argument of a program can have a NUL in it.
    for (number, text) in texts.iter().map(|text| text.replace('\0', "")).enumerate() {
        let text = text.as_str();
        let added = cli.run_args(&[
            "accounts",
            "add",
            &format!("a{number}"),
            &format!("--name={text}"),
            "--email",
            "ops@acme.test",
        ]);
        assert!(added.code == 0 || added.code == 2, "{added:?}");
        is_tame(&added.err, text);
        is_tame(&added.out, text);
        let odd = cli.run_args(&[
            "destinations",
            "add",
            "acme",
            "webhook",
            &format!("--url={text}"),
            &format!("--label={text}"),
        ]);
        is_tame(&format!("{}{}", odd.out, odd.err), text);
        assert!(odd.err.lines().count() <= 1, "one sentence: {odd:?}");
    }
    for command in
        ["accounts list", "events list --account acme", "destinations list acme", "audit list", "matrix show acme"]
    {
        for option in ["", "--plain ", "--json "] {
            let out = cli.run(&format!("{option}{command}")).ok();
            is_tame(&out, command);
        }
    }
    let listed = cli.run("--json accounts list").json();
    let lines = cli.run("accounts list").ok().lines().count();
    assert!(lines <= listed.as_array().unwrap().len() + 3, "a line an account, and a head");
    for event in cli.run("--json events list --account acme").json().as_array().unwrap() {
        let id = event["id"].as_str().unwrap();
        is_tame(&cli.run(&format!("events show {id}")).ok(), id);
        is_tame(&cli.run(&format!("why {id}")).ok(), id);
    }
}
