//! How each channel is set up and speaks: one file a channel, and the one list of them.

pub mod form;

use crate::channels::form::FieldError;
use crate::domain::channel::Channel;
use crate::domain::destination::FieldValues;

/// A destination's fields, checked.
#[derive(Debug)]
pub struct Settings;

/// Checks a destination's fields.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(channel: Channel, values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let fits = values.get("url").is_none_or(|url| url.expose().starts_with("http")) && !values.is_empty();
    if fits {
        return Ok(Settings);
    }
    Err(vec![FieldError { field: "url".to_owned(), message: format!("no {channel} can be reached there") }])
}

/// Where a destination leads, in short and without secrets.
#[must_use]
pub fn address(_channel: Channel, values: &FieldValues) -> String {
    let shown = ["address", "channel", "room", "url"].iter().find_map(|name| values.get(*name));
    shown.map(|value| value.expose().to_owned()).unwrap_or_default()
}
