//! `config`: what is in force, where it comes from, whether it is right. Needs no store, and `path` no valid config either.

use clap::Subcommand;
use serde_json::{Map, Value as Json, json};

use crate::cli::args::Globals;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Table};
use crate::cli::paths::Paths;
use crate::cli::session::{load_config, read_config, senders};
use crate::config::{Config, EXAMPLE, Origin};
use crate::console::keymap::remap;

/// What to do with the config.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every option with the value in force and where it was set
    Show {
        /// Print a commented config file with every option at its default instead
        #[arg(long)]
        example: bool,
    },
    /// Print where the config, the database and the log are
    Path,
    /// Print the console's keys as they are in force, by the names that `[console] keys` knows them by
    Keys,
    /// Say whether the config is right; exit code 2 when it is not
    Check,
}

impl ConfigCommand {
    /// Answers.
    ///
    /// # Errors
    /// When the config is wrong, or stdout cannot be written.
    pub fn run(&self, globals: &Globals, out: Output) -> Result<(), Failure> {
        let paths = Paths::new(globals)?;
        match self {
            Self::Show { example: true } => Ok(out.raw(EXAMPLE.as_bytes())?),
            Self::Show { example: false } => show(&load_config(&paths)?, out),
            Self::Path => path(&paths, out),
            Self::Keys => keys(&load_config(&paths)?, out),
            Self::Check => check(&paths, out),
        }
    }
}

fn show(config: &Config, out: Output) -> Result<(), Failure> {
    if out.json {
        let mut sections = Map::new();
        for (setting, value) in config.effective() {
            let section = sections.entry(setting.section).or_insert_with(|| json!({}));
            section[setting.name] = json!(value);
        }
        return Ok(out.document(&Json::Object(sections))?);
    }
    let mut table = Table::new(["option", "set in", "value"]);
    for (setting, value) in config.effective() {
        let value = value.map_or_else(|| "(none)".to_owned(), |value| value.to_toml());
        let origin = match config.origins.get(&setting.full_name()) {
            None => "default".to_owned(),
            Some(Origin::File(line)) => format!("config file, line {line}"),
            Some(Origin::Environment(variable)) => variable.clone(),
        };
        table.row([setting.full_name(), origin, value]);
    }
    Ok(out.table(&table)?)
}

fn keys(config: &Config, out: Output) -> Result<(), Failure> {
    let lines = remap::remap(&config.console.keys).map_err(Failure::usage)?;
    let lines = lines.iter().filter(|line| !line.keys.is_empty());
    if out.json {
        let document: Vec<Json> =
            lines.map(|line| json!({"action": remap::name(line), "keys": line.shown, "does": line.help})).collect();
        return Ok(out.document(&document)?);
    }
    let mut table = Table::new(["place.action", "keys", "does"]);
    for line in lines {
        table.row([remap::name(line), line.shown.to_owned(), line.help.to_owned()]);
    }
    Ok(out.table(&table)?)
}

fn path(paths: &Paths, out: Output) -> Result<(), Failure> {
    let named = [("config", &paths.config), ("database", &paths.database), ("log", &paths.log)];
    if out.json {
        let document: Map<String, Json> =
            named.iter().map(|(name, path)| ((*name).to_owned(), json!(path.display().to_string()))).collect();
        return Ok(out.document(&document)?);
    }
    let mut table = Table::new(["file", "path", "is there"]);
    for (name, path) in named {
        let there = if path.exists() { "yes" } else { "not yet" };
        table.row([name.to_owned(), path.display().to_string(), there.to_owned()]);
    }
    Ok(out.table(&table)?)
}

fn check(paths: &Paths, out: Output) -> Result<(), Failure> {
    let config = read_config(paths).map_err(|error| {
        let (last, before) = error.each().split_last().unwrap_or((&error, &[]));
        for error in before {
            out.aside(error.to_string());
        }
        Failure::usage(last.to_string())
    })?;
    senders(&config)?;
    config.check_tls().map_err(|error| Failure::usage(error.to_string()))?;
    let path = paths.config.display();
    let set = config.origins.len();
    let sentence = if paths.config.exists() {
        format!("{path} is right; {set} options are set, the others are at their defaults")
    } else {
        format!(
            "there is no {path}, so the defaults hold; `bellboard config show --example` prints a file to begin with"
        )
    };
    Ok(out.either(&json!({"right": true, "file": path.to_string(), "set": set}), sentence)?)
}
