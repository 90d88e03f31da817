//! Secrets as a type that cannot be printed.

use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

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

    /// The text with every occurrence of this secret masked. A secret under four characters is not searched for: it would
    /// mask ordinary words.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        const SEARCHED_FROM_BYTES: usize = 4;
        if self.0.len() < SEARCHED_FROM_BYTES { text.to_owned() } else { text.replace(self.0.as_str(), MASK) }
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
}
