//! A changed retry schedule is applied to what waits already, in steps of a bounded number of rows.
//!
//! The process that delivers begins with its schedule (`Session::begin_schedule`). When that is not the one by which the last one
//! waited, a row says so, and how far the steps have come. The first is made at once, which is all of a small backlog, and the
//! others beside the deliveries ([`Upkeep::Reschedule`]). A step that was not committed is made again, by whichever process
//! comes next. What is due by the old schedule before its turn has come goes by that.
//!
//! The lanes are gone through in the order of their numbers. What becomes pending meanwhile behind that place is none of its
//! business: it came from a try that the new schedule decided about, and each try has a higher number than those before the
//! change. By that number it is left alone also where the steps have yet to come.
//!
//! Each gets the very time that it would have, had the new schedule been in force at its try: with the same jitter, or thousands that
//! failed in one outage would be due in the same millisecond.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::retry::{JITTER_PART_MAX, jitter};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::ending::not_ended;
use crate::store::error::StoreError;
use crate::store::queue::News;
use crate::store::upkeep::Upkeep;
use crate::store::writer::Session;

/// Deliveries that one step looks at, each with its last attempt: a few milliseconds.
const STEP: usize = 500;

/// What waits in a lane after a delivery, and in the lanes after that one. A comparison of pairs would begin at the lane's first
/// delivery at each step.
const WAITING: [&str; 2] = [
    "SELECT destination_id, id, attempts FROM delivery INDEXED BY delivery_order
     WHERE state = 'pending' AND destination_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    "SELECT destination_id, id, attempts FROM delivery INDEXED BY delivery_order
     WHERE state = 'pending' AND destination_id > ?1 AND ?2 >= 0 ORDER BY destination_id, id LIMIT ?3",
];

/// Of these, what waits because its last try failed, for as long as the schedule says after that many tries. What a receiver asked
/// for stays, and so does what waits for anything else, for a rate or a server: that has another reason than the try before it. `?1`
/// has them in pairs: which, and by which part of its wait more.
const MOVE: &str = concat!(
    "UPDATE delivery SET due_at = updated_at + CAST((?2 ->> (attempts - attempts_base - 1)) * (1 + waiting.more) AS INTEGER)
     FROM (SELECT value ->> 0 AS id, value ->> 1 AS more FROM json_each(?1)) AS waiting
     WHERE delivery.id = waiting.id AND state = 'pending' AND status IS NOT 429
       AND attempts > attempts_base AND attempts - attempts_base <= json_array_length(?2)
       AND EXISTS (SELECT 1 FROM attempt WHERE attempt.delivery_id = delivery.id AND attempt.number = delivery.attempts
           AND attempt.id <= ?3 AND attempt.outcome = 'failed' AND attempt.reason IS delivery.reason
           AND (attempt.answer IS NULL OR attempt.answer NOT LIKE '%\"retry-after\"%')) AND ",
    not_ended!(),
    " RETURNING destination_id, due_at"
);

/// A schedule as it is kept: a JSON array of milliseconds.
pub(crate) fn written(schedule: &[Duration]) -> String {
    let wait = |wait: &Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    schedule.iter().map(wait).collect::<Value>().to_string()
}

impl Store {
    /// Applies a changed schedule to a little of what waits; returns how many deliveries are due at another time, nothing when all
    /// wait by the schedule of the process that delivers.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn reschedule_some(&self) -> Result<Option<u64>, StoreError> {
        let is_left: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM rescheduling)").fetch_one(self.readers()).await?;
        if is_left { self.keep_up(Upkeep::Reschedule).await.map(Some) } else { Ok(None) }
    }
}

impl Session {
    /// What fails from now on waits by this schedule, and what waits by another one is to be given its times.
    pub(crate) async fn begin_schedule(&mut self, schedule: &[Duration]) -> Result<(), StoreError> {
        let schedule = written(schedule);
        let known: Option<String> =
            sqlx::query_scalar("SELECT schedule FROM deliverer").fetch_optional(&mut self.connection).await?;
        if known.is_none_or(|known| known == schedule) {
            // What the last one left of it goes on.
            return Ok(());
        }
        sqlx::query("UPDATE deliverer SET schedule = ?").bind(schedule).execute(&mut self.connection).await?;
        sqlx::query(
            "INSERT OR REPLACE INTO rescheduling (id, last_attempt, destination_id, delivery_id)
             VALUES (1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'attempt'), 0), 0, 0)",
        )
        .execute(&mut self.connection)
        .await?;
        self.step_reschedule().await?;
        Ok(())
    }

    /// One step; returns how many deliveries it moved.
    pub(crate) async fn step_reschedule(&mut self) -> Result<u64, StoreError> {
        let left: Option<(String, i64, i64, i64)> = sqlx::query_as(
            "SELECT deliverer.schedule, last_attempt, destination_id, delivery_id FROM rescheduling CROSS JOIN deliverer",
        )
        .fetch_optional(&mut self.connection)
        .await?;
        let Some((schedule, last_attempt, destination, delivery)) = left else { return Ok(0) };
        let mut waiting = Vec::new();
        for statement in WAITING {
            let some = sqlx::query_as::<_, (i64, i64, u32)>(statement).bind(destination).bind(delivery);
            let some = some.bind(i64::try_from(STEP - waiting.len()).unwrap_or(0));
            waiting.extend(some.fetch_all(&mut self.connection).await?);
        }
        let more = |id, attempts| JITTER_PART_MAX * jitter(DeliveryId::new(id), attempts);
        let pairs: Value = waiting.iter().map(|(_, id, attempts)| json!([id, more(*id, *attempts)])).collect();
        let moved = sqlx::query(MOVE).bind(pairs.to_string()).bind(schedule).bind(last_attempt);
        let moved = moved.fetch_all(&mut self.connection).await?;
        match waiting.last().filter(|_| waiting.len() == STEP) {
            Some((destination, delivery, _)) => {
                sqlx::query("UPDATE rescheduling SET destination_id = ?, delivery_id = ?")
                    .bind(destination)
                    .bind(delivery)
                    .execute(&mut self.connection)
                    .await?;
            }
            None => {
                sqlx::query("DELETE FROM rescheduling").execute(&mut self.connection).await?;
            }
        }
        let mut lanes = BTreeMap::new();
        for row in &moved {
            let (lane, due_at) = (DestinationId::new(row.try_get(0)?), Timestamp::from_millis(row.try_get(1)?));
            lanes.entry(lane).and_modify(|first: &mut Timestamp| *first = due_at.min(*first)).or_insert(due_at);
        }
        self.tell(lanes.into_iter().map(|(lane, first)| (lane, News::Moved(first))));
        Ok(moved.len() as u64)
    }
}
