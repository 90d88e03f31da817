//! What the vendor's clients send to change a row: JSON, or a form with `channels[]` and `params[name]`, or both as text in the
//! vendor's own notation (`[email,ios]`, `{'hipchat_room' : 'test'}`).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};

use crate::domain::channel::Channel;
use crate::domain::vendor::PARAMETERS;
use crate::http::problem::Problem;

/// What changes; what is left out stays.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The channels that are to be on; all others are turned off.
    #[schema(value_type = Option<Vec<Channel>>, example = json!(["email", "slack"]))]
    channels: Option<Value>,
    /// Addresses: `hipchat_token`, `hipchat_room`, `slack_url`, `slack_channel`, `webhook_url`.
    #[schema(schema_with = params_schema)]
    params: Option<Value>,
    /// Not looked at, as those below: clients send back the whole object that they got.
    #[serde(rename = "id")]
    #[schema(value_type = Option<u32>)]
    _id: Option<IgnoredAny>,
    #[serde(rename = "user_id")]
    #[schema(value_type = Option<i64>)]
    _user_id: Option<IgnoredAny>,
    #[serde(rename = "alert_type")]
    #[schema(value_type = Option<String>)]
    _alert_type: Option<IgnoredAny>,
    #[serde(rename = "created_at")]
    #[schema(value_type = Option<String>)]
    _created_at: Option<IgnoredAny>,
    #[serde(rename = "updated_at")]
    #[schema(value_type = Option<String>)]
    _updated_at: Option<IgnoredAny>,
}

/// The vendor's parameters by their names. A number is taken as its digits; null leaves what is there.
fn params_schema() -> Schema {
    let value = || SchemaType::from_iter([Type::String, Type::Number, Type::Null]);
    let parameter = || ObjectBuilder::new().schema_type(value());
    let all = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Object, Type::Null]));
    let named = PARAMETERS.iter().fold(all, |all, (name, ..)| all.property(*name, parameter()));
    let closed = named.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    closed.examples([serde_json::json!({"slack_channel": "#ops"})]).into()
}

/// The channels, when they are to change, and the addresses.
pub type Change = (Option<Vec<Channel>>, BTreeMap<String, String>);

/// Reads it, whichever way it was sent.
///
/// # Errors
/// What cannot be read, and what to send.
pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Change, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let update = match media_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => {
            serde_json::from_slice(body).map_err(|error| Problem::invalid(format!("the body: {error}")))?
        }
        "application/x-www-form-urlencoded" => from_form(body),
        _ => {
            let detail = "send JSON (`content-type: application/json`) or a form";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
        }
    };
    let channels = update.channels.filter(|value| !value.is_null()).map(channels).transpose()?;
    let params = update.params.filter(|value| !value.is_null()).map_or_else(|| Ok(BTreeMap::new()), params)?;
    if channels.is_none() && params.is_empty() {
        return Err(Problem::invalid("send `channels` or `params`, or both"));
    }
    Ok((channels, params))
}

fn from_form(body: &[u8]) -> Update {
    let mut channels: Option<Value> = None;
    let mut params: Option<Value> = None;
    for (name, value) in url::form_urlencoded::parse(body) {
        let value = Value::from(value.into_owned());
        if name == "channels[]" {
            match &mut channels {
                Some(Value::Array(list)) => list.push(value),
                other => *other = Some(Value::Array(vec![value])),
            }
        } else if name == "channels" {
            channels = Some(value);
        } else if name == "params" {
            params = Some(value);
        } else if let Some(inner) = name.strip_prefix("params[").and_then(|rest| rest.strip_suffix(']')) {
            match &mut params {
                Some(Value::Object(map)) => {
                    map.insert(inner.to_owned(), value);
                }
                other => *other = Some(Value::Object(serde_json::Map::from_iter([(inner.to_owned(), value)]))),
            }
        }
    }
    Update { channels, params, ..Update::default() }
}

fn channels(value: Value) -> Result<Vec<Channel>, Problem> {
    let words: Vec<String> = match value {
        Value::Array(list) => list
            .into_iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| Problem::invalid("a channel is a word")))
            .collect::<Result<_, _>>()?,
        Value::String(text) => {
            let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
            let words = bare.split(',').map(|word| word.trim().trim_matches(['"', '\'']));
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        _ => return Err(Problem::invalid("`channels` is a list of channels, as [\"email\", \"slack\"]")),
    };
    // A form cannot hold an empty list: clients send one empty word instead.
    let words = words.iter().filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|error| Problem::invalid(format!("{error}")))).collect()
}

fn params(value: Value) -> Result<BTreeMap<String, String>, Problem> {
    let shape = || Problem::invalid("`params` is an object, as {\"slack_channel\": \"#ops\"}");
    let map = match value {
        Value::Object(map) => map,
        Value::String(text) => {
            let parsed = serde_json::from_str(&text).or_else(|_| serde_json::from_str(&text.replace('\'', "\"")));
            parsed.map_err(|_| shape())?
        }
        _ => return Err(shape()),
    };
    map.into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            _ => Err(shape()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn parsed(media_type: &'static str, body: &str) -> Result<Change, Problem> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        parse(&headers, body.as_bytes())
    }

    #[test]
    fn every_way_of_the_vendors_clients_is_read() {
        const JSON: &str = "application/json; charset=utf-8";
        const FORM: &str = "application/x-www-form-urlencoded";
        let both = (
            Some(vec![Channel::Email, Channel::Hipchat]),
            BTreeMap::from([("hipchat_room".to_owned(), "test".to_owned())]),
        );
        let check = |media_type, body: &str| assert_eq!(parsed(media_type, body).unwrap(), both, "{body}");
        check(JSON, r#"{"channels":["email","hipchat"],"params":{"hipchat_room":"test"}}"#);
        check(JSON, r#"{"channels":"[email,hipchat]","params":"{'hipchat_room' : 'test'}"}"#);
        check(JSON, r#"{"channels":"email, hipchat","params":{"hipchat_room":"test","slack_url":null}}"#);
        check(FORM, "channels[]=email&channels[]=hipchat&params[hipchat_room]=test");
        check(FORM, "channels%5B%5D=email&channels%5B%5D=hipchat&params%5Bhipchat_room%5D=test");
        check(FORM, "channels=%5Bemail%2Chipchat%5D&params=%7B'hipchat_room'%3A'test'%7D");
        assert_eq!(parsed(FORM, "channels[]=").unwrap().0, Some(Vec::new()), "none at all");
        for bad in [r#"{"channels":["fax"]}"#, r#"{"channels":5}"#, r#"{"params":[]}"#, "{}", "[]", "", r#"{"x":1}"#] {
            assert_eq!(parsed(JSON, bad).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(parsed("text/plain", "x").unwrap_err().status, 415);
    }
}
