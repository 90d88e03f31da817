//! Events, and for each channel of one what became of it.

use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::delivery::DeliveryState;
use crate::domain::event::{Event, NewEvent};
use crate::domain::id::EventId;
use crate::domain::matrix::{FanOut, NotSent, fan_out};
use crate::domain::payload::Payload;
use crate::domain::time::Timestamp;
use crate::store::bounds::EVENTS;
use crate::store::deliveries::{DeliveryFilter, DeliveryRow};
use crate::store::error::{AcceptError, StoreError};
use crate::store::listing::read_list;
use crate::store::matrix::{MatrixView, read_setup};
use crate::store::{Store, accept};

/// Which events to list.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Of this account.
    pub account: Option<AccountKey>,
    /// Of this type.
    pub event_type: Option<String>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
    /// Older than this one; for the next page.
    pub before: Option<EventId>,
    /// How many at most.
    pub limit: u32,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self { account: None, event_type: None, since: None, until: None, before: None, limit: 100 }
    }
}

/// An event without what it carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventBrief {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub account: AccountKey,
    /// Its type's name.
    pub event_type: String,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// Whether a person sent it to try a destination.
    pub test: bool,
}

/// An event and what became of each channel.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// The event.
    pub event: Event,
    /// All six channels.
    pub channels: Vec<WhyRow>,
}

/// What became of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyRow {
    /// Which.
    pub channel: Channel,
    /// `delivered`, `failed`, `parked`, `waiting`, `cancelled`, `folded` or `not_sent`; of several deliveries, the one that needs a look first.
    pub outcome: String,
    /// Why, as a sentence without its stop.
    pub reason: String,
    /// The deliveries there.
    pub deliveries: Vec<DeliveryRow>,
}

/// Where an event would go.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The matrix that decides.
    pub matrix: MatrixView,
    /// What it decides.
    pub fan_out: FanOut,
}

impl Store {
    /// The event of that id.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn event(&self, id: &EventId) -> Result<Event, StoreError> {
        let mut connection = self.readers().acquire().await?;
        Ok(read_event(&mut connection, id).await?.0)
    }

    /// Events that the filter lets through, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<EventBrief>, StoreError> {
        // One statement for all filters would have one plan for all of them, without the account's index.
        let of_account = match filter.account {
            Some(_) => "event.account_id = (SELECT id FROM account WHERE key = ?1)",
            None => "?1 IS NULL",
        };
        let between = EVENTS.between("event.id", filter.since.map(|_| "?3"), filter.until.map(|_| "?4"));
        let statement = format!(
            "SELECT event.public_id, account.key, event.event_type, event.received_at, event.is_test
             FROM event JOIN account ON account.id = event.account_id AND account.removed_at IS NULL
             WHERE {of_account} AND (?2 IS NULL OR event.event_type = ?2)
               AND (?3 IS NULL OR event.received_at >= ?3) AND (?4 IS NULL OR event.received_at < ?4)
               AND (?5 IS NULL OR event.id < (SELECT id FROM event WHERE public_id = ?5)){between}
             ORDER BY event.id DESC LIMIT ?6"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(filter.account.as_ref().map(AccountKey::as_str))
            .bind(filter.event_type.as_deref())
            .bind(filter.since.map(Timestamp::millis))
            .bind(filter.until.map(Timestamp::millis))
            .bind(filter.before.as_ref().map(|id| id.as_bytes().to_vec()))
            .bind(filter.limit)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(|row| brief(row, 0)).collect()
    }

    /// For each channel of an event: delivered, failed, waiting or not sent, and for what reason.
    ///
    /// # Errors
    /// When there is no such event, or the store cannot be read.
    pub async fn why(&self, id: &EventId) -> Result<Why, StoreError> {
        let mut transaction = self.readers().begin().await?;
        let (event, not_sent) = read_event(&mut transaction, id).await?;
        let filter = DeliveryFilter { event: Some(*id), limit: u32::MAX, ..DeliveryFilter::default() };
        let mut deliveries = read_list(&mut transaction, &filter).await?;
        deliveries.reverse();
        let channels = Channel::ALL
            .into_iter()
            .map(|channel| {
                let of_channel: Vec<_> = deliveries.iter().filter(|row| row.channel == channel).cloned().collect();
                let reason = not_sent.iter().find(|(other, _)| *other == channel).map(|(_, reason)| reason.text());
                why_row(channel, of_channel, reason)
            })
            .collect();
        Ok(Why { event, channels })
    }

    /// Where an event would go if it came now; nothing is stored.
    ///
    /// # Errors
    /// The inner error when it would not be accepted, the outer when the store cannot be read.
    pub async fn preview(&self, event: &NewEvent) -> Result<Result<Preview, AcceptError>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let setup = read_setup(&mut connection, &event.account).await?;
        drop(connection);
        let decided = accept::check(setup.as_ref(), event).map(|(setup, event_type)| {
            fan_out(setup.account.profile.status, event_type, &setup.preferences, &setup.targets, self.clock().now())
        });
        match decided {
            Ok(fan_out) => Ok(Ok(Preview { matrix: self.matrix(&event.account).await?, fan_out })),
            Err(error) => Ok(Err(error)),
        }
    }
}

fn why_row(channel: Channel, deliveries: Vec<DeliveryRow>, not_sent: Option<String>) -> WhyRow {
    const WORST_FIRST: [(DeliveryState, &str); 7] = [
        (DeliveryState::Failed, "failed"),
        (DeliveryState::Parked, "parked"),
        (DeliveryState::Pending, "waiting"),
        (DeliveryState::Sending, "waiting"),
        (DeliveryState::Cancelled, "cancelled"),
        (DeliveryState::Folded, "folded"),
        (DeliveryState::Delivered, "delivered"),
    ];
    let worst = WORST_FIRST
        .iter()
        .find_map(|(state, name)| deliveries.iter().find(|row| row.state == *state).map(|row| (row, *name)));
    let (outcome, reason) = match (worst, not_sent) {
        (Some((row, name)), _) => (name, row.explanation()),
        (None, Some(reason)) => ("not_sent", reason),
        (None, None) => ("not_sent", "nothing is recorded; the delivery was pruned".to_owned()),
    };
    WhyRow { channel, outcome: outcome.to_owned(), reason, deliveries }
}

/// An event with the channels that got nothing.
pub(crate) async fn read_event(
    connection: &mut SqliteConnection,
    id: &EventId,
) -> Result<(Event, Vec<(Channel, NotSent)>), StoreError> {
    let row = sqlx::query(
        "SELECT event.public_id, account.key, event.event_type, event.received_at, event.is_test, event.data, event.not_sent
         FROM event JOIN account ON account.id = event.account_id AND account.removed_at IS NULL WHERE event.public_id = ?",
    )
    .bind(id.as_bytes().to_vec())
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("there is no event `{id}`; see `bellboard events list`")))?;
    let brief = brief(&row, 0)?;
    let not_sent: String = row.try_get(6)?;
    let not_sent = serde_json::from_str(&not_sent).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let event = Event {
        id: brief.id,
        account: brief.account,
        event_type: brief.event_type,
        received_at: brief.received_at,
        test: brief.test,
        data: Payload::trusted(row.try_get(5)?),
    };
    Ok((event, not_sent))
}

/// Reads an event's five columns, beginning at column `first`.
pub(crate) fn brief(row: &SqliteRow, first: usize) -> Result<EventBrief, StoreError> {
    Ok(EventBrief {
        id: event_id(row.try_get(first)?)?,
        account: account_key(row.try_get(first + 1)?)?,
        event_type: row.try_get(first + 2)?,
        received_at: Timestamp::from_millis(row.try_get(first + 3)?),
        test: row.try_get(first + 4)?,
    })
}

pub(crate) fn event_id(bytes: &[u8]) -> Result<EventId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Damaged("an event's id has not 16 bytes".to_owned()))?;
    Ok(EventId::from_bytes(bytes))
}

pub(crate) fn account_key(text: &str) -> Result<AccountKey, StoreError> {
    text.parse().map_err(|_| StoreError::Damaged(format!("account key `{text}`")))
}
