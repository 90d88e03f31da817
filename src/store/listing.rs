//! Lists of deliveries: by the narrowest way in that a filter leaves, however many there are.

use sqlx::SqliteConnection;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::delivery::DeliveryState;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::bounds::DELIVERIES;
use crate::store::deliveries::{
    DeliveryFilter, DeliveryRow, delivery_columns, delivery_joins, delivery_row, select_row,
};
use crate::store::error::StoreError;

impl Store {
    /// Deliveries that the filter lets through, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        read_list(&mut connection, filter).await
    }
}

/// The list, on a connection at hand.
pub(crate) async fn read_list(
    connection: &mut SqliteConnection,
    filter: &DeliveryFilter,
) -> Result<Vec<DeliveryRow>, StoreError> {
    const CONDITIONS: &str = " WHERE (?1 IS NULL OR account.key = ?1) AND (?2 IS NULL OR destination.channel = ?2)
           AND (?3 IS NULL OR delivery.destination_id = ?3) AND (?4 IS NULL OR event.event_type = ?4)
           AND (?5 IS NULL OR delivery.state = ?5) AND (?6 IS NULL OR event.public_id = ?6)
           AND (?7 IS NULL OR delivery.created_at >= ?7) AND (?8 IS NULL OR delivery.created_at < ?8)
           AND (?9 IS NULL OR delivery.id < ?9)";
    // The narrowest way in is chosen here, since one statement for all filters has one plan for all of them.
    let state = match filter.state {
        Some(DeliveryState::Pending) => " = 'pending'",
        Some(DeliveryState::Sending) => " = 'sending'",
        Some(DeliveryState::Failed) => " = 'failed'",
        Some(DeliveryState::Parked) => " = 'parked'",
        _ => " IS NOT NULL",
    };
    let narrowed = if filter.event.is_some() {
        " AND delivery.event_id = (SELECT id FROM event WHERE public_id = ?6)".to_owned()
    } else if filter.destination.is_some() {
        " AND delivery.destination_id = ?3".to_owned()
    } else if filter.account.is_some() {
        of_account(filter, state)
    } else {
        String::new()
    };
    let between = DELIVERIES.between("delivery.id", filter.since.map(|_| "?7"), filter.until.map(|_| "?8"));
    let statement = format!(
        "{}{CONDITIONS}{narrowed} AND delivery.state{state}{between} ORDER BY delivery.id DESC LIMIT ?10",
        select_row!()
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(filter.account.as_ref().map(AccountKey::as_str))
        .bind(filter.channel.map(Channel::name))
        .bind(filter.destination.map(DestinationId::number))
        .bind(filter.event_type.as_deref())
        .bind(filter.state.map(DeliveryState::name))
        .bind(filter.event.as_ref().map(|id| id.as_bytes().to_vec()))
        .bind(filter.since.map(Timestamp::millis))
        .bind(filter.until.map(Timestamp::millis))
        .bind(filter.before.map(DeliveryId::number))
        .bind(filter.limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| delivery_row(row, 0)).collect()
}

/// The newest of each of an account's destinations that all other conditions let through, by the index of destinations: its
/// events may be many, and few of them among those that are looked for.
fn of_account(filter: &DeliveryFilter, state: &str) -> String {
    let of_type = match filter.event_type {
        Some(_) => "CROSS JOIN event AS its ON its.id = newest.event_id AND its.event_type = ?4",
        None => "",
    };
    let between = DELIVERIES.between("newest.id", filter.since.map(|_| "?7"), filter.until.map(|_| "?8"));
    format!(
        " AND delivery.id IN (
            SELECT one.id FROM destination AS own CROSS JOIN delivery AS one ON one.id IN (
                SELECT newest.id FROM delivery AS newest {of_type}
                WHERE newest.destination_id = own.id AND newest.state{state} AND (?5 IS NULL OR newest.state = ?5)
                  AND (?7 IS NULL OR newest.created_at >= ?7) AND (?8 IS NULL OR newest.created_at < ?8)
                  AND (?9 IS NULL OR newest.id < ?9){between}
                ORDER BY newest.id DESC LIMIT ?10)
            WHERE own.account_id = (SELECT id FROM account WHERE key = ?1) AND (?2 IS NULL OR own.channel = ?2))"
    )
}
