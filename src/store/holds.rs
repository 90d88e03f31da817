//! Who asked to be left alone, and until when: kept for the next process that delivers.
//!
//! A service's word is written in the commit of the result that brought it, when it is about more than two seconds: a start takes
//! about that long, so that the hot path writes nothing for a pause of a second. The process that delivers reads what is in force once,
//! when it begins, and keeps what follows in mind. A row is replaced by the next word, goes when the
//! destination takes something after its time, and otherwise when it has been over for long ([`crate::store::prune`]).
//!
//! What several destinations share is kept as the digest that it is known by ([`crate::channels::LaneRules`]), since it may be a secret.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::id::DestinationId;
use crate::domain::retry::WAIT_MAX;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::queue::Finished;
use crate::store::writer::Session;

/// What is over sooner is not worth a write.
const KEPT_MIN: Duration = Duration::from_secs(2);

/// What a result says of how its destination, and others with it, may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It asks to be left alone.
    Hold(Hold),
    /// It takes messages after a time for which it was left alone.
    Over,
}

/// A wish to be left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// For which settings of the destination.
    pub revision: i64,
    /// Since when it has taken nothing.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The digest of what it shares with others, when that is to be left alone too, and until when.
    pub gate: Option<(String, Timestamp)>,
}

/// A hold as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Of one destination.
    Lane {
        /// Which.
        id: DestinationId,
        /// For which settings of it.
        revision: i64,
        /// Since when it has taken nothing.
        since: Timestamp,
        /// Until when it is left alone.
        until: Timestamp,
    },
    /// Of what several share.
    Gate {
        /// Its digest.
        gate: String,
        /// Until when it is left alone.
        until: Timestamp,
    },
}

/// The later word counts, also when it is about a shorter time: only a gate is held for as long as anybody said.
const KEEP: [&str; 2] = [
    "INSERT INTO hold (destination_id, revision, since, told_at, until)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE EXISTS (
        SELECT 1 FROM destination WHERE destination.id = value ->> 0 AND removed_at IS NULL AND state <> 'disabled')
     ON CONFLICT (destination_id) DO UPDATE SET revision = excluded.revision, since = excluded.since,
        told_at = excluded.told_at, until = excluded.until",
    "INSERT INTO hold (gate, revision, since, told_at, until)
     SELECT value ->> 5, 0, value ->> 2, value ->> 3, value ->> 6 FROM json_each(?) WHERE value ->> 5 IS NOT NULL
     ON CONFLICT (gate) DO UPDATE SET since = excluded.since, told_at = excluded.told_at, until = excluded.until
        WHERE excluded.until > hold.until OR hold.told_at > excluded.told_at",
];

impl Store {
    /// The holds that are in force. A clock that has been set back since makes none longer than it was said to be, nor any longer
    /// than the longest that is heeded.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn holds(&self) -> Result<Vec<Kept>, StoreError> {
        let now = self.clock().now();
        let rows =
            sqlx::query("SELECT destination_id, revision, gate, since, told_at, until FROM hold WHERE until > ?")
                .bind(now.millis())
                .fetch_all(self.readers())
                .await?;
        rows.iter()
            .map(|row| {
                let time = |column: usize| row.try_get(column).map(Timestamp::from_millis);
                let (since, told_at, until) = (time(3)?, time(4)?, time(5)?);
                let until = until.min(now.plus(until.since(told_at).min(WAIT_MAX)));
                Ok(match row.try_get::<Option<i64>, _>(0)?.map(DestinationId::new) {
                    Some(id) => Kept::Lane { id, revision: row.try_get(1)?, since: since.min(now), until },
                    None => Kept::Gate { gate: row.try_get(2)?, until },
                })
            })
            .collect()
    }
}

impl Session {
    /// Keeps what these results say of how services want to be left alone: none of them, nearly always.
    pub(crate) async fn write_holds(&mut self, results: impl Iterator<Item = &Finished>) -> Result<(), StoreError> {
        let (mut over, mut asked) = (Vec::new(), Vec::new());
        for result in results {
            match result.word.as_deref() {
                Some(Word::Over) => over.push(result.destination.number()),
                Some(Word::Hold(hold)) if hold.until.since(result.decided_at) >= KEPT_MIN => {
                    let [since, told_at, until] = [hold.since, result.decided_at, hold.until].map(Timestamp::millis);
                    let gate = hold.gate.as_ref();
                    let (gate, gate_until) = (gate.map(|(gate, _)| gate), gate.map(|(_, until)| until.millis()));
                    let destination = result.destination.number();
                    asked.push(json!([destination, hold.revision, since, told_at, until, gate, gate_until]));
                }
                None | Some(Word::Hold(_)) => {}
            }
        }
        if !over.is_empty() {
            sqlx::query("DELETE FROM hold WHERE destination_id IN (SELECT value FROM json_each(?))")
                .bind(Value::from(over).to_string())
                .execute(&mut self.connection)
                .await?;
        }
        if !asked.is_empty() {
            let asked = Value::from(asked).to_string();
            for statement in KEEP {
                sqlx::query(statement).bind(&asked).execute(&mut self.connection).await?;
            }
        }
        Ok(())
    }

    /// A destination that is disabled starts with a clean slate when somebody enables it.
    pub(crate) async fn forget_hold(&mut self, id: DestinationId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM hold WHERE destination_id = ?")
            .bind(id.number())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
