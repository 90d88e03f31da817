//! Writes what became of sends, in a handful of statements for any number of them.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::delivery::Next;
use crate::domain::lifecycle::{INTERRUPTED_FREE_MAX, INTERRUPTED_MAX, INTERRUPTED_WAIT_MS};
use crate::domain::time::Timestamp;
use crate::store::bulk::{Bulk, Values, no_texts};
use crate::store::error::StoreError;
use crate::store::queue::{Deliverer, Finished};
use crate::store::rescheduling::written;
use crate::store::writer::Session;

static WRITE_STATES: Bulk = Bulk {
    before: "UPDATE delivery SET state = result.column3, due_at = result.column4,
                    attempts = attempts - result.column5, status = result.column6, reason = result.column7,
                    duration_ms = result.column8, updated_at = result.column9
             FROM (VALUES ",
    after: ") AS result
             WHERE delivery.id = result.column1 AND delivery.attempts = result.column2 AND delivery.state = 'sending'
             RETURNING delivery.id",
    columns: 9,
    texts: no_texts(),
};

/// The same for what has been delivered, after which nothing else follows: a row that is returned costs as much as one that is
/// written. `OR FAIL` as for claims.
static WRITE_DELIVERED: Bulk = Bulk {
    before: "UPDATE OR FAIL delivery SET state = 'delivered', due_at = NULL, status = result.column3, reason = NULL,
                    duration_ms = result.column4, updated_at = result.column5
             FROM (VALUES ",
    after: ") AS result
             WHERE delivery.id = result.column1 AND delivery.attempts = result.column2 AND delivery.state = 'sending'",
    columns: 5,
    texts: no_texts(),
};

/// What was tried, as long as the claim is in force. A number that is there already must not keep all other results of the commit
/// from being written, again and again.
static INSERT_ATTEMPTS: Bulk = Bulk {
    before:
        "INSERT INTO attempt (delivery_id, number, started_at, duration_ms, outcome, status, reason, request, answer)
             SELECT result.* FROM (VALUES ",
    after: ") AS result CROSS JOIN delivery ON delivery.id = result.column1 AND delivery.attempts = result.column2
             WHERE delivery.state = 'sending' ON CONFLICT (delivery_id, number) DO NOTHING",
    columns: 9,
    texts: no_texts(),
};

impl Session {
    /// Moves each delivery to what follows and keeps what was tried, if the claim is still in force.
    pub(crate) async fn finish(&mut self, results: impl Iterator<Item = &Finished>) -> Result<(), StoreError> {
        let results: Vec<&Finished> = results.collect();
        let tried = |result: &&&Finished| !matches!(result.next, Next::Retry { counted: false, .. });
        let rows: Vec<_> = results.iter().filter(tried).collect();
        INSERT_ATTEMPTS.run(&mut self.connection, &rows, |row, values| put_attempt(row, values)).await?;
        // Before what may disable the destination, which ends its hold.
        self.write_holds(results.iter().copied()).await?;
        let is_plain = |result: &&Finished| matches!(result.next, Next::Delivered) && result.health.is_none();
        let (plain, others): (Vec<_>, Vec<_>) = results.into_iter().partition(is_plain);
        WRITE_DELIVERED
            .run(&mut self.connection, &plain, |row, values| {
                values.put(row.delivery.number()).put(row.attempt).put(row.exchange.status);
                values.put(millis(row)).put(self.now.millis());
            })
            .await?;
        self.finish_others(&others).await
    }

    /// What failed, goes back, or changes what is known of the destination.
    async fn finish_others(&mut self, results: &[&Finished]) -> Result<(), StoreError> {
        let put = |row: &&Finished, values: &mut Values| put_state(row, self.now, values);
        let moved = WRITE_STATES.run(&mut self.connection, results, put).await?;
        let moved: HashSet<i64> = moved.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let moved = results.iter().copied().filter(|result| moved.contains(&result.delivery.number()));
        self.cancel_homeless(moved.clone()).await?;
        let told: Vec<_> = moved.filter_map(|result| Some((result.destination, result.health.as_ref()?))).collect();
        if told.is_empty() {
            return Ok(());
        }
        // A destination's row that is written anew at another length would leave its sealed values behind.
        self.wiping(true).await?;
        for (destination, health) in told {
            match self.write_health(destination, health).await {
                // What became of the sends is written all the same, of this destination and of all others.
                Err(error @ (StoreError::Damaged(_) | StoreError::NotFound(_))) => {
                    tracing::error!(%destination, %error, "how a destination is doing cannot be noted");
                }
                done => done?,
            }
        }
        self.wiping(false).await
    }

    /// A delivery that would be tried again, but whose destination was removed or disabled while it was sent, ends here.
    async fn cancel_homeless(&mut self, results: impl Iterator<Item = &Finished>) -> Result<(), StoreError> {
        let ids: Vec<i64> = results
            .filter(|result| matches!(result.next, Next::Retry { .. }))
            .map(|result| result.delivery.number())
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE delivery SET state = 'cancelled', due_at = NULL, reason = 'the destination was removed or disabled'
             WHERE id IN (SELECT value FROM json_each(?)) AND state = 'pending' AND EXISTS (
                SELECT 1 FROM destination WHERE destination.id = delivery.destination_id
                AND (destination.removed_at IS NOT NULL OR destination.state = 'disabled'))",
        )
        .bind(Value::from(ids).to_string())
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// What the last deliverer was sending when it ended is pending again, due now, and its try is noted as interrupted. What
    /// was on its way to a destination that has been removed or disabled since ends.
    pub(crate) async fn reclaim(&mut self, deliverer: &Deliverer) -> Result<u64, StoreError> {
        let now = self.now.millis();
        sqlx::query(
            "INSERT INTO attempt (delivery_id, number, started_at, duration_ms, outcome, reason)
             SELECT id, attempts, updated_at, max(0, ?1 - updated_at), 'interrupted',
                    'bellboard ended during this try; the receiver may have got it'
             FROM delivery WHERE state = 'sending' ON CONFLICT (delivery_id, number) DO NOTHING",
        )
        .bind(now)
        .execute(&mut self.connection)
        .await?;
        // Nobody would ever look at these again: a lane whose destination is no more asks for nothing.
        sqlx::query(
            "UPDATE delivery SET state = 'cancelled', due_at = NULL, updated_at = ?1,
                    reason = 'the destination was removed or disabled'
             WHERE state = 'sending' AND EXISTS (
                SELECT 1 FROM destination WHERE destination.id = delivery.destination_id
                AND (destination.removed_at IS NOT NULL OR destination.state = 'disabled'))",
        )
        .bind(now)
        .execute(&mut self.connection)
        .await?;
        sqlx::query(
            "UPDATE delivery SET state = 'parked', due_at = NULL, updated_at = ?1,
                    reason = 'bellboard ended ' || ?2 || ' times while it was being sent'
             WHERE state = 'sending' AND (SELECT count(*) FROM attempt
                WHERE attempt.delivery_id = delivery.id AND outcome = 'interrupted') >= ?2",
        )
        .bind(now)
        .bind(INTERRUPTED_MAX)
        .execute(&mut self.connection)
        .await?;
        // A try that may never have begun does not use up the schedule, unless it was the same delivery each time: that one may
        // be what ends the process, and waits ([`crate::domain::lifecycle::wait_after_interruptions`]).
        let reclaimed = sqlx::query(
            "UPDATE delivery SET state = 'pending', due_at = ?1 + iif(beyond.count > 0, ?3 << (2 * (beyond.count - 1)), 0),
                    updated_at = ?1, reason = 'bellboard ended during the last try',
                    attempts_base = attempts_base + (beyond.count <= 0)
             FROM (SELECT sending.id, (SELECT count(*) FROM attempt
                    WHERE attempt.delivery_id = sending.id AND outcome = 'interrupted') - ?2 AS count
                   FROM delivery AS sending WHERE sending.state = 'sending') AS beyond
             WHERE delivery.id = beyond.id",
        )
        .bind(now)
        .bind(INTERRUPTED_FREE_MAX)
        .bind(INTERRUPTED_WAIT_MS)
        .execute(&mut self.connection)
        .await?;
        self.begin_schedule(&deliverer.schedule).await?;
        sqlx::query(
            "INSERT INTO deliverer (id, boot_id, process, holds, started_at, schedule) VALUES (1, ?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET boot_id = ?1, process = ?2, holds = ?3, started_at = ?4",
        )
        .bind(&deliverer.boot_id)
        .bind(&deliverer.process)
        .bind(json!(deliverer.holds).to_string())
        .bind(now)
        .bind(written(&deliverer.schedule))
        .execute(&mut self.connection)
        .await?;
        Ok(reclaimed.rows_affected())
    }
}

fn put_state(result: &Finished, now: Timestamp, values: &mut Values) {
    let (state, uncounted) = match &result.next {
        Next::Delivered => ("delivered", 0),
        Next::Retry { counted, .. } => ("pending", i64::from(!counted)),
        Next::Failed { .. } => ("failed", 0),
        Next::Parked { .. } => ("parked", 0),
    };
    let due_at = result.due_at(now).map(Timestamp::millis);
    let reason = match &result.next {
        Next::Delivered => None,
        Next::Failed { reason, .. } | Next::Parked { reason } => Some(reason.as_str()),
        Next::Retry { .. } => result.exchange.error.as_ref().map(|error| error.reason().as_str()),
    };
    values.put(result.delivery.number()).put(result.attempt).put(state).put(due_at).put(uncounted);
    values.put(result.exchange.status).put(reason).put(millis(result)).put(now.millis());
}

fn put_attempt(result: &Finished, values: &mut Values) {
    let error = result.exchange.error.as_ref();
    values.put(result.delivery.number()).put(result.attempt).put(result.started_at.millis()).put(millis(result));
    values.put(error.map_or("delivered", |error| error.name())).put(result.exchange.status);
    values.put(error.map(|error| error.reason().as_str()));
    let (request, answer) = result.exchange.texts();
    values.put(request).put(answer);
}

fn millis(result: &Finished) -> i64 {
    i64::try_from(result.duration.as_millis()).unwrap_or(i64::MAX)
}
