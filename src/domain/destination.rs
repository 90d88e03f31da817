//! Where notifications of one channel go: one address of one account, with its settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::channel::Channel;
use crate::domain::id::{AccountId, DestinationId};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;

/// Longest label, in characters.
pub const LABEL_CHARACTERS_MAX: usize = 60;

/// Whether a destination is sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DestinationState {
    /// It is sent to.
    #[default]
    Enabled,
    /// What comes is held until it is enabled again.
    Paused,
    /// What comes is noted as not sent.
    Disabled,
}

impl DestinationState {
    /// The name in the store and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

/// The value of one field of a destination's form.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// Text that anybody who may look may see.
    Plain(String),
    /// Yes or no.
    Flag(bool),
    /// Text that nobody is shown.
    Secret(Secret),
}

impl FieldValue {
    /// In an edit, what stands for a secret that is to go. One that is left out stays.
    pub const CLEARED: Self = Self::Plain(String::new());

    /// The text as typed; `true` or `false` for a flag. Exposes a secret: for the wire and for sealing.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Flag(true) => "true",
            Self::Flag(false) => "false",
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl PartialEq for FieldValue {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.expose() == other.expose()
    }
}

/// The fields of a destination by name. The names are the channel's, see `channels::Field`.
pub type FieldValues = BTreeMap<String, FieldValue>;

/// A destination as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// Whose it is.
    #[serde(skip)]
    pub account: AccountId,
    /// What it speaks.
    pub channel: Channel,
    /// What people call it; the address in short when they gave it no name.
    pub label: String,
    /// Whether it is sent to.
    pub state: DestinationState,
    /// Why it is paused or disabled.
    pub state_reason: Option<String>,
    /// Event types or groups that it narrows the matrix to; empty for all that the matrix turns on.
    pub only: Vec<String>,
    /// The channel's own fields.
    pub fields: FieldValues,
    /// Since when it has only failed; nothing when the last send went well.
    pub failing_since: Option<Timestamp>,
    /// What the last failed send met.
    pub last_failure: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// How many times its settings were changed since. What an edit names, so that it meets no other's.
    #[serde(skip)]
    pub revision: i64,
}

impl Destination {
    /// Whether it takes this type at all.
    #[must_use]
    pub fn takes(&self, event_type: &str, group: &str) -> bool {
        takes(&self.only, event_type, group)
    }
}

/// Whether a list of event types and groups covers this type; an empty list covers all.
#[must_use]
pub fn takes(only: &[String], event_type: &str, group: &str) -> bool {
    only.is_empty() || only.iter().any(|name| name == event_type || name == group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_narrows_to_types_and_groups() {
        let only = vec!["billing".to_owned(), "server.stopped".to_owned()];
        assert!(takes(&[], "job.fail", "jobs"));
        assert!(takes(&only, "payment.fail", "billing"));
        assert!(takes(&only, "server.stopped", "servers"));
        assert!(!takes(&only, "server.backon", "servers"));
    }

    #[test]
    fn a_secret_field_is_masked_in_json() {
        let fields = FieldValues::from([
            ("token".to_owned(), FieldValue::Secret(Secret::new("abcdef"))),
            ("notify".to_owned(), FieldValue::Flag(true)),
        ]);
        assert_eq!(serde_json::to_string(&fields).ok().as_deref(), Some(r#"{"notify":true,"token":"••••"}"#));
    }
}
