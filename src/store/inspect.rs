//! Looks at a database file before anything could write to it: what is found damaged is left as it is, byte for byte.
//!
//! All of it goes over a connection that can only read. One that can write works the log of commits into the file when it is
//! closed, also when all that it was asked is whether the file is whole. What is looked at is the same for every size but the
//! smallest, so a start is as quick on a large file: pages that no start reads are `doctor`'s to find.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::store::error::{OpenError, StoreError};
use crate::store::migrate::{BUSY_TIMEOUT, cannot_open, check_file, damaged};
use crate::store::{backup, files, wal};

/// A file up to this size is looked over as a whole whenever it is opened, which takes some ten milliseconds at most.
const LOOKED_OVER_MAX: u64 = 2 * 1024 * 1024;

/// The first bytes of every SQLite file, and where its header has the size of its pages, how often it was changed and the number of its
/// pages (sqlite.org/fileformat.html section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
const PAGE_SIZE_AT: usize = 16;
const COUNTER_AT: usize = 24;
const PAGES_AT: usize = 28;

/// Files that are beside a database once something was stored in it: whoever is empty then has lost what it had.
const TRACES: [&str; 3] = ["-turns", files::DELIVERER, "-backups"];

/// Whether the file that is at that path is still to be filled. Refuses one that is no SQLite database, and one that is empty
/// and was not.
pub(crate) fn is_empty(path: &Path) -> Result<bool, OpenError> {
    // In this order: whoever fills it leaves the traces after that.
    let had = has_traces(path);
    let mut magic = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut magic));
    read.map_err(|error| OpenError::Path { path: path.display().to_string(), problem: error.to_string() })?;
    match magic.as_slice() {
        [] if had => Err(damaged(path, "it is empty, and was not")),
        [] => Ok(true),
        bytes if bytes == MAGIC => Ok(false),
        _ => Err(foreign(path)),
    }
}

/// Refuses to make a database where there is what belongs to another one.
pub(crate) fn check_place(path: &Path) -> Result<(), OpenError> {
    if has_bytes(path, "-wal") {
        return Err(damaged(path, "it is gone, and its log of commits, the -wal file, is there"));
    }
    Ok(())
}

/// A file that is none of ours; with what belongs to one of ours beside it, or copies that are known, it was.
pub(crate) fn foreign(path: &Path) -> OpenError {
    if backup::newest(path).is_some() || has_traces(path) {
        return damaged(path, "it does not begin as a database of bellboard does");
    }
    OpenError::Foreign(path.display().to_string())
}

/// Refuses a file that is not whole, as far as that can be seen without reading much of it. Says whether it was looked at: what was
/// cut off while the file was first made is SQLite's to bring to an end before.
pub(crate) async fn look(path: &Path) -> Result<bool, OpenError> {
    if has_bytes(path, "-journal") {
        return Ok(false);
    }
    let header =
        Header::read(path).map_err(|error| damaged(path, &format!("its beginning cannot be read: {error}")))?;
    if let Some(problem) = header.problem() {
        return Err(damaged(path, &problem));
    }
    if !has_bytes(path, "-wal") && header.pages_there < u64::from(header.pages_said) {
        let (there, said) = (header.bytes, header.page_bytes as u64 * u64::from(header.pages_said));
        return Err(damaged(path, &format!("it ends after {there} of {said} bytes")));
    }
    let own = path.to_owned();
    let log = tokio::task::spawn_blocking(move || wal::problem(&own, || Header::read(&own).map(Header::fits))).await;
    let log = log.map_err(io::Error::other).and_then(|found| found);
    // A log that cannot be read at all is for SQLite to refuse.
    if let Ok(Some(problem)) = log {
        return Err(damaged(path, &problem));
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await.map_err(|error| cannot_open(path, error))?;
    let looked = look_through(&mut connection, path, &header).await;
    let _ = connection.close().await;
    looked.map(|()| true)
}

async fn look_through(connection: &mut SqliteConnection, path: &Path, header: &Header) -> Result<(), OpenError> {
    let tables = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await;
    let tables: i64 = tables.map_err(|error| cannot_open(path, error))?;
    if tables > 0 {
        check_file(connection, path).await?;
        return look_over(connection, path).await;
    }
    // One page is what other programs make of a file that is to be filled.
    if header.pages_there > 1 { Err(damaged(path, "its list of tables is empty")) } else { Ok(()) }
}

/// Refuses a small file that is not whole; a large one is not read for it.
pub(crate) async fn look_over(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    if fs::metadata(path).map_or(0, |file| file.len()) > LOOKED_OVER_MAX {
        return Ok(());
    }
    let found = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await;
    let found: String = found.map_err(|error| cannot_open(path, error))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Damaged(found).into()) }
}

/// Whether a copy looks like one that could be restored: it has a beginning, and its end.
pub(crate) fn looks_whole(copy: &Path) -> bool {
    Header::read(copy).is_ok_and(|header| {
        header.is_magic && header.problem().is_none() && header.pages_there >= u64::from(header.pages_said)
    })
}

struct Header {
    is_magic: bool,
    page_bytes: usize,
    counter: u32,
    pages_said: u32,
    pages_there: u64,
    bytes: u64,
}

impl Header {
    fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header)?;
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let page_bytes = match u16::from_be_bytes([header[PAGE_SIZE_AT], header[PAGE_SIZE_AT + 1]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let bytes = file.metadata()?.len();
        let pages_there = bytes / (page_bytes.max(1) as u64);
        let is_magic = header.starts_with(MAGIC);
        Ok(Self { is_magic, page_bytes, counter: word(COUNTER_AT), pages_said: word(PAGES_AT), pages_there, bytes })
    }

    fn problem(&self) -> Option<String> {
        let is_size = self.page_bytes.is_power_of_two() && self.page_bytes >= 512;
        (!is_size).then(|| format!("its header says that its pages have {} bytes", self.page_bytes))
    }

    fn fits(self) -> wal::Fits {
        let Self { page_bytes, pages_there, pages_said, counter, .. } = self;
        wal::Fits { page_bytes, pages_there, pages_said, counter }
    }
}

fn has_traces(path: &Path) -> bool {
    has_bytes(path, "-wal") || TRACES.iter().any(|ending| files::beside(path, ending).exists())
}

fn has_bytes(path: &Path, ending: &str) -> bool {
    fs::metadata(files::beside(path, ending)).is_ok_and(|file| file.len() > 0)
}
