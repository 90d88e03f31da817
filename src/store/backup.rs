//! Copies of the whole database: made while it is in use, checked before they count as made.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::domain::text::safe_line;
use crate::store::error::{OpenError, StoreError};
use crate::store::migrate::check_file;
use crate::store::{Store, files};

/// Copies that are remembered.
const LISTED_MAX: usize = 50;

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its bytes.
    pub bytes: u64,
    /// Accounts in it.
    pub accounts: i64,
    /// Events in it.
    pub events: i64,
}

impl Store {
    /// Writes a copy of all that is committed, for this user's eyes only. Nobody who writes meanwhile has to wait.
    ///
    /// # Errors
    /// When there is such a file already, it cannot be written, or the copy is not whole; no file is left then.
    pub async fn back_up(&self, to: &Path) -> Result<Copied, OpenError> {
        let mut connection = self.readers().acquire().await?;
        let copied = copy(&mut connection, to).await?;
        remember(self.path(), to);
        Ok(copied)
    }
}

/// Copies the database of a connection into a file that is not there yet, and checks the copy.
pub(crate) async fn copy(connection: &mut SqliteConnection, to: &Path) -> Result<Copied, OpenError> {
    files::create(to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => unusable(to, "there is such a file already; name another"),
        _ => unusable(to, &error.to_string()),
    })?;
    let copied = copy_into(connection, to).await;
    if copied.is_err() {
        // Nothing half done stays, and it is ours: it was not there before.
        let _ = fs::remove_file(to);
    }
    copied
}

async fn copy_into(connection: &mut SqliteConnection, to: &Path) -> Result<Copied, OpenError> {
    // Into a file that is there and empty, whose mode is then right from its first byte.
    sqlx::query("VACUUM INTO ?").bind(to.to_string_lossy()).execute(connection).await?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .and_then(|()| files::sync_folder(to))
        .map_err(|error| unusable(to, &error.to_string()))?;
    verify(to).await
}

/// The file in which the copies of a database are listed, a path a line, the newest last.
fn list_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-backups");
    path.into()
}

fn listed(database: &Path) -> Vec<String> {
    let text = fs::read_to_string(list_of(database)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Notes that there is this copy, so that it can be named should the database be damaged one day. Copying does not fail for it.
pub(crate) fn remember(database: &Path, copy: &Path) {
    let copy = std::path::absolute(copy).unwrap_or_else(|_| copy.to_owned()).display().to_string();
    let mut lines: Vec<String> = listed(database).into_iter().filter(|line| *line != copy).collect();
    lines.push(copy);
    let kept = lines.len().saturating_sub(LISTED_MAX);
    let text: String = lines[kept..].iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    if let Err(error) = files::replace(&list_of(database), text.as_bytes()) {
        tracing::warn!(%error, "the list of copies cannot be written");
    }
}

/// What to do when a database is damaged: the newest copy that is known and still there.
pub(crate) fn advice(database: &Path) -> String {
    let newest = listed(database).into_iter().rfind(|copy| Path::new(copy).is_file());
    let restore = newest.map_or_else(
        || "restore your newest backup (none is known here)".to_owned(),
        |copy| format!("restore the newest backup: `bellboard restore {}`", safe_line(&copy)),
    );
    format!("keep the file: move it away with its -wal and -shm files, and {restore}")
}

/// Puts a copy in the place of a database that is not there.
///
/// # Errors
/// When there is a database already, or the copy is none, is damaged, or was written by a newer version.
pub async fn restore(from: &Path, to: &Path) -> Result<Copied, OpenError> {
    files::check(to).map_err(|problem| unusable(to, &problem))?;
    if to.exists() {
        return Err(unusable(to, "there is a database already; move it away first, with its -wal and -shm files"));
    }
    let copied = verify(from).await?;
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let put = || -> io::Result<()> {
        files::make_folder(files::folder_of(to))?;
        let mut target = files::create(&partial)?;
        io::copy(&mut File::open(from)?, &mut target)?;
        target.sync_all()?;
        fs::rename(&partial, to)?;
        files::sync_folder(to)
    };
    put().map_err(|error| {
        let _ = fs::remove_file(&partial);
        unusable(to, &error.to_string())
    })?;
    Ok(copied)
}

/// Reads a copy as a whole.
async fn verify(path: &Path) -> Result<Copied, OpenError> {
    let bytes = fs::metadata(path).map_err(|error| unusable(path, &error.to_string()))?.len();
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).read_only(true).immutable(true);
    let mut connection = options.connect().await?;
    check_file(&mut connection, path).await?;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await?;
    if found != "ok" {
        return Err(StoreError::Damaged(found).into());
    }
    let accounts = sqlx::query_scalar("SELECT count(*) FROM account").fetch_one(&mut connection).await?;
    let events = sqlx::query_scalar("SELECT count(*) FROM event").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(Copied { bytes, accounts, events })
}

fn unusable(path: &Path, problem: &str) -> OpenError {
    OpenError::Path { path: path.display().to_string(), problem: problem.to_owned() }
}
