//! `emit`: one event, durable when the command returns.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show::DestinationObject;
use crate::cli::wait::{self, Outcome};
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::event::NewEvent;
use crate::domain::payload::{BYTES_MAX, Payload};
use crate::store::Store;

/// Store one event and what follows from it
///
/// When this returns, the event and its deliveries are durable; a running console or `bellboard serve` sends them.
#[derive(Debug, Args)]
pub struct Emit {
    /// Whose event it is
    account: AccountKey,
    /// What happened, as server.stopped; see `bellboard event-types list`
    event_type: String,
    /// The payload, one JSON object: as text, @FILE, or - for stdin
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "{}")]
    data: String,
    /// A name of your own for this event: the same name again is the same event, and is not stored twice
    #[arg(long, value_name = "KEY")]
    id: Option<String>,
    /// Wait until all its deliveries have ended, and deliver here when no other process does; 30 seconds when not said
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "30",
          value_parser = wait::parse_limit)]
    wait: Option<Duration>,
    /// Store nothing; say who would get it and who would not, and why
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
}

impl Emit {
    /// Stores the event.
    ///
    /// # Errors
    /// When it is not taken, then nothing is stored; or as [`wait::wait_and_print`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let data = Payload::parse(&read_data(&self.data)?).map_err(|error| Failure::usage(error.to_string()))?;
        let event = NewEvent { account: self.account, event_type: self.event_type, data, idempotency_key: self.id };
        let store = session.open().await?;
        if self.dry_run {
            return preview(session, &store, &event).await;
        }
        let answer = store.accept(vec![event]).await?.pop();
        let accepted = answer.ok_or_else(|| Failure::usage("the store gave no answer"))??;
        match self.wait {
            Some(limit) => wait::wait_and_print(session, &store, accepted.id, limit).await,
            None => print(session, &store, accepted.id, accepted.duplicate).await,
        }
    }
}

/// The payload's text: as given, from `@FILE`, or from stdin for `-`. No more is read than a payload may have.
///
/// # Errors
/// When it cannot be read, or is too long or no UTF-8.
pub fn read_data(data: &str) -> Result<String, Failure> {
    let (source, name): (Box<dyn Read>, &str) = if data == "-" {
        (Box::new(io::stdin().lock()), "stdin")
    } else if let Some(path) = data.strip_prefix('@') {
        let file = File::open(path)
            .map_err(|error| Failure::usage(format!("the payload's file {path} cannot be read: {error}")))?;
        (Box::new(file), path)
    } else {
        return Ok(data.to_owned());
    };
    let mut bytes = Vec::new();
    source
        .take(BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("the payload cannot be read from {name}: {error}")))?;
    if bytes.len() > BYTES_MAX {
        return Err(Failure::usage(format!(
            "the payload in {name} has more than {BYTES_MAX} bytes; send less, or a link to it"
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("the payload in {name} is no UTF-8 text; send one JSON object")))
}

async fn print(
    session: &Session,
    store: &Store,
    id: crate::domain::id::EventId,
    duplicate: bool,
) -> Result<(), Failure> {
    let outcome = Outcome::read(store, id).await?;
    if session.out.json {
        return outcome.print(session.out, session.clock.now());
    }
    let event = &outcome.event;
    let so_far = if duplicate { "was stored before under this id" } else { "is stored" };
    session.out.line(format!("{id}: {} of {} {so_far}", event.event_type, event.account))?;
    outcome.print(session.out, session.clock.now())?;
    if outcome.deliveries.is_empty() { Ok(()) } else { session.say_when_nobody_delivers(store) }
}

#[derive(Serialize)]
struct PreviewObject<'a> {
    account: &'a AccountKey,
    event_type: &'a str,
    to: Vec<DestinationObject<'a>>,
    not_sent: Vec<NotSentObject>,
}

#[derive(Serialize)]
struct NotSentObject {
    channel: Channel,
    reason: String,
}

async fn preview(session: &Session, store: &Store, event: &NewEvent) -> Result<(), Failure> {
    let preview = store.preview(event).await??;
    let not_sent: Vec<NotSentObject> = preview
        .fan_out
        .not_sent
        .iter()
        .map(|(channel, why)| NotSentObject { channel: *channel, reason: why.text() })
        .collect();
    let to = preview.matrix.destinations.iter().filter(|destination| preview.fan_out.to.contains(&destination.id));
    if session.out.json {
        let to = to
            .map(|destination| DestinationObject { account: &event.account, destination, shown_once: None })
            .collect();
        let document = PreviewObject { account: &event.account, event_type: &event.event_type, to, not_sent };
        return Ok(session.out.document(&document)?);
    }
    let mut table = Table::new(["channel", "would go to", "why not"]);
    for destination in to {
        let label = format!("{} {}", destination.id, destination.label);
        table.row([destination.channel.to_string(), label, String::new()]);
    }
    for NotSentObject { channel, reason } in not_sent {
        table.row([channel.to_string(), "nobody".to_owned(), reason]);
    }
    Ok(session.out.table(&table)?)
}
