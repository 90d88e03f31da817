//! `prune`: what the process that delivers does beside the deliveries, now: removes what ended long ago, and goes through with the
//! removals and cancellations that were too large for the command that asked for them.

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
use crate::store::ending::Endings;
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
    /// Rows of removals and cancellations that had been asked for before.
    ended: u64,
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
        let endings = store.endings().await?;
        let question = format!("Remove {} that ended before {before}?", counted_events(count));
        let sure = !self.dry_run && count > 0 && confirm(session.out, &question, self.yes)?;
        let mut removed = Removed::default();
        if sure {
            session.change(&store, Command::Prune { before }).await?;
            removed = remove(session, &store, before).await?;
        }
        // What somebody has asked for already is not asked again.
        if sure || (!self.dry_run && count == 0 && !endings.are_none()) {
            let rows = go_through(session, &store).await?;
            // Else these are the parts of events that went just now.
            removed.ended = if endings.are_none() { 0 } else { rows };
        }
        let bytes_after = store.bytes().await?;
        let says = if self.dry_run {
            format!("{} would go that ended before {before}", counted_events(count))
        } else if count == 0 {
            format!("nothing ended before {before}, so nothing goes")
        } else if !sure {
            DECLINED.to_owned()
        } else {
            let Removed { events, others, .. } = removed;
            let freed = bytes_before.saturating_sub(bytes_after);
            format!(
                "{} went with all that belonged to them, and {others} ended replays and old failures; the file is {freed} bytes smaller",
                counted_events(events)
            )
        };
        let also = if removed.ended > 0 {
            format!("; {} of earlier removals and cancellations are done", counted_rows(removed.ended))
        } else if self.dry_run && !endings.are_none() {
            format!("; and what is left of {}", words(endings))
        } else {
            String::new()
        };
        let events = if sure { removed.events } else { count };
        let Removed { others, ended, .. } = removed;
        let object = PrunedObject { before, events, others, ended, removed: sure, bytes_before, bytes_after };
        Ok(session.out.either(&object, format!("{says}{also}"))?)
    }
}

/// What went.
#[derive(Clone, Copy, Debug, Default)]
struct Removed {
    events: u64,
    others: u64,
    ended: u64,
}

/// What is at an end and still in the file, as `1 removal and 2 cancelled backlogs`.
pub(crate) fn words(endings: Endings) -> String {
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let removals = (endings.accounts > 0).then(|| counted(count(endings.accounts), "removal", "removals"));
    let backlogs =
        (endings.backlogs > 0).then(|| counted(count(endings.backlogs), "cancelled backlog", "cancelled backlogs"));
    removals.into_iter().chain(backlogs).collect::<Vec<_>>().join(" and ")
}

fn counted_rows(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "row", "rows")
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

/// Removes what ended before that time.
async fn remove(session: &Session, store: &Store, before: Timestamp) -> Result<Removed, Failure> {
    let (mut from, mut removed) = (Place::default(), Removed::default());
    loop {
        let step = store.prune(before, from).await?;
        removed.events += step.events;
        show(session, &format!("{} events removed", removed.events));
        match step.next {
            Some(next) => from = next,
            None => break,
        }
        tokio::time::sleep(REST).await;
    }
    loop {
        let gone = store.prune_others(before).await?;
        if gone == 0 {
            return Ok(removed);
        }
        removed.others += gone;
        tokio::time::sleep(REST).await;
    }
}

/// Goes through with all that is at an end by a mark, and gives the room back; returns how many rows that were.
async fn go_through(session: &Session, store: &Store) -> Result<u64, Failure> {
    let mut rows = 0;
    while let Some(moved) = store.end_some().await? {
        rows += moved;
        show(session, &format!("{rows} rows of earlier removals and cancellations"));
        tokio::time::sleep(REST).await;
    }
    while store.give_back().await? {
        tokio::time::sleep(REST).await;
    }
    show(session, "");
    Ok(rows)
}

/// Says on a terminal how far it is.
fn show(session: &Session, line: &str) {
    if io::stderr().is_terminal() {
        session.out.progress(line);
    }
}
