//! The payload of an event: a flat JSON object that is carried, not understood.
//!
//! Values are kept as the very text that came in, so that order, unknown fields, large and precise numbers arrive as they
//! were sent. Two fields are bellboard's own and are put at the end: `timestamp` and `event_type`.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// Largest payload, in bytes of JSON.
pub const BYTES_MAX: usize = 256 * 1024;

/// Objects and lists within each other that are read for people.
const SHOWN_DEPTH_MAX: usize = 6;

/// Fields that a caller does not get to choose.
const OWN_FIELDS: [&str; 2] = ["timestamp", "event_type"];

/// Why something is no payload.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PayloadError {
    /// Over [`BYTES_MAX`].
    #[error("the payload has {bytes} bytes; at most {BYTES_MAX} are taken")]
    TooLarge {
        /// How many came.
        bytes: usize,
    },
    /// Not JSON, or JSON that is no object.
    #[error("the payload must be one JSON object, as {{\"server\": \"web1\"}}: {problem}")]
    NotAnObject {
        /// What the parser met, and where.
        problem: String,
    },
}

/// A JSON object whose members keep their order and their exact text. `timestamp` and `event_type` have been taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(String);

impl Payload {
    /// Checks that `json` is one object and keeps it, without the two fields that are not the caller's.
    ///
    /// # Errors
    /// When it is too large or no object.
    pub fn parse(json: &str) -> Result<Self, PayloadError> {
        if json.len() > BYTES_MAX {
            return Err(PayloadError::TooLarge { bytes: json.len() });
        }
        let members: Members =
            serde_json::from_str(json).map_err(|error| PayloadError::NotAnObject { problem: error.to_string() })?;
        let mut text = String::with_capacity(json.len());
        text.push('{');
        for (name, value) in members.0.iter().filter(|(name, _)| !OWN_FIELDS.contains(&name.as_str())) {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        Ok(Self(text))
    }

    /// An object without members.
    #[must_use]
    pub fn empty() -> Self {
        Self("{}".to_owned())
    }

    /// Takes back what [`Payload::as_str`] gave, without a second look; for the store.
    #[must_use]
    pub const fn trusted(json: String) -> Self {
        Self(json)
    }

    /// The object as JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The body that receivers get: the object with `timestamp` (Unix seconds of this sending) and `event_type` at its end.
    #[must_use]
    pub fn body(&self, sent_at_seconds: i64, event_type: &str) -> String {
        let open = self.0.trim_end().strip_suffix('}').unwrap_or("{").trim_end();
        let comma = if open.ends_with('{') { "" } else { "," };
        format!("{open}{comma}\"timestamp\":{sent_at_seconds},\"event_type\":{}}}", quoted(event_type))
    }

    /// The members as text for people, in order: strings without their quotes, all else as its JSON.
    #[must_use]
    pub fn members(&self) -> Vec<(String, String)> {
        let members: Members = serde_json::from_str(&self.0).unwrap_or_default();
        members
            .0
            .into_iter()
            .map(|(name, value)| {
                let text = serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned());
                (name, text)
            })
            .collect()
    }

    /// The whole object as people read it.
    #[must_use]
    pub fn shown(&self) -> Shown {
        RawValue::from_string(self.0.clone()).map_or(Shown::Nothing, |raw| Shown::of(&raw, SHOWN_DEPTH_MAX))
    }

    /// The text of a member, or of a member within it (`server.name`), when it is there and no object, list or null.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        self.first_text(&[path])
    }

    /// The first of these that is there, as [`Payload::text`] finds it.
    #[must_use]
    pub fn first_text(&self, paths: &[&str]) -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(&self.0).ok()?;
        paths.iter().find_map(|path| text_at(&value, path))
    }
}

/// A value of a payload as people read it: numbers as the text that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// `null`.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// A string, a number, or what is nested too deep to be of use.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// An object's members, in order.
    Object(Vec<(String, Self)>),
}

impl Shown {
    fn of(raw: &RawValue, depth: usize) -> Self {
        let text = raw.get().trim();
        let within = |raw: &RawValue| Self::of(raw, depth - 1);
        match text.as_bytes().first() {
            Some(b'n') => Self::Nothing,
            Some(b't') => Self::Flag(true),
            Some(b'f') => Self::Flag(false),
            Some(b'"') => Self::Text(serde_json::from_str(text).unwrap_or_default()),
            Some(b'[') if depth > 0 => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap_or_default();
                Self::List(items.iter().map(|item| within(item)).collect())
            }
            Some(b'{') if depth > 0 => {
                let members: Members = serde_json::from_str(text).unwrap_or_default();
                Self::Object(members.0.into_iter().map(|(name, value)| (name, within(&value))).collect())
            }
            _ => Self::Text(text.to_owned()),
        }
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

fn text_at(value: &serde_json::Value, path: &str) -> Option<String> {
    match path.split('.').try_fold(value, |value, name| value.get(name))? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[derive(Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_in_goes_out_with_two_fields_more() {
        let check = |json: &str, expected: &str| {
            let body = Payload::parse(json).map(|payload| payload.body(1_700_000_000, "server.stopped"));
            assert_eq!(body.as_deref(), Ok(expected), "{json}");
        };
        let own = r#""timestamp":1700000000,"event_type":"server.stopped"}"#;
        check("{}", &format!("{{{own}"));
        check(" { \"b\" : 1 , \"a\" : [ 1, 2 ] } ", &format!("{{\"b\":1,\"a\":[ 1, 2 ],{own}"));
        check(r#"{"n":12345678901234567890123.000100}"#, &format!("{{\"n\":12345678901234567890123.000100,{own}"));
        check(r#"{"timestamp":1,"x":"é\n","event_type":"forged"}"#, &format!("{{\"x\":\"é\\n\",{own}"));
        check(r#"{"a\"b":null}"#, &format!("{{\"a\\\"b\":null,{own}"));
    }

    #[test]
    fn only_one_object_is_a_payload() {
        for bad in ["", "[]", "1", "null", "\"x\"", "{", "{\"a\":}", "{} {}", "{\"a\":1,}", "\u{feff}{}"] {
            assert!(matches!(Payload::parse(bad), Err(PayloadError::NotAnObject { .. })), "`{bad}` should be refused");
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(BYTES_MAX));
        assert_eq!(Payload::parse(&large), Err(PayloadError::TooLarge { bytes: BYTES_MAX + 8 }));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let deep = Payload::parse(&deep).unwrap_or(Payload::empty());
        assert_eq!(
            (deep.text("a"), deep.members().len()),
            (None, 1),
            "depth is carried, and read no deeper than is safe"
        );
    }

    #[test]
    fn people_read_members() {
        let payload =
            Payload::parse(r#"{"server":{"name":"web1"},"n":1.50,"s":"two words"}"#).unwrap_or(Payload::empty());
        assert_eq!(payload.text("server.name").as_deref(), Some("web1"));
        assert_eq!(payload.text("server"), None);
        assert_eq!(payload.members()[1], ("n".to_owned(), "1.50".to_owned()));
        assert_eq!(payload.members()[2], ("s".to_owned(), "two words".to_owned()));
        let text = |text: &str| Shown::Text(text.to_owned());
        let server = Shown::Object(vec![("name".to_owned(), text("web1"))]);
        let members = [("server", server), ("n", text("1.50")), ("s", text("two words"))];
        assert_eq!(payload.shown(), Shown::Object(members.map(|(name, value)| (name.to_owned(), value)).into()));
    }
}
