//! What all handlers share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::http::Options;
use crate::http::limit::Limits;
use crate::store::Store;

/// The store, the options, the limits. Clones are cheap and share all of it.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    options: Options,
    limits: Limits,
    streams: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

/// Pages of browsers that may be open at once.
const STREAMS_MAX: usize = 1024;

impl App {
    /// Puts it together; `stopped` turns true when the server ends, so that streams end too.
    #[must_use]
    pub fn new(store: Store, options: Options, stopped: watch::Receiver<bool>) -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        Self { inner: Arc::new(Inner { store, options, limits: Limits::default(), streams, stopped }) }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What a person has set.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// How fast anybody may ask.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The key that push services know bellboard by, as a browser takes it.
    #[must_use]
    pub fn push_key(&self) -> Option<&str> {
        self.inner.options.push_key.as_deref()
    }

    /// Room for one more open page, while there is any.
    #[must_use]
    pub fn stream_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.streams).try_acquire_owned().ok()
    }

    /// Turns true when the server ends.
    #[must_use]
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.inner.stopped.clone()
    }
}
