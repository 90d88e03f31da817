//! How a destination did lately: its newest tries, however many there are before them.

use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;

/// Deliveries that are looked at, from the newest on. That many are read in a few milliseconds, however large the file is.
pub const DELIVERIES_MAX: u32 = 300;

/// A try as a plot wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentTry {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// Whether it got through.
    pub went_well: bool,
}

impl Store {
    /// The newest delivery of each destination of that channel of an account; those that never had one are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_deliveries(
        &self,
        account: &AccountKey,
        channel: Channel,
    ) -> Result<Vec<(DestinationId, DeliveryId)>, StoreError> {
        let rows = sqlx::query(
            "SELECT destination.id, (SELECT id FROM delivery INDEXED BY delivery_destination
                                     WHERE destination_id = destination.id ORDER BY id DESC LIMIT 1) AS newest
             FROM destination WHERE account_id = (SELECT id FROM account WHERE key = ?) AND channel = ?
               AND removed_at IS NULL AND newest IS NOT NULL",
        )
        .bind(account.as_str())
        .bind(channel.name())
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|row| Ok((DestinationId::new(row.try_get(0)?), DeliveryId::new(row.try_get(1)?)))).collect()
    }

    /// The tries since a time, of a destination's newest [`DELIVERIES_MAX`] deliveries; in no order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recent_tries(&self, id: DestinationId, since: Timestamp) -> Result<Vec<RecentTry>, StoreError> {
        let rows = sqlx::query(
            "SELECT attempt.started_at, attempt.duration_ms, attempt.outcome = 'delivered'
             FROM (SELECT id FROM delivery INDEXED BY delivery_destination
                   WHERE destination_id = ?1 ORDER BY id DESC LIMIT ?2) AS newest
             CROSS JOIN attempt ON attempt.delivery_id = newest.id
             WHERE attempt.started_at >= ?3",
        )
        .bind(id.number())
        .bind(DELIVERIES_MAX)
        .bind(since.millis())
        .fetch_all(self.readers())
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(RecentTry {
                started_at: Timestamp::from_millis(row.try_get(0)?),
                duration_ms: row.try_get(1)?,
                went_well: row.try_get(2)?,
            })
        };
        rows.iter().map(read).collect()
    }
}
