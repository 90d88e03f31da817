//! The value of an option before it is understood: what TOML or an environment variable can say.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::domain::time::parse_duration;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Names, each with its texts.
    Table(BTreeMap<String, Vec<String>>),
}

impl Value {
    /// From an environment variable: a list when commas stand in it or brackets around it, else text.
    #[must_use]
    pub fn from_environment(text: &str, wants_list: bool) -> Self {
        if !wants_list {
            return Self::Text(text.to_owned());
        }
        let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
        Self::List(
            inner
                .split(',')
                .map(|item| item.trim().trim_matches('"').to_owned())
                .filter(|item| !item.is_empty())
                .collect(),
        )
    }

    /// The value as TOML writes it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => toml::Value::from(text.as_str()).to_string(),
            Self::List(items) => list_to_toml(items),
            Self::Table(names) => {
                let quoted = |name: &str| toml::Value::from(name).to_string();
                let entries = names.iter().map(|(name, items)| format!("{} = {}", quoted(name), list_to_toml(items)));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The text, trimmed.
    ///
    /// # Errors
    /// When it is no text, or empty.
    pub fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) if !text.trim().is_empty() => Ok(text.trim()),
            Self::Text(_) => Err("it is empty; write a value, or leave the line out".to_owned()),
            other => Err(format!("`{}` is no text; put it in quotes", other.to_toml())),
        }
    }

    /// The items of a list.
    ///
    /// # Errors
    /// When it is no list.
    pub fn list(&self) -> Result<&[String], String> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(format!("`{}` is no list; write for example [{}]", other.to_toml(), other.to_toml())),
        }
    }

    /// The names of a table, each with its texts.
    ///
    /// # Errors
    /// When it is no table.
    pub fn table(&self) -> Result<&BTreeMap<String, Vec<String>>, String> {
        match self {
            Self::Table(names) => Ok(names),
            other => {
                Err(format!("`{}` is no table; write for example {{ mute = [\"x\"] }} in the file", other.to_toml()))
            }
        }
    }

    /// A whole number from 0 on.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self) -> Result<u32, String> {
        let number = match self {
            Self::Number(number) => u32::try_from(*number).ok(),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Flag(_) | Self::List(_) | Self::Table(_) => None,
        };
        number.ok_or_else(|| format!("`{}` is no number; write a whole one, as 5", self.to_toml()))
    }

    /// A length of time that is not zero.
    ///
    /// # Errors
    /// When it is none.
    pub fn duration(&self) -> Result<Duration, String> {
        match self {
            Self::Number(number) => Err(format!("{number} has no unit; write for example \"{number}s\"")),
            other => match parse_duration(other.text()?)? {
                Duration::ZERO => Err("it must be longer than nothing".to_owned()),
                duration => Ok(duration),
            },
        }
    }
}

fn list_to_toml(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| toml::Value::from(item.as_str()).to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// A length of time as [`parse_duration`] reads it, in the largest unit that loses nothing.
#[must_use]
pub fn write_duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let millis = duration.as_millis();
    UNITS
        .iter()
        .find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit))
        .map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["500ms", "5s", "5m", "90s", "2h", "24h", "90d", "1500ms"] {
            let duration = parse_duration(text).unwrap_or_else(|error| panic!("{error}"));
            let written = write_duration(duration);
            assert_eq!(parse_duration(&written), Ok(duration), "{text} was written {written}");
        }
        assert_eq!(write_duration(Duration::from_secs(90)), "90s");
        assert_eq!(write_duration(Duration::from_hours(48)), "2d");
    }

    #[test]
    fn an_environment_variable_can_be_a_list() {
        let check = |text: &str, expected: &[&str]| {
            let expected = expected.iter().map(|item| (*item).to_owned()).collect();
            assert_eq!(Value::from_environment(text, true), Value::List(expected), "{text}");
        };
        check("5s,5m", &["5s", "5m"]);
        check("[\"5s\", \"5m\"]", &["5s", "5m"]);
        check(" 5s ", &["5s"]);
        check("", &[]);
    }
}
