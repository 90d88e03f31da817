//! Reads a config file and the environment into a [`Config`].

use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::config::error::ConfigError;
use crate::config::settings::{SETTINGS, Setting, is_section, nearest, nearest_section};
use crate::config::value::Value;
use crate::config::{Config, Origin};

/// What the names of the program's environment variables begin with.
const PREFIX: &str = "BELLBOARD_";

/// Sets what the file says; all that is wrong in it.
pub(crate) fn apply_file(config: &mut Config, path: &Path, text: &str) -> Vec<ConfigError> {
    let file = File { path, text };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What the parser made of it then means nothing.
        return errors.iter().map(|error| file.syntax(error)).collect();
    }
    let mut wrong = Vec::new();
    // The parser has them in the order of the alphabet.
    for (section, content) in by_place(document.get_ref()) {
        match content.get_ref().as_table().filter(|_| is_section(section.get_ref())) {
            Some(options) => wrong.extend(
                by_place(options)
                    .into_iter()
                    .filter_map(|(name, value)| apply_option(config, &file, section.get_ref(), name, value).err()),
            ),
            None => wrong.push(file.unknown(section, section.get_ref())),
        }
    }
    wrong
}

fn apply_option(
    config: &mut Config,
    file: &File<'_>,
    section: &str,
    name: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<(), ConfigError> {
    let full_name = format!("{section}.{}", name.get_ref());
    let Some(setting) = find(&full_name) else { return Err(file.unknown(name, &full_name)) };
    let problem = read(value.get_ref()).and_then(|value| (setting.set)(config, &value)).err();
    if let Some(problem) = problem {
        let place = file.place(value.span().start);
        return Err(ConfigError::BadValue { place, option: full_name, problem });
    }
    config.origins.insert(full_name, Origin::File(file.line(name.span().start)));
    Ok(())
}

/// What a table has, as the file has it from top to bottom.
fn by_place<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>)> {
    let mut found: Vec<_> = table.iter().collect();
    found.sort_by_key(|(name, _)| name.span().start);
    found
}

/// Sets what `BELLBOARD_SECTION_OPTION` variables say; all that is wrong in them. Other variables that begin so are other parts'
/// business.
pub(crate) fn apply_environment(
    config: &mut Config,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Vec<ConfigError> {
    let mut wrong = Vec::new();
    for (variable, text) in environment {
        let Some((section, name)) = variable.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else {
            continue;
        };
        let full_name = format!("{}.{}", section.to_ascii_lowercase(), name.to_ascii_lowercase());
        if !is_section(&section.to_ascii_lowercase()) {
            continue;
        }
        let place = format!("the environment variable {variable}");
        let Some(setting) = find(&full_name) else {
            let nearest = nearest(&full_name).map(Setting::environment_variable);
            wrong.push(ConfigError::UnknownOption { place, given: full_name, nearest });
            continue;
        };
        let value = Value::from_environment(&text, setting.is_list);
        match (setting.set)(config, &value) {
            Ok(()) => drop(config.origins.insert(full_name, Origin::Environment(variable))),
            Err(problem) => wrong.push(ConfigError::BadValue { place, option: full_name, problem }),
        }
    }
    wrong
}

fn find(full_name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.full_name() == full_name)
}

/// The file being read, to name places in it.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.path.display(), self.line(offset))
    }

    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let place = self.place(error.span().map_or(0, |span| span.start));
        ConfigError::Syntax { place, problem: error.message().replace('\n', ", ") }
    }

    fn unknown(&self, at: &Spanned<DeString<'_>>, given: &str) -> ConfigError {
        let section = || nearest_section(given).map(str::to_owned);
        let nearest = nearest(given).map(Setting::full_name).or_else(section);
        ConfigError::UnknownOption { place: self.place(at.span().start), given: given.to_owned(), nearest }
    }
}

fn read(value: &DeValue<'_>) -> Result<Value, String> {
    match value {
        DeValue::String(text) => Ok(Value::Text(text.to_string())),
        DeValue::Boolean(flag) => Ok(Value::Flag(*flag)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::Number)
            .map_err(|_| format!("`{}` is too large a number", number.as_str())),
        DeValue::Array(_) => texts(value).map(Value::List),
        DeValue::Table(names) => {
            let entry = |(name, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                let name = name.get_ref().to_string();
                let texts = texts(value.get_ref()).map_err(|problem| format!("{name}: {problem}"))?;
                Ok((name, texts))
            };
            names.iter().map(entry).collect::<Result<_, String>>().map(Value::Table)
        }
        other => Err(format!("{} cannot stand here; write text in quotes, or a list of it", other.type_str())),
    }
}

/// A list of texts, or one text as a list of one.
fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let text = |value: &DeValue<'_>| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("an item of the list is {}, not text; put it in quotes", value.type_str()))
    };
    match value {
        DeValue::Array(items) => items.iter().map(|item| text(item.get_ref())).collect(),
        other => text(other).map(|text| vec![text]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        ConfigError::all(apply_file(&mut config, Path::new("c.toml"), text)).map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_what_to_write() {
        let check = |text: &str, expected: &str| {
            assert_eq!(file(text).map(|_| ()), Err(expected.to_owned()), "{text}");
        };
        check(
            "[delivery]\nretri = [\"5s\"]",
            "c.toml:2: there is no option `delivery.retri` (did you mean `delivery.retry`?); see `bellboard config show`",
        );
        check(
            "[deliveri]\n",
            "c.toml:1: there is no option `deliveri` (did you mean `delivery`?); see `bellboard config show`",
        );
        check(
            "timeout = 3",
            "c.toml:1: there is no option `timeout` (did you mean `delivery.timeout`?); see `bellboard config show`",
        );
        check("nonsense = 3", "c.toml:1: there is no option `nonsense`; see `bellboard config show`");
        check("\n[delivery]\ntimeout = 15", "c.toml:3: delivery.timeout: 15 has no unit; write for example \"15s\"");
        check(
            "[delivery]\nretry = \"5s\"",
            "c.toml:2: delivery.retry: `\"5s\"` is no list; write for example [\"5s\"]",
        );
        check(
            "[network]\nallow = [\n\"10.0.0.0/8\",\n\"10.1\"]",
            "c.toml:2: network.allow: `10.1` is no range of addresses; write one like 10.1.0.0/16 or 2001:db8::/32",
        );
        assert!(file("[delivery\n").is_err_and(|error| error.starts_with("c.toml:1: this is no TOML: ")));
    }

    #[test]
    fn the_environment_wins() {
        let mut config = file("[delivery]\ntimeout = \"3s\"\nkeep = \"1d\"").unwrap_or_default();
        let variables = [("BELLBOARD_DELIVERY_TIMEOUT", "4s"), ("BELLBOARD_DB", "x"), ("PATH", "y")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(apply_environment(&mut config, variables), []);
        assert_eq!(config.delivery.timeout.as_secs(), 4);
        assert_eq!(config.delivery.keep.as_secs(), 86_400);
        assert_eq!(config.origins["delivery.timeout"], Origin::Environment("BELLBOARD_DELIVERY_TIMEOUT".to_owned()));
        assert_eq!(config.origins["delivery.keep"], Origin::File(3));
        let wrong = [("BELLBOARD_DELIVERY_RETRI".to_owned(), "5s".to_owned())];
        let error = ConfigError::all(apply_environment(&mut config, wrong)).map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|text| text.contains("`BELLBOARD_DELIVERY_RETRY`")), "{error:?}");
    }
}
