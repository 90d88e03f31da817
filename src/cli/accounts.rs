//! `accounts`: the customers.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;

use crate::cli::confirm::{DECLINED, confirm};
use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show::{self, DoneObject};
use crate::domain::account::{Account, AccountKey, AccountStatus, Profile};
use crate::domain::command::Command;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::accounts::{AccountFilter, AccountOrder, AccountRow};

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum Accounts {
    /// List accounts, and what is wrong with each
    List(List),
    /// Show one account and where its notifications go
    Show {
        /// Which
        key: AccountKey,
    },
    /// Add an account; its owner's address is its first email destination
    Add(Add),
    /// Change what is known of an account; what is not named stays
    Edit(Edit),
    /// Remove an account with its set-up, events and deliveries; this cannot be undone
    Remove {
        /// Which
        key: AccountKey,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Give one account another's matrix, event types and destinations
    Copy {
        /// Whose to take
        from: AccountKey,
        /// Who gets them
        to: AccountKey,
    },
}

/// Which accounts to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only those whose key or name has these letters in this order
    text: Option<String>,
    /// Only those with a failing or disabled destination
    #[arg(long)]
    trouble: bool,
    /// In which order
    #[arg(long, value_enum, default_value = "name")]
    sort: Sort,
    /// How many at most
    #[arg(long, default_value_t = 200)]
    limit: u32,
}

/// In which order accounts are listed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Sort {
    /// By their names
    Name,
    /// Those with most failing or disabled destinations first
    Failures,
    /// Those with the newest event first
    Recent,
}

impl From<Sort> for AccountOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Name => Self::Name,
            Sort::Failures => Self::Trouble,
            Sort::Recent => Self::Recent,
        }
    }
}

/// What is known of a new account.
#[derive(Debug, Args)]
pub struct Add {
    /// The short key that people type and scripts use, as acme
    key: AccountKey,
    /// The name that people read
    #[arg(long)]
    name: String,
    /// The owner's address
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// The zone in which times are written to this customer, as Europe/Vienna
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    timezone: String,
}

/// What changes.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, id = "change")]
pub struct Edit {
    /// Which
    #[arg(group = "which")]
    key: AccountKey,
    /// The name that people read
    #[arg(long, group = "change")]
    name: Option<String>,
    /// The owner's address
    #[arg(long, value_name = "ADDRESS", group = "change")]
    email: Option<String>,
    /// The zone in which times are written to this customer
    #[arg(long, value_name = "ZONE", group = "change")]
    timezone: Option<String>,
    /// Whether it is served
    #[arg(long, group = "change")]
    status: Option<Status>,
}

/// Whether an account is served.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Status {
    /// Notifications go out
    Active,
    /// Nothing goes out but the notice of the suspension itself
    Suspended,
}

impl Accounts {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done; nothing has changed then.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        match self {
            Self::List(which) => list(session, &store, &which).await,
            Self::Show { key } => show(session, &store, &key).await,
            Self::Add(add) => {
                let profile = profile(&add.name, &add.email, &add.timezone, AccountStatus::Active)?;
                change(session, &store, Command::AddAccount { key: add.key.clone(), profile }, &add.key).await
            }
            Self::Edit(edit) => {
                let before = store.account(&edit.key).await?;
                let (key, profile) = (edit.key.clone(), edit.applied_to(&before)?);
                let command = Command::EditAccount { key, profile, over: Some(before.profile) };
                change(session, &store, command, &edit.key).await
            }
            Self::Remove { key, yes } => remove(session, &store, key, yes).await,
            Self::Copy { from, to } => {
                let done = session.change(&store, Command::CopySetup { from, to }).await?;
                Ok(session.out.either(&DoneObject::from(&done), &done.says)?)
            }
        }
    }
}

impl Edit {
    fn applied_to(&self, account: &Account) -> Result<Profile, Failure> {
        let before = &account.profile;
        let status = match self.status {
            None => before.status,
            Some(Status::Active) => AccountStatus::Active,
            Some(Status::Suspended) => AccountStatus::Suspended,
        };
        profile(
            self.name.as_deref().unwrap_or(&before.name),
            self.email.as_deref().unwrap_or(&before.owner_email),
            self.timezone.as_deref().unwrap_or(&before.timezone),
            status,
        )
    }
}

fn profile(name: &str, email: &str, timezone: &str, status: AccountStatus) -> Result<Profile, Failure> {
    Profile::new(name, email, timezone, status).map_err(|error| Failure::usage(error.to_string()))
}

#[derive(Serialize)]
struct AccountObject<'a> {
    #[serde(flatten)]
    account: &'a Account,
    failing: u32,
    disabled: u32,
    waiting: u32,
    last_event_at: Option<Timestamp>,
}

impl<'a> From<&'a AccountRow> for AccountObject<'a> {
    fn from(row: &'a AccountRow) -> Self {
        let AccountRow { account, failing, disabled, waiting, last_event_at } = row;
        Self { account, failing: *failing, disabled: *disabled, waiting: *waiting, last_event_at: *last_event_at }
    }
}

async fn list(session: &Session, store: &Store, which: &List) -> Result<(), Failure> {
    let filter = AccountFilter {
        text: which.text.clone().unwrap_or_default(),
        trouble_only: which.trouble,
        order: which.sort.into(),
        limit: which.limit,
    };
    let rows = store.accounts(&filter).await?;
    let objects: Vec<AccountObject<'_>> = rows.iter().map(AccountObject::from).collect();
    let when_empty = if which.text.is_some() || which.trouble {
        "no account is like that; `bellboard accounts list` has them all"
    } else {
        "there are no accounts yet; add one: bellboard accounts add acme --name \"Acme Ltd\" --email ops@acme.example"
    };
    Ok(session.out.list(&objects, table, when_empty)?)
}

fn table(objects: &[AccountObject<'_>]) -> Table {
    let mut table = Table::new(["key", "name", "status", "failing", "disabled", "waiting", "last event"]);
    for object in objects {
        table.row([
            object.account.key.to_string(),
            object.account.profile.name.clone(),
            object.account.profile.status.name().to_owned(),
            object.failing.to_string(),
            object.disabled.to_string(),
            object.waiting.to_string(),
            object.last_event_at.map(show::time).unwrap_or_default(),
        ]);
    }
    table
}

async fn show(session: &Session, store: &Store, key: &AccountKey) -> Result<(), Failure> {
    let account = store.account(key).await?;
    if session.out.json {
        return Ok(session.out.document(&account)?);
    }
    let profile = &account.profile;
    session.out.line(format!("{}: {}, {}", account.key, profile.name, profile.status.name()))?;
    session.out.line(format!(
        "owner {}, time zone {}, since {}",
        profile.owner_email,
        profile.timezone,
        show::time(account.created_at)
    ))?;
    let destinations = store.destinations(key, None).await?;
    if destinations.is_empty() {
        return Ok(session
            .out
            .line(format!("nothing can be delivered yet; see `bellboard destinations add {key} --help`"))?);
    }
    Ok(session.out.table(&show::destinations(&destinations))?)
}

async fn change(session: &Session, store: &Store, command: Command, key: &AccountKey) -> Result<(), Failure> {
    let done = session.change(store, command).await?;
    let account = store.account(key).await?;
    Ok(session.out.either(&account, &done.says)?)
}

async fn remove(session: &Session, store: &Store, key: AccountKey, yes: bool) -> Result<(), Failure> {
    let name = store.account(&key).await?.profile.name;
    let question = format!("Remove {name} ({key}) with its set-up, events and deliveries?");
    if !confirm(session.out, &question, yes)? {
        return Ok(session.out.either(&json!({"says": DECLINED}), DECLINED)?);
    }
    let done = session.change(store, Command::RemoveAccount { key: key.clone() }).await?;
    Ok(session.out.either(&json!({"says": done.says, "removed": key}), &done.says)?)
}
