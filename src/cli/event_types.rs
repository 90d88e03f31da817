//! `event-types`: the rows of the matrix; fifteen are built in, an account may have its own.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::domain::account::AccountKey;
use crate::domain::catalogue::{EventType, Severity, built_in};
use crate::domain::command::Command;

/// What to do with event types.
#[derive(Debug, Subcommand)]
pub enum EventTypes {
    /// List the built-in event types, or all of an account
    List {
        /// Whose own to list as well
        account: Option<AccountKey>,
    },
    /// Add an event type of an account's own
    Add(Add),
    /// Remove an event type of an account's own; its events stay
    Remove {
        /// Whose
        account: AccountKey,
        /// Which
        name: String,
    },
}

/// A new event type.
#[derive(Debug, Args)]
pub struct Add {
    /// Whose
    account: AccountKey,
    /// Its name, as disk.full
    name: String,
    /// What people read, as "Disk is full" [default: the name]
    #[arg(long)]
    title: Option<String>,
    /// The group it stands in
    #[arg(long, default_value = "custom")]
    group: String,
    /// How it is meant: success, info, failure or recovery [default: info, with --recovers recovery]
    #[arg(long, value_parser = Severity::parse)]
    severity: Option<Severity>,
    /// The failure that it ends, as disk.full: its messages then say for how long that lasted
    #[arg(long, value_name = "NAME")]
    recovers: Option<String>,
}

impl EventTypes {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done; nothing has changed then.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List { account } => {
                let types = match account {
                    None => built_in(),
                    Some(account) => {
                        let catalogue = session.open().await?.catalogue(&account).await?;
                        catalogue.types().iter().map(|kind| kind.as_ref().clone()).collect()
                    }
                };
                Ok(session.out.list(&types, table, "")?)
            }
            Self::Add(add) => {
                let title = add.title.unwrap_or_else(|| add.name.clone());
                let Add { account, name, group, severity, recovers, .. } = add;
                let severity = severity.unwrap_or(if recovers.is_some() { Severity::Recovery } else { Severity::Info });
                let store = session.open().await?;
                let (of, name_given) = (account.clone(), name.clone());
                let command = Command::AddEventType { account: of, name: name_given, title, group, severity, recovers };
                let done = session.change(&store, command).await?;
                let catalogue = store.catalogue(&account).await?;
                Ok(session.out.either(&catalogue.get(&name), &done.says)?)
            }
            Self::Remove { account, name } => {
                let store = session.open().await?;
                let done = session.change(&store, Command::RemoveEventType { account, name: name.clone() }).await?;
                Ok(session.out.either(&json!({"says": done.says, "removed": name}), &done.says)?)
            }
        }
    }
}

fn table(types: &[EventType]) -> Table {
    let mut table = Table::new(["event type", "group", "severity", "meaning", ""]);
    for event_type in types {
        let recovers = event_type.recovers.as_ref().map(|name| format!("recovers {name}"));
        let own = (!event_type.built_in).then(|| "the account's own".to_owned());
        table.row([
            event_type.name.clone(),
            event_type.group.clone(),
            event_type.severity.name().to_owned(),
            event_type.title.clone(),
            recovers.or(own).unwrap_or_default(),
        ]);
    }
    table
}
