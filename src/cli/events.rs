//! `events`: what happened to accounts.

use clap::{Args, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::query::Moment;
use crate::cli::session::Session;
use crate::cli::show;
use crate::domain::account::AccountKey;
use crate::domain::catalogue::normal_name;
use crate::domain::id::EventId;
use crate::store::Store;
use crate::store::events::{EventBrief, EventFilter};

/// What to do with events.
#[derive(Debug, Subcommand)]
pub enum Events {
    /// List events, the newest first
    List(List),
    /// Show one event as it came in
    Show {
        /// Which, as evt_…
        event: EventId,
    },
}

/// Which events to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only of this account
    #[arg(long, value_name = "KEY")]
    account: Option<AccountKey>,
    /// Only of this type
    #[arg(long, value_name = "NAME")]
    event_type: Option<String>,
    /// Only since then: 2h (ago), 2026-05-04, or 2026-05-04T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Only until then, written likewise
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    until: Option<Moment>,
    /// Only those before this event: the next page
    #[arg(long, value_name = "ID")]
    before: Option<EventId>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl Events {
    /// Answers.
    ///
    /// # Errors
    /// When there is no such event or account.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        match self {
            Self::List(which) => list(session, &store, which).await,
            Self::Show { event } => show_one(session, &store, event).await,
        }
    }
}

async fn list(session: &Session, store: &Store, which: List) -> Result<(), Failure> {
    if let Some(account) = &which.account {
        store.account(account).await?;
    }
    let now = session.clock.now();
    let filter = EventFilter {
        account: which.account,
        event_type: which.event_type.as_deref().map(|name| normal_name(name).to_owned()),
        since: which.since.map(|moment| moment.from(now)),
        until: which.until.map(|moment| moment.from(now)),
        before: which.before,
        limit: which.limit,
    };
    let events = store.events(&filter).await?;
    if session.out.json {
        let mut whole = Vec::with_capacity(events.len());
        for brief in &events {
            whole.push(store.event(&brief.id).await?);
        }
        return Ok(session.out.document(&whole)?);
    }
    let when_empty =
        "there are no such events; send one: bellboard emit ACCOUNT server.stopped --data '{\"server\": \"web1\"}'";
    Ok(session.out.list(&events, table, when_empty)?)
}

fn table(events: &[EventBrief]) -> Table {
    let mut table = Table::new(["event", "received", "account", "event type"]);
    for event in events {
        let event_type = if event.test { format!("{} (test)", event.event_type) } else { event.event_type.clone() };
        table.row([event.id.to_string(), show::time(event.received_at), event.account.to_string(), event_type]);
    }
    table
}

async fn show_one(session: &Session, store: &Store, id: EventId) -> Result<(), Failure> {
    let event = store.event(&id).await?;
    if session.out.json {
        return Ok(session.out.document(&event)?);
    }
    let test = if event.test { ", a test" } else { "" };
    session.out.line(format!("{}: {} of {}{test}", event.id, event.event_type, event.account))?;
    session.out.line(format!("received {}", show::time(event.received_at)))?;
    // Set in, since a member may be called as one of the lines around it.
    let mut table = Table::new(["  field", "value"]);
    for (name, value) in event.data.members() {
        table.row([format!("  {name}"), value]);
    }
    session.out.table(&table)?;
    Ok(session.out.line(format!("what became of it: bellboard why {id}"))?)
}
