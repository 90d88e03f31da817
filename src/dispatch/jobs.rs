//! What the engine asks of the store, and how the answers come back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::id::{DeliveryId, DestinationId};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::lanes::{Lane, Lanes as DueLanes};
use crate::store::queue::{Claimed, Finished, NewWork};

/// One that is under way.
pub(crate) type Job = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What at most one of is with the store at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Claim,
    Finish,
    Heads,
    Lanes,
}

/// Something that was asked of the store has been answered.
pub(crate) enum Done {
    Claim(Vec<(DeliveryId, DestinationId)>, Result<Vec<Claimed>, StoreError>),
    Finish(Arc<[Finished]>, Result<(), StoreError>),
    Setup(DestinationId, Result<Option<Lane>, StoreError>),
    Heads(Vec<DestinationId>, Result<Vec<NewWork>, StoreError>),
    Lanes(u64, Result<DueLanes, StoreError>),
}

/// Writes what became of sends, after a rest.
pub(crate) fn finish(store: Store, results: Vec<Finished>, rest: Duration) -> Job {
    let results: Arc<[Finished]> = results.into();
    Box::pin(async move {
        if !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
        let written = store.finish(results.clone()).await;
        Done::Finish(results, written)
    })
}
