//! `backup` and `restore`: copies of the database.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::progress;
use crate::cli::session::Session;
use crate::store::backup::{Copied, restore};
use crate::store::error::StoreError;
use crate::store::keys::KeySource;

/// Where to.
#[derive(Debug, Args)]
pub struct Backup {
    /// A file that is not there yet
    file: PathBuf,
}

/// Where from.
#[derive(Debug, Args)]
pub struct Restore {
    /// A file that `backup` made
    file: PathBuf,
}

#[derive(Serialize)]
struct CopiedObject {
    file: String,
    bytes: u64,
    accounts: i64,
    events: i64,
    key: String,
}

impl CopiedObject {
    fn new(copied: Copied, file: &std::path::Path, key: &KeySource) -> Self {
        Self {
            file: file.display().to_string(),
            bytes: copied.bytes,
            accounts: copied.accounts,
            events: copied.events,
            key: key.to_string(),
        }
    }
}

impl Backup {
    /// Makes it.
    ///
    /// # Errors
    /// When it cannot be made; no file is left then.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        let copied = store.back_up(&self.file, &progress::on_terminal(session.out)).await?;
        let object = CopiedObject::new(copied, &self.file, &session.key);
        let says = format!(
            "{} holds {} accounts and {} events, checked; its secrets are sealed: keep the key {} too, and apart from it",
            object.file, object.accounts, object.events, object.key
        );
        Ok(session.out.either(&object, &says)?)
    }
}

impl Restore {
    /// Puts it where the database is to be.
    ///
    /// # Errors
    /// When there is a database, or the file is no whole backup.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let database = &session.paths.database;
        if session.read_only {
            return Err(StoreError::ReadOnly.into());
        }
        let copied = restore(&self.file, database).await?;
        let object = CopiedObject::new(copied, database, &session.key);
        let is_missing = matches!(&session.key, KeySource::File(path) if !path.exists());
        let missing = if is_missing { "must be put back before anything is started" } else { "is there" };
        let says = format!(
            "{} is there with {} accounts and {} events; its key {} {missing}",
            object.file, object.accounts, object.events, object.key
        );
        Ok(session.out.either(&object, &says)?)
    }
}
