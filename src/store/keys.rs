//! Where the keys that seal secrets come from, and which of them a database wants.
//!
//! Wherever they come from, there may be several: the first is the one to use, the others open what they sealed until all of it
//! is sealed anew ([`crate::store::rekey`]). A key is made only for a database in which nothing is sealed yet: a lost one is never
//! replaced behind anybody's back.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sqlx::{Row, SqliteConnection};
use zeroize::Zeroizing;

use crate::domain::secret::{KEY_ID_BYTES, KeyId};
use crate::store::error::StoreError;
use crate::store::files;
use crate::store::seal::{KEY_BYTES, Key, SealError, Sealer};

/// Longest text with keys in it that is looked at, in bytes.
const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// Bits of a mode: all that others than the owner may do, and what nobody else may do with a credential. A credential's group bits
/// are those of an access list for its one user.
const OTHERS: u32 = 0o077;
const OTHERS_OF_CREDENTIAL: u32 = 0o027;

/// Where keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// A file of the owner's only, each key 64 hex digits. Made when there is none.
    File(PathBuf),
    /// A file that a service manager made for this process, as systemd's `LoadCredential=` does.
    Credential(PathBuf),
    /// An environment variable.
    Variable {
        /// Its name.
        name: &'static str,
        /// Its value.
        text: Zeroizing<String>,
    },
}

impl fmt::Display for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "in {}", path.display()),
            Self::Credential(path) => write!(formatter, "in the credential {}", path.display()),
            Self::Variable { name, .. } => write!(formatter, "in the environment variable {name}"),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the key {self}")
    }
}

impl KeySource {
    /// The keys there; nothing when there is no such file.
    pub(crate) fn read(&self) -> Result<Option<Vec<Key>>, SealError> {
        let fail = |problem: String| SealError::Unusable { place: self.to_string(), problem };
        let text = match self {
            Self::Variable { text, .. } => text.clone(),
            Self::File(path) | Self::Credential(path) => {
                if let Self::File(path) = self {
                    files::check(path).map_err(fail)?;
                }
                let file = match File::open(path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(fail(error.to_string())),
                };
                let mode = file.metadata().map_err(|error| fail(error.to_string()))?.permissions().mode();
                let others = if matches!(self, Self::File(_)) { OTHERS } else { OTHERS_OF_CREDENTIAL };
                if mode & others != 0 {
                    return Err(fail(format!("others may read it; run `chmod 600 {}`", path.display())));
                }
                let mut text = Zeroizing::new(String::new());
                let read = file.take(TEXT_BYTES_MAX).read_to_string(&mut text);
                read.map_err(|error| fail(error.to_string()))?;
                text
            }
        };
        let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        let keys: Option<Vec<Key>> = words.map(|word| decode_hex(word).map(Key::new)).collect();
        keys.filter(|keys| !keys.is_empty()).map(Some).ok_or_else(|| fail("a key is 64 hex digits".to_owned()))
    }

    /// Makes the first key.
    fn make(&self) -> Result<Vec<Key>, SealError> {
        let Self::File(path) = self else { return Err(SealError::Lost { place: self.to_string() }) };
        let key = Key::random()?;
        write(path, std::slice::from_ref(&key))?;
        Ok(vec![key])
    }

    /// The keys for a database, which is looked at to see which key it wants. `may_make`: when nothing is sealed yet and there
    /// is no key, one is made.
    pub(crate) async fn keys_for(
        &self,
        database: Option<&mut SqliteConnection>,
        may_make: bool,
    ) -> Result<Sealer, KeysError> {
        let mut database = database;
        let named = match &mut database {
            Some(connection) => named_key(connection).await?,
            None => None,
        };
        let keys = self.read()?;
        let found = |keys: &[Key], id: KeyId| keys.iter().any(|key| key.id() == id);
        if let (Some(keys), Some(id)) = (&keys, named)
            && found(keys, id)
        {
            return Ok(Sealer::new(self.clone(), keys.clone(), named));
        }
        let sample = match database {
            Some(connection) => sealed_sample(connection).await?,
            None => None,
        };
        let place = || self.to_string();
        let Some((row, value)) = sample else {
            let keys = match keys {
                Some(keys) => keys,
                None if may_make => self.make()?,
                None => Vec::new(),
            };
            let first = keys.first().map(Key::id);
            return Ok(Sealer::new(self.clone(), keys, first));
        };
        let keys = keys.ok_or_else(|| SealError::Lost { place: place() })?;
        if let Some(wanted) = named {
            return Err(SealError::Other { place: place(), wanted }.into());
        }
        // From before databases named their key.
        let opens = |key: &Key| Sealer::new(self.clone(), vec![key.clone()], None).try_open(&row, &value).is_ok();
        let id = keys.iter().find(|key| opens(key)).map(Key::id).ok_or(SealError::Unopened)?;
        Ok(Sealer::new(self.clone(), keys, Some(id)))
    }
}

/// Why a database's keys are not at hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for KeysError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Writes these keys into the file, in place of what was there, durably.
pub(crate) fn write(path: &Path, keys: &[Key]) -> Result<(), SealError> {
    let mut text = Zeroizing::new(String::with_capacity(keys.len() * (2 * KEY_BYTES + 1)));
    for key in keys {
        key.bytes().iter().for_each(|byte| {
            let _ = write!(text, "{byte:02x}");
        });
        text.push('\n');
    }
    let fail = |error: io::Error| SealError::Unusable {
        place: KeySource::File(path.to_owned()).to_string(),
        problem: error.to_string(),
    };
    files::make_folder(files::folder_of(path)).map_err(fail)?;
    files::replace(path, text.as_bytes()).map_err(fail)
}

/// Where a key is kept that no secret in the database needs any more, for backups that do.
pub(crate) fn kept_path(file: &Path, key: KeyId) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(format!(".{key}"));
    path.into()
}

/// Held while one process makes or moves what others must find whole: the schema, the keys. The kernel lets go of it when its
/// holder ends, however it ends.
pub(crate) async fn lock(path: &Path) -> io::Result<File> {
    let folder = File::open(files::folder_of(path))?;
    let locked = tokio::task::spawn_blocking(move || folder.lock().map(|()| folder)).await;
    locked.map_err(io::Error::other)?
}

/// The key that a database says its secrets are sealed with.
pub(crate) async fn named_key(connection: &mut SqliteConnection) -> Result<Option<KeyId>, StoreError> {
    if !has_table(connection, "sealing").await? {
        return Ok(None);
    }
    let id: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT key_id FROM sealing WHERE id = 1").fetch_optional(connection).await?;
    Ok(id.and_then(|id| <[u8; KEY_ID_BYTES]>::try_from(id).ok()).map(KeyId::new))
}

/// Says which key secrets are sealed with.
pub(crate) async fn name_key(connection: &mut SqliteConnection, key: KeyId) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO sealing (id, key_id) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET key_id = ?1")
        .bind(key.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Something that is sealed, and the row that it is bound to.
async fn sealed_sample(connection: &mut SqliteConnection) -> Result<Option<(String, Vec<u8>)>, StoreError> {
    const SAMPLES: [(&str, &str); 3] = [
        ("keyring", "SELECT 'keyring:' || name, sealed FROM keyring WHERE length(sealed) > 0 LIMIT 1"),
        ("destination", "SELECT 'destination:' || id, sealed FROM destination WHERE sealed IS NOT NULL LIMIT 1"),
        (
            "audit_secret",
            "SELECT 'destination:' || replace(json_extract(before, '$.id'), 'dst_', ''), sealed
             FROM audit_secret JOIN audit ON id = audit_id WHERE length(sealed) > 0 LIMIT 1",
        ),
    ];
    for (table, statement) in SAMPLES {
        if !has_table(connection, table).await? {
            continue;
        }
        if let Some(row) = sqlx::query(statement).fetch_optional(&mut *connection).await? {
            return Ok(Some((row.try_get(0)?, row.try_get(1)?)));
        }
    }
    Ok(None)
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?)");
    Ok(found.bind(name).fetch_one(connection).await?)
}

fn decode_hex(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

/// Whether others than its owner can read or write a key's file; nothing when it is not there.
///
/// # Errors
/// When it cannot be looked at.
pub fn is_private(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & OTHERS == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        format!("{byte:02x}").repeat(KEY_BYTES)
    }

    fn ids(source: &KeySource) -> Result<usize, String> {
        source.read().map(|keys| keys.map_or(0, |keys| keys.len())).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/key");
        let source = KeySource::File(path.clone());
        let none = source.keys_for(None, false).await.unwrap();
        assert!(none.seal("row", b"x").is_err() && !path.exists(), "no key is made by looking for one");
        let sealed = source.keys_for(None, true).await.unwrap().seal("row", b"x").unwrap();
        assert!(source.keys_for(None, true).await.unwrap().open_sealed("row", &sealed).is_ok());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        assert!(is_private(&path).unwrap());
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let error = ids(&source).unwrap_err();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn keys_are_hex_digits_wherever_they_come_from() {
        let variable = |text: &str| KeySource::Variable { name: "BELLBOARD_KEY", text: text.to_owned().into() };
        let check = |text: &str, expected: Result<usize, ()>| {
            let found = ids(&variable(text));
            assert_eq!(found.as_ref().copied().map_err(|_| ()), expected, "{text}: {found:?}");
            assert!(found.is_ok() || !found.unwrap_err().contains("aa"), "the error shows no key");
        };
        check(&key(0xaa), Ok(1));
        check(&format!(" {},{}\n", key(0xaa), key(0xbb)), Ok(2));
        check(&format!("{}\n{}\n", key(0xaa), key(0xbb)), Ok(2));
        check(&key(0xaa).to_uppercase(), Ok(1));
        for wrong in ["", " ", "secret", &key(0xaa)[1..], &format!("+{}", &key(0xaa)[1..]), &format!("{}aa", key(0xaa))]
        {
            check(wrong, Err(()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bellboard.key");
        let credential = KeySource::Credential(path.clone());
        assert_eq!(ids(&credential), Ok(0));
        fs::write(&path, key(1)).unwrap();
        for (mode, is_taken) in [(0o400, true), (0o440, true), (0o444, false), (0o460, false)] {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(ids(&credential).is_ok(), is_taken, "{mode:o}");
        }
    }
}
