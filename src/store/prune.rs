//! Retention: what ended long ago goes, in steps that no sender notices, and its room in the file is given back.
//!
//! A step looks for the oldest events on a connection that reads, and then removes a few in one short transaction. An event goes
//! with its deliveries, their attempts and its idempotency key, and not before all of its deliveries have ended. One that is too
//! large for a step is hidden by it, and goes in parts with what else is at an end ([`crate::store::ending`]). Bulk replays go
//! when they have ended, and failures that nobody has told to be over; what is told of them after that is a recovery of unknown
//! length. The audit trail stays.

use serde_json::Value;
use sqlx::Row;

use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::removing::ROWS_MAX;
use crate::store::upkeep::Upkeep;
use crate::store::writer::Session;

/// Events that one step looks at; how many of them it takes is a matter of their rows ([`crate::store::removing`]).
const STEP: i64 = 100;

/// Free pages that a step gives back to the file system: at 4 KiB a page, half a megabyte.
const GIVE_BACK: u32 = 128;

/// Free pages that stay in the file, to be used again.
const KEEP_FREE: i64 = 256;

/// Bulk replays that ended before a time: of the oldest hundred.
const OLD_REPLAYS: &str = "SELECT id FROM (SELECT id, state, ended_at FROM replay ORDER BY id LIMIT 100)
     WHERE state <> 'running' AND ended_at < ?1";

/// Failures that began before a time and were never told to be over: of the oldest hundred.
const OLD_TROUBLES: &str = "SELECT id FROM (SELECT id, since FROM trouble ORDER BY id LIMIT 100) WHERE since < ?1";

/// Holds that were over before a time.
const OLD_HOLDS: &str = "SELECT id FROM hold WHERE until < ?1 LIMIT 100";

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(i64);

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// How many events went, or would go.
    pub events: u64,
    /// Where the next step begins; nothing when all has been looked at.
    pub next: Option<Place>,
}

impl Store {
    /// Removes a little of what ended before that time.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn prune(&self, before: Timestamp, from: Place) -> Result<Pruned, StoreError> {
        let (ended, next) = self.ended(before, from).await?;
        let events = if ended.is_empty() { 0 } else { self.keep_up(Upkeep::Prune { events: ended }).await? };
        Ok(Pruned { events, next })
    }

    /// Removes a little of what else is over since before that time: bulk replays that ended, failures of which nobody told
    /// that they were over, and holds. Returns how many rows went; nothing when there are no more.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn prune_others(&self, before: Timestamp) -> Result<u64, StoreError> {
        let statement = format!("SELECT EXISTS ({OLD_REPLAYS}) OR EXISTS ({OLD_TROUBLES}) OR EXISTS ({OLD_HOLDS})");
        let any: bool =
            sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(before.millis()).fetch_one(self.readers()).await?;
        if any { self.keep_up(Upkeep::PruneOthers { before }).await } else { Ok(0) }
    }

    /// Counts a little of what ended before that time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_prunable(&self, before: Timestamp, from: Place) -> Result<Pruned, StoreError> {
        let (ended, next) = self.ended(before, from).await?;
        Ok(Pruned { events: ended.len() as u64, next })
    }

    /// Gives a little of the file's free room back; says whether there is more to give.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn give_back(&self) -> Result<bool, StoreError> {
        let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(self.readers()).await?;
        if free <= KEEP_FREE {
            return Ok(false);
        }
        self.keep_up(Upkeep::GiveBack).await?;
        let left: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(self.readers()).await?;
        // A file from before that mode gives nothing back.
        Ok(left > KEEP_FREE && left < free)
    }

    /// The bytes of the database file.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn bytes(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(self.readers())
            .await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// The next few events after a place, as far as they came and ended before that time, and can go in one step. Those of an
    /// account that is being removed go with it.
    async fn ended(&self, before: Timestamp, from: Place) -> Result<(Vec<i64>, Option<Place>), StoreError> {
        let rows = sqlx::query(
            "SELECT event.id, event.received_at < ?2,
                max(account.removed_at IS NOT NULL, coalesce(
                    max(delivery.state IN ('pending', 'sending') OR delivery.updated_at >= ?2), 0)),
                1 + coalesce(sum(1 + delivery.attempts), 0)
             FROM (SELECT id, account_id, received_at FROM event WHERE id > ?1 ORDER BY id LIMIT ?3) AS event
             CROSS JOIN account ON account.id = event.account_id
             LEFT JOIN delivery ON delivery.event_id = event.id GROUP BY event.id ORDER BY event.id",
        )
        .bind(from.0)
        .bind(before.millis())
        .bind(STEP)
        .fetch_all(self.readers())
        .await?;
        let (mut ended, mut total) = (Vec::new(), 0);
        let mut last = None;
        for row in &rows {
            let id: i64 = row.try_get(0)?;
            // Events are numbered as they come, so all that follow came later.
            if !row.try_get::<bool, _>(1)? {
                return Ok((ended, None));
            }
            if !row.try_get::<bool, _>(2)? {
                total += row.try_get::<i64, _>(3)?.unsigned_abs();
                if total > ROWS_MAX && !ended.is_empty() {
                    break;
                }
                ended.push(id);
            }
            last = Some(Place(id));
        }
        Ok((ended, last))
    }
}

impl Session {
    pub(crate) async fn prune(&mut self, events: &[i64]) -> Result<u64, StoreError> {
        // Somebody may have sent one again since it was looked at.
        let ended: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT one.value, 1 + coalesce(sum(1 + delivery.attempts), 0)
             FROM json_each(?) AS one LEFT JOIN delivery ON delivery.event_id = one.value
             GROUP BY one.value HAVING max(coalesce(delivery.state IN ('pending', 'sending'), 0)) = 0",
        )
        .bind(Value::from(events.to_vec()).to_string())
        .fetch_all(&mut self.connection)
        .await?;
        let (large, small): (Vec<_>, Vec<_>) = ended.into_iter().partition(|(_, rows)| rows.unsigned_abs() > ROWS_MAX);
        for (event, _) in &large {
            self.hide_event(*event).await?;
        }
        let small: Vec<i64> = small.into_iter().map(|(id, _)| id).collect();
        self.remove_events(&small).await?;
        Ok((large.len() + small.len()) as u64)
    }

    pub(crate) async fn prune_others(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for (table, old) in [("replay", OLD_REPLAYS), ("trouble", OLD_TROUBLES), ("hold", OLD_HOLDS)] {
            let statement = format!("DELETE FROM {table} WHERE id IN ({old})");
            let done = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(before.millis()).execute(&mut self.connection);
            removed += done.await?.rows_affected();
        }
        Ok(removed)
    }

    pub(crate) async fn give_back(&mut self) -> Result<u64, StoreError> {
        let statement = format!("PRAGMA incremental_vacuum({GIVE_BACK})");
        // Each row that it is asked for frees a page.
        let freed = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(&mut self.connection).await?;
        Ok(freed.len() as u64)
    }
}
