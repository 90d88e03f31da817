//! A browser's push subscription. Its column and its preferences are here; subscriptions are made by enrolment only, and
//! neither that nor sending is in this version.

use crate::channels::field::Field;
use crate::channels::form::FieldError;
use crate::channels::http::retry;
use crate::domain::channel::Channel;
use crate::domain::delivery::Exchange;
use crate::domain::destination::FieldValues;
use crate::domain::message::{Message, not_sent_yet};
use crate::domain::retry::Patience;

/// No form: the browser itself brings what is needed.
pub const FIELDS: &[Field] = &[];

/// A subscription.
#[derive(Debug)]
pub struct Settings {
    _private: (),
}

/// Refuses: nobody types a subscription.
///
/// # Errors
/// Always.
pub fn parse(_values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let message = "a browser enrols itself on a page of bellboard's, which this version does not have yet";
    Err(vec![FieldError::new("browser", message)])
}

/// What it is called.
#[must_use]
pub fn address(_values: &FieldValues) -> String {
    "a browser".to_owned()
}

/// Says that it is not sent yet.
#[must_use]
pub fn send(_settings: &Settings, _message: &Message) -> Exchange {
    let reason = not_sent_yet(Channel::Browser).unwrap_or_default();
    Exchange { request: None, answer: None, result: Err(retry(reason, Patience::NotCounted)) }
}
