//! `destinations`: where the notifications of an account go.

pub mod settings;

pub mod invite;

pub mod rotate;

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::channels;
use crate::cli::confirm::{DECLINED, confirm};
use crate::cli::destinations::rotate::Rotate;
use crate::cli::destinations::settings::{ChannelSettings, Settings};
use crate::cli::failure::{EXIT_REFUSED, Failure};
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show::{self, DestinationObject, DoneObject};
use crate::cli::wait;
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::{Command, Done};
use crate::domain::delivery::DeliveryState;
use crate::domain::destination::{Destination, DestinationState};
use crate::domain::id::DestinationId;
use crate::domain::secret::Secret;
use crate::store::Store;
use crate::store::deliveries::DeliveryFilter;

/// What to do with destinations.
#[derive(Debug, Subcommand)]
pub enum Destinations {
    /// List an account's destinations
    List {
        /// Whose
        account: AccountKey,
        /// Only those of this channel
        #[arg(long)]
        channel: Option<Channel>,
    },
    /// Add a destination; `bellboard destinations add ACCOUNT CHANNEL --help` lists the channel's fields
    Add {
        /// Whose
        account: AccountKey,
        /// Which channel, with its fields.
        #[command(subcommand)]
        settings: ChannelSettings,
    },
    /// Make a code by which one browser or app of the account enrols itself, within an hour
    Invite {
        /// Whose
        account: AccountKey,
        /// browser or ios
        channel: Channel,
    },
    /// Show one destination; secrets are masked
    Show {
        /// Which, as `dst_17`
        destination: DestinationId,
    },
    /// Change a destination; what is not named stays
    Edit {
        /// Which, as `dst_17`
        destination: DestinationId,
        /// What changes.
        #[command(flatten)]
        settings: Settings,
    },
    /// Sign with a new secret; the old one is valid too for a while
    Rotate(Rotate),
    /// Send a sample event to one destination only
    Test(Test),
    /// Hold what comes until it is enabled again
    Pause {
        /// Which, as `dst_17`
        destination: DestinationId,
    },
    /// Send again, and what was held
    Enable {
        /// Which, as `dst_17`
        destination: DestinationId,
        /// Send what it missed too, since it began to fail or was disabled: what failed, and what was never sent
        #[arg(long)]
        replay_missed: bool,
    },
    /// Note what comes as not sent; what waits is cancelled
    Disable {
        /// Which, as `dst_17`
        destination: DestinationId,
    },
    /// Remove a destination; what waits for it is cancelled
    Remove {
        /// Which, as `dst_17`
        destination: DestinationId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// A test.
#[derive(Debug, Args)]
pub struct Test {
    /// Which, as `dst_17`
    destination: DestinationId,
    /// A sample of this type instead of a plain one
    #[arg(long, value_name = "NAME")]
    event_type: Option<String>,
    /// Wait until it has ended, and deliver here when no other process does; 30 seconds when not said
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "30",
          value_parser = wait::parse_limit)]
    wait: Option<Duration>,
}

impl Destinations {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done; nothing has changed then.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        match self {
            Self::List { account, channel } => list(session, &store, &account, channel).await,
            Self::Add { account, settings } => add(session, &store, account, settings).await,
            Self::Invite { account, channel } => invite::run(session, &store, account, channel).await,
            Self::Show { destination } => show_one(session, &store, destination).await,
            Self::Edit { destination, settings } => edit(session, &store, destination, settings).await,
            Self::Rotate(rotate) => rotate.run(session, &store).await,
            Self::Test(test) => test.run(session, &store).await,
            Self::Pause { destination } => set_state(session, &store, destination, DestinationState::Paused).await,
            Self::Enable { destination, replay_missed } => enable(session, &store, destination, replay_missed).await,
            Self::Disable { destination } => set_state(session, &store, destination, DestinationState::Disabled).await,
            Self::Remove { destination, yes } => remove(session, &store, destination, yes).await,
        }
    }
}

async fn list(session: &Session, store: &Store, account: &AccountKey, channel: Option<Channel>) -> Result<(), Failure> {
    let destinations = store.destinations(account, channel).await?;
    if session.out.json {
        let objects: Vec<DestinationObject<'_>> = destinations
            .iter()
            .map(|destination| DestinationObject { account, destination, shown_once: None })
            .collect();
        return Ok(session.out.document(&objects)?);
    }
    let when_empty = format!(
        "{account} has no such destination; add one: bellboard destinations add {account} webhook --url https://…"
    );
    Ok(session.out.list(&destinations, show::destinations, &when_empty)?)
}

async fn add(session: &Session, store: &Store, account: AccountKey, new: ChannelSettings) -> Result<(), Failure> {
    let ChannelSettings { channel, settings } = new;
    if !settings::is_set_up_by_hand(channel) {
        let sentence =
            format!("a {channel} enrols itself; make a link for it: bellboard destinations invite {account} {channel}");
        return Err(Failure::new(EXIT_REFUSED, sentence));
    }
    let state = settings.state;
    let form = settings.new_form(channel)?;
    let mut done = session.change(store, Command::AddDestination { account, channel, form }).await?;
    if let (Some(id), Some(state)) = (done.destination, state.filter(|state| *state != DestinationState::Enabled)) {
        done.says = session.change(store, Command::SetDestinationState { id, state }).await?.says;
    }
    print_changed(session, store, &done).await
}

async fn edit(session: &Session, store: &Store, id: DestinationId, settings: Settings) -> Result<(), Failure> {
    let (_, before) = store.destination(id).await?;
    let state = settings.state;
    if settings.is_empty() {
        return Err(Failure::usage(format!(
            "say what to change; `bellboard destinations show {id}` has the fields and `bellboard destinations edit --help` their options"
        )));
    }
    let mut done = Done { destination: Some(id), ..Done::default() };
    if settings.changes_form() {
        let form = settings.edited_form(&before)?;
        done = session.change(store, Command::EditDestination { id, form, over: Some(before.revision) }).await?;
    }
    if let Some(state) = state {
        let changed = session.change(store, Command::SetDestinationState { id, state }).await?;
        done.says = if done.says.is_empty() { changed.says } else { format!("{}; {}", done.says, changed.says) };
    }
    print_changed(session, store, &done).await
}

/// Enables it, and sends what it missed meanwhile: when that was said, or is agreed to on a terminal. Else it says how to.
async fn enable(session: &Session, store: &Store, id: DestinationId, replay_missed: bool) -> Result<(), Failure> {
    let since = store.missing_since(id).await?;
    set_state(session, store, id, DestinationState::Enabled).await?;
    let Some(since) = since else { return Ok(()) };
    let filter = DeliveryFilter { destination: Some(id), since: Some(since), ..DeliveryFilter::default() };
    let failed = DeliveryFilter { state: Some(DeliveryState::Failed), ..filter.clone() };
    let (failed, missed) = (store.plan_again(&failed).await?, store.plan_missed(&filter).await?);
    let counts = (failed.items.len(), missed.items.len());
    if counts == (0, 0) {
        return Ok(());
    }
    if session.out.json && !replay_missed {
        return Ok(());
    }
    if !replay_missed {
        session.out.line(format!("since {since} {} failed there and {} were never sent", counts.0, counts.1))?;
    }
    let is_anybody_there = io::stdin().is_terminal() && io::stderr().is_terminal();
    if replay_missed || (is_anybody_there && confirm(session.out, "Send these now?", false)?) {
        let what = format!("failed or never sent {}", filter.words(|at| at.to_string()));
        let items = failed.items.into_iter().chain(missed.items).collect();
        let done = session.change(store, Command::StartReplay { account: None, what, items }).await?;
        return if session.out.json { Ok(()) } else { Ok(session.out.line(&done.says)?) };
    }
    let options = format!("--destination {id} --since {since}");
    session.out.line(format!("`bellboard deliveries replay {options}` sends what failed once more"))?;
    Ok(session.out.line(format!("`bellboard deliveries send-missed {options}` sends what was never tried"))?)
}

async fn set_state(
    session: &Session,
    store: &Store,
    id: DestinationId,
    state: DestinationState,
) -> Result<(), Failure> {
    let done = session.change(store, Command::SetDestinationState { id, state }).await?;
    print_changed(session, store, &Done { destination: Some(id), ..done }).await
}

/// Prints the destination that a change made or moved, and a secret that was made for it: this once, and never again.
async fn print_changed(session: &Session, store: &Store, done: &Done) -> Result<(), Failure> {
    let Some(id) = done.destination else { return Ok(session.out.line(&done.says)?) };
    let (account, destination) = store.destination(id).await?;
    let shown_once = done.secret.as_ref().map(Secret::expose);
    let object = DestinationObject { account: &account.key, destination: &destination, shown_once };
    session.out.either(&object, format!("{} ({id})", done.says))?;
    if let (Some(secret), false) = (shown_once, session.out.json) {
        session.out.line(format!("signing secret, shown this once: {secret}"))?;
    }
    Ok(())
}

async fn show_one(session: &Session, store: &Store, id: DestinationId) -> Result<(), Failure> {
    let (account, destination) = store.destination(id).await?;
    if session.out.json {
        let object = DestinationObject { account: &account.key, destination: &destination, shown_once: None };
        return Ok(session.out.document(&object)?);
    }
    let Destination { label, channel, state, .. } = &destination;
    session.out.line(format!("{id}: {label}, {channel} of {}, {}", account.key, state.name()))?;
    let mut table = Table::new(["field", "value"]);
    table.row(["label".to_owned(), label.clone()]);
    table.row(["only".to_owned(), destination.only.join(", ")]);
    for (name, value) in &destination.fields {
        table.row([name.clone(), channels::shown(destination.channel, name, value)]);
    }
    for (name, value) in [("state reason", &destination.state_reason), ("last failure", &destination.last_failure)] {
        if let Some(value) = value {
            table.row([name.to_owned(), value.clone()]);
        }
    }
    if let Some(since) = destination.failing_since {
        table.row(["failing since".to_owned(), show::time(since)]);
    }
    Ok(session.out.table(&table)?)
}

async fn remove(session: &Session, store: &Store, id: DestinationId, yes: bool) -> Result<(), Failure> {
    let (account, destination) = store.destination(id).await?;
    let question = format!("Remove {} ({id}), {} of {}?", destination.label, destination.channel, account.key);
    if !confirm(session.out, &question, yes)? {
        return Ok(session.out.either(&json!({"says": DECLINED}), DECLINED)?);
    }
    let done = session.change(store, Command::RemoveDestination { id }).await?;
    Ok(session.out.either(&json!({"says": done.says, "removed": id}), &done.says)?)
}

impl Test {
    async fn run(self, session: &Session, store: &Store) -> Result<(), Failure> {
        let command = Command::TestDestination { id: self.destination, event_type: self.event_type };
        let done = session.change(store, command).await?;
        let Some((limit, delivery)) = self.wait.zip(done.deliveries.first().copied()) else {
            session.out.either(&DoneObject::from(&done), &done.says)?;
            return session.say_when_nobody_delivers(store);
        };
        let event = store.delivery(delivery).await?.event.id;
        wait::wait_and_print(session, store, event, limit).await
    }
}
