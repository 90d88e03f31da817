//! Who may speak over HTTP: bearer tokens with a scope, codes by which a customer's browser or app enrols itself once, and
//! what an enrolled one shows afterwards. All are random text that is shown once; what is kept is its hash.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::id::TokenId;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;

/// Longest name of a token, in characters.
pub const NAME_CHARACTERS_MAX: usize = 80;

/// What every bearer token begins with, so that one that leaked is found by a search.
const TOKEN_PREFIX: &str = "bell_";

/// The signs of an enrolment code: no two that are taken for each other (Crockford's base 32).
const CODE_SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Hand events in.
    Emit,
    /// Register and unregister devices.
    Devices,
    /// Read the matrix.
    Read,
    /// Read and change the matrix.
    Write,
    /// Read the metrics.
    Metrics,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Emit, Self::Devices, Self::Read, Self::Write, Self::Metrics];

    /// The name on the command line and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emit => "emit",
            Self::Devices => "devices",
            Self::Read => "read",
            Self::Write => "write",
            Self::Metrics => "metrics",
        }
    }

    /// Reads [`Scope::name`] back.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| format!("`{text}` is no scope; write emit, devices, read, write or metrics"))
    }

    /// Whether it covers what is asked for: writing covers reading, nothing else covers anything but itself.
    #[must_use]
    pub fn covers(self, asked: Self) -> bool {
        self == asked || (self == Self::Write && asked == Self::Read)
    }
}

/// A bearer token as it is kept: without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// What its holder may do.
    pub scope: Scope,
    /// The one account it is for; nothing for all.
    pub account: Option<AccountKey>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A code by which one browser or app may enrol itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// For whom.
    pub account: AccountKey,
    /// What may be enrolled.
    pub channel: Channel,
    /// Until when.
    pub expires_at: Timestamp,
    /// Whether it has been used.
    pub used: bool,
}

/// What is kept of a token or code: its SHA-256. Looked up as a whole in an index, so nothing is compared sign by sign and no
/// time tells how much of a guess was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Of a bearer token or of what an enrolled browser or app shows.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(hash)
    }

    /// Of an enrolment code as a person typed it: case, spaces and hyphens do not count, and what looks alike is alike.
    #[must_use]
    pub fn of_code(typed: &str) -> Self {
        let signs = typed.chars().filter(char::is_ascii_alphanumeric).map(|sign| match sign.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            sign => sign,
        });
        Self::of(&signs.collect::<String>())
    }

    /// The 32 bytes that the store keeps.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A bearer token made of 32 random bytes.
#[must_use]
pub fn bearer_token(random: &[u8; 32]) -> Secret {
    Secret::new(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
}

/// An enrolment code made of random bytes, to be read out and typed: `4TQ7K-M2XWA-9HD3V`, 75 bits.
#[must_use]
pub fn enrolment_code(random: &[u8; 15]) -> Secret {
    let signs: Vec<u8> = random.iter().map(|byte| CODE_SIGNS[usize::from(byte & 31)]).collect();
    let groups: Vec<_> = signs.chunks(5).map(String::from_utf8_lossy).collect();
    Secret::new(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cover_no_more_than_they_say() {
        for held in Scope::ALL {
            assert_eq!(Scope::parse(held.name()), Ok(held));
            for asked in Scope::ALL {
                let expected = held == asked || (held == Scope::Write && asked == Scope::Read);
                assert_eq!(held.covers(asked), expected, "{held:?} {asked:?}");
            }
        }
        assert!(Scope::parse("admin").is_err());
    }

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        let code = enrolment_code(&[0, 1, 2, 10, 31, 32, 33, 200, 255, 9, 18, 19, 20, 21, 22]);
        assert_eq!(code.expose(), "012AZ-018Z9-JKMNP");
        let known = SecretHash::of_code(code.expose());
        for typed in ["012az018z9jkmnp", " O12AZ oI8Z9 JKMNP ", "0l2AZ-0L8Z9-JKMNP"] {
            assert_eq!(SecretHash::of_code(typed), known, "{typed}");
        }
        assert_ne!(SecretHash::of_code("012AZ-018Z9-JKMNQ"), known);
    }

    #[test]
    fn a_token_is_recognised_and_unlike_another() {
        let token = bearer_token(&[7; 32]);
        assert!(token.expose().starts_with("bell_") && token.expose().len() == 48);
        assert_ne!(SecretHash::of(token.expose()), SecretHash::of(bearer_token(&[8; 32]).expose()));
    }
}
