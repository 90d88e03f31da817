//! Finds one's way among events: lines of the live pane by what is known of them, the newest event of a type, and the ones
//! before and after it.

use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::id::EventId;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::bounds::EVENTS;
use crate::store::deliveries::{delivery_columns, delivery_row};
use crate::store::error::StoreError;
use crate::store::events::{brief, event_id};
use crate::store::failing::{WORDS_MAX, all_in, like};
use crate::store::live::LiveRow;

/// Events of an account that are looked through, from the newest on.
const LOOKED_THROUGH_MAX: u32 = 3000;

/// Which lines of the live pane to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveFilter {
    /// Over this channel.
    pub channel: Option<Channel>,
    /// Of event types whose name has these letters in this order.
    pub event_type: Option<String>,
    /// In this state: a delivery's, `waiting`, or `nowhere`; its beginning is enough.
    pub state: Option<String>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Each has its letters in this order in the event's type, its id, the destination, the reason or the payload.
    pub words: Vec<String>,
}

impl Store {
    /// Lines of an account's live pane that the filter lets through, the newest event first: of its newest 3,000 events.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn live_found(
        &self,
        account: &AccountKey,
        filter: &LiveFilter,
        limit: u32,
    ) -> Result<Vec<LiveRow>, StoreError> {
        let told = "event.event_type || ' ' || lower(hex(event.public_id)) || ' ' ||
                    coalesce(destination.label || ' ' || destination.channel, 'nowhere') || ' ' ||
                    coalesce(delivery.reason, '') || ' ' || event.data";
        let words = &filter.words[..filter.words.len().min(WORDS_MAX)];
        let all_words = all_in(told, 8, words.len());
        let between = EVENTS.between("event.id", filter.since.map(|_| "?2"), None);
        let statement = format!(
            "SELECT event.public_id, account.key, event.event_type, event.received_at, event.is_test,
                    delivery.id IS NOT NULL, {}
              FROM (SELECT * FROM event WHERE account_id = (SELECT id FROM account WHERE key = ?1) AND received_at >= ?2{between}
                    ORDER BY id DESC LIMIT ?3) AS event
              CROSS JOIN account ON account.id = event.account_id AND account.removed_at IS NULL
              LEFT JOIN delivery ON delivery.event_id = event.id
              LEFT JOIN destination ON destination.id = delivery.destination_id
              WHERE (?4 IS NULL OR destination.channel = ?4) AND (?5 IS NULL OR event.event_type LIKE ?5 ESCAPE '\\')
                AND (?6 IS NULL OR CASE WHEN delivery.state IS NULL THEN 'nowhere' WHEN delivery.state = 'pending'
                     THEN 'waiting' ELSE delivery.state END LIKE ?6 || '%' OR delivery.state LIKE ?6 || '%'){all_words}
              ORDER BY event.id DESC, delivery.id LIMIT ?7",
            delivery_columns!()
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(account.as_str())
            .bind(filter.since.map_or(0, Timestamp::millis))
            .bind(LOOKED_THROUGH_MAX)
            .bind(filter.channel.map(Channel::name))
            .bind(filter.event_type.as_deref().map(like))
            .bind(filter.state.as_deref())
            .bind(limit);
        for word in words {
            query = query.bind(like(word));
        }
        let rows = query.fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                let has_delivery: bool = row.try_get(5)?;
                let delivery = if has_delivery { Some(delivery_row(row, 6)?) } else { None };
                Ok(LiveRow { event: brief(row, 0)?, delivery })
            })
            .collect()
    }

    /// The newest event of a type that came for an account.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn newest_event(&self, account: &AccountKey, event_type: &str) -> Result<Option<EventId>, StoreError> {
        let row = sqlx::query(
            "SELECT public_id FROM event WHERE account_id = (SELECT id FROM account WHERE key = ?1) AND event_type = ?2
             ORDER BY id DESC LIMIT 1",
        )
        .bind(account.as_str())
        .bind(event_type)
        .fetch_optional(self.readers())
        .await?;
        row.map(|row| event_id(row.try_get(0)?)).transpose()
    }

    /// The event of the same type and account that came last before this one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn event_before(&self, id: &EventId) -> Result<Option<EventId>, StoreError> {
        let row = sqlx::query(
            "SELECT other.public_id FROM event AS this JOIN event AS other
                 ON other.account_id = this.account_id AND other.id < this.id AND other.event_type = this.event_type
             WHERE this.public_id = ?1 ORDER BY other.id DESC LIMIT 1",
        )
        .bind(id.as_bytes().to_vec())
        .fetch_optional(self.readers())
        .await?;
        row.map(|row| event_id(row.try_get(0)?)).transpose()
    }

    /// The event of the same type and account that came first after this one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn event_after(&self, id: &EventId) -> Result<Option<EventId>, StoreError> {
        let row = sqlx::query(
            "SELECT other.public_id FROM event AS this JOIN event AS other
                 ON other.account_id = this.account_id AND other.id > this.id AND other.event_type = this.event_type
             WHERE this.public_id = ?1 ORDER BY other.id LIMIT 1",
        )
        .bind(id.as_bytes().to_vec())
        .fetch_optional(self.readers())
        .await?;
        row.map(|row| event_id(row.try_get(0)?)).transpose()
    }
}
