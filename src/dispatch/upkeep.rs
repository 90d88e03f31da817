//! What goes on beside the deliveries in the process that delivers: what is at an end, changed schedules, bulk
//! replays, and retention.
//!
//! It is a task of its own that makes one small step at a time and rests after each, so that no sender notices it. While there is
//! nothing to do it sleeps until a change may have brought something.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::dispatch::Status;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::prune::Place;
use crate::store::upkeep::Upkeep;

/// The rest after a step.
pub const REST: Duration = Duration::from_millis(100);

/// Longest sleep while there is nothing to do.
const SLEEP_MAX: Duration = Duration::from_mins(1);

/// The rest after a step that failed.
const STALL: Duration = Duration::from_secs(5);

/// How often what ended long ago is looked for.
const PRUNE_EVERY: Duration = Duration::from_hours(1);

/// Keeps things up until it is dropped. What has ended is kept for `keep`, and what changes replaced for `keep_secrets`.
pub(crate) async fn run(store: Store, keep: Duration, keep_secrets: Duration, mut status: watch::Receiver<Status>) {
    let mut revision = store.revision();
    let mut keeper = Keeper::new(store, keep, keep_secrets);
    let mut next_prune = Instant::now() + SLEEP_MAX;
    let mut told = false;
    loop {
        if status.wait_for(|status| matches!(status, Status::Delivering { .. })).await.is_err() {
            return;
        }
        let seen = revision.borrow_and_update().lanes;
        if Instant::now() >= next_prune {
            next_prune = Instant::now() + PRUNE_EVERY;
            keeper.begin_pruning();
        }
        match keeper.step().await {
            Ok(busy) => {
                told = false;
                if busy {
                    tokio::time::sleep(REST).await;
                } else {
                    let news = revision.wait_for(|revision| revision.lanes != seen);
                    let _ = tokio::time::timeout(SLEEP_MAX, news).await;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::error!(%error, "what goes on beside the deliveries has to wait");
                }
                tokio::time::sleep(STALL).await;
            }
        }
    }
}

/// How far all of it has come.
pub struct Keeper {
    store: Store,
    keep: Duration,
    keep_secrets: Duration,
    /// Where retention goes on; nothing while it rests.
    prune_from: Option<Place>,
    /// Whether what else is over is looked for.
    others: bool,
    giving_back: bool,
    ending: bool,
    /// Secrets that changes before this replaced are looked for, to be forgotten.
    forget_before: Option<Timestamp>,
    pruned: u64,
    pruned_others: u64,
}

impl Keeper {
    /// With nothing to do yet.
    #[must_use]
    pub const fn new(store: Store, keep: Duration, keep_secrets: Duration) -> Self {
        Self {
            store,
            keep,
            keep_secrets,
            prune_from: None,
            others: false,
            giving_back: false,
            ending: false,
            forget_before: None,
            pruned: 0,
            pruned_others: 0,
        }
    }

    /// Looks for what ended long ago from the beginning.
    pub fn begin_pruning(&mut self) {
        self.prune_from = Some(Place::default());
        self.forget_before = Some(self.store.clock().now().minus(self.keep_secrets));
    }

    /// How many events went since it began to look.
    #[must_use]
    pub const fn removed(&self) -> u64 {
        self.pruned
    }

    /// Makes one step of all there is to do; says whether more is to be done soon.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        // What one of them cannot do keeps none of the others from being done.
        let (ended, rescheduled) = (self.end().await, self.store.reschedule_some().await);
        let (replayed, forgot, pruned) = (once(&self.store).await, self.forget().await, self.prune().await);
        Ok(ended? | rescheduled?.is_some() | replayed? | forgot? | pruned?)
    }

    /// What is at an end goes before all others: people wait for it.
    async fn end(&mut self) -> Result<bool, StoreError> {
        let busy = self.store.end_some().await?.is_some();
        // An account may have left room.
        self.giving_back |= self.ending && !busy;
        self.ending = busy;
        Ok(busy)
    }

    async fn forget(&mut self) -> Result<bool, StoreError> {
        let Some(before) = self.forget_before else { return Ok(false) };
        let secrets = self.store.forget_some(before).await?;
        if secrets == 0 {
            self.forget_before = None;
        } else {
            tracing::info!(secrets, "secrets that changes replaced long ago were forgotten");
        }
        Ok(secrets > 0)
    }

    async fn prune(&mut self) -> Result<bool, StoreError> {
        if let Some(from) = self.prune_from {
            let before = self.store.clock().now().minus(self.keep);
            let step = self.store.prune(before, from).await?;
            self.pruned += step.events;
            self.prune_from = step.next;
            self.others = step.next.is_none();
            return Ok(true);
        }
        if self.others {
            let before = self.store.clock().now().minus(self.keep);
            let removed = self.store.prune_others(before).await?;
            self.pruned_others += removed;
            self.others = removed > 0;
            self.giving_back = !self.others && self.pruned + self.pruned_others > 0;
            return Ok(self.others || self.giving_back);
        }
        if self.giving_back {
            self.giving_back = self.store.give_back().await?;
            if !self.giving_back && self.pruned + self.pruned_others > 0 {
                let (events, others) = (std::mem::take(&mut self.pruned), std::mem::take(&mut self.pruned_others));
                tracing::info!(events, others, "what ended long ago was removed, with all that belonged to it");
            }
        }
        Ok(self.giving_back)
    }
}

/// Makes one step of the replays that run; says whether more is to be done soon.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn once(store: &Store) -> Result<bool, StoreError> {
    if store.replays_running().await? == 0 {
        return Ok(false);
    }
    store.keep_up(Upkeep::Replays).await?;
    Ok(store.replays_running().await? > 0)
}
