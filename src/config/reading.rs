//! How the values of options are read and shown, where several do it alike or it takes more than a line.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

use crate::config::Console;
use crate::config::value::Value;
use crate::console::theme::ThemeName;
use crate::console::theme::file;

/// A theme by its name, or the file of one's own.
pub(crate) fn theme(console: &mut Console, text: &str) -> Result<(), String> {
    if !text.contains(['/', '.']) {
        console.theme = one_of(text, &ThemeName::ALL.map(|theme| (theme.name(), theme)))
            .map_err(|problem| format!("{problem}, or the path of a theme file"))?;
        console.own_theme = None;
        return Ok(());
    }
    let path = PathBuf::from(text);
    let content = fs::read_to_string(&path).map_err(|error| format!("{text} cannot be read: {error}"))?;
    let theme = file::parse(&content).map_err(|problem| format!("{text}: {problem}"))?;
    console.own_theme = Some((path, theme));
    Ok(())
}

pub(crate) fn ranges(value: &Value) -> Result<Vec<IpNet>, String> {
    let example = "range of addresses; write one like 10.1.0.0/16 or 2001:db8::/32";
    value.list()?.iter().map(|item| parsed(item, example)).collect()
}

pub(crate) fn parsed<T: FromStr>(text: &str, what_and_example: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no {what_and_example}"))
}

pub(crate) fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("`{text}` cannot stand here; write one of {}", names.join(", "))
    })
}

/// Logins, groups as `@support`, or `*`.
pub(crate) fn who(names: &[String]) -> Result<Vec<String>, String> {
    for name in names {
        let bare = name.strip_prefix('@').unwrap_or(name);
        if bare.is_empty() || bare.chars().any(|c| c.is_whitespace() || c.is_control() || "@:,".contains(c)) {
            return Err(format!("`{name}` is nobody; write a login as jane, a group as @support, or * for everybody"));
        }
    }
    Ok(names.to_vec())
}

pub(crate) fn shown(value: Option<impl Display>) -> Option<Value> {
    value.map(|value| Value::Text(value.to_string()))
}
