//! The options of `destinations add` and `edit`: made at run time from each channel's fields, with hyphens for underscores.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use crate::channels::field::{Field, FieldKind, PEM_BYTES_MAX};
use crate::channels::fields;
use crate::channels::form::{FieldError, typed_values, values_from_text};
use crate::cli::failure::Failure;
use crate::domain::channel::Channel;
use crate::domain::command::DestinationForm;
use crate::domain::destination::{Destination, DestinationState, FieldValue};

/// What was said about a destination, the channel's fields and all.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What to call it.
    pub label: Option<String>,
    /// What it narrows the matrix to.
    pub only: Option<Vec<String>>,
    /// Whether it is sent to.
    pub state: Option<DestinationState>,
    /// The channel's fields by name, as typed.
    pub fields: BTreeMap<String, String>,
}

/// A channel and what was said about a destination of it: a subcommand for each channel.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Which channel.
    pub channel: Channel,
    /// What was said.
    pub settings: Settings,
}

impl Settings {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.is_none() && !self.changes_form()
    }

    /// Whether anything but the state was said.
    #[must_use]
    pub fn changes_form(&self) -> bool {
        self.label.is_some() || self.only.is_some() || !self.fields.is_empty()
    }

    /// The form of a new destination: what was not said is at its default.
    ///
    /// # Errors
    /// Each field that cannot be taken.
    pub fn new_form(self, channel: Channel) -> Result<DestinationForm, Failure> {
        let fields = values_from_text(channel, &self.typed()?).map_err(|errors| wrong_fields(channel, &errors))?;
        Ok(DestinationForm { label: self.label.unwrap_or_default(), only: self.only.unwrap_or_default(), fields })
    }

    /// The form of a destination that is there: what was not said stays, and what was said to be empty goes.
    ///
    /// # Errors
    /// Each field that cannot be taken.
    pub fn edited_form(self, before: &Destination) -> Result<DestinationForm, Failure> {
        let typed = self.typed()?;
        let changed = typed_values(before.channel, &typed).map_err(|errors| wrong_fields(before.channel, &errors))?;
        let stays =
            |name: &String, value: &FieldValue| !typed.contains_key(name) && !matches!(value, FieldValue::Secret(_));
        let mut fields = before.fields.clone();
        fields.retain(|name, value| stays(name, value));
        fields.extend(changed);
        Ok(DestinationForm {
            label: self.label.unwrap_or_else(|| before.label.clone()),
            only: self.only.unwrap_or_else(|| before.only.clone()),
            fields,
        })
    }

    /// The fields as typed, with those read that stand in a file or come from stdin.
    fn typed(&self) -> Result<BTreeMap<String, String>, Failure> {
        self.fields.iter().map(|(name, text)| Ok((name.clone(), read_value(name, text)?))).collect()
    }
}

/// A field's value: as given, or from `@FILE` or `-`, so that a secret need not stand in the list of processes.
///
/// # Errors
/// When the file cannot be read, or holds no text.
pub fn read_value(name: &str, text: &str) -> Result<String, Failure> {
    let source: Box<dyn Read> = if text == "-" {
        Box::new(std::io::stdin().lock())
    } else if let Some(path) = text.strip_prefix('@') {
        let file = std::fs::File::open(path)
            .map_err(|error| Failure::usage(format!("{}: the file {path} cannot be read: {error}", option(name))))?;
        Box::new(file)
    } else {
        return Ok(text.to_owned());
    };
    let mut value = String::new();
    source
        .take(PEM_BYTES_MAX as u64 + 1)
        .read_to_string(&mut value)
        .map_err(|error| Failure::usage(format!("{}: no text can be read from {text}: {error}", option(name))))?;
    Ok(value)
}

fn wrong_fields(channel: Channel, errors: &[FieldError]) -> Failure {
    let each: Vec<String> = errors.iter().map(|error| format!("{}: {}", option(&error.field), error.message)).collect();
    Failure::usage(format!("{}; see `bellboard destinations add ACCOUNT {channel} --help`", each.join("; ")))
}

/// Whether people can type what a destination of this channel needs.
#[must_use]
pub fn is_set_up_by_hand(channel: Channel) -> bool {
    channel != Channel::Browser
}

/// A field's option: `base_url` is `--base-url`.
fn option(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

fn field_argument(field: &Field, help: String) -> Arg {
    let argument = Arg::new(field.name).long(field.name.replace('_', "-")).help(help).help_heading("Fields");
    match field.kind {
        FieldKind::Flag => argument.value_name("YES|NO").num_args(0..=1).default_missing_value("yes"),
        FieldKind::Choice(choices) => argument.value_parser(PossibleValuesParser::new(choices)),
        FieldKind::Headers => argument.value_name("NAME: VALUE").action(ArgAction::Append),
        FieldKind::Secret | FieldKind::SecretUrl => argument.value_name("VALUE|@FILE|-"),
        FieldKind::Certificates | FieldKind::PrivateKey => argument.value_name("PEM|@FILE|-"),
        FieldKind::Url => argument.value_name("URL"),
        FieldKind::Email => argument.value_name("ADDRESS"),
        FieldKind::Text | FieldKind::Room => argument.value_name("VALUE"),
    }
}

/// The options that every channel has.
fn common_arguments() -> [Arg; 3] {
    [
        Arg::new("label").long("label").value_name("TEXT").help("What to call it; the address in short when not said"),
        Arg::new("only")
            .long("only")
            .value_name("NAME,…")
            .value_delimiter(',')
            .action(ArgAction::Append)
            .help("Event types or groups it narrows the matrix to; empty for all that the matrix turns on"),
        Arg::new("state")
            .long("state")
            .value_parser(PossibleValuesParser::new(["enabled", "paused", "disabled"]))
            .help("Whether it is sent to, held, or not sent to"),
    ]
}

/// What is in the matches under the names of `fields`.
fn from_matches(matches: &ArgMatches, names: impl Iterator<Item = &'static str>) -> Settings {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let state = text("state").map(|state| match state.as_str() {
        "paused" => DestinationState::Paused,
        "disabled" => DestinationState::Disabled,
        _ => DestinationState::Enabled,
    });
    let only = matches
        .get_many::<String>("only")
        .map(|names| names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect());
    let mut given = BTreeMap::new();
    for name in names {
        if let Some(values) = matches.get_many::<String>(name) {
            given.insert(name.to_owned(), values.cloned().collect::<Vec<_>>().join("\n"));
        }
    }
    Settings { label: text("label"), only, state, fields: given }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let names: BTreeSet<&'static str> = all_fields().keys().copied().collect();
        Ok(from_matches(matches, names.into_iter()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Every field of any channel, with the channels that have it.
fn all_fields() -> BTreeMap<&'static str, Vec<(Channel, &'static Field)>> {
    let mut all: BTreeMap<&str, Vec<(Channel, &Field)>> = BTreeMap::new();
    for channel in Channel::ALL {
        for field in fields(channel) {
            all.entry(field.name).or_default().push((channel, field));
        }
    }
    all
}

impl Args for Settings {
    /// All fields of all channels: which channel it is, only the store knows.
    fn augment_args(command: Command) -> Command {
        let mut command = command.args(common_arguments());
        for channels in all_fields().values() {
            if let Some((_, field)) = channels.first() {
                let names: Vec<&str> = channels.iter().map(|(channel, _)| channel.name()).collect();
                command = command.arg(field_argument(field, format!("{} ({})", field.title, names.join(", "))));
            }
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ChannelSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let channel: Channel = name.parse().map_err(|_| missing())?;
        Ok(Self { channel, settings: from_matches(matches, fields(channel).iter().map(|field| field.name)) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for ChannelSettings {
    fn augment_subcommands(command: Command) -> Command {
        let subcommands = Channel::ALL.map(|channel| {
            let arguments = fields(channel).iter().map(|field| {
                let argument = field_argument(field, described(field));
                argument.required(field.required && field.default.is_empty())
            });
            Command::new(channel.name()).about(about(channel)).args(arguments).args(common_arguments())
        });
        command
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("CHANNEL")
            .subcommand_help_heading("Channels")
            .disable_help_subcommand(true)
            .subcommands(subcommands)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name.parse::<Channel>().is_ok()
    }
}

fn about(channel: Channel) -> String {
    format!("Set up {}", channel.title())
}

/// What the help says about a field.
fn described(field: &Field) -> String {
    let default = if field.default.is_empty() { String::new() } else { format!(" [default: {}]", field.default) };
    if field.help.is_empty() {
        format!("{}{default}", field.title)
    } else {
        format!("{}: {}{default}", field.title, field.help)
    }
}
