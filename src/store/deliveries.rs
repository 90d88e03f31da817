//! Deliveries and their attempts.

use serde::{Serialize, Serializer};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::delivery::{Answer, DeliveryState, SentBody, SentRequest};
use crate::domain::destination::Destination;
use crate::domain::event::Event;
use crate::domain::id::{DeliveryId, DestinationId, EventId};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::events::{account_key, event_id, read_event};
use crate::store::matrix::read_channel;
use crate::store::{Store, destinations};

/// Which deliveries to list.
#[derive(Clone, Debug)]
pub struct DeliveryFilter {
    /// Of this account.
    pub account: Option<AccountKey>,
    /// Over this channel.
    pub channel: Option<Channel>,
    /// To this destination.
    pub destination: Option<DestinationId>,
    /// Of events of this type.
    pub event_type: Option<String>,
    /// That stand there.
    pub state: Option<DeliveryState>,
    /// Of this event.
    pub event: Option<EventId>,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// Made before this time.
    pub until: Option<Timestamp>,
    /// Older than this one; for the next page.
    pub before: Option<DeliveryId>,
    /// How many at most.
    pub limit: u32,
}

impl Default for DeliveryFilter {
    fn default() -> Self {
        Self {
            account: None,
            channel: None,
            destination: None,
            event_type: None,
            state: None,
            event: None,
            since: None,
            until: None,
            before: None,
            limit: 100,
        }
    }
}

impl DeliveryFilter {
    /// What narrows it besides the state, for people, as `of acme over email since 2026-05-04T10:00:00.000Z`; `time` writes the times.
    #[must_use]
    pub fn words(&self, time: impl Fn(Timestamp) -> String) -> String {
        let part = |word: &str, value: Option<String>| value.map(|value| format!("{word} {value}"));
        let parts = [
            part("of", self.account.as_ref().map(ToString::to_string)),
            part("of", self.event.map(|event| event.to_string())),
            part("over", self.channel.map(|channel| channel.to_string())),
            part("to", self.destination.map(|destination| destination.to_string())),
            part("for", self.event_type.clone()),
            part("since", self.since.map(&time)),
            part("until", self.until.map(&time)),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// A delivery as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// Of which event.
    pub event_id: EventId,
    /// That event's type.
    pub event_type: String,
    /// Whose.
    pub account: AccountKey,
    /// Over which channel.
    pub channel: Channel,
    /// Where to.
    pub destination: DestinationId,
    /// What people call that destination.
    pub label: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Tries made, the present one too.
    pub attempts: u32,
    /// What the last answer's status was.
    pub status: Option<u16>,
    /// Why it stands there.
    pub reason: Option<String>,
    /// How long the last try took.
    pub duration_ms: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it is tried next; nothing when it is being sent, or has ended.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether it is a test.
    pub test: bool,
    /// The summary that tells of it.
    pub folded_into: Option<DeliveryId>,
}

impl DeliveryRow {
    /// What became of it, as a sentence without its stop.
    #[must_use]
    pub fn explanation(&self) -> String {
        let tries = if self.attempts == 1 { "1 try".to_owned() } else { format!("{} tries", self.attempts) };
        let reason = self.reason.as_deref();
        match self.state {
            DeliveryState::Delivered => match self.status {
                Some(status) => format!("delivered to {} after {tries}, answered {status}", self.label),
                None => format!("delivered to {} after {tries}", self.label),
            },
            DeliveryState::Failed => format!("failed after {tries}: {}", reason.unwrap_or("no reason was noted")),
            DeliveryState::Cancelled => format!("cancelled: {}", reason.unwrap_or("by hand")),
            DeliveryState::Folded => format!("folded: {}", reason.unwrap_or("a summary tells of it")),
            DeliveryState::Parked => format!("parked: {}", reason.unwrap_or("no reason was noted")),
            DeliveryState::Sending => format!("is being sent to {}", self.label),
            DeliveryState::Pending => match reason {
                Some(reason) if self.attempts == 0 => format!("waits: {reason}"),
                Some(reason) => format!("waits to be tried again after {tries}: {reason}"),
                None => "waits for its turn".to_owned(),
            },
        }
    }
}

/// One try of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Which, from 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration_ms: u32,
    /// `delivered`, `failed`, `rejected`, `gone`, or `interrupted` when the process ended in the middle of it.
    pub outcome: String,
    /// The answer's status.
    pub status: Option<u16>,
    /// What went wrong.
    pub reason: Option<String>,
    /// What was sent, secrets masked.
    pub request: Option<AttemptRequest>,
    /// What came back.
    #[serde(rename = "response", serialize_with = "answer_by_name")]
    pub answer: Option<Answer>,
}

/// A request with its body as the text that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptRequest {
    /// The HTTP method, or `SMTP`.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Header lines in order.
    #[serde(serialize_with = "headers_by_name")]
    pub headers: Vec<(String, String)>,
    /// What it carried.
    pub body: String,
}

/// A delivery with all that is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryDetail {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: DeliveryRow,
    /// Its event.
    pub event: Event,
    /// Where it goes; as it is now, also when it was removed.
    #[serde(skip)]
    pub target: Destination,
    /// Its tries, the first one first.
    #[serde(rename = "attempt_log")]
    pub attempts: Vec<Attempt>,
}

impl Store {
    /// One delivery with its event, its destination and its tries.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<DeliveryDetail, StoreError> {
        let mut transaction = self.readers().begin().await?;
        let row = sqlx::query(concat!(select_row!(), " WHERE delivery.id = ?"))
            .bind(id.number())
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or_else(|| {
                StoreError::NotFound(format!("there is no delivery `{id}`; see `bellboard deliveries list`"))
            })?;
        let delivery = delivery_row(&row, 0)?;
        let (event, _) = read_event(&mut transaction, &delivery.event_id).await?;
        let target = destinations::read_even_removed(&mut transaction, delivery.destination).await?;
        let rows = sqlx::query(
            "SELECT number, started_at, duration_ms, outcome, status, reason, request, answer
             FROM attempt WHERE delivery_id = ? ORDER BY number",
        )
        .bind(id.number())
        .fetch_all(&mut *transaction)
        .await?;
        let attempts = rows.iter().map(|row| attempt(row, &event)).collect::<Result<_, _>>()?;
        Ok(DeliveryDetail { delivery, event, target, attempts })
    }
}

/// The columns of a [`DeliveryRow`]. What waits says what it waits for, also when that is not its own doing.
macro_rules! delivery_columns {
    () => {
        "delivery.id, event.public_id, event.event_type, account.key, destination.channel, destination.id,
         destination.label, delivery.state, delivery.attempts, delivery.status,
         coalesce((SELECT 'is being cancelled: ' || ending.reason FROM ending WHERE delivery.state = 'pending'
                AND ending.destination_id = delivery.destination_id AND ending.last >= delivery.id),
             delivery.reason, CASE WHEN delivery.state <> 'pending' THEN NULL
             WHEN destination.state = 'paused' THEN destination.state_reason
             WHEN destination.channel = 'browser' AND json_type(destination.fields, '$.endpoint') IS NULL
             THEN 'its page is not open in the browser; it is shown when it is'
             ELSE coalesce((SELECT holds ->> destination.channel FROM deliverer WHERE id = 1),
                (SELECT 'the receiver asked to be left alone until ' || strftime('%Y-%m-%d %H:%M:%S', until / 1000, 'unixepoch') || ' UTC'
                 FROM hold WHERE hold.destination_id = destination.id AND hold.revision = destination.revision
                    AND hold.until > delivery.due_at), (
                SELECT 'an earlier one, dlv_' || earlier.id || ', goes first' FROM delivery AS earlier INDEXED BY delivery_order
                JOIN event AS its ON its.id = earlier.event_id
                WHERE earlier.state = 'pending' AND earlier.destination_id = delivery.destination_id
                  AND destination.fields ->> 'ordered' = 1 AND event.is_test = 0 AND its.is_test = 0
                  AND earlier.id < delivery.id
                ORDER BY earlier.id LIMIT 1)) END),
         delivery.duration_ms, delivery.created_at, delivery.updated_at,
         CASE delivery.state WHEN 'pending' THEN max(delivery.due_at, coalesce((SELECT until FROM hold
                WHERE hold.destination_id = destination.id AND hold.revision = destination.revision), 0)) END, event.is_test, delivery.folded_into"
    };
}
pub(crate) use delivery_columns;

/// The tables that [`delivery_columns`] needs beside `delivery`.
macro_rules! delivery_joins {
    () => {
        " JOIN event ON event.id = delivery.event_id
          JOIN destination ON destination.id = delivery.destination_id
          JOIN account ON account.id = event.account_id AND account.removed_at IS NULL"
    };
}
pub(crate) use delivery_joins;

/// All of it, up to a condition.
macro_rules! select_row {
    () => {
        concat!("SELECT ", delivery_columns!(), " FROM delivery", delivery_joins!())
    };
}
pub(crate) use select_row;

/// Reads the columns of [`select_row`], beginning at column `first`.
pub(crate) fn delivery_row(row: &SqliteRow, first: usize) -> Result<DeliveryRow, StoreError> {
    let state: String = row.try_get(first + 7)?;
    let next: Option<i64> = row.try_get(first + 14)?;
    Ok(DeliveryRow {
        id: DeliveryId::new(row.try_get(first)?),
        event_id: event_id(row.try_get(first + 1)?)?,
        event_type: row.try_get(first + 2)?,
        account: account_key(row.try_get(first + 3)?)?,
        channel: read_channel(row.try_get(first + 4)?)?,
        destination: DestinationId::new(row.try_get(first + 5)?),
        label: row.try_get(first + 6)?,
        state: DeliveryState::parse(&state).map_err(StoreError::Damaged)?,
        attempts: row.try_get(first + 8)?,
        status: row.try_get(first + 9)?,
        reason: row.try_get(first + 10)?,
        duration_ms: row.try_get(first + 11)?,
        created_at: Timestamp::from_millis(row.try_get(first + 12)?),
        updated_at: Timestamp::from_millis(row.try_get(first + 13)?),
        next_attempt_at: next.map(Timestamp::from_millis),
        test: row.try_get(first + 15)?,
        folded_into: row.try_get::<Option<i64>, _>(first + 16)?.map(DeliveryId::new),
    })
}

/// Headers as scripts read them: by name. Lines of the same name are joined (RFC 9110 section 5.2).
fn headers_by_name<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut by_name = serde_json::Map::new();
    for (name, value) in headers {
        let joined = match by_name.get(name).and_then(serde_json::Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        by_name.insert(name.clone(), joined.into());
    }
    by_name.serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
fn answer_by_name<S: Serializer>(answer: &Option<Answer>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct ByName<'a> {
        status: u16,
        #[serde(serialize_with = "headers_by_name")]
        headers: &'a [(String, String)],
        body: &'a str,
    }
    let by_name =
        answer.as_ref().map(|answer| ByName { status: answer.status, headers: &answer.headers, body: &answer.body });
    by_name.serialize(serializer)
}

fn attempt(row: &SqliteRow, event: &Event) -> Result<Attempt, StoreError> {
    let request: Option<String> = row.try_get(6)?;
    let answer: Option<String> = row.try_get(7)?;
    let damaged = |error: serde_json::Error| StoreError::Damaged(error.to_string());
    let request: Option<SentRequest> = request.as_deref().map(serde_json::from_str).transpose().map_err(damaged)?;
    Ok(Attempt {
        number: row.try_get(0)?,
        started_at: Timestamp::from_millis(row.try_get(1)?),
        duration_ms: row.try_get(2)?,
        outcome: row.try_get(3)?,
        status: row.try_get(4)?,
        reason: row.try_get(5)?,
        request: request.map(|request| AttemptRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: match request.body {
                SentBody::Payload(timestamp) => event.data.body(timestamp, &event.event_type),
                SentBody::Text(text) => text,
            },
        }),
        answer: answer.as_deref().map(serde_json::from_str).transpose().map_err(damaged)?,
    })
}
