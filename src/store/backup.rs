//! Copies of the whole database: made while it is in use, checked before they count as made.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::store::Store;
use crate::store::error::{OpenError, StoreError};
use crate::store::open::check_file;

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
        create(to)?;
        let copied = self.copy_into(to).await;
        if copied.is_err() {
            // Nothing half done stays, and it is ours: it was not there before.
            let _ = fs::remove_file(to);
        }
        copied
    }

    async fn copy_into(&self, to: &Path) -> Result<Copied, OpenError> {
        let mut connection = self.readers().acquire().await?;
        // Into a file that is there and empty, whose mode is then right from its first byte.
        sqlx::query("VACUUM INTO ?").bind(to.to_string_lossy()).execute(&mut *connection).await?;
        File::open(to).and_then(|file| file.sync_all()).map_err(|error| unusable(to, &error.to_string()))?;
        verify(to).await
    }
}

/// Puts a copy in the place of a database that is not there.
///
/// # Errors
/// When there is a database already, or the copy is none, is damaged, or was written by a newer version.
pub async fn restore(from: &Path, to: &Path) -> Result<Copied, OpenError> {
    if to.exists() {
        return Err(unusable(to, "there is a database already; move it away first, with its -wal and -shm files"));
    }
    let copied = verify(from).await?;
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let put = || -> io::Result<()> {
        let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        io::copy(&mut File::open(from)?, &mut target)?;
        target.sync_all()?;
        fs::rename(&partial, to)
    };
    put().map_err(|error| {
        let _ = fs::remove_file(&partial);
        unusable(to, &error.to_string())
    })?;
    Ok(copied)
}

fn create(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(|_| ()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => unusable(path, "there is such a file already; name another"),
        _ => unusable(path, &error.to_string()),
    })
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
