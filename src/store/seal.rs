//! Seals secrets: XChaCha20-Poly1305 with a key that is not in the database, bound to the row they belong to.
//!
//! A sealed value is a version byte, the fingerprint of its key, a random nonce of 24 bytes, and the ciphertext with its tag. The
//! row's name (as `destination:17`) is authenticated with it, so a value copied into another row does not open. Values of the
//! first version have no fingerprint; each key is tried on them.
//!
//! Several keys may be at hand while one is exchanged for another: each opens what it sealed, and the one that the database
//! names seals. Where keys come from is for [`crate::store::keys`] to know.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::domain::secret::{KEY_ID_BYTES, KeyId};
use crate::store::keys::KeySource;

/// Before a fingerprint there was this.
const VERSION_WITHOUT_KEY: u8 = 1;
const VERSION: u8 = 2;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// What a fingerprint is made of besides the key, so that it is the hash of nothing else.
const FINGERPRINT_OF: &[u8] = b"bellboard sealing key\0";

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Where the key should be, nothing usable is.
    #[error("the key {place} cannot be used: {problem}")]
    Unusable {
        /// Which key: a file or a variable.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The key is not there, and there are secrets that need it.
    #[error(
        "the key {place} is not there, and the secrets in the database are sealed with it; put it back (nothing was changed)"
    )]
    Lost {
        /// Which key: a file or a variable.
        place: String,
    },
    /// Another key than the one that sealed.
    #[error(
        "the key {place} is not the one that the secrets in the database are sealed with, which is {wanted}; put that one back (nothing was changed)"
    )]
    Other {
        /// Which key: a file or a variable.
        place: String,
        /// The fingerprint of the right one.
        wanted: KeyId,
    },
    /// The value was sealed with a key that is not at hand, for another row, or is damaged.
    #[error("a secret cannot be opened with the key at hand; use the key that this database was made with")]
    Unopened,
    /// No random bytes.
    #[error("the system gives no random bytes, so nothing can be sealed; try again")]
    NoRandom,
}

/// One key.
#[derive(Clone)]
pub(crate) struct Key {
    id: KeyId,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    cipher: XChaCha20Poly1305,
}

impl Key {
    pub(crate) fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let named = Zeroizing::new([FINGERPRINT_OF, bytes.as_slice()].concat());
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest(&SHA256, &named).as_ref()[..KEY_ID_BYTES]);
        let cipher = XChaCha20Poly1305::new((&*bytes).into());
        Self { id: KeyId::new(id), bytes, cipher }
    }

    pub(crate) fn random() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| SealError::NoRandom)?;
        Ok(Self::new(bytes))
    }

    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    fn open(&self, row: &str, rest: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Unopened)?;
        let payload = Payload { msg: ciphertext, aad: row.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealError::Unopened)
    }
}

/// The keys at hand.
struct Ring {
    keys: Vec<Key>,
    /// The one that seals; nothing until the database has named it.
    sealing: Option<KeyId>,
}

/// Seals and opens; clones share their keys.
#[derive(Clone)]
pub struct Sealer {
    source: Arc<KeySource>,
    ring: Arc<RwLock<Ring>>,
}

impl Sealer {
    pub(crate) fn new(source: KeySource, keys: Vec<Key>, sealing: Option<KeyId>) -> Self {
        Self { source: Arc::new(source), ring: Arc::new(RwLock::new(Ring { keys, sealing })) }
    }

    pub(crate) fn source(&self) -> &KeySource {
        &self.source
    }

    /// Seals with that key from now on; looks for it where keys come from when it is not at hand.
    pub(crate) fn seal_with(&self, id: KeyId) {
        if self.find(id).is_none() {
            self.look_again();
        }
        self.ring.write().unwrap_or_else(PoisonError::into_inner).sealing = Some(id);
    }

    /// The key that seals.
    pub(crate) fn sealing(&self) -> Option<KeyId> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).sealing
    }

    /// Reads the keys once more, where they come from.
    pub(crate) fn look_again(&self) {
        match self.source.read() {
            Ok(Some(keys)) => self.ring.write().unwrap_or_else(PoisonError::into_inner).keys = keys,
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the keys cannot be read again"),
        }
    }

    fn find(&self, id: KeyId) -> Option<Key> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.keys.iter().find(|key| key.id == id).cloned()
    }

    /// Seals `secret` for the row of that name.
    ///
    /// # Errors
    /// When the key that is to seal is not at hand, or the system gives no random bytes.
    pub fn seal(&self, row: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let place = || self.source.to_string();
        let wanted = self.sealing().ok_or_else(|| SealError::Lost { place: place() })?;
        let key = self.find(wanted).ok_or_else(|| SealError::Other { place: place(), wanted })?;
        let mut nonce = [0_u8; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let payload = Payload { msg: secret, aad: row.as_bytes() };
        let ciphertext = key.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::NoRandom)?;
        Ok([prefix(wanted).as_slice(), &nonce, &ciphertext].concat())
    }

    /// Opens what [`Sealer::seal`] made for the row of that name. A key that is not at hand is looked for where keys come from:
    /// another process may have exchanged it.
    ///
    /// # Errors
    /// When the key or the row is another, or the value is damaged.
    pub fn open_sealed(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.try_open(row, sealed).or_else(|_| {
            self.look_again();
            self.try_open(row, sealed)
        })
    }

    pub(crate) fn try_open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::Unopened)?;
        if version == VERSION_WITHOUT_KEY {
            let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
            return ring.keys.iter().find_map(|key| key.open(row, rest).ok()).ok_or(SealError::Unopened);
        }
        let (id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(SealError::Unopened)?;
        if version != VERSION {
            return Err(SealError::Unopened);
        }
        let wanted = KeyId::new(*id);
        let key = self.find(wanted).ok_or_else(|| SealError::Other { place: self.source.to_string(), wanted })?;
        key.open(row, rest)
    }
}

/// What every value begins with that this key sealed.
pub(crate) fn prefix(key: KeyId) -> [u8; 1 + KEY_ID_BYTES] {
    let mut prefix = [VERSION; 1 + KEY_ID_BYTES];
    prefix[1..].copy_from_slice(key.as_bytes());
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(bytes: &[u8], sealing: u8) -> Sealer {
        let key = |byte: u8| Key::new(Zeroizing::new([byte; KEY_BYTES]));
        let source = KeySource::File("/no/such/key".into());
        Sealer::new(source, bytes.iter().map(|byte| key(*byte)).collect(), Some(key(sealing).id()))
    }

    #[test]
    fn a_sealed_value_opens_in_its_row_with_its_key_only() {
        let one = sealer(&[1], 1);
        let value = one.seal("destination:1", b"token").unwrap();
        assert!(!value.windows(5).any(|window| window == b"token"));
        assert_eq!(one.open_sealed("destination:1", &value).unwrap().as_slice(), b"token");
        assert!(one.open_sealed("destination:2", &value).is_err(), "another row");
        assert!(sealer(&[2], 2).open_sealed("destination:1", &value).is_err(), "another key");
        let mut damaged = value.clone();
        damaged[40] ^= 1;
        assert!(one.open_sealed("destination:1", &damaged).is_err(), "a changed byte");
        for short in 0..value.len() {
            assert!(one.open_sealed("destination:1", &value[..short]).is_err(), "cut to {short}");
        }
    }

    #[test]
    fn while_a_key_is_exchanged_both_open_and_the_named_one_seals() {
        let old = sealer(&[1], 1).seal("row", b"x").unwrap();
        let both = sealer(&[2, 1], 1);
        assert!(both.open_sealed("row", &old).is_ok());
        assert!(sealer(&[1], 1).open_sealed("row", &both.seal("row", b"y").unwrap()).is_ok());
        both.seal_with(sealer(&[2], 2).sealing().unwrap());
        assert!(sealer(&[2], 2).open_sealed("row", &both.seal("row", b"y").unwrap()).is_ok());
        let error = sealer(&[1], 2).seal("row", b"z").unwrap_err().to_string();
        assert!(error.contains("/no/such/key") && error.contains("put that one back"), "{error}");
    }

    #[test]
    fn values_from_before_the_fingerprint_open() {
        let one = sealer(&[1], 1);
        let value = one.seal("row", b"x").unwrap();
        let old = [&[VERSION_WITHOUT_KEY], &value[1 + KEY_ID_BYTES..]].concat();
        assert_eq!(sealer(&[3, 1], 3).open_sealed("row", &old).unwrap().as_slice(), b"x");
        assert!(sealer(&[3], 3).open_sealed("row", &old).is_err());
    }
}
