//! A customer.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;

/// The short key that people type and scripts use: 1 to 64 lower-case letters, digits, `-`, `_` and `.`, beginning with a
/// letter or digit. Capitals are taken and lowered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(Arc<str>);

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 64;

/// Longest name of an account, in characters.
pub const NAME_CHARACTERS_MAX: usize = 120;

impl AccountKey {
    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key made from a name that a person typed: `Acme Ltd` gives `acme-ltd`. Nothing when no letter or digit is in it.
    #[must_use]
    pub fn suggest(name: &str) -> Option<Self> {
        let mut key = String::new();
        for character in name.chars().flat_map(char::to_lowercase) {
            if character.is_ascii_alphanumeric() {
                key.push(character);
            } else if !key.is_empty() && !key.ends_with('-') {
                key.push('-');
            }
        }
        key.truncate(KEY_BYTES_MAX);
        key.trim_end_matches('-').parse().ok()
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for AccountKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Text that an account cannot have there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AccountError {
    /// The key is empty, too long, or has other characters.
    #[error(
        "`{0}` is no account key; use 1 to 64 lower-case letters, digits, `-`, `_` or `.`, beginning with a letter or digit"
    )]
    Key(String),
    /// The name is empty or too long.
    #[error("an account's name has 1 to 120 characters")]
    Name,
    /// No address in it.
    #[error("`{0}` is no email address; write one like ops@example.com")]
    Email(String),
    /// Not in the IANA time zone database.
    #[error("`{0}` is no time zone; write one like UTC or Europe/Vienna")]
    Timezone(String),
}

impl FromStr for AccountKey {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let key = text.trim().to_ascii_lowercase();
        let fits = (1..=KEY_BYTES_MAX).contains(&key.len())
            && key.starts_with(|c: char| c.is_ascii_alphanumeric())
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if fits { Ok(Self(key.into())) } else { Err(AccountError::Key(text.to_owned())) }
    }
}

/// Whether the account is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// Notifications go out.
    #[default]
    Active,
    /// Nothing goes out but the notice of the suspension itself.
    Suspended,
}

impl AccountStatus {
    /// The name in the store and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// What a person says about an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// The name that people read.
    pub name: String,
    /// Where the account's owner gets mail; also the first email destination.
    pub owner_email: String,
    /// The zone in which times are written to this customer, an IANA name.
    pub timezone: String,
    /// Whether it is served.
    pub status: AccountStatus,
}

impl Profile {
    /// Checks and trims what was typed.
    ///
    /// # Errors
    /// The first field that cannot be taken.
    pub fn new(name: &str, owner_email: &str, timezone: &str, status: AccountStatus) -> Result<Self, AccountError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
            return Err(AccountError::Name);
        }
        let owner_email = parse_email(owner_email)?;
        let timezone = timezone.trim();
        if jiff::tz::TimeZone::get(timezone).is_err() {
            return Err(AccountError::Timezone(timezone.to_owned()));
        }
        Ok(Self { name: name.to_owned(), owner_email, timezone: timezone.to_owned(), status })
    }
}

/// An account as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Inside the program only.
    #[serde(skip)]
    pub id: AccountId,
    /// How people and scripts name it.
    pub key: AccountKey,
    /// What a person said about it.
    #[serde(flatten)]
    pub profile: Profile,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Account {
    /// The account's time zone; UTC when the zone has left the database since.
    #[must_use]
    pub fn zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.profile.timezone).unwrap_or(jiff::tz::TimeZone::UTC)
    }
}

/// An email address, trimmed: something before the last `@`, a host after it, no white space, at most 254 bytes
/// (RFC 5321 section 4.5.3.1.3).
///
/// # Errors
/// When it is none.
pub fn parse_email(text: &str) -> Result<String, AccountError> {
    const ADDRESS_BYTES_MAX: usize = 254;
    let address = text.trim();
    let fits = address.len() <= ADDRESS_BYTES_MAX
        && !address.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;:\\\"()[]".contains(c))
        && address.rsplit_once('@').is_some_and(|(local, host)| {
            !local.is_empty()
                && !local.contains('@')
                && !host.is_empty()
                && host.split('.').all(|label| !label.is_empty())
        });
    if fits { Ok(address.to_owned()) } else { Err(AccountError::Email(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        for (text, expected) in [("acme", "acme"), ("Acme", "acme"), (" a.b-c_9 ", "a.b-c_9")] {
            assert_eq!(text.parse::<AccountKey>().map(|key| key.to_string()), Ok(expected.to_owned()));
        }
        for bad in ["", "-acme", "ac me", "acme/1", "ümlaut", &"a".repeat(65)] {
            assert!(bad.parse::<AccountKey>().is_err(), "`{bad}` should be refused");
        }
        assert_eq!(AccountKey::suggest("Acme Ltd.").map(|key| key.to_string()), Some("acme-ltd".to_owned()));
        assert_eq!(AccountKey::suggest("漢字"), None);
    }

    #[test]
    fn profiles_are_checked() {
        let check = |name: &str, email: &str, zone: &str| Profile::new(name, email, zone, AccountStatus::Active);
        assert!(check("Acme", "ops@acme.test", "Europe/Vienna").is_ok());
        assert_eq!(check(" ", "ops@acme.test", "UTC"), Err(AccountError::Name));
        assert_eq!(check("Acme", "ops@acme.test", "Mars/Base"), Err(AccountError::Timezone("Mars/Base".to_owned())));
        for bad in ["", "ops", "@acme.test", "ops@", "a b@acme.test", "ops@acme..test", "a@b@c", "x@y\r\nBcc: z@w"] {
            assert!(parse_email(bad).is_err(), "`{bad}` should be refused");
        }
    }
}
