//! An Apple device. Its column, its fields and its preferences are here; sending is not in this version, and a message for
//! it waits and says so.

use crate::channels::field::{Field, FieldKind};
use crate::channels::form::FieldError;
use crate::channels::http::retry;
use crate::domain::channel::Channel;
use crate::domain::delivery::Exchange;
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::{Message, not_sent_yet};
use crate::domain::retry::Patience;

/// The form.
pub const FIELDS: &[Field] = &[
    Field {
        name: "device_token",
        title: "Device token",
        help: "64 or more hex digits, as the app registers it",
        kind: FieldKind::Secret,
        required: true,
        default: "",
    },
    Field {
        name: "environment",
        title: "Environment",
        help: "production, or sandbox for a development build",
        kind: FieldKind::Choice(&["production", "sandbox"]),
        required: false,
        default: "production",
    },
    Field {
        name: "device",
        title: "Device",
        help: "what its owner calls it, as Jane's phone",
        kind: FieldKind::Text,
        required: false,
        default: "",
    },
];

/// Hex digits of a device token at least; Apple's page says not to rely on a length.
const TOKEN_DIGITS_MIN: usize = 64;

/// A device.
#[derive(Debug)]
pub struct Settings {
    _private: (),
}

/// Checks the fields.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let token = values.get("device_token").map_or("", FieldValue::expose);
    if token.len() < TOKEN_DIGITS_MIN || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(vec![FieldError::new("device_token", "a device token has 64 or more hex digits")]);
    }
    Ok(Settings { _private: () })
}

/// What its owner calls the device.
#[must_use]
pub fn address(values: &FieldValues) -> String {
    match values.get("device").map_or("", FieldValue::expose) {
        "" => "a device".to_owned(),
        device => device.to_owned(),
    }
}

/// Says that it is not sent yet.
#[must_use]
pub fn send(_settings: &Settings, _message: &Message) -> Exchange {
    let reason = not_sent_yet(Channel::Ios).unwrap_or_default();
    Exchange { request: None, answer: None, result: Err(retry(reason, Patience::NotCounted)) }
}
