//! Seals secrets: XChaCha20-Poly1305 with a key that is not in the database, bound to the row they belong to.
//!
//! A sealed value is a version byte, a random nonce of 24 bytes, and the ciphertext with its tag. The row's name (as
//! `destination:17`) is authenticated with it, so a value copied into another row does not open.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::rand;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// Tells the drafts of one process apart.
static DRAFTS: AtomicU32 = AtomicU32::new(0);

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file cannot be read or made.
    #[error("the key file {path} cannot be used: {problem}")]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The value was sealed with another key, for another row, or is damaged.
    #[error("a secret cannot be opened with the key at hand; use the key file that this database was made with")]
    Unopened,
}

/// The key, ready for use.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// With the key in a file of 64 hex digits.
    ///
    /// # Errors
    /// When there is no such file, others may read it, or it holds no key.
    pub fn open(path: &Path) -> Result<Self, SealError> {
        let fail = |problem: String| SealError::KeyFile { path: path.to_owned(), problem };
        let file = File::open(path).map_err(|error| fail(error.to_string()))?;
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&file.metadata().map_err(|e| fail(e.to_string()))?.permissions());
        if mode & 0o077 != 0 {
            return Err(fail("others may read it; run `chmod 600` on it".to_owned()));
        }
        let mut text = Zeroizing::new(String::new());
        let _ = file.take(256).read_to_string(&mut text).map_err(|error| fail(error.to_string()))?;
        let key = decode_hex(text.trim()).ok_or_else(|| fail("it must hold 64 hex digits".to_owned()))?;
        Ok(Self::new(&key))
    }

    /// With the key in that file; when there is none, a new random key is written to it first, readable by its owner only.
    ///
    /// # Errors
    /// When the file can be neither read nor made.
    pub fn open_or_create(path: &Path) -> Result<Self, SealError> {
        let fail = |problem: String| SealError::KeyFile { path: path.to_owned(), problem };
        let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
        rand::fill(key.as_mut_slice()).map_err(|_| fail("the system gives no random bytes".to_owned()))?;
        if path.exists() {
            return Self::open(path);
        }
        // Written whole under another name first: who starts at the same time must not find half a key, and of two that
        // make one only the first may be it.
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{}-{}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
        let draft = PathBuf::from(draft);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
            file.write_all(encode_hex(&key).as_bytes())?;
            file.sync_all()
        });
        let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
        let _ = std::fs::remove_file(&draft);
        match linked {
            Ok(()) => Ok(Self::new(&key)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::open(path),
            Err(error) => Err(fail(error.to_string())),
        }
    }

    fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Seals `secret` for the row of that name.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, row: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0_u8; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| SealError::Unopened)?;
        let payload = Payload { msg: secret, aad: row.as_bytes() };
        let ciphertext = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Unopened)?;
        Ok([&[VERSION], nonce.as_slice(), &ciphertext].concat())
    }

    /// Opens what [`Sealer::seal`] made for the row of that name.
    ///
    /// # Errors
    /// When the key or the row is another, or the value is damaged.
    pub fn open_sealed(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::Unopened)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Unopened)?;
        if version != VERSION {
            return Err(SealError::Unopened);
        }
        let payload = Payload { msg: ciphertext, aad: row.as_bytes() };
        self.0.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealError::Unopened)
    }
}

fn encode_hex(key: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    let mut hex = Zeroizing::new(String::with_capacity(2 * KEY_BYTES));
    for byte in key {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn decode_hex(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_in_its_row_with_its_key_only() {
        let sealer = Sealer::new(&[1; KEY_BYTES]);
        let value = sealer.seal("destination:1", b"token").unwrap();
        assert!(!value.windows(5).any(|window| window == b"token"));
        assert_eq!(sealer.open_sealed("destination:1", &value).unwrap().as_slice(), b"token");
        assert!(sealer.open_sealed("destination:2", &value).is_err(), "another row");
        assert!(Sealer::new(&[2; KEY_BYTES]).open_sealed("destination:1", &value).is_err(), "another key");
        let mut damaged = value.clone();
        damaged[30] ^= 1;
        assert!(sealer.open_sealed("destination:1", &damaged).is_err(), "a changed byte");
        for short in 0..value.len() {
            assert!(sealer.open_sealed("destination:1", &value[..short]).is_err(), "cut to {short}");
        }
    }

    #[test]
    fn of_many_that_make_a_key_at_once_one_is_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let makers: Vec<_> = (0..16)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || Sealer::open_or_create(&path).unwrap().seal("row", b"x").unwrap())
            })
            .collect();
        let sealer = Sealer::open_or_create(&path).unwrap();
        for maker in makers {
            assert!(sealer.open_sealed("row", &maker.join().unwrap()).is_ok(), "each has the same key");
        }
    }

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(Sealer::open(&path).is_err(), "no key is made by looking for one");
        let sealed = Sealer::open_or_create(&path).unwrap().seal("row", b"x").unwrap();
        assert!(Sealer::open_or_create(&path).unwrap().open_sealed("row", &sealed).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(Sealer::open(&path).is_err(), "readable by others");
    }
}
