//! What the dispatcher reads: in which lanes something waits, what comes first in each, and how to send there.

use std::collections::HashSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::destination::{Destination, FieldValues};
use crate::domain::id::{AccountId, DeliveryId, DestinationId};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::destinations::{open_fields, read_one};
use crate::store::ending::not_ended;
use crate::store::error::StoreError;
use crate::store::queue::{HEAD_MAX, Waiting};

/// The lanes in which something waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Each with the time at which its first delivery is due, or an earlier one.
    pub due: Vec<(DestinationId, Timestamp)>,
    /// After which destination to read on, when there may be more.
    pub next: Option<DestinationId>,
    /// The newest row of the audit trail: as long as it stays the same, so does every set-up.
    pub last_change: i64,
    /// Whose set-ups may have changed.
    pub changed: Changed,
}

/// Whose destinations may not be as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Nobody's.
    Nothing,
    /// Those of these accounts.
    Accounts(HashSet<AccountId>),
    /// Anybody's.
    All,
}

/// Lanes that are read at once: so few that the first delivery after a start waits for one short read, however many there are.
const LANES_MAX: u32 = 1000;

/// Changes beyond which it is not worth finding out whose they were.
const CHANGES_MAX: i64 = 10_000;

/// A skip scan over the index of pending deliveries: one step a destination, however long its lane is.
pub const LANES: &str = "WITH RECURSIVE lane (id) AS (
        SELECT min(destination_id) FROM delivery WHERE state = 'pending' AND destination_id > ?1
        UNION ALL
        SELECT (SELECT min(destination_id) FROM delivery WHERE state = 'pending' AND destination_id > lane.id)
        FROM lane WHERE lane.id IS NOT NULL LIMIT ?2)
     SELECT lane.id, (SELECT min(due_at) FROM delivery WHERE state = 'pending' AND destination_id = lane.id)
     FROM lane WHERE lane.id IS NOT NULL";

/// The lanes of what came last, if it is due: with a hundred thousand lanes in which something waits for its next try, a start
/// would otherwise come to them last.
pub const LATEST: &str = "SELECT destination_id, min(due_at) FROM (
        SELECT destination_id, state, due_at FROM delivery ORDER BY id DESC LIMIT ?2)
     WHERE state = 'pending' AND due_at <= ?1 GROUP BY destination_id";

/// The newest row of the audit trail, and the newest time at which something came or was changed.
pub const LAST: &str = "SELECT coalesce((SELECT max(id) FROM audit), 0), max(
        coalesce((SELECT received_at FROM event ORDER BY id DESC LIMIT 1), 0),
        coalesce((SELECT at FROM audit ORDER BY id DESC LIMIT 1), 0),
        coalesce((SELECT max(updated_at) FROM (SELECT updated_at FROM delivery ORDER BY id DESC LIMIT 100)), 0))";

/// Whose changes there are since a row of the audit trail.
pub const CHANGED: &str = "SELECT DISTINCT account.id FROM audit LEFT JOIN account ON account.key = audit.account
     WHERE audit.id > ?";

async fn changed(connection: &mut SqliteConnection, since: i64, last: i64) -> Result<Changed, StoreError> {
    if since == last {
        return Ok(Changed::Nothing);
    }
    if since < 0 || last < since || last - since > CHANGES_MAX {
        return Ok(Changed::All);
    }
    let rows = sqlx::query(CHANGED).bind(since).fetch_all(connection).await?;
    let accounts: Result<Option<HashSet<_>>, StoreError> =
        rows.iter().map(|row| Ok(row.try_get::<Option<i64>, _>(0)?.map(AccountId::new))).collect();
    Ok(accounts?.map_or(Changed::All, Changed::Accounts))
}

/// A destination as the dispatcher needs it: with its secrets.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The destination.
    pub destination: Destination,
    /// Its fields, secrets opened.
    pub fields: FieldValues,
}

/// When a pending delivery is due. What was to wait a while from a time that is still to come, since the clock has been set back,
/// waits that while from now.
macro_rules! due {
    () => {
        "min(delivery.due_at, ?3 + delivery.due_at - delivery.updated_at)"
    };
}

/// The first pending deliveries of lanes: `?1` as they are due, `?4` of strict ones, at most `?2` of a lane. A sum as its limit: for
/// a bare parameter there SQLite plans by its value, so that it would prepare this anew each time.
pub const LANE_HEADS: &str = concat!(
    "SELECT delivery.destination_id, delivery.id,
                    ",
    due!(),
    "
             FROM json_each(?1) AS lane
             CROSS JOIN delivery ON delivery.id IN (
                SELECT id FROM delivery WHERE state = 'pending' AND destination_id = lane.value AND ",
    not_ended!(),
    "
                ORDER BY due_at, id LIMIT ?2 + 0)
             UNION ALL
             SELECT delivery.destination_id, delivery.id,
                    ",
    due!(),
    "
             FROM json_each(?4) AS lane
             CROSS JOIN delivery ON delivery.id = (
                SELECT delivery.id FROM delivery INDEXED BY delivery_order
                CROSS JOIN event ON event.id = delivery.event_id
                WHERE delivery.state = 'pending' AND delivery.destination_id = lane.value AND event.is_test = 0
                  AND delivery.id > coalesce((SELECT last FROM ending WHERE ending.destination_id = lane.value), 0)
                ORDER BY delivery.id LIMIT 1)
             UNION ALL
             SELECT delivery.destination_id, delivery.id, CASE WHEN delivery.due_at <= ?3 THEN 0
            ELSE min(delivery.due_at, ?3 + delivery.due_at - delivery.updated_at) END
             FROM json_each(?4) AS lane
             CROSS JOIN event ON event.is_test = 1
             CROSS JOIN delivery ON delivery.event_id = event.id
             WHERE delivery.state = 'pending' AND delivery.destination_id = lane.value AND ",
    not_ended!(),
    "
             ORDER BY 3, 2"
);

impl Store {
    /// The destinations for which deliveries are pending, and when the first of each is due: as many as are read at once, those
    /// after `after` in the order of their numbers, and at the first look also those of what came last; and whose set-ups may have changed since that row of the audit trail.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lanes(&self, after: Option<DestinationId>, since: i64) -> Result<Lanes, StoreError> {
        let mut transaction = self.readers().begin().await?;
        let now = self.clock().now();
        let (last_change, newest): (i64, i64) = sqlx::query_as(LAST).fetch_one(&mut *transaction).await?;
        // Where the clock has been set back, what waits may be due long before its time ([`LANE_HEADS`]).
        let set_back = newest > now.millis();
        let changed = changed(&mut transaction, since, last_change).await?;
        let rows = sqlx::query(LANES)
            .bind(after.map_or(0, DestinationId::number))
            .bind(LANES_MAX)
            .fetch_all(&mut *transaction)
            .await?;
        let lane = |row: &SqliteRow| -> Result<_, StoreError> {
            let due_at = Timestamp::from_millis(row.try_get(1)?);
            Ok((DestinationId::new(row.try_get(0)?), if set_back { due_at.min(now) } else { due_at }))
        };
        let mut due = rows.iter().map(lane).collect::<Result<Vec<_>, _>>()?;
        let next = due.last().filter(|_| due.len() == LANES_MAX as usize).map(|(id, _)| *id);
        if next.is_some() && since < 0 {
            let latest = sqlx::query(LATEST).bind(now.millis()).bind(LANES_MAX).fetch_all(&mut *transaction).await?;
            due.extend(latest.iter().map(lane).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Lanes { due, next, last_change, changed })
    }

    /// The first pending deliveries of each lane, at most [`HEAD_MAX`] a lane, in the order in which they are due; of a
    /// strict lane (`true`) only the earliest accepted one, and before it the tests that are due, which wait for nobody.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lane_heads(
        &self,
        lanes: &[(DestinationId, bool)],
    ) -> Result<Vec<(DestinationId, Waiting)>, StoreError> {
        let ids = |wanted: bool| {
            let of_kind = lanes.iter().filter(|(_, strict)| *strict == wanted).map(|(id, _)| id.number());
            serde_json::Value::from(of_kind.collect::<Vec<_>>()).to_string()
        };
        let rows = sqlx::query(LANE_HEADS)
            .bind(ids(false))
            .bind(u32::try_from(HEAD_MAX).unwrap_or(u32::MAX))
            .bind(self.clock().now().millis())
            .bind(ids(true))
            .fetch_all(self.readers())
            .await?;
        rows.iter()
            .map(|row| {
                let due_at = Timestamp::from_millis(row.try_get(2)?);
                let waiting = Waiting { delivery: DeliveryId::new(row.try_get(1)?), due_at };
                Ok((DestinationId::new(row.try_get(0)?), waiting))
            })
            .collect()
    }

    /// A destination with its secrets; nothing when it was removed.
    ///
    /// # Errors
    /// When the store cannot be read, or the secrets cannot be opened.
    pub async fn lane(&self, id: DestinationId) -> Result<Option<Lane>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        match read_one(&mut connection, id).await {
            Ok((destination, sealed)) => {
                let fields = open_fields(&destination.fields, sealed.as_deref(), &self.inner.sealer, id)?;
                Ok(Some(Lane { destination, fields }))
            }
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
