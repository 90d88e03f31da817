//! The store: the only SQL, in one SQLite file.
//!
//! Reads go through a small pool; every write goes to one writer task ([`writer`]), which puts all that wait into one
//! transaction and answers after its commit. Nothing outside knows SQL, row numbers or files, so that the same store can
//! run on another database one day. Each noun has a file with its reads; `commands` has the one executor of every change
//! that a person can cause; [`queue`] is what the dispatcher alone uses.
//!
//! It must not know: how a channel sends, what a screen shows. Secrets enter and leave as [`crate::domain::secret::Secret`]
//! and lie in the file sealed ([`seal`]). To add a noun: a migration, a file here with its reads and their tests, and a
//! variant of [`crate::domain::command::Command`] for each change.

pub mod error;

pub mod open;

pub mod accounts;

pub mod matrix;

pub mod destinations;

pub mod events;

pub mod search;

pub mod deliveries;

pub mod listing;

pub mod live;

pub mod failing;

pub mod recent;

pub mod audit;

pub mod chain;

pub mod history;

pub mod setup;

pub mod undoing;

pub mod access;

pub mod browser;

pub mod queue;

pub mod lanes;

pub mod holds;

pub mod slots;

pub mod outbox;

pub mod request;

pub mod writer;

pub mod failpoint;

pub mod upkeep;

pub mod ending;

pub mod rescheduling;

mod removing;

pub mod replays;

pub mod prune;

pub mod backup;

pub mod progress;

mod partial;

pub mod examine;

mod batch;

mod bounds;

mod bulk;

mod rows;

mod accept;

mod portion;

mod trouble;

mod turns;

mod finish;

mod park;

mod steps;
mod storms;

mod health;

mod commands;

pub mod seal;

pub mod keys;

pub mod rekey;

pub mod forget;

pub mod files;

mod migrate;

mod inspect;

mod wal;

mod watcher;

mod checkpoint;

pub mod backlog;

mod door;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::command::{Actor, Command, Done};
use crate::domain::event::{Accepted, NewEvent};
use crate::domain::role::Role;
use crate::domain::time::SharedClock;
use crate::metrics::Metrics;
use crate::store::door::Door;
use crate::store::error::{AcceptError, CommandError, StoreError};
use crate::store::keys::KeySource;
use crate::store::outbox::Inbox;
use crate::store::progress::Progress;
use crate::store::request::Request;
use crate::store::seal::Sealer;

/// Where the store is and how it is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file. Its folder is made when it is not there.
    pub path: PathBuf,
    /// Where the key that seals secrets comes from; a file beside the database, with the ending `.key`, when it is not said.
    pub key: Option<KeySource>,
    /// Refuse every change, and make nothing.
    pub read_only: bool,
    /// Who is told how far it is when opening takes long: a file of an older schema is copied before it is changed.
    pub progress: Progress,
}

impl Options {
    /// The database at `path`, with its key beside it.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), key: None, read_only: false, progress: Progress::default() }
    }

    /// Where the key comes from.
    #[must_use]
    pub fn key_source(&self) -> KeySource {
        self.key.clone().unwrap_or_else(|| KeySource::File(self.path.with_extension("key")))
    }
}

/// A handle on the store; clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    /// What whoever holds this handle may have done.
    role: Role,
}

struct Inner {
    path: PathBuf,
    clock: SharedClock,
    readers: SqlitePool,
    sealer: Sealer,
    requests: Option<mpsc::Sender<Request>>,
    door: Door,
    revision: watch::Receiver<Revision>,
    inbox: std::sync::Mutex<Option<Inbox>>,
    metrics: Arc<Metrics>,
}

/// How far the store has come: changes whenever there may be something new to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// Counts commits, of this process and of others.
    pub number: u64,
    /// Counts only what may have put deliveries into lanes without the dispatcher being told which: other processes'
    /// commits, and commands.
    pub lanes: u64,
    /// Counts commits of this process that may have changed how something is sent: people's changes.
    pub setups: u64,
}

impl Store {
    /// The clock that stamps what is written.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// What is counted in this process.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// Changes after every commit, by this process or another.
    #[must_use]
    pub fn revision(&self) -> watch::Receiver<Revision> {
        self.inner.revision.clone()
    }

    /// Whether changes are refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.requests.is_none() || self.role < Role::Operate
    }

    /// A handle for somebody with that role: what is beyond it is refused.
    #[must_use]
    pub fn limited_to(&self, role: Role) -> Self {
        Self { inner: self.inner.clone(), role }
    }

    /// What whoever holds this handle may have done.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Does what a person wants changed, all or nothing, and writes it into the audit trail.
    ///
    /// # Errors
    /// When it cannot be done; nothing has changed then.
    pub async fn run(&self, actor: &Actor, command: Command) -> Result<Done, CommandError> {
        if command.role() > self.role {
            return Err(CommandError::Role { needed: command.role(), own: self.role });
        }
        let (reply, answer) = oneshot::channel();
        self.request(Request::Run { actor: actor.clone(), command, reply }).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Stores events with all that follows from them. What this returned is durable. One answer for each event, in order;
    /// an event that is refused keeps no other from being stored.
    ///
    /// # Errors
    /// When the store cannot be written. Then none was stored, or, of events that make more than a few thousand deliveries
    /// together, perhaps the first ones.
    pub async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Result<Accepted, AcceptError>>, StoreError> {
        if self.role < Role::Operate {
            return Err(StoreError::ReadOnly);
        }
        let places = self.inner.door.pass(&events).await;
        let (reply, answer) = oneshot::channel();
        self.request(Request::Accept { events, yields: places.yields, reply }).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// From now on writes of this process wait for as long as another program holds the database locked, instead of being refused
    /// after ten seconds. What is returned tells when such a wait begins, which is after a second, and when it is over.
    ///
    /// # Errors
    /// When nothing can be written here.
    pub async fn wait_for_others(&self) -> Result<watch::Receiver<bool>, StoreError> {
        let (waits, waiting) = watch::channel(false);
        self.request(Request::Patience { waits }).await?;
        Ok(waiting)
    }

    /// Returns when the writer has come round between two transactions: it moves.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn comes_round(&self) -> Result<(), StoreError> {
        let (resting, rests) = oneshot::channel();
        // Told to go on before it rests.
        let (_, until) = oneshot::channel();
        self.request(Request::Rest { resting, until }).await?;
        rests.await.map_err(|_| StoreError::Closed)
    }

    /// Whether so much waits to be written that whoever can come again later should be sent away: three quarters of the line.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.inner.requests.as_ref().is_some_and(|requests| requests.capacity() < writer::WAITING_MAX / 4)
    }

    /// Whether so many events of the same account wait already that these should come again later, whatever others send.
    #[must_use]
    pub fn is_crowded_by(&self, events: &[NewEvent]) -> bool {
        self.inner.door.is_crowded(events)
    }

    /// Ends the writer after what waits for it and closes the file. Other handles' calls fail from then on.
    pub async fn close(self) {
        if let Some(requests) = &self.inner.requests {
            let (reply, answer) = oneshot::channel();
            if requests.send(Request::Close { reply }).await.is_ok() {
                let _ = answer.await;
            }
        }
        self.inner.readers.close().await;
    }

    async fn request(&self, request: Request) -> Result<(), StoreError> {
        let requests = self.inner.requests.as_ref().ok_or(StoreError::ReadOnly)?;
        requests.send(request).await.map_err(|_| StoreError::Closed)
    }

    fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }
}
