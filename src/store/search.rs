//! Finds one's way among events: the newest of a type, and the ones before and after it.

use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::id::EventId;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::events::event_id;

impl Store {
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
