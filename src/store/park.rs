//! Ends deliveries that cannot be sent as they are, so that they stand in nobody's way.

use crate::domain::delivery::Reason;
use crate::store::error::StoreError;
use crate::store::writer::Session;

impl Session {
    /// Ends deliveries whose event is not there.
    pub(crate) async fn park_lost(&mut self, ids: &str) -> Result<(), StoreError> {
        let lost: Vec<i64> = sqlx::query_scalar(
            "SELECT delivery.id FROM json_each(?) AS one CROSS JOIN delivery ON delivery.id = one.value
             WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.id = delivery.event_id)",
        )
        .bind(ids)
        .fetch_all(&mut self.connection)
        .await?;
        for delivery in lost {
            self.park(delivery, &StoreError::Damaged("its event is not there".to_owned())).await?;
        }
        Ok(())
    }

    /// Ends a delivery that cannot be sent as it is.
    pub(crate) async fn park(&mut self, delivery: i64, error: &StoreError) -> Result<(), StoreError> {
        let reason = Reason::new(format!("it cannot be read: {error}"));
        tracing::warn!(delivery, %error, "a delivery cannot be read and is parked");
        sqlx::query("UPDATE delivery SET state = 'parked', due_at = NULL, reason = ?2, updated_at = ?3 WHERE id = ?1")
            .bind(delivery)
            .bind(reason.as_str())
            .bind(self.now.millis())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
