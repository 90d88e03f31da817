//! What the page of an enrolled browser fetches, and that it has shown it.

use std::sync::Arc;

use serde_json::json;
use sqlx::Row;

use crate::domain::delivery::{SentBody, SentRequest};
use crate::domain::destination::DestinationState;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::message::Message;
use crate::domain::payload::Payload;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::access::Chore;
use crate::store::accounts::read_by_id;
use crate::store::destinations::read_one;
use crate::store::ending::not_ended;
use crate::store::error::StoreError;
use crate::store::events::event_id;
use crate::store::matrix::read_catalogue;
use crate::store::queue::removed_type;
use crate::store::writer::Session;

/// Most messages that are fetched at once.
pub const FETCHED_MAX: u32 = 100;

impl Store {
    /// What waits for a browser or is on its way to it, in the order in which it came; nothing while it is paused.
    ///
    /// # Errors
    /// When there is no such destination, or the store cannot be read.
    pub async fn waiting_for_page(&self, destination: DestinationId) -> Result<Vec<Message>, StoreError> {
        let mut transaction = self.readers().begin().await?;
        let (row, _) = read_one(&mut transaction, destination).await?;
        if row.state == DestinationState::Paused {
            return Ok(Vec::new());
        }
        let account = read_by_id(&mut transaction, row.account).await?;
        let rows = sqlx::query(concat!(
            "SELECT delivery.id, event.public_id, event.event_type, event.data, event.received_at, event.is_test,
                    event.down_since, event.tester, delivery.attempts + (delivery.state = 'pending')
             FROM delivery JOIN event ON event.id = delivery.event_id
             WHERE delivery.destination_id = ?1 AND delivery.state IN ('pending', 'sending') AND ",
            not_ended!(),
            " ORDER BY delivery.id LIMIT ?2",
        ))
        .bind(destination.number())
        .bind(FETCHED_MAX)
        .fetch_all(&mut *transaction)
        .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let catalogue = read_catalogue(&mut transaction, account.id).await?;
        let now = self.clock().now();
        rows.iter()
            .map(|row| {
                let name: String = row.try_get(2)?;
                Ok(Message {
                    delivery: DeliveryId::new(row.try_get(0)?),
                    destination,
                    event: event_id(row.try_get(1)?)?,
                    attempt: row.try_get(8)?,
                    account: account.key.clone(),
                    account_name: account.profile.name.clone(),
                    timezone: account.profile.timezone.clone(),
                    event_type: catalogue.get(&name).cloned().unwrap_or_else(|| Arc::new(removed_type(&name))),
                    payload: Payload::trusted(row.try_get(3)?),
                    received_at: Timestamp::from_millis(row.try_get(4)?),
                    sent_at: now,
                    test: row.try_get(5)?,
                    tester: row.try_get(7)?,
                    down_since: row.try_get::<Option<i64>, _>(6)?.map(Timestamp::from_millis),
                })
            })
            .collect()
    }

    /// Notes that a browser's page has shown a delivery. One that is not pending, or another browser's, stays as it is.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn shown_by_page(
        &self,
        destination: DestinationId,
        delivery: DeliveryId,
        document: String,
    ) -> Result<(), StoreError> {
        self.chore(Chore::Shown { destination, delivery, document }).await
    }
}

impl Session {
    pub(crate) async fn note_shown(
        &mut self,
        destination: DestinationId,
        delivery: DeliveryId,
        document: &str,
    ) -> Result<(), StoreError> {
        let moved = sqlx::query(concat!(
            "UPDATE delivery SET state = 'delivered', attempts = attempts + 1, due_at = NULL, reason = NULL,
                    duration_ms = 0, updated_at = ?3
             WHERE id = ?1 AND destination_id = ?2 AND state = 'pending' AND ",
            not_ended!(),
            " RETURNING attempts",
        ))
        .bind(delivery.number())
        .bind(destination.number())
        .bind(self.now.millis())
        .fetch_optional(&mut self.connection)
        .await?;
        let Some(row) = moved else { return Ok(()) };
        let request = SentRequest {
            method: "STREAM".to_owned(),
            url: "the page that was open".to_owned(),
            headers: Vec::new(),
            body: SentBody::Text(document.to_owned()),
        };
        sqlx::query(
            "INSERT INTO attempt (delivery_id, number, started_at, duration_ms, outcome, request)
             VALUES (?, ?, ?, 0, 'delivered', ?) ON CONFLICT (delivery_id, number) DO NOTHING",
        )
        .bind(delivery.number())
        .bind(row.try_get::<i64, _>(0)?)
        .bind(self.now.millis())
        .bind(json!(request).to_string())
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }
}
