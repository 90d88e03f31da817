//! Opens the database file: makes it when it is not there, refuses what is not ours, brings the schema up to date.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::LevelFilter;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use crate::domain::role::Role;
use crate::domain::time::SharedClock;
use crate::metrics::Metrics;
use crate::store::door::Door;
use crate::store::error::OpenError;
use crate::store::failpoint;
use crate::store::seal::Sealer;
use crate::store::writer::{WAITING_MAX, Writer};
use crate::store::{Inner, Options, Revision, Store, checkpoint, outbox, watcher};

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// `PRAGMA application_id` of a bellboard database: `bell` in ASCII.
const APPLICATION_ID: i64 = 0x6265_6c6c;

/// The first bytes of every SQLite file (sqlite.org/fileformat.html section 1.3).
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The oldest SQLite that does not have the WAL-reset race (sqlite.org/wal.html).
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The writer's cache: 8 MiB, so that the pages that each commit touches stay in it.
const WRITER_CACHE: &str = "-8192";

/// Connections that read. Their number is fixed and they never expire, since their cache would go with them.
const READERS: u32 = 3;

impl Store {
    /// Opens the store, making file, folder and key when they are not there, readable by their owner only.
    ///
    /// # Errors
    /// When the file cannot be made or opened, is not ours, or is from a newer version; it is left as it was then.
    pub async fn open(options: &Options, clock: SharedClock) -> Result<Self, OpenError> {
        let path = options.path.as_path();
        let is_new = prepare(path, options.read_only)?;
        let sealer = if options.read_only {
            Sealer::open(&options.key_path())?
        } else {
            Sealer::open_or_create(&options.key_path())?
        };
        if options.read_only {
            let mut connection =
                connect_options(path).read_only(true).connect().await.map_err(|e| cannot_open(path, e))?;
            check_file(&mut connection, path).await?;
            return Self::reading(options, clock, sealer).await;
        }
        {
            // Two processes that start at once must not both make the schema.
            let lock = File::open(options.key_path()).map_err(|error| path_error(path, &error.to_string()))?;
            let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
            let _lock = lock.map_err(|error| path_error(path, &error.to_string()))?;
            migrate(path, is_new).await?;
        }
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
        .pragma("cache_size", "-4096")
        .pragma("wal_autocheckpoint", checkpoint::NET_PAGES)
        // Each statement's text, without its values; for a test that asks how each is worked off.
        .log_statements(LevelFilter::Trace)
        .log_slow_statements(LevelFilter::Trace, Duration::from_secs(1))
}

/// Makes folder and file when they are not there; tells whether the file is new. Refuses a file that is no SQLite database.
fn prepare(path: &Path, read_only: bool) -> Result<bool, OpenError> {
    if let Ok(mut file) = File::open(path) {
        let mut magic = Vec::new();
        let read = file.by_ref().take(16).read_to_end(&mut magic);
        read.map_err(|error| path_error(path, &error.to_string()))?;
        return match magic.as_slice() {
            [] => Ok(true),
            bytes if bytes == SQLITE_MAGIC => Ok(false),
            _ => Err(OpenError::Foreign(path.display().to_string())),
        };
    }
    if read_only && !path.exists() {
        return Err(OpenError::Missing(path.display().to_string()));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| {
            path_error(path, &format!("its folder cannot be made ({error}); name another with --db"))
        })?;
    }
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| {
        path_error(path, &format!("{error}; make it and its folder writable for you, or name another with --db"))
    })?;
    Ok(true)
}

async fn migrate(path: &Path, is_new: bool) -> Result<(), OpenError> {
    let plain = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
    // The vacuum mode can only be chosen before anything is written, the journal mode's mark included.
    let mut connection = if is_new {
        let options = plain.auto_vacuum(SqliteAutoVacuum::Incremental);
        options.connect().await.map_err(|error| cannot_open(path, error))?
    } else {
        connect_options(path).connect().await.map_err(|error| cannot_open(path, error))?
    };
    check_sqlite(&mut connection).await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?;
    if tables > 0 {
        check_file(&mut connection, path).await?;
    }
    failpoint::pass("schema.before");
    let run = MIGRATOR.run(&mut connection).await;
    failpoint::pass("schema.after");
    run.map_err(|error| path_error(path, &format!("its schema cannot be brought up to date: {error}")))?;
    // Switched here, under the lock: it fails at once while another process has the file open, whatever the time-out says.
    sqlx::query("PRAGMA journal_mode = WAL").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Refuses a database of another program, or of a newer version.
pub(crate) async fn check_file(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if id != APPLICATION_ID {
        return Err(OpenError::Foreign(path.display().to_string()));
    }
    let found: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(connection).await?;
    let known = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known {
        return Err(OpenError::Newer { path: path.display().to_string(), found, known });
    }
    Ok(())
}

async fn check_sqlite(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) < SQLITE_VERSION_MIN {
        return Err(OpenError::OldSqlite(version));
    }
    Ok(())
}

fn path_error(path: &Path, problem: &str) -> OpenError {
    OpenError::Path { path: path.display().to_string(), problem: problem.to_owned() }
}

fn cannot_open(path: &Path, error: sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    match code.parse::<i32>().unwrap_or(0) & 0xff {
        26 => OpenError::Foreign(path.display().to_string()),
        8 | 14 => {
            path_error(path, "make the file and its folder readable and writable for you, or name another with --db")
        }
        _ => OpenError::Store(error.into()),
    }
}
