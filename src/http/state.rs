//! What all handlers share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::dispatch::Status;
use crate::domain::id::DestinationId;
use crate::domain::time::Timestamp;
use crate::http::Options;
use crate::http::counts::{Counts, Held};
use crate::http::limit::Limits;
use crate::http::metrics::Seen;
use crate::http::problem::Problem;
use crate::store::Store;
use crate::store::error::StoreError;

/// The store, the options, the limits, and what this process delivers. Clones are cheap and share all of it.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    options: Options,
    limits: Limits,
    streams: Arc<Semaphore>,
    streams_of: Counts<DestinationId>,
    dispatcher: watch::Receiver<Status>,
    probed: tokio::sync::Mutex<Option<(Timestamp, Option<Problem>)>>,
    seen: Seen,
    stopped: watch::Receiver<bool>,
}

/// Pages of browsers that may be open at once.
const STREAMS_MAX: usize = 1024;

/// Pages of one browser that may be open at once; those that are gone without a word count until it shows.
const STREAMS_OF_ONE_MAX: usize = 8;

/// How long is believed what a look at the store found: whoever asks often must not make it write often.
const PROBE_VALID: Duration = Duration::from_secs(2);

/// How long the store may take to write next to nothing.
const PROBE_TIME_MAX: Duration = Duration::from_secs(5);

/// Room for one open page; given back when it is dropped.
pub struct StreamRoom {
    _one_of_all: OwnedSemaphorePermit,
    _one_of_its_own: Held<DestinationId>,
}

impl App {
    /// Puts it together; `dispatcher` tells what that of this process is doing, and `stopped` turns true when the server ends,
    /// so that streams end too.
    #[must_use]
    pub fn new(
        store: Store,
        options: Options,
        dispatcher: watch::Receiver<Status>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let inner = Inner {
            store,
            options,
            limits: Limits::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            streams_of: Counts::default(),
            dispatcher,
            probed: tokio::sync::Mutex::new(None),
            seen: Seen::default(),
            stopped,
        };
        Self { inner: Arc::new(inner) }
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

    /// Room for one more open page of that browser, while there is any.
    #[must_use]
    pub fn stream_room(&self, id: DestinationId) -> Option<StreamRoom> {
        let one_of_all = Arc::clone(&self.inner.streams).try_acquire_owned().ok()?;
        let one_of_its_own = self.inner.streams_of.hold(id, STREAMS_OF_ONE_MAX)?;
        Some(StreamRoom { _one_of_all: one_of_all, _one_of_its_own: one_of_its_own })
    }

    /// What was last seen to wait.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.inner.seen
    }

    /// What the dispatcher of this process is doing.
    #[must_use]
    pub fn dispatcher(&self) -> Status {
        self.inner.dispatcher.borrow().clone()
    }

    /// Whether the store can be written just now, as seen within the last moments.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn probe(&self) -> Result<(), Problem> {
        let store = &self.inner.store;
        let mut probed = self.inner.probed.lock().await;
        let now = store.clock().now();
        let known = probed.take().filter(|(at, _)| *at <= now && now.since(*at) < PROBE_VALID);
        let (at, problem) = if let Some(known) = known {
            known
        } else {
            let problem = match tokio::time::timeout(PROBE_TIME_MAX, store.probe()).await {
                Ok(written) => written.err().map(Problem::from),
                Err(_) => Some(Problem::from(StoreError::Busy)),
            };
            (now, problem)
        };
        *probed = Some((at, problem.clone()));
        problem.map_or(Ok(()), Err)
    }

    /// Turns true when the server ends.
    #[must_use]
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.inner.stopped.clone()
    }
}
