//! Shapes that several commands print: the objects of `--json`, and the cells of tables for people.

use serde::Serialize;

use crate::cli::output::Table;
use crate::domain::account::AccountKey;
use crate::domain::command::Done;
use crate::domain::destination::Destination;
use crate::domain::time::{Timestamp, human_duration};
use crate::store::deliveries::DeliveryRow;

/// A destination with its account, as scripts read it.
#[derive(Serialize)]
pub struct DestinationObject<'a> {
    /// Whose it is.
    pub account: &'a AccountKey,
    /// All else.
    #[serde(flatten)]
    pub destination: &'a Destination,
    /// A secret that this command made, for the receiver. It is never shown again.
    #[serde(rename = "secret_shown_once", skip_serializing_if = "Option::is_none")]
    pub shown_once: Option<&'a str>,
}

/// What a change did, as scripts read it.
#[derive(Serialize)]
pub struct DoneObject<'a> {
    /// A sentence.
    pub says: &'a str,
    /// The row of the audit trail; null when nothing changed.
    pub change: Option<String>,
    /// The deliveries that were made or moved.
    pub deliveries: Vec<String>,
}

impl<'a> From<&'a Done> for DoneObject<'a> {
    fn from(done: &'a Done) -> Self {
        Self {
            says: &done.says,
            change: done.change.map(|id| id.to_string()),
            deliveries: done.deliveries.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A table of deliveries. What matters most comes first: a narrow terminal cuts the rest. `account` is for lists of more than
/// one account.
#[must_use]
pub fn deliveries(rows: &[DeliveryRow], account: bool, now: Timestamp) -> Table {
    let first = if account { ["delivery", "created", "account"].as_slice() } else { &["delivery", "created"] };
    let mut table = Table::new([]);
    table.head(first.iter().chain(&["state", "event type", "channel", "to", "what came of it"]));
    for row in rows {
        let mut cells = vec![row.id.to_string(), time(row.created_at)];
        cells.extend(account.then(|| row.account.to_string()));
        cells.extend([
            row.state.name().to_owned(),
            event_type(row),
            row.channel.to_string(),
            row.label.clone(),
            result(row, now),
        ]);
        table.cells(cells);
    }
    table
}

/// A table of destinations.
#[must_use]
pub fn destinations(destinations: &[Destination]) -> Table {
    let mut table = Table::new(["destination", "channel", "to", "state", "only", "trouble"]);
    for destination in destinations {
        let trouble = destination.state_reason.clone().or_else(|| {
            let since = destination.failing_since?;
            let last = destination.last_failure.as_deref().unwrap_or("no reason was noted");
            Some(format!("failing since {}: {last}", time(since)))
        });
        table.row([
            destination.id.to_string(),
            destination.channel.to_string(),
            destination.label.clone(),
            destination.state.name().to_owned(),
            destination.only.join(", "),
            trouble.unwrap_or_default(),
        ]);
    }
    table
}

/// The type's name, and whether it was a test.
#[must_use]
pub fn event_type(row: &DeliveryRow) -> String {
    if row.test { format!("{} (test)", row.event_type) } else { row.event_type.clone() }
}

/// Status, tries, reason and next try of a delivery, as far as there are any.
#[must_use]
pub fn result(row: &DeliveryRow, now: Timestamp) -> String {
    let mut parts = Vec::new();
    parts.extend(row.status.map(|status| status.to_string()));
    parts.extend(row.duration_ms.map(|duration_ms| format!("{duration_ms} ms")));
    if row.attempts > 1 {
        parts.push(format!("{} tries", row.attempts));
    }
    parts.extend(row.reason.clone());
    parts.extend(
        row.next_attempt_at
            .filter(|at| *at > now && !row.state.is_end())
            .map(|at| format!("next try in {}", human_duration(at.since(now)))),
    );
    parts.join(", ")
}

/// A point in time for tables: to the second, UTC.
#[must_use]
pub fn time(at: Timestamp) -> String {
    at.in_zone(&jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `1 delivery`, `2 deliveries`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
