//! Opens the database file: makes it when it is not there, refuses what is not ours, brings the schema up to date.
//!
//! `PRAGMA optimize` (`lang_analyze.html` on sqlite.org) is never run. What is asked often goes by an index because of how it is written
//! (`CROSS JOIN`, `INDEXED BY`, literals of partial indexes), which a test asserts without statistics and with those of a small file;
//! so they could improve nothing, and such as were made before a file grew could one day lead a new statement through all of it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::LevelFilter;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use crate::domain::role::Role;
use crate::domain::time::SharedClock;
use crate::metrics::Metrics;
use crate::store::door::Door;
use crate::store::error::{OpenError, StoreError};
use crate::store::migrate::{
    BUSY_TIMEOUT, MIGRATOR, bring_up_to_date, cannot_open, check_is_current, damaged, path_error,
};
use crate::store::seal::Sealer;
use crate::store::writer::{WAITING_MAX, Writer};
use crate::store::{Inner, Options, Revision, Store, checkpoint, failpoint, files, inspect, keys, outbox, watcher};

/// The writer's cache: 8 MiB, so that the pages that each commit touches stay in it.
const WRITER_CACHE: &str = "-8192";

/// Rows that a statement may be ahead of who takes them: more than a claim has, so that it runs through without a wait for each
/// few of them.
const ROWS_AHEAD: usize = 1024;

/// Connections that read. Their number is fixed and they never expire, since their cache would go with them.
const READERS: u32 = 3;

impl Store {
    /// Opens the store, making file, folder and key when they are not there, readable by their owner only.
    ///
    /// # Errors
    /// When the file cannot be made or opened, is not ours, or is from a newer version; it is left as it was then.
    pub async fn open(options: &Options, clock: SharedClock) -> Result<Self, OpenError> {
        Self::open_any(options, clock).await.map_err(|error| match error {
            OpenError::Store(StoreError::Damaged(problem)) => damaged(&options.path, &problem),
            other => other,
        })
    }

    async fn open_any(options: &Options, clock: SharedClock) -> Result<Self, OpenError> {
        let path = options.path.as_path();
        let source = options.key_source();
        let is_new = prepare(path, options.read_only)?;
        if options.read_only {
            inspect::look(path).await?;
            let mut connection =
                connect_options(path).read_only(true).connect().await.map_err(|e| cannot_open(path, e))?;
            check_is_current(&mut connection, path).await?;
            let sealer = source.keys_for(Some(&mut connection), false).await?;
            return Self::reading(options, clock, sealer).await;
        }
        let sealer = {
            // Two processes that start at once must not both make the schema, or a key.
            let _lock = keys::lock(path).await.map_err(|error| path_error(path, &error.to_string()))?;
            bring_up_to_date(path, is_new, &source, &MIGRATOR, &options.progress).await?
        };
        Self::writing(options, clock, sealer).await
    }

    async fn reading(options: &Options, clock: SharedClock, sealer: Sealer) -> Result<Self, OpenError> {
        let connect = connect_options(&options.path).read_only(true);
        let (revision_sender, revision) = watch::channel(Revision::default());
        let observer = connect.connect().await?;
        tokio::spawn(watcher::observe(options.path.clone(), observer, revision_sender));
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(connect).await?;
        let inbox = Mutex::new(None);
        Ok(Self {
            inner: Arc::new(Inner {
                path: options.path.clone(),
                clock,
                readers,
                sealer,
                requests: None,
                door: Door::default(),
                revision,
                inbox,
                metrics: Arc::default(),
            }),
            role: Role::Administer,
        })
    }

    async fn writing(options: &Options, clock: SharedClock, sealer: Sealer) -> Result<Self, OpenError> {
        let path = options.path.clone();
        let connect = connect_options(&path);
        let (revision_sender, revision) = watch::channel(Revision::default());
        let (requests, request_receiver) = mpsc::channel(WAITING_MAX);
        let metrics = Arc::new(Metrics::default());
        let (outbox, inbox) = outbox::outbox(metrics.clone());
        let writer = Writer::open(
            connect.clone().pragma("cache_size", WRITER_CACHE),
            clock.clone(),
            sealer.clone(),
            revision_sender,
            outbox,
        )
        .await
        .map_err(|error| path_error(&path, &error.to_string()))?;
        tokio::spawn(writer.serve(request_receiver).in_current_span());
        tokio::spawn(watcher::tell(path.clone(), requests.downgrade()));
        tokio::spawn(checkpoint::run(path.clone(), connect.clone(), requests.downgrade(), revision.clone()));
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false)
            .connect_with(connect.read_only(true))
            .await?;
        let inner = Inner {
            path,
            clock,
            readers,
            sealer,
            requests: Some(requests),
            door: Door::default(),
            revision,
            inbox: Mutex::new(Some(inbox)),
            metrics,
        };
        Ok(Self { inner: Arc::new(inner), role: Role::Administer })
    }
}

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(failpoint::synchronous())
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-2048")
        .pragma("wal_autocheckpoint", checkpoint::NET_PAGES)
        .row_buffer_size(ROWS_AHEAD)
        // Each statement's text, without its values; for a test that asks how each is worked off.
        .log_statements(LevelFilter::Trace)
        .log_slow_statements(LevelFilter::Trace, Duration::from_secs(1))
}

/// Makes folder and file when they are not there; tells whether the file is new. Refuses a file that is no SQLite database.
fn prepare(path: &Path, read_only: bool) -> Result<bool, OpenError> {
    files::check(path).map_err(|problem| path_error(path, &problem))?;
    if path.exists() {
        return inspect::is_empty(path);
    }
    inspect::check_place(path)?;
    if read_only {
        return Err(OpenError::Missing(path.display().to_string()));
    }
    files::make_folder(files::folder_of(path))
        .map_err(|error| path_error(path, &format!("its folder cannot be made ({error}); name another with --db")))?;
    files::open_or_create(path).map_err(|error| {
        path_error(path, &format!("{error}; make it and its folder writable for you, or name another with --db"))
    })?;
    Ok(true)
}
