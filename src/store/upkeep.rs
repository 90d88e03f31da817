//! What goes on beside the deliveries, in small steps of one short transaction each: ends, changed
//! schedules, bulk replays, retention.
//!
//! The process that delivers asks for a step when it has time for one. A step that fails takes back its own rows only, and keeps
//! nothing else of its transaction from being written.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::storm::StormPolicy;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::rekey::Sealed;
use crate::store::request::Request;
use crate::store::writer::Session;

/// A step.
#[derive(Clone, Debug)]
pub enum Upkeep {
    /// Ends a little of what is at an end: backlogs, and accounts that were removed.
    Ends,
    /// Applies a changed schedule to a little of what waits.
    Reschedule,
    /// Sends a little more of each bulk replay that runs.
    Replays,
    /// Removes these events, with all that belongs to them, as far as it has ended still.
    Prune {
        /// Which, by their rows' numbers.
        events: Vec<i64>,
    },
    /// Removes a little of what else is over since before that time.
    PruneOthers {
        /// When.
        before: Timestamp,
    },
    /// Gives a little of the file's free room back.
    GiveBack,
    /// Seals these secrets anew, with the key that the database names.
    Reseal(Sealed),
    /// Forgets a few of the secrets that changes before that time replaced.
    ForgetSecrets {
        /// When.
        before: Timestamp,
    },
    /// This process delivers from now on, by these rules.
    Begin {
        /// When messages of one kind to one person are folded.
        storm: StormPolicy,
        /// For how long a destination may only fail before it is disabled.
        failing_max: Duration,
    },
}

impl Store {
    /// Makes one step; returns how many rows it moved.
    ///
    /// # Errors
    /// When the store cannot be written; nothing has changed then.
    pub async fn keep_up(&self, task: Upkeep) -> Result<u64, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Upkeep { task, reply }).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Session {
    /// Makes a step so that its failure takes back its own rows only. The outer error is one that ends the transaction.
    pub(crate) async fn upkeep_in_savepoint(&mut self, task: &Upkeep) -> Result<Result<u64, StoreError>, StoreError> {
        sqlx::query("SAVEPOINT upkeep").execute(&mut self.connection).await?;
        let told = self.work.len();
        let wipes = matches!(task, Upkeep::Ends | Upkeep::Reseal(_) | Upkeep::ForgetSecrets { .. });
        if wipes {
            self.wiping(true).await?;
        }
        let moved = match task {
            Upkeep::Ends => self.step_ends().await,
            Upkeep::Reschedule => self.step_reschedule().await,
            Upkeep::Replays => self.step_replays().await,
            Upkeep::Prune { events } => self.prune(events).await,
            Upkeep::Reseal(what) => self.reseal(what).await,
            Upkeep::ForgetSecrets { before } => self.forget_some(*before).await,
            Upkeep::PruneOthers { before } => self.prune_others(*before).await,
            Upkeep::GiveBack => self.give_back().await,
            Upkeep::Begin { storm, failing_max } => {
                self.storms.begin(*storm);
                self.failing_max = *failing_max;
                Ok(0)
            }
        };
        if moved.is_err() {
            for (lane, _) in self.work.drain(told..) {
                self.slots.told(lane);
            }
            sqlx::query("ROLLBACK TO upkeep").execute(&mut self.connection).await?;
        }
        sqlx::query("RELEASE upkeep").execute(&mut self.connection).await?;
        if wipes {
            self.wiping(false).await?;
        }
        Ok(moved)
    }
}
