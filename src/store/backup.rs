//! Copies of the whole database: made while it is in use, checked before they count as made.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::domain::text::safe_line;
use crate::domain::time::Timestamp;
use crate::store::error::{OpenError, StoreError};
use crate::store::migrate::check_file;
use crate::store::partial::Partial;
use crate::store::progress::{Progress, Step, size};
use crate::store::{Store, files, inspect};

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
    pub async fn back_up(&self, to: &Path, progress: &Progress) -> Result<Copied, OpenError> {
        let mut connection = self.readers().acquire().await?;
        let copied = copy(&mut connection, to, progress).await;
        progress.tell(Step::Done);
        let copied = copied?;
        remember(self.path(), to);
        Ok(copied)
    }
}

/// Copies the database of a connection into a file that is not there yet, and checks the copy before it gets its name.
pub(crate) async fn copy(
    connection: &mut SqliteConnection,
    to: &Path,
    progress: &Progress,
) -> Result<Copied, OpenError> {
    let partial = Partial::of(to).map_err(|problem| unusable(to, &problem))?;
    let pages = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, \
                 pragma_page_size";
    let of: i64 = sqlx::query_scalar(pages).fetch_one(&mut *connection).await?;
    let of = u64::try_from(of).unwrap_or(0);
    if let Some(room) = partial.room().filter(|room| *room < of) {
        let problem = format!(
            "it takes {}, and there is room for {}; make room there, or have it on another disk",
            size(of),
            size(room)
        );
        return Err(unusable(to, &problem));
    }
    // Into a file that is there and empty, whose mode is then right from its first byte.
    let copying = sqlx::query("VACUUM INTO ?").bind(partial.path().to_string_lossy().into_owned()).execute(connection);
    progress.during(copying, || Step::Copying { done: partial.bytes(), of }).await?;
    let failed = |error: io::Error| unusable(to, &error.to_string());
    partial.sync().map_err(failed)?;
    let copied = progress.during(verify(partial.path()), || Step::Checking).await?;
    partial.put().map_err(failed)?;
    Ok(copied)
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

/// The newest copy that is known, still there, and not cut short; of those that upgrades made beside the database when no list says
/// more.
pub(crate) fn newest(database: &Path) -> Option<PathBuf> {
    let listed = listed(database).into_iter().map(PathBuf::from).rfind(|copy| inspect::looks_whole(copy));
    listed.or_else(|| {
        let begins = format!("{}.schema-", database.file_name()?.to_string_lossy());
        let beside = fs::read_dir(files::folder_of(database)).ok()?.filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_copy = name.starts_with(&begins) && name.ends_with(".backup") && inspect::looks_whole(&entry.path());
            is_copy.then_some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        });
        beside.max().map(|(_, path)| path)
    })
}

/// What to do when a database is damaged, with the command that puts the newest copy in its place.
#[must_use]
pub fn advice(database: &Path) -> String {
    let restore = newest(database).map_or_else(
        || "restore your newest backup with `bellboard restore` (none is known here)".to_owned(),
        |copy| {
            let made = fs::metadata(&copy).and_then(|file| file.modified()).ok();
            let made = made.and_then(|at| i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok());
            let made = made.map_or_else(String::new, |at| format!(", of {}", Timestamp::from_millis(at)));
            let (database, copy) = (quoted(database), quoted(&copy));
            format!("restore the newest backup{made}: `bellboard --db {database} restore {copy}`")
        },
    );
    format!("keep the file: move it away with its -wal and -shm files, and {restore}")
}

/// As a word that a shell takes as it is.
fn quoted(path: &Path) -> String {
    let text = safe_line(&path.to_string_lossy()).into_owned();
    shlex::try_quote(&text).map_or_else(|_| text.clone(), std::borrow::Cow::into_owned)
}

/// Puts a copy in the place of a database that is not there.
///
/// # Errors
/// When there is a database already, or the copy is none, is damaged, or was written by a newer version.
pub async fn restore(from: &Path, to: &Path) -> Result<Copied, OpenError> {
    files::check(to).map_err(|problem| unusable(to, &problem))?;
    let is_there = |ending: &str| {
        let mut path = to.as_os_str().to_owned();
        path.push(ending);
        fs::symlink_metadata(PathBuf::from(path)).is_ok_and(|file| ending.is_empty() || file.len() > 0)
    };
    if is_there("") {
        return Err(unusable(to, "there is a database already; move it away first, with its -wal and -shm files"));
    }
    if is_there("-wal") {
        let problem =
            "the -wal file of another database is there, which would be taken for a part of it; move that away";
        return Err(unusable(to, problem));
    }
    let copied = verify(from).await?;
    let failed = |error: io::Error| unusable(to, &error.to_string());
    files::make_folder(files::folder_of(to)).map_err(failed)?;
    let mut partial = Partial::of(to).map_err(|problem| unusable(to, &problem))?;
    File::open(from).and_then(|mut from| io::copy(&mut from, partial.file())).map_err(failed)?;
    partial.put().map_err(failed)?;
    Ok(copied)
}

/// Reads a copy as a whole. One that is damaged is no word about the database that it was made of.
async fn verify(path: &Path) -> Result<Copied, OpenError> {
    read_whole(path).await.map_err(|error| match error {
        OpenError::Damaged { problem, .. } | OpenError::Store(StoreError::Damaged(problem)) => {
            unusable(path, &format!("it is damaged itself ({}); name another copy", problem.replace('\n', "; ")))
        }
        other => other,
    })
}

async fn read_whole(path: &Path) -> Result<Copied, OpenError> {
    let bytes = fs::metadata(path).map_err(|error| unusable(path, &error.to_string()))?.len();
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).read_only(true).immutable(true);
    let mut connection = options.connect().await?;
    check_file(&mut connection, path).await?;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await?;
    if found != "ok" {
        return Err(StoreError::Damaged(found).into());
    }
    // Without those that are being removed, for which an earlier schema has no other mark.
    let accounts =
        sqlx::query_scalar("SELECT count(*) FROM account WHERE key NOT LIKE '#%'").fetch_one(&mut connection).await?;
    let events = sqlx::query_scalar("SELECT count(*) FROM event").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(Copied { bytes, accounts, events })
}

fn unusable(path: &Path, problem: &str) -> OpenError {
    OpenError::Path { path: path.display().to_string(), problem: problem.to_owned() }
}
