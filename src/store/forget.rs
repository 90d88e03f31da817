//! Forgets secrets that the audit trail keeps, sealed, so that a change can be taken back. The trail itself and its chain stay
//! as they are: these values are beside it. An empty value stands for one that was forgotten.
//!
//! # What SQLite leaves behind
//!
//! What is deleted or made shorter stays readable in the file until something else is written there. So everything that may
//! replace a sealed value, or write its row anew, runs with `secure_delete` on (`Session::wiping`), which overwrites what becomes free with zeros, whole
//! pages too. It does not reach three things, which [`Store::wipe`] sees to: the log of commits, which has the pages as they were
//! (it is emptied); bytes that moving rows between pages left in the gap of a page, and what was written by versions that did
//! not wipe (both are looked for, and if anything is found the file is written anew by `VACUUM`). Copies of the file that were
//! made before are no business of this file: whoever made them must remove them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::domain::command::{Actor, Done};
use crate::domain::id::DestinationId;
use crate::domain::kept_secrets::KeptSecrets;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::commands::Record;
use crate::store::error::{CommandError, StoreError};
use crate::store::upkeep::Upkeep;
use crate::store::writer::Session;

/// Values that retention forgets in one transaction.
const STEP: i64 = 100;

/// A larger file is not written anew by itself: nobody else could write for too long.
const VACUUM_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// How long is waited for whoever reads or writes at the moment.
const WAIT: Duration = Duration::from_secs(20);

/// How much of a sealed value is looked for: what it begins with, with its nonce, is like no other.
const MARK_BYTES: usize = 32;

/// Which rows of the trail have a kept secret that the choice means; its numbers are 1 to 4.
const MEANT: &str = "FROM audit_secret JOIN audit ON audit.id = audit_id
     WHERE length(sealed) > 0 AND at <= ?1 AND (?2 IS NULL OR account = ?2)
       AND (?3 IS NULL OR json_extract(before, '$.id') = ?3)
       AND (?4 OR NOT EXISTS (SELECT 1 FROM destination JOIN account AS owner ON owner.id = account_id
            WHERE destination.removed_at IS NULL AND owner.removed_at IS NULL AND destination.id = CAST(replace(json_extract(before, '$.id'), 'dst_', '') AS INTEGER)))";

/// What was left of forgotten secrets in the file and its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiped {
    /// Nothing, as a look at every byte of both has shown.
    Clean,
    /// Some process is in the middle of a read, so that the log of commits could not be emptied.
    Log,
    /// Something, and the file is too large to be written anew while others wait.
    Large,
}

impl Store {
    /// How many kept secrets the choice means.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_kept_secrets(&self, which: &KeptSecrets) -> Result<u64, StoreError> {
        Ok(self.sealed_of(which).await?.len() as u64)
    }

    /// The beginnings of the kept secrets that the choice means, sealed as they are: to look for what is left of them later.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn marks_of(&self, which: &KeptSecrets) -> Result<Vec<Vec<u8>>, StoreError> {
        let sealed = self.sealed_of(which).await?;
        Ok(sealed.into_iter().map(|bytes| bytes[..MARK_BYTES.min(bytes.len())].to_vec()).collect())
    }

    async fn sealed_of(&self, which: &KeptSecrets) -> Result<Vec<Vec<u8>>, StoreError> {
        let statement = sqlx::AssertSqlSafe(format!("SELECT sealed {MEANT}"));
        let rows = sqlx::query_scalar(statement)
            .bind(which.before.millis())
            .bind(which.account.as_ref().map(ToString::to_string))
            .bind(which.destination.map(|id| id.to_string()))
            .bind(which.replaced)
            .fetch_all(self.readers())
            .await?;
        Ok(rows)
    }

    /// Forgets a few of the secrets that changes before that time replaced; returns how many.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn forget_some(&self, before: Timestamp) -> Result<u64, StoreError> {
        if self.count_kept_secrets(&KeptSecrets::all_before(before)).await? == 0 {
            return Ok(0);
        }
        self.keep_up(Upkeep::ForgetSecrets { before }).await
    }

    /// Sees to what SQLite leaves behind of values that begin with these marks.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub async fn wipe(&self, marks: Vec<Vec<u8>>) -> Result<Wiped, StoreError> {
        let mut connection = self.own_connection().await?;
        if !empty_log(&mut connection).await? {
            return Ok(Wiped::Log);
        }
        if self.is_clean(marks.clone()).await? {
            return Ok(Wiped::Clean);
        }
        if self.bytes().await? > VACUUM_BYTES_MAX {
            return Ok(Wiped::Large);
        }
        sqlx::query("VACUUM").execute(&mut connection).await?;
        let emptied = empty_log(&mut connection).await?;
        connection.close().await?;
        Ok(if emptied && self.is_clean(marks).await? { Wiped::Clean } else { Wiped::Log })
    }

    async fn own_connection(&self) -> Result<SqliteConnection, StoreError> {
        let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(false).busy_timeout(WAIT);
        Ok(options.connect().await?)
    }

    async fn is_clean(&self, marks: Vec<Vec<u8>>) -> Result<bool, StoreError> {
        let mut log = self.path().as_os_str().to_owned();
        log.push("-wal");
        let files = [self.path().to_owned(), PathBuf::from(log)];
        let looked = tokio::task::spawn_blocking(move || {
            files.iter().try_fold(true, |clean, file| Ok::<_, io::Error>(clean && !has_any(file, &marks)?))
        });
        let found = looked.await.map_err(|error| StoreError::Io(error.to_string()))?;
        found.map_err(|error| StoreError::Io(error.to_string()))
    }
}

/// Works the log of commits off and cuts it to nothing; whether nobody kept it from that.
async fn empty_log(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)? == 0)
}

/// Whether any of the marks is in a file; in one that is not there, none is.
fn has_any(path: &Path, marks: &[Vec<u8>]) -> io::Result<bool> {
    const PART: usize = 1024 * 1024;
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let beginnings: std::collections::HashSet<&[u8]> = marks.iter().map(Vec::as_slice).collect();
    // A mark may lie across two parts: the end of the one stands before the next.
    let mut part = Vec::with_capacity(PART + MARK_BYTES);
    loop {
        let kept = part.len().min(MARK_BYTES - 1);
        part.drain(..part.len() - kept);
        if file.by_ref().take(PART as u64).read_to_end(&mut part)? == 0 {
            return Ok(false);
        }
        if part.windows(MARK_BYTES).any(|window| beginnings.contains(window)) {
            return Ok(true);
        }
    }
}

impl Session {
    /// Whether what becomes free is overwritten from now on.
    pub(crate) async fn wiping(&mut self, on: bool) -> Result<(), StoreError> {
        let statement = if on { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = OFF" };
        sqlx::query(statement).fetch_optional(&mut self.connection).await?;
        Ok(())
    }

    /// Forgets a few of the secrets that changes before that time replaced.
    pub(crate) async fn forget_some(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        self.forget_secrets(&KeptSecrets::all_before(before), STEP).await
    }

    async fn forget_secrets(&mut self, which: &KeptSecrets, limit: i64) -> Result<u64, StoreError> {
        let statement = format!(
            "UPDATE audit_secret SET sealed = x'' WHERE audit_id IN (SELECT audit_id {MEANT} ORDER BY audit_id LIMIT ?5)"
        );
        let done = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(which.before.millis())
            .bind(which.account.as_ref().map(ToString::to_string))
            .bind(which.destination.map(|id| id.to_string()))
            .bind(which.replaced)
            .bind(limit)
            .execute(&mut self.connection)
            .await?;
        Ok(done.rows_affected())
    }
}

/// Forgets the secrets that the choice means, and puts that on record.
pub(crate) async fn run(session: &mut Session, actor: &Actor, which: &KeptSecrets) -> Result<Done, CommandError> {
    let count = session.forget_secrets(which, i64::MAX).await?;
    if count == 0 {
        return Ok(Done { says: "no such secret is kept, so none was forgotten".to_owned(), ..Done::default() });
    }
    let secrets = if count == 1 { "1 kept secret was".to_owned() } else { format!("{count} kept secrets were") };
    let says = format!("{secrets} forgotten{}; what replaced or removed them cannot be taken back any more", of(which));
    let record = Record {
        account: which.account.as_ref(),
        command: "forget_secrets",
        says: &says,
        before: serde_json::Value::Null,
        after: json!({"count": count, "destination": which.destination, "before": which.before, "replaced": which.replaced}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

fn of(which: &KeptSecrets) -> String {
    let account = which.account.as_ref().map(|key| format!(" of {key}")).unwrap_or_default();
    let destination = which.destination.map(|id: DestinationId| format!(" of {id}")).unwrap_or_default();
    format!("{account}{destination}")
}

/// Refuses to take a change back whose secrets were forgotten: what stood there before would be there without them.
pub(crate) fn refuse_if_forgotten(what: &str, sealed: Option<&[u8]>) -> Result<(), CommandError> {
    if sealed.is_some_and(<[u8]>::is_empty) {
        return Err(CommandError::Refused(format!(
            "this cannot be taken back: the secrets that belonged to it were forgotten ({what}); they must be entered anew, \
             in the form or with `bellboard destinations`"
        )));
    }
    Ok(())
}
