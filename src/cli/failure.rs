//! How a command ends when it does not end well: one sentence on stderr and an exit code that scripts rely on.

use std::io;
use std::path::Path;

use crate::store::backup;

/// It was tried and failed.
pub const EXIT_FAILED: u8 = 1;
/// Wrong usage.
pub const EXIT_USAGE: u8 = 2;
/// Nothing there by that name.
pub const EXIT_NOT_FOUND: u8 = 3;
/// Refused: read-only, no permission, a forbidden address.
pub const EXIT_REFUSED: u8 = 4;
/// Time ran out under `--wait`.
pub const EXIT_TIMEOUT: u8 = 5;
/// The store is in use, damaged, or from a newer version.
pub const EXIT_STORE: u8 = 6;

/// What `main` turns into an exit code.
#[derive(Debug)]
pub enum Failure {
    /// A sentence for stderr.
    Says {
        /// The exit code.
        code: u8,
        /// What is wrong and what to do next.
        sentence: String,
    },
    /// The database turned out to be damaged: what was found. [`Failure::naming_backup`] makes a sentence of it.
    Damaged(String),
    /// It was asked how to use it.
    Help(String),
    /// All has been said already.
    Silent(u8),
}

impl Failure {
    /// Ends with that code and sentence.
    pub fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self::Says { code, sentence: sentence.into() }
    }

    /// With the backup of that database that is to be restored, when it is damaged.
    #[must_use]
    pub fn naming_backup(self, database: &Path) -> Self {
        let Self::Damaged(problem) = self else { return self };
        let (path, then) = (database.display(), backup::advice(database));
        let problem = problem.replace('\n', "; ");
        Self::new(EXIT_STORE, format!("the database {path} is damaged ({problem}); stop bellboard, {then}"))
    }

    /// It cannot be meant as it was written.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(EXIT_USAGE, sentence)
    }
}

impl From<io::Error> for Failure {
    /// For writing to stdout: a reader that has gone away (`| head`) is a quiet end.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Silent(0);
        }
        Self::new(EXIT_FAILED, format!("the output cannot be written: {error}; check where it goes to"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from(io::Error::from(error))
    }
}
