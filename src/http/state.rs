//! What all handlers share.

use std::sync::Arc;

use tokio::sync::watch;

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
    stopped: watch::Receiver<bool>,
}

impl App {
    /// Puts it together; `stopped` turns true when the server ends, so that streams end too.
    #[must_use]
    pub fn new(store: Store, options: Options, stopped: watch::Receiver<bool>) -> Self {
        Self { inner: Arc::new(Inner { store, options, limits: Limits::default(), stopped }) }
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

    /// Turns true when the server ends.
    #[must_use]
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.inner.stopped.clone()
    }
}
