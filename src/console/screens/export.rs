//! Asks how, then writes proof of a delivery or a list: to the clipboard of the person's terminal, or to a file.

use crate::console::proof::{Format, Table, of_delivery, write_with_hash};
use crate::console::screen::{JobDone, Message, Outcome, Shared};
use crate::console::widgets::dialog::{Answer, Question};
use crate::domain::text::human_bytes;
use crate::domain::time::Timestamp;
use crate::store::deliveries::{DeliveryDetail, DeliveryRow};
use crate::store::live::{AttemptLine, LiveRow};

/// Longest text for a clipboard, in bytes: many terminals drop a sequence of more than 100,000 characters.
const CLIPBOARD_BYTES_MAX: usize = 74_000;

/// The columns of a live pane.
const LIVE_NAMES: &[&str] = &[
    "received_at",
    "account",
    "event_type",
    "event",
    "delivery",
    "channel",
    "destination",
    "state",
    "attempts",
    "status",
    "reason",
];

/// The columns of failed tries.
const FAILURE_NAMES: &[&str] = &[
    "started_at",
    "account",
    "event_type",
    "event",
    "delivery",
    "channel",
    "destination",
    "try",
    "status",
    "reason",
    "state_now",
];

/// Proof of a delivery: how?
#[must_use]
pub fn proof(services: &Shared, detail: &DeliveryDetail) -> Outcome {
    let now = services.clock.now();
    let text = of_delivery(detail, now, Format::Text);
    let name = format!("proof-{}-{}", detail.delivery.id, stamp(now));
    let mut answers = Vec::new();
    if text.len() <= CLIPBOARD_BYTES_MAX {
        let says = format!("sent to your terminal, {}; if it took it, it is in the clipboard", human_bytes(text.len()));
        answers.push(Answer {
            key: 'c',
            label: "text, to your terminal's clipboard".to_owned(),
            outcome: Outcome::Copy(text.clone()).then(Outcome::Say(Message::good(says))),
        });
    }
    let json = of_delivery(detail, now, Format::Json);
    let files = [('t', Format::Text, text), ('j', Format::Json, json)];
    for (key, format, contents) in files.into_iter().filter(|_| !services.options.restricted) {
        let label = format!("{}, to a file that only you can read", words(format));
        answers.push(Answer { key, label, outcome: file(services, &name, format, contents) });
    }
    Outcome::Ask(Question::new(format!("Proof of {}, secrets left out:", detail.delivery.id), answers))
}

/// A list: how?
#[must_use]
pub fn list(services: &Shared, what: &str, table: &Table) -> Outcome {
    if table.rows.is_empty() {
        return Outcome::Say(Message::plain("nothing is shown, so there is nothing to write"));
    }
    if services.options.restricted {
        return Outcome::Say(Message::plain(
            "no file can be written from here; a delivery's proof goes to the clipboard",
        ));
    }
    let name = format!("{what}-{}", stamp(services.clock.now()));
    let answers = [('t', Format::Text), ('j', Format::Json), ('c', Format::Csv)].map(|(key, format)| Answer {
        key,
        label: words(format).to_owned(),
        outcome: file(services, &name, format, table.write(format)),
    });
    let lines = table.rows.len();
    Outcome::Ask(Question::new(format!("Write the {lines} lines to a file that only you can read, as"), answers.into()))
}

/// The lines of a live pane.
#[must_use]
pub fn of_live(rows: &[LiveRow]) -> Table {
    let row = |row: &LiveRow| {
        let event = &row.event;
        let mut cells = vec![event.received_at.to_string(), event.account.to_string(), event.event_type.clone()];
        cells.push(event.id.to_string());
        cells.extend(row.delivery.as_ref().map_or_else(|| vec![String::new(); 7], of_delivery_row));
        cells
    };
    Table { names: LIVE_NAMES, rows: rows.iter().map(row).collect() }
}

/// Failed tries.
#[must_use]
pub fn of_failures(rows: &[AttemptLine]) -> Table {
    let row = |line: &AttemptLine| {
        let delivery = &line.delivery;
        vec![
            line.started_at.to_string(),
            delivery.account.to_string(),
            delivery.event_type.clone(),
            delivery.event_id.to_string(),
            delivery.id.to_string(),
            delivery.channel.name().to_owned(),
            delivery.label.clone(),
            line.number.to_string(),
            line.status.map(|status| status.to_string()).unwrap_or_default(),
            line.reason.clone().unwrap_or_default(),
            delivery.state.name().to_owned(),
        ]
    };
    Table { names: FAILURE_NAMES, rows: rows.iter().map(row).collect() }
}

fn of_delivery_row(delivery: &DeliveryRow) -> Vec<String> {
    vec![
        delivery.id.to_string(),
        delivery.channel.name().to_owned(),
        delivery.label.clone(),
        delivery.state.name().to_owned(),
        delivery.attempts.to_string(),
        delivery.status.map(|status| status.to_string()).unwrap_or_default(),
        delivery.reason.clone().unwrap_or_default(),
    ]
}

const fn words(format: Format) -> &'static str {
    match format {
        Format::Text => "text",
        Format::Json => "JSON",
        Format::Csv => "CSV, for a spreadsheet",
    }
}

/// A point in time as a part of a file's name.
fn stamp(at: Timestamp) -> String {
    at.in_zone(&jiff::tz::TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Writes the file and its hash beside the loop, and says where they are.
fn file(services: &Shared, name: &str, format: Format, contents: String) -> Outcome {
    let (folder, name) = (services.exports.clone(), name.to_owned());
    Outcome::Start(Box::pin(async move {
        let written = tokio::task::spawn_blocking(move || write_with_hash(&folder, &name, format, &contents)).await;
        JobDone::Said(match written {
            Ok(Ok(path)) => Message::good(format!("{}, and its hash beside it, .sha256", path.display())),
            Ok(Err(why)) => Message::bad(why),
            Err(_) => Message::bad("the file was not written"),
        })
    }))
}
