//! `prune`: what the process that delivers does every hour, now: removes what ended long ago.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::cli::confirm::{DECLINED, confirm};
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::show::counted;
use crate::domain::command::Command;
use crate::domain::time::{Timestamp, parse_duration};
use crate::store::Store;
use crate::store::prune::Place;

/// What to remove.
#[derive(Debug, Args)]
pub struct Prune {
    /// What ended longer ago than this, as 30d [default: delivery.keep of the config]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Only count
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// The rest after a step, for others who write.
const REST: Duration = Duration::from_millis(20);

#[derive(Serialize)]
struct PrunedObject {
    before: Timestamp,
    events: u64,
    others: u64,
    removed: bool,
    bytes_before: u64,
    bytes_after: u64,
}

impl Prune {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        let keep = self.older_than.unwrap_or(session.config.delivery.keep);
        let before = session.clock.now().minus(keep);
        let bytes_before = store.bytes().await?;
        let count = count(&store, before).await?;
        let question = format!("Remove {} that ended before {before}?", counted_events(count));
        let mut others = 0;
        let sure = !self.dry_run && count > 0 && confirm(session.out, &question, self.yes)?;
        let mut events = count;
        if sure {
            session.change(&store, Command::Prune { before }).await?;
            (events, others) = remove(session, &store, before).await?;
        }
        let bytes_after = store.bytes().await?;
        let says = if self.dry_run {
            format!("{} would go that ended before {before}", counted_events(count))
        } else if count == 0 {
            format!("nothing ended before {before}, so nothing goes")
        } else if !sure {
            DECLINED.to_owned()
        } else {
            let freed = bytes_before.saturating_sub(bytes_after);
            format!(
                "{} went with all that belonged to them, and {others} ended replays and old failures; the file is {freed} bytes smaller",
                counted_events(events)
            )
        };
        Ok(session
            .out
            .either(&PrunedObject { before, events, others, removed: sure, bytes_before, bytes_after }, &says)?)
    }
}

fn counted_events(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "event", "events")
}

async fn count(store: &Store, before: Timestamp) -> Result<u64, Failure> {
    let (mut from, mut count) = (Place::default(), 0);
    loop {
        let step = store.count_prunable(before, from).await?;
        count += step.events;
        match step.next {
            Some(next) => from = next,
            None => return Ok(count),
        }
    }
}

async fn remove(session: &Session, store: &Store, before: Timestamp) -> Result<(u64, u64), Failure> {
    let shown = io::stderr().is_terminal();
    let (mut from, mut removed) = (Place::default(), 0);
    loop {
        let step = store.prune(before, from).await?;
        removed += step.events;
        if shown {
            session.out.progress(&format!("{removed} events removed"));
        }
        match step.next {
            Some(next) => from = next,
            None => break,
        }
        tokio::time::sleep(REST).await;
    }
    let mut others = 0;
    loop {
        let gone = store.prune_others(before).await?;
        if gone == 0 {
            break;
        }
        others += gone;
        tokio::time::sleep(REST).await;
    }
    while store.give_back().await? {
        tokio::time::sleep(REST).await;
    }
    if shown {
        session.out.progress("");
    }
    Ok((removed, others))
}
