//! What goes on beside the deliveries in the process that delivers: bulk replays.
//!
//! It is a task of its own that makes one small step at a time and rests after each, so that no sender notices it. While there is
//! nothing to do it sleeps until a change may have brought something.

use std::time::Duration;

use tokio::sync::watch;

use crate::dispatch::Status;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::upkeep::Upkeep;

/// The rest after a step.
const REST: Duration = Duration::from_millis(100);

/// Longest sleep while there is nothing to do.
const SLEEP_MAX: Duration = Duration::from_mins(1);

/// The rest after a step that failed.
const STALL: Duration = Duration::from_secs(5);

/// Keeps things up until it is dropped.
pub(crate) async fn run(store: Store, mut status: watch::Receiver<Status>) {
    let mut revision = store.revision();
    let mut told = false;
    loop {
        if status.wait_for(|status| matches!(status, Status::Delivering { .. })).await.is_err() {
            return;
        }
        let seen = revision.borrow_and_update().lanes;
        match once(&store).await {
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

/// Makes one step of all there is to do; says whether more is to be done soon.
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
