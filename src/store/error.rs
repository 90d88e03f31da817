//! What can go wrong with the store, in terms of what a person or a caller can do about it.

use crate::channels::form::FieldError;
use crate::domain::role::Role;
use crate::store::seal::SealError;

/// Exit code for wrong input.
const EXIT_USAGE: u8 = 2;
/// Exit code when there is nothing by that name.
const EXIT_NOT_FOUND: u8 = 3;
/// Exit code when it was refused.
const EXIT_REFUSED: u8 = 4;
/// Exit code when the store cannot be used.
const EXIT_STORE: u8 = 6;

/// A read or write that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is nothing by that name.
    #[error("{0}")]
    NotFound(String),
    /// The store was opened for reading.
    #[error("this is read-only; to change anything, start without --read-only, with a role that may")]
    ReadOnly,
    /// No room is left for the database.
    #[error("the disk is full, so nothing was stored; make room, and it goes on by itself")]
    Full,
    /// The file or its folder cannot be written.
    #[error("nothing was stored: the database or its folder is read-only; make it writable")]
    NotWritable,
    /// Another process holds the database for longer than anybody waits.
    #[error(
        "nothing was stored: another program has held the database locked for ten seconds; end it (`fuser` on the file names it), or try again"
    )]
    Busy,
    /// The database is damaged, or something else wrote to it.
    #[error(
        "the database is damaged: {0}; stop bellboard, keep the file, and restore the backup that `bellboard doctor` names"
    )]
    Damaged(String),
    /// Reading or writing the file failed.
    #[error("the database cannot be read or written, so nothing was stored: {0}")]
    Io(String),
    /// A secret cannot be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The process's exit code for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound(_) => EXIT_NOT_FOUND,
            Self::ReadOnly => EXIT_REFUSED,
            _ => EXIT_STORE,
        }
    }

    /// The same for another caller of the batch that failed.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::NotWritable => Self::NotWritable,
            Self::Busy => Self::Busy,
            Self::Damaged(problem) => Self::Damaged(problem.clone()),
            Self::Closed => Self::Closed,
            Self::Io(problem) => Self::Io(problem.clone()),
            other => Self::Io(other.to_string()),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Damaged(error.to_string()),
                _ => Self::Io(error.to_string()),
            };
        };
        // The primary result code is the low byte (sqlite.org/rescode.html).
        let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0) & 0xff;
        match code {
            5 | 6 => Self::Busy,
            8 => Self::NotWritable,
            11 | 26 => Self::Damaged(database.message().to_owned()),
            13 => Self::Full,
            _ => Self::Io(with_advice(database.message())),
        }
    }
}

/// SQLite says no more of a disk that refuses: not even that it has become read-only (`rescode.html#ioerr` on sqlite.org).
fn with_advice(problem: &str) -> String {
    let advice = if problem == "disk I/O error" { "; see whether the disk is read-only or broken" } else { "" };
    format!("{problem}{advice}")
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such file, and it was not to be made.
    #[error("there is no database at {0}; start `bellboard` once without --read-only to make one")]
    Missing(String),
    /// The folder or file cannot be made or opened.
    #[error("the database {path} cannot be opened: {problem}")]
    Path {
        /// Which.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The file is no database of bellboard's.
    #[error("{0} is no bellboard database; name another file with --db, or move this one away")]
    Foreign(String),
    /// A later version wrote it.
    #[error("{path} was written by a newer bellboard (schema {found}, this one knows {known}); use that version")]
    Newer {
        /// Which file.
        path: String,
        /// Its schema.
        found: i64,
        /// The latest schema that this program knows.
        known: i64,
    },
    /// An earlier version wrote it, and it was not to be changed.
    #[error("{0} was written by an older bellboard; start once without --read-only to bring it up to date")]
    Older(String),
    /// Its schema cannot be brought up to date.
    #[error("the database {path} cannot be brought up to date, and is as it was: {problem}")]
    Upgrade {
        /// Which file.
        path: String,
        /// What went wrong.
        problem: String,
    },
    /// It is damaged.
    #[error("the database {path} is damaged ({problem}), and nothing was written to it; {then}")]
    Damaged {
        /// Which file.
        path: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        then: String,
    },
    /// SQLite itself is one that can lose commits.
    #[error("SQLite {0} can lose commits in a WAL database; bellboard needs 3.51.3 or later")]
    OldSqlite(String),
    /// The key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl OpenError {
    /// The process's exit code for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        EXIT_STORE
    }
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It makes no sense as it was given.
    #[error("{0}")]
    Invalid(String),
    /// It must not be done.
    #[error("{0}")]
    Refused(String),
    /// It takes a higher role.
    #[error("this takes the role {needed}, and yours is {own}; ask somebody who has it ([roles] in the config)")]
    Role {
        /// The lowest that may.
        needed: Role,
        /// Of who asked.
        own: Role,
    },
    /// Somebody else changed it since it was read.
    #[error("somebody changed {0} in the meantime, so nothing was stored; look at it again")]
    Overtaken(String),
    /// There is nothing by that name.
    #[error("{0}")]
    NotFound(String),
    /// Fields of a form cannot be taken.
    #[error("{}", field_errors(.0))]
    Fields(Vec<FieldError>),
}

impl CommandError {
    /// The process's exit code for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) => error.exit_code(),
            Self::Invalid(_) | Self::Fields(_) => EXIT_USAGE,
            Self::Refused(_) | Self::Role { .. } | Self::Overtaken(_) => EXIT_REFUSED,
            Self::NotFound(_) => EXIT_NOT_FOUND,
        }
    }
}

impl From<sqlx::Error> for CommandError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

fn field_errors(errors: &[FieldError]) -> String {
    let each: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
    each.join("; ")
}

/// Why an event was not accepted.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AcceptError {
    /// No such account.
    #[error("there is no account `{0}`; see `bellboard accounts list`")]
    UnknownAccount(String),
    /// No such event type in that account.
    #[error("there is no event type `{given}`{}; see `bellboard event-types list {account}`", .nearest.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default())]
    UnknownEventType {
        /// Whose catalogue was searched.
        account: String,
        /// What was asked for.
        given: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// The same idempotency key came with other content.
    #[error("the id `{0}` was used for another event of this account; give each event an id of its own")]
    KeyReused(String),
    /// What the store has of the account's set-up cannot be read.
    #[error(
        "the set-up of the account `{account}` cannot be read ({problem}), so its events are refused; see `bellboard doctor`"
    )]
    Damaged {
        /// Whose.
        account: String,
        /// What is wrong.
        problem: String,
    },
    /// The idempotency key is empty or too long.
    #[error("an event's id has 1 to 255 bytes")]
    BadKey,
}

impl AcceptError {
    /// The process's exit code for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownAccount(_) | Self::UnknownEventType { .. } => EXIT_NOT_FOUND,
            Self::KeyReused(_) => EXIT_REFUSED,
            Self::BadKey => EXIT_USAGE,
            Self::Damaged { .. } => EXIT_STORE,
        }
    }
}
