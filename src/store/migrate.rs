//! Brings the schema of a database up to date: all that is missing in one transaction, after a copy was made and checked. Whatever
//! fails, the file is as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::store::error::{OpenError, StoreError};
use crate::store::keys::{self, KeySource, KeysError};
use crate::store::progress::{Progress, Step};
use crate::store::seal::Sealer;
use crate::store::{backup, failpoint, inspect};

pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// `PRAGMA application_id` of a bellboard database: `bell` in ASCII.
const APPLICATION_ID: i64 = 0x6265_6c6c;

/// The oldest SQLite that does not have the WAL-reset race (sqlite.org/wal.html).
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);

/// How long a writer waits for another process's transaction.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Copies that one upgrade may find made by others before it.
const SAME_NAME_MAX: u32 = 1000;

/// Makes the schema of this file what this program wants; the keys that its secrets are sealed with.
pub(crate) async fn bring_up_to_date(
    path: &Path,
    is_new: bool,
    source: &KeySource,
    migrator: &Migrator,
    progress: &Progress,
) -> Result<Sealer, OpenError> {
    let plain = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
    // The vacuum mode can only be chosen before anything is written, the journal mode's mark included.
    let plain = if is_new { plain.auto_vacuum(SqliteAutoVacuum::Incremental) } else { plain };
    let is_looked_at = !is_new && inspect::look(path).await?;
    let mut connection = plain.connect().await.map_err(|error| cannot_open(path, error))?;
    check_sqlite(&mut connection).await?;
    if !is_new && !is_looked_at {
        inspect::look_over(&mut connection, path).await?;
    }
    let sealer = run(&mut connection, path, source, migrator, progress).await;
    progress.tell(Step::Done);
    let sealer = sealer?;
    // Switched here, under the lock: it fails at once while another process has the file open, whatever the time-out says.
    let wal = sqlx::query("PRAGMA journal_mode = WAL").fetch_one(&mut connection).await;
    wal.map_err(|error| cannot_open(path, error))?;
    connection.close().await?;
    Ok(sealer)
}

async fn run(
    connection: &mut SqliteConnection,
    path: &Path,
    source: &KeySource,
    migrator: &Migrator,
    progress: &Progress,
) -> Result<Sealer, OpenError> {
    let tables = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await;
    let tables: i64 = tables.map_err(|error| cannot_open(path, error))?;
    let mut version = None;
    if tables > 0 {
        version = Some(check_file(connection, path).await?);
    }
    // Before anything is changed: with a wrong key, nothing is.
    let sealer = source.keys_for(Some(&mut *connection), true).await?;
    if is_behind(connection, version, migrator).await? {
        if let Some(version) = version {
            copy_before(connection, path, version, progress).await?;
        }
        failpoint::pass("schema.before");
        let applied = progress.during(apply(connection, migrator), || Step::Changing).await;
        failpoint::pass("schema.after");
        applied.map_err(|error| as_it_was(path, &error.to_string()))?;
    }
    if let Some(key) = sealer.sealing()
        && keys::named_key(connection).await? != Some(key)
    {
        keys::name_key(connection, key).await?;
    }
    Ok(sealer)
}

/// All that is missing, or nothing.
async fn apply(connection: &mut SqliteConnection, migrator: &Migrator) -> Result<(), sqlx::migrate::MigrateError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Each migration's own transaction is a savepoint within this one.
    migrator.run(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

async fn is_behind(
    connection: &mut SqliteConnection,
    version: Option<i64>,
    migrator: &Migrator,
) -> Result<bool, StoreError> {
    if version.is_none() {
        return Ok(true);
    }
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations").fetch_all(connection).await?;
    Ok(migrator.iter().any(|migration| !applied.contains(&migration.version)))
}

/// Copies the file, as it is, beside itself.
async fn copy_before(
    connection: &mut SqliteConnection,
    path: &Path,
    version: i64,
    progress: &Progress,
) -> Result<(), OpenError> {
    let name = |number: u32| {
        let mut copy = path.as_os_str().to_owned();
        copy.push(format!(".schema-{version}"));
        if number > 1 {
            copy.push(format!("-{number}"));
        }
        copy.push(".backup");
        PathBuf::from(copy)
    };
    let copy = (1..SAME_NAME_MAX).map(name).find(|copy| fs::symlink_metadata(copy).is_err());
    let copy = copy.ok_or_else(|| as_it_was(path, "there are too many copies beside it; move some away"))?;
    // Some ten seconds for a gigabyte.
    tracing::info!(copy = %copy.display(), "copying the database before its schema is brought up to date");
    let copied = backup::copy(connection, &copy, progress).await;
    copied.map_err(|error| as_it_was(path, &format!("no copy of it can be made first: {error}")))?;
    backup::remember(path, &copy);
    tracing::info!(copy = %copy.display(), "the schema is brought up to date; this is the database as it was");
    Ok(())
}

/// Refuses a database of another program, or of a newer version; its schema's version.
pub(crate) async fn check_file(connection: &mut SqliteConnection, path: &Path) -> Result<i64, OpenError> {
    let id = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await;
    let id: i64 = id.map_err(|error| cannot_open(path, error))?;
    if id != APPLICATION_ID {
        return Err(inspect::foreign(path));
    }
    let applied = sqlx::query("SELECT version FROM _sqlx_migrations ORDER BY version").fetch_all(connection).await;
    let applied = applied.map_err(|error| cannot_open(path, error))?;
    let applied: Vec<i64> = applied.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let known = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    if let Some(found) = applied.iter().rfind(|version| !MIGRATOR.version_exists(**version)) {
        return Err(OpenError::Newer { path: path.display().to_string(), found: *found, known });
    }
    Ok(applied.last().copied().unwrap_or(0))
}

/// Refuses to read a database that lacks what this program asks for.
pub(crate) async fn check_is_current(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let version = check_file(connection, path).await?;
    if is_behind(connection, Some(version), &MIGRATOR).await? {
        return Err(OpenError::Older(path.display().to_string()));
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

pub(crate) fn path_error(path: &Path, problem: &str) -> OpenError {
    OpenError::Path { path: path.display().to_string(), problem: problem.to_owned() }
}

fn as_it_was(path: &Path, problem: &str) -> OpenError {
    OpenError::Upgrade { path: path.display().to_string(), problem: problem.to_owned() }
}

pub(crate) fn damaged(path: &Path, problem: &str) -> OpenError {
    OpenError::Damaged {
        path: path.display().to_string(),
        problem: problem.replace('\n', "; "),
        then: backup::advice(path),
    }
}

pub(crate) fn cannot_open(path: &Path, error: sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    match code.parse::<i32>().unwrap_or(0) & 0xff {
        // It begins as a database does, so it was one; and nothing is asked of it that one of ours could not answer.
        1 | 11 | 26 => damaged(path, &error.to_string()),
        8 | 14 => {
            path_error(path, "make the file and its folder readable and writable for you, or name another with --db")
        }
        _ => OpenError::Store(error.into()),
    }
}

impl From<KeysError> for OpenError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Seal(error) => Self::Seal(error),
            KeysError::Store(error) => Self::Store(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use sqlx::SqlSafeStr;
    use sqlx::migrate::{Migration, MigrationType};

    use super::*;
    use crate::domain::time::SystemClock;
    use crate::store::{Options, Store};

    /// All migrations, and then these statements.
    fn and_then(statements: &'static str) -> Migrator {
        let kind = MigrationType::Simple;
        let last = Migration::new(9999, "later".into(), kind, statements.into_sql_str(), false);
        let migrations = MIGRATOR.iter().cloned().chain([last]).collect();
        Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT }
    }

    #[tokio::test]
    async fn what_fails_half_way_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::at(folder.path().join("bellboard.db"));
        Store::open(&options, SystemClock::shared()).await.unwrap().close().await;
        let (path, source) = (options.path.as_path(), options.key_source());
        for failing in [
            "CREATE TABLE half (x); DROP TABLE mute; INSERT INTO nowhere VALUES (1)",
            "CREATE TABLE half (x); PRAGMA max_page_count = 1; INSERT INTO half VALUES (zeroblob(1000000))",
            "CREATE TABLE half (x); INSERT INTO half SELECT raise_nothing()",
        ] {
            let failed = bring_up_to_date(path, false, &source, &and_then(failing), &Progress::default()).await;
            let says = failed.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(says.contains("cannot be brought up to date, and is as it was"), "{says}");
            let store = Store::open(&options, SystemClock::shared()).await.unwrap();
            assert_eq!(store.examine(true).await.unwrap().damage, Vec::<String>::new());
            let half = "SELECT count(*) FROM sqlite_schema WHERE name IN ('half', 'mute')";
            let tables: i64 = sqlx::query_scalar(half).fetch_one(store.readers()).await.unwrap();
            assert_eq!(tables, 1, "the table that was there, and not the new one");
            store.close().await;
        }
        let known = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
        assert!(folder.path().join(format!("bellboard.db.schema-{known}.backup")).exists());
    }
}
