//! The fields of a destination as people type them, read into values and checked against the channel's list.

use std::collections::BTreeMap;

use crate::channels::field::{Field, FieldKind, parse_flag};
use crate::channels::{fields, kept_fields, tls};
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

impl FieldError {
    /// Puts the two together.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Checks one field while it is being typed.
///
/// # Errors
/// What is wrong, as a sentence without its stop.
pub fn check_field(channel: Channel, name: &str, text: &str) -> Result<(), String> {
    field(channel, name).ok_or_else(|| unknown(channel, name))?.check(text)
}

/// Reads what was typed for a new destination: trims, fills defaults.
///
/// # Errors
/// Each field that cannot be taken, and each name that the channel does not have.
pub fn values_from_text(channel: Channel, text: &BTreeMap<String, String>) -> Result<FieldValues, Vec<FieldError>> {
    let mut typed = typed_values(channel, text)?;
    typed.retain(|_, value| *value != FieldValue::CLEARED);
    for field in fields(channel) {
        if !typed.contains_key(field.name) && !field.default.is_empty() {
            typed.insert(field.name.to_owned(), value(field, field.default));
        }
    }
    check_values(channel, &typed)?;
    Ok(typed)
}

/// Reads what was typed for a change of a destination: only the fields that were. Those that were emptied are missing, but
/// for secrets, which are there as an empty text: a secret that is missing stays.
///
/// # Errors
/// Each field that cannot be taken, and each name that the channel does not have.
pub fn typed_values(channel: Channel, text: &BTreeMap<String, String>) -> Result<FieldValues, Vec<FieldError>> {
    let mut values = FieldValues::new();
    let mut errors = Vec::new();
    for (name, text) in text {
        let Some(field) = field(channel, name) else {
            errors.push(FieldError::new(name, unknown(channel, name)));
            continue;
        };
        let text = text.trim();
        if text.is_empty() {
            if field.kind.is_secret() {
                values.insert(name.clone(), FieldValue::CLEARED);
            }
            continue;
        }
        match field.check(text) {
            Ok(()) => {
                values.insert(name.clone(), value(field, text));
            }
            Err(message) => errors.push(FieldError::new(name, message)),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

/// Checks that values are the channel's and that none is missing.
///
/// # Errors
/// Each field that cannot be taken.
pub fn check_values(channel: Channel, values: &FieldValues) -> Result<(), Vec<FieldError>> {
    let is_known = |name: &str| field(channel, name).is_some() || kept_fields(channel).contains(&name);
    let unknown_names = values.keys().filter(|name| !is_known(name));
    let mut errors: Vec<_> = unknown_names.map(|name| FieldError::new(name, unknown(channel, name))).collect();
    for field in fields(channel) {
        let text = values.get(field.name).map_or("", FieldValue::expose);
        if let Err(message) = field.check(text) {
            errors.push(FieldError::new(field.name, message));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The field of that name.
#[must_use]
pub fn field(channel: Channel, name: &str) -> Option<&'static Field> {
    fields(channel).iter().find(|field| field.name == name)
}

fn value(field: &Field, text: &str) -> FieldValue {
    match field.kind {
        FieldKind::Flag => FieldValue::Flag(parse_flag(text).unwrap_or(false)),
        FieldKind::Certificates => FieldValue::Plain(tls::tidy_pem(text)),
        FieldKind::PrivateKey => FieldValue::Secret(Secret::new(tls::tidy_pem(text))),
        kind if kind.is_secret() => FieldValue::Secret(Secret::new(text)),
        _ => FieldValue::Plain(text.to_owned()),
    }
}

fn unknown(channel: Channel, name: &str) -> String {
    let names: Vec<_> = fields(channel).iter().map(|field| field.name).collect();
    format!("{channel} has no field `{name}`; it has {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::complete;

    fn typed(channel: Channel, pairs: &[(&str, &str)]) -> Result<FieldValues, Vec<FieldError>> {
        let text = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        values_from_text(channel, &text)
    }

    #[test]
    fn defaults_are_filled() {
        let values = typed(Channel::Webhook, &[("url", " https://hooks.acme.test/in ")]).unwrap();
        assert_eq!(values["url"], FieldValue::Plain("https://hooks.acme.test/in".to_owned()));
        assert_eq!(values["ordered"], FieldValue::Flag(false));
    }

    #[test]
    fn a_secret_is_made_where_one_is_needed_and_none_was_given() {
        let url = [("url", "https://hooks.acme.test/in")];
        let made = || {
            let mut values = typed(Channel::Webhook, &url).unwrap();
            let secret = complete(Channel::Webhook, &mut values).unwrap().unwrap();
            assert_eq!(values["secret"].expose(), secret.expose());
            assert!(complete(Channel::Webhook, &mut values).unwrap().is_none(), "one is there");
            secret.expose().to_owned()
        };
        assert!(made().starts_with("whsec_"));
        assert_ne!(made(), made(), "each gets a secret of its own");
        assert!(complete(Channel::Slack, &mut FieldValues::new()).unwrap().is_none());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let errors = typed(Channel::Webhook, &[("url", "nowhere"), ("colour", "red")]).unwrap_err();
        let names: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(names, ["colour", "url"]);
        let errors = typed(Channel::Slack, &[]).unwrap_err();
        assert_eq!(errors[0].field, "url");
    }
}
