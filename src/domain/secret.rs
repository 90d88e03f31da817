//! Secrets as a type that cannot be printed.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// Bytes of a key's fingerprint.
pub const KEY_ID_BYTES: usize = 8;

/// The fingerprint of a key that seals secrets: tells keys apart, and nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    /// From its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What stands in the place of a secret wherever it would be shown.
pub const MASK: &str = "••••";

/// A token, password, signing key, or a URL that is one. It prints and serializes as [`MASK`], cannot be compared by
/// accident, and its memory is wiped when it is dropped. [`Secret::expose`] is the one way to the text.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text in.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that needs it: the wire, or the sealing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with every occurrence of this secret masked, also where it is written in Base64, by itself or as a part of
    /// something longer, in hex, or in percent-encoding: who was sent a secret may repeat it. A secret under four characters is not
    /// searched for, and one under eight only as it is: it would mask ordinary words.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        const SEARCHED_FROM_BYTES: usize = 4;
        const ENCODED_FROM_BYTES: usize = 8;
        // No way of writing it is shorter than it is, but for a Base64 of which both ends belong to its neighbours.
        if self.0.len() < SEARCHED_FROM_BYTES || text.len() < self.0.len() {
            return text.to_owned();
        }
        let mut redacted = text.replace(self.0.as_str(), MASK);
        if self.0.len() >= ENCODED_FROM_BYTES {
            for form in self.encoded() {
                if redacted.contains(form.as_str()) {
                    redacted = redacted.replace(form.as_str(), MASK);
                }
            }
        }
        redacted
    }

    /// Other ways of writing it.
    fn encoded(&self) -> Vec<Zeroizing<String>> {
        let bytes = self.0.as_bytes();
        let mut forms = Vec::new();
        // In a longer text it may begin at each of the three places of a group; what its neighbours share in is left out.
        for before in 0..3 {
            let placed = Zeroizing::new([vec![0; before].as_slice(), bytes].concat());
            for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                let whole = Zeroizing::new(alphabet.encode(placed.as_slice()));
                let own = (8 * before).div_ceil(6)..8 * placed.len() / 6;
                forms.push(Zeroizing::new(whole[own].to_owned()));
            }
        }
        for upper in [true, false] {
            let mut form = Zeroizing::new(String::with_capacity(2 * bytes.len()));
            for &byte in bytes {
                let _ = if upper { write!(form, "{byte:02X}") } else { write!(form, "{byte:02x}") };
            }
            forms.push(form);
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !bytes.iter().copied().all(is_plain) {
            for upper in [true, false] {
                let mut form = Zeroizing::new(String::with_capacity(3 * bytes.len()));
                for &byte in bytes {
                    if is_plain(byte) {
                        form.push(char::from(byte));
                    } else {
                        let _ = if upper { write!(form, "%{byte:02X}") } else { write!(form, "%{byte:02x}") };
                    }
                }
                forms.push(form);
            }
        }
        forms
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "•••• ••••");
        assert_eq!(serde_json::to_string(&secret).ok().as_deref(), Some("\"••••\""));
        assert_eq!(secret.redact("https://x/hunter2hunter2/y"), "https://x/••••/y");
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};

        let secret = Secret::new("p/ss+w\u{f6}rd?>~17");
        for around in ["", "a", "ab", "abc", "\0user\0"] {
            let longer = format!("{around}{}{around}", secret.expose());
            for written in [STANDARD.encode(&longer), URL_SAFE.encode(&longer), STANDARD_NO_PAD.encode(&longer)] {
                let redacted = secret.redact(&format!("you sent {written}!"));
                assert!(redacted.contains(MASK), "{around:?}: {redacted}");
                let left = redacted.replace(MASK, "").len();
                assert!(left <= "you sent !".len() + 4 * around.len() + 8, "{around:?}: {redacted}");
            }
        }
        assert_eq!(secret.redact("x=p%2Fss%2Bw%C3%B6rd%3F%3E~17&y"), "x=••••&y");
        assert_eq!(secret.redact("x=p%2fss%2bw%c3%b6rd%3f%3e~17&y"), "x=••••&y");
        assert_eq!(secret.redact("x=702f73732b77c3b672643f3e7e3137."), "x=••••.");
        assert_eq!(secret.redact("702F73732B77C3B672643F3E7E3137"), "••••");
        assert_eq!(Secret::new("token17").redact("dG9rZW4xNw"), "dG9rZW4xNw", "short ones only as they are");
    }
}
