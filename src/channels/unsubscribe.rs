//! The link in a mail by which its reader turns this kind of mail off (RFC 2369 section 3.2, one click by RFC 8058).
//!
//! It says which cell it is for and is signed, so nobody can make one for another account. It does not expire: a mail may be
//! read years later, and what the link does can be taken back.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::domain::account::AccountKey;
use crate::domain::id::DestinationId;

/// Bytes of the signing key.
pub const KEY_BYTES: usize = 32;

/// Bytes of a signature that are kept: 128 bits are enough against guessing.
const SIGNATURE_BYTES: usize = 16;

/// Where links lead, and what they are signed with.
#[derive(Clone)]
pub struct Unsubscribe {
    base_url: String,
    key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Unsubscribe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.base_url)
    }
}

/// A cell of the matrix, and the address that the mail went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whose.
    pub account: AccountKey,
    /// Which row; the column is email.
    pub event_type: String,
    /// Where the mail went.
    pub destination: DestinationId,
}

/// Makes a key; nothing when the system gives no random bytes.
#[must_use]
pub fn new_key() -> Option<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut key).ok()?;
    Some(key)
}

impl Unsubscribe {
    /// Links below `base_url` (without a slash at its end), signed with `key`.
    #[must_use]
    pub fn new(base_url: impl Into<String>, key: Zeroizing<Vec<u8>>) -> Self {
        Self { base_url: base_url.into(), key }
    }

    /// The link for a cell.
    #[must_use]
    pub fn link(&self, cell: &Cell) -> String {
        format!("{}/unsubscribe/{}", self.base_url, self.token(cell))
    }

    /// What the link of a cell ends with.
    #[must_use]
    pub fn token(&self, cell: &Cell) -> String {
        let says = format!("{}/{}/{}", cell.account, cell.destination.number(), cell.event_type);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&says), URL_SAFE_NO_PAD.encode(self.signature(&says)))
    }

    /// The cell that a link's end is for; nothing when this is none of ours.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<Cell> {
        let (says, signature) = token.split_once('.')?;
        let says = String::from_utf8(URL_SAFE_NO_PAD.decode(says).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.signature(&says), &signature).ok()?;
        let mut parts = says.splitn(3, '/');
        let (account, destination, event_type) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Cell {
            account: account.parse().ok()?,
            event_type: event_type.to_owned(),
            destination: destination.parse().ok()?,
        })
    }

    fn signature(&self, says: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        hmac::sign(&key, says.as_bytes()).as_ref()[..SIGNATURE_BYTES].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_its_cell_and_no_other() {
        let links = Unsubscribe::new("https://bells.acme.test", Zeroizing::new(vec![7; KEY_BYTES]));
        let cell = Cell {
            account: "acme".parse().unwrap(),
            event_type: "server.stopped".to_owned(),
            destination: DestinationId::new(17),
        };
        let token = links.token(&cell);
        assert_eq!(links.link(&cell), format!("https://bells.acme.test/unsubscribe/{token}"));
        assert_eq!(links.read(&token), Some(cell.clone()));
        let other = Cell { account: "other".parse().unwrap(), ..cell.clone() };
        let (said, _) = token.split_once('.').unwrap();
        let forged = links.token(&other).split_once('.').unwrap().1.to_owned();
        for bad in [format!("{said}.{forged}"), said.to_owned(), format!("{said}."), String::new(), "x.y".to_owned()] {
            assert_eq!(links.read(&bad), None, "{bad}");
        }
        let others_key = Unsubscribe::new("", Zeroizing::new(vec![8; KEY_BYTES]));
        assert_eq!(others_key.read(&token), None);
    }
}
