//! The sample accounts of `assets/demo/accounts.toml`, put into a store by the same commands that people use.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::channels::form;
use crate::domain::account::{AccountKey, AccountStatus, Profile};
use crate::domain::catalogue::Severity;
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, CellChange, Command, DestinationForm};
use crate::domain::matrix::CellSetting;
use crate::store::Store;
use crate::store::error::CommandError;
use crate::store::matrix::MatrixView;

const ACCOUNTS: &str = include_str!("../../../assets/demo/accounts.toml");

/// What stands behind a sample destination in the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Receiver {
    /// Takes all at once.
    Good,
    /// Takes all after some seconds.
    Slow,
    /// Fails for a while and recovers, again and again.
    Flaky,
    /// Has never heard of that address.
    Missing,
    /// Fails at whatever it is sent.
    Broken,
    /// Was there once, and says that it will not be again.
    Gone,
    /// Takes what is sent, and never answers.
    Silent,
    /// Speaks like Slack.
    Slack,
    /// Speaks like HipChat.
    Hipchat,
}

impl Receiver {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Good,
        Self::Slow,
        Self::Flaky,
        Self::Missing,
        Self::Broken,
        Self::Gone,
        Self::Silent,
        Self::Slack,
        Self::Hipchat,
    ];

    /// The first part of its address's path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Slow => "slow",
            Self::Flaky => "flaky",
            Self::Missing => "missing",
            Self::Broken => "broken",
            Self::Gone => "gone",
            Self::Silent => "silent",
            Self::Slack => "slack",
            Self::Hipchat => "hipchat",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Samples {
    account: Vec<Sample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    key: String,
    name: String,
    email: String,
    timezone: String,
    on: BTreeMap<Channel, Vec<String>>,
    off: BTreeMap<Channel, Vec<String>>,
    #[serde(default)]
    destination: Vec<SampleDestination>,
    #[serde(default)]
    event_type: Vec<SampleType>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleDestination {
    channel: Channel,
    label: String,
    receiver: Option<Receiver>,
    #[serde(default)]
    only: Vec<String>,
    fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleType {
    name: String,
    title: String,
    group: String,
    severity: Severity,
}

/// Fields that hold an address.
const ADDRESS_FIELDS: [&str; 2] = ["url", "base_url"];

/// Fills in the sample accounts; those whose key is there already are passed over. `addresses` gives the base address of a
/// destination's receiver, for one that has any.
///
/// # Errors
/// When the store refuses one; those before it are there then.
pub async fn fill(
    store: &Store,
    actor: &Actor,
    addresses: impl Fn(Receiver) -> Option<String> + Sync,
) -> Result<Vec<AccountKey>, CommandError> {
    let samples: Samples = toml::from_str(ACCOUNTS).map_err(|error| CommandError::Invalid(error.to_string()))?;
    let mut keys = Vec::new();
    for sample in samples.account {
        let key: AccountKey = sample.key.parse().map_err(invalid)?;
        if store.account(&key).await.is_err() {
            add(store, actor, &key, sample, &addresses).await?;
            keys.push(key);
        }
    }
    Ok(keys)
}

async fn add(
    store: &Store,
    actor: &Actor,
    key: &AccountKey,
    sample: Sample,
    addresses: &(impl Fn(Receiver) -> Option<String> + Sync),
) -> Result<(), CommandError> {
    let profile =
        Profile::new(&sample.name, &sample.email, &sample.timezone, AccountStatus::Active).map_err(invalid)?;
    store.run(actor, Command::AddAccount { key: key.clone(), profile }).await?;
    for own in sample.event_type {
        let SampleType { name, title, group, severity } = own;
        let account = key.clone();
        store.run(actor, Command::AddEventType { account, name, title, group, severity, recovers: None }).await?;
    }
    for destination in sample.destination {
        let channel = destination.channel;
        let form = destination.form(addresses)?;
        store.run(actor, Command::AddDestination { account: key.clone(), channel, form }).await?;
    }
    let view = store.matrix(key).await?;
    let mut cells = changes(&view, &sample.on, CellSetting::On);
    cells.extend(changes(&view, &sample.off, CellSetting::Off));
    store.run(actor, Command::SetCells { account: key.clone(), cells }).await?;
    Ok(())
}

impl SampleDestination {
    fn form(self, addresses: &impl Fn(Receiver) -> Option<String>) -> Result<DestinationForm, CommandError> {
        let mut fields = self.fields;
        if let Some(base) = self.receiver.and_then(addresses) {
            for name in ADDRESS_FIELDS {
                if let Some(address) = fields.get_mut(name) {
                    address.clone_from(&base);
                }
            }
        }
        let fields = form::values_from_text(self.channel, &fields).map_err(CommandError::Fields)?;
        Ok(DestinationForm { label: self.label, only: self.only, fields })
    }
}

/// The cells that a list of types, groups or `all` names for each channel.
fn changes(view: &MatrixView, named: &BTreeMap<Channel, Vec<String>>, to: CellSetting) -> Vec<CellChange> {
    let mut cells = Vec::new();
    for (channel, names) in named {
        for event_type in view.catalogue.types() {
            let is_named = |name: &String| name == "all" || *name == event_type.group || *name == event_type.name;
            if names.iter().any(is_named) {
                cells.push(CellChange { event_type: event_type.name.clone(), channel: *channel, to });
            }
        }
    }
    cells
}

fn invalid(error: impl std::fmt::Display) -> CommandError {
    CommandError::Invalid(format!("a sample account is wrong: {error}"))
}
