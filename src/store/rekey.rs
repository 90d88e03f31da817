//! Exchanges the key that seals secrets, while other processes go on.
//!
//! First the new key is put before the old one where keys come from; then the database names it, and from that commit on every
//! process seals with it (each writer looks before it seals, and reads the keys again when it does not have that one); then what
//! is sealed with others is sealed anew, a few rows a transaction; at last the old key is put aside. Whoever is stopped on the
//! way goes on where they were when it is begun again: each step finds out from the file and the database what is still to do.

use std::path::PathBuf;

use serde::Serialize;
use sqlx::{Row, SqliteConnection};

use crate::domain::command::{Actor, Command};
use crate::domain::id::DestinationId;
use crate::domain::role::Role;
use crate::domain::secret::KeyId;
use crate::store::Store;
use crate::store::destinations::row_name;
use crate::store::error::{CommandError, StoreError};
use crate::store::keys::{self, KeySource};
use crate::store::seal::{Key, SealError, prefix};
use crate::store::upkeep::Upkeep;
use crate::store::writer::Session;

/// Values that are sealed anew in one transaction: about 10 ms.
const STEP: usize = 100;

/// Where sealed values are, with their row numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Destinations' secrets.
    Destinations(Vec<i64>),
    /// Those that stood there before a change.
    Changes(Vec<i64>),
    /// The program's own keys, all of them.
    Keyring,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The key in force.
    pub key: KeyId,
    /// Whether this ended what had been begun before.
    pub resumed: bool,
    /// Secrets that were sealed anew.
    pub sealed: u64,
    /// Secrets that no key opens; they stay as they are.
    pub unopened: u64,
    /// The files in which keys are kept that only backups need.
    pub kept: Vec<PathBuf>,
}

/// Which keys are in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeysInUse {
    /// Where keys come from.
    pub source: String,
    /// The one that seals.
    pub key: Option<KeyId>,
    /// Secrets that are sealed with it.
    pub sealed: u64,
    /// Secrets that are sealed with others.
    pub others: u64,
}

impl Store {
    /// Seals every secret with a new key: one that is made, when the key is in a file, or the first one there.
    ///
    /// # Errors
    /// When the key cannot be written, a new one must be put there by hand first, or the store cannot be written. It can be begun
    /// again then.
    pub async fn rotate_key(&self, actor: &Actor) -> Result<Rotated, CommandError> {
        if self.role() < Role::Administer {
            return Err(CommandError::Role { needed: Role::Administer, own: self.role() });
        }
        let (key, resumed) = self.begin_rotation().await?;
        self.run(actor, Command::UseKey { key }).await?;
        let sealed = self.seal_anew(key).await?;
        let unopened = self.keys_in_use().await?.others;
        let kept = self.end_rotation(unopened == 0).await?;
        Ok(Rotated { key, resumed, sealed, unopened, kept })
    }

    /// Which keys are in use, and for how much.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn keys_in_use(&self) -> Result<KeysInUse, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let key = keys::named_key(&mut connection).await?;
        let others = match key {
            Some(key) => others(&mut connection, key).await?.iter().map(|sealed| sealed.count() as u64).sum(),
            None => 0,
        };
        let all: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM destination WHERE sealed IS NOT NULL) + (SELECT count(*) FROM audit_secret WHERE length(sealed) > 0)
             + (SELECT count(*) FROM keyring)",
        )
        .fetch_one(&mut *connection)
        .await?;
        let sealed = u64::try_from(all).unwrap_or(0).saturating_sub(others);
        Ok(KeysInUse { source: self.inner.sealer.source().to_string(), key, sealed, others })
    }

    /// Puts a new key first where keys come from, unless there is one that was to be used already.
    async fn begin_rotation(&self) -> Result<(KeyId, bool), CommandError> {
        let source = self.inner.sealer.source();
        let _lock = self.lock_keys().await?;
        let mut connection = self.readers().acquire().await.map_err(StoreError::from)?;
        let named = keys::named_key(&mut connection).await?;
        let mut all = read(source)?;
        let first = all[0].id();
        if Some(first) != named {
            return Ok((first, matches!(source, KeySource::File(_))));
        }
        if all.len() > 1 && !others(&mut connection, first).await?.is_empty() {
            return Ok((first, true));
        }
        let KeySource::File(path) = source else {
            return Err(CommandError::Refused(format!(
                "the key {source} is not bellboard's to change: put a new one before it there (`openssl rand -hex 32`), \
                 a comma between them, for every process; then run this again"
            )));
        };
        all.insert(0, Key::random().map_err(StoreError::from)?);
        keys::write(path, &all).map_err(StoreError::from)?;
        self.inner.sealer.look_again();
        Ok((all[0].id(), false))
    }

    /// Seals anew what is sealed with another key than that; returns how much it was.
    async fn seal_anew(&self, key: KeyId) -> Result<u64, StoreError> {
        let mut sealed = 0;
        let mut connection = self.readers().acquire().await?;
        let all = others(&mut connection, key).await?;
        drop(connection);
        for what in all.into_iter().flat_map(Sealed::steps) {
            sealed += self.keep_up(Upkeep::Reseal(what)).await?;
        }
        Ok(sealed)
    }

    /// Puts keys aside that nothing in the database needs.
    async fn end_rotation(&self, all_is_sealed_anew: bool) -> Result<Vec<PathBuf>, StoreError> {
        let KeySource::File(path) = self.inner.sealer.source() else { return Ok(Vec::new()) };
        if !all_is_sealed_anew {
            return Ok(Vec::new());
        }
        let _lock = self.lock_keys().await?;
        let mut connection = self.readers().acquire().await?;
        let named = keys::named_key(&mut connection).await?;
        // Somebody may have begun the next exchange meanwhile: the first one stays, whichever is in force.
        let is_needed = |number: usize, key: &Key| number == 0 || Some(key.id()) == named;
        let mut all = read(self.inner.sealer.source())?;
        let mut kept = Vec::new();
        for (number, key) in all.iter().enumerate() {
            if !is_needed(number, key) {
                let aside = keys::kept_path(path, key.id());
                keys::write(&aside, std::slice::from_ref(key))?;
                kept.push(aside);
            }
        }
        let mut number = 0;
        all.retain(|key| {
            number += 1;
            is_needed(number - 1, key)
        });
        keys::write(path, &all)?;
        self.inner.sealer.look_again();
        Ok(kept)
    }

    async fn lock_keys(&self) -> Result<std::fs::File, StoreError> {
        keys::lock(self.path()).await.map_err(|error| StoreError::Io(error.to_string()))
    }
}

fn read(source: &KeySource) -> Result<Vec<Key>, StoreError> {
    Ok(source.read()?.ok_or_else(|| SealError::Lost { place: source.to_string() })?)
}

impl Sealed {
    /// How many values they are.
    fn count(&self) -> usize {
        match self {
            Self::Destinations(rows) | Self::Changes(rows) => rows.len(),
            Self::Keyring => 1,
        }
    }

    /// The same in parts of one transaction each.
    fn steps(self) -> Vec<Self> {
        let parts = |rows: &[i64], of: fn(Vec<i64>) -> Self| rows.chunks(STEP).map(|part| of(part.to_vec())).collect();
        match self {
            Self::Destinations(rows) => parts(&rows, Self::Destinations),
            Self::Changes(rows) => parts(&rows, Self::Changes),
            Self::Keyring => vec![Self::Keyring],
        }
    }
}

/// What is sealed with another key than that.
async fn others(connection: &mut SqliteConnection, key: KeyId) -> Result<Vec<Sealed>, StoreError> {
    let prefix = prefix(key);
    let mut found = Vec::new();
    let keyring: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM keyring WHERE length(sealed) > 0 AND substr(sealed, 1, length(?1)) <> ?1)",
    )
    .bind(prefix.as_slice())
    .fetch_one(&mut *connection)
    .await?;
    if keyring {
        found.push(Sealed::Keyring);
    }
    let destinations: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM destination WHERE sealed IS NOT NULL AND substr(sealed, 1, length(?1)) <> ?1 ORDER BY id",
    )
    .bind(prefix.as_slice())
    .fetch_all(&mut *connection)
    .await?;
    let changes: Vec<i64> = sqlx::query_scalar(
        "SELECT audit_id FROM audit_secret WHERE length(sealed) > 0 AND substr(sealed, 1, length(?1)) <> ?1 ORDER BY audit_id",
    )
    .bind(prefix.as_slice())
    .fetch_all(connection)
    .await?;
    found.extend((!destinations.is_empty()).then_some(Sealed::Destinations(destinations)));
    found.extend((!changes.is_empty()).then_some(Sealed::Changes(changes)));
    Ok(found)
}

impl Session {
    /// Seals with the key that the database names, which another process may have exchanged.
    pub(crate) async fn follow_key(&mut self) -> Result<(), StoreError> {
        if let Some(key) = keys::named_key(&mut self.connection).await?
            && self.sealer.sealing() != Some(key)
        {
            self.sealer.seal_with(key);
        }
        Ok(())
    }

    /// Seals these values anew; one that no key opens stays as it is. Returns how many were.
    pub(crate) async fn reseal(&mut self, what: &Sealed) -> Result<u64, StoreError> {
        self.follow_key().await?;
        let (select, update) = match what {
            Sealed::Destinations(_) => (
                "SELECT sealed, id FROM destination WHERE id = ? AND sealed IS NOT NULL",
                "UPDATE destination SET sealed = ? WHERE id = ?",
            ),
            Sealed::Changes(_) => (
                "SELECT sealed, CAST(replace(json_extract(before, '$.id'), 'dst_', '') AS INTEGER)
                 FROM audit_secret JOIN audit ON id = audit_id WHERE audit_id = ?",
                "UPDATE audit_secret SET sealed = ? WHERE audit_id = ?",
            ),
            Sealed::Keyring => return self.reseal_keyring().await,
        };
        let (Sealed::Destinations(rows) | Sealed::Changes(rows)) = what else { return Ok(0) };
        let mut done = 0;
        for id in rows {
            let Some(row) = sqlx::query(select).bind(id).fetch_optional(&mut self.connection).await? else { continue };
            let name = row_name(DestinationId::new(row.try_get(1)?));
            if let Some(sealed) = self.sealed_anew(&name, &row.try_get::<Vec<u8>, _>(0)?)? {
                sqlx::query(update).bind(sealed).bind(id).execute(&mut self.connection).await?;
                done += 1;
            }
        }
        Ok(done)
    }

    async fn reseal_keyring(&mut self) -> Result<u64, StoreError> {
        let rows = sqlx::query("SELECT name, sealed FROM keyring").fetch_all(&mut self.connection).await?;
        let mut done = 0;
        for row in rows {
            let name: String = row.try_get(0)?;
            if let Some(sealed) = self.sealed_anew(&format!("keyring:{name}"), &row.try_get::<Vec<u8>, _>(1)?)? {
                sqlx::query("UPDATE keyring SET sealed = ? WHERE name = ?")
                    .bind(sealed)
                    .bind(name)
                    .execute(&mut self.connection)
                    .await?;
                done += 1;
            }
        }
        Ok(done)
    }

    fn sealed_anew(&self, row: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(match self.sealer.open_sealed(row, sealed) {
            Ok(secret) => Some(self.sealer.seal(row, &secret)?),
            Err(_) => None,
        })
    }
}
