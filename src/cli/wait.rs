//! `--wait`: stays until all deliveries of an event have ended, and delivers in this process when no other does.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cli::failure::{EXIT_FAILED, EXIT_TIMEOUT, Failure};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::show::{self, counted};
use crate::dispatch::Status;
use crate::domain::delivery::DeliveryState;
use crate::domain::event::Event;
use crate::domain::id::EventId;
use crate::domain::time::{Timestamp, human_duration, parse_duration};
use crate::store::Store;
use crate::store::deliveries::{DeliveryFilter, DeliveryRow};

/// Most deliveries of one event that are waited for and shown.
const DELIVERIES_MAX: u32 = 1000;

/// How long another process that delivers has for saying what it cannot deliver.
const HELD_COUNTS_AFTER: Duration = Duration::from_secs(1);

/// Reads the value of `--wait`: seconds, or a length of time as `2m`.
///
/// # Errors
/// When it is neither.
pub fn parse_limit(text: &str) -> Result<Duration, String> {
    let seconds = if text.bytes().all(|byte| byte.is_ascii_digit()) { format!("{text}s") } else { text.to_owned() };
    parse_duration(&seconds)
}

/// What became of an event, as far as it has.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The event.
    pub event: Event,
    /// Its deliveries.
    pub deliveries: Vec<DeliveryRow>,
}

impl Outcome {
    /// Reads it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(store: &Store, id: EventId) -> Result<Self, Failure> {
        let filter = DeliveryFilter { event: Some(id), limit: DELIVERIES_MAX, ..DeliveryFilter::default() };
        let mut deliveries = store.deliveries(&filter).await?;
        deliveries.reverse();
        Ok(Self { event: store.event(&id).await?, deliveries })
    }

    /// Prints it: the document for scripts, a line for each delivery for people.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print(&self, out: Output, now: Timestamp) -> Result<(), Failure> {
        if out.json {
            return Ok(out.document(self)?);
        }
        if self.deliveries.is_empty() {
            return Ok(out.line(format!("it goes to nobody; see `bellboard why {}`", self.event.id))?);
        }
        Ok(out.table(&show::deliveries(&self.deliveries, false, now))?)
    }

    /// Deliveries that have not ended.
    fn waiting(&self) -> impl Iterator<Item = &DeliveryRow> {
        self.deliveries.iter().filter(|row| !row.state.is_end())
    }

    fn has_ended(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// Whether all that has not ended waits for a person: a paused destination, a channel without a server.
    fn is_held(&self) -> bool {
        self.waiting().all(is_held)
    }

    /// How a command that waited ends.
    ///
    /// # Errors
    /// When a delivery did not get through, or has not ended yet.
    fn verdict(&self, out: Output, limit: Duration) -> Result<(), Failure> {
        let id = self.event.id;
        let lost = |row: &&DeliveryRow| {
            matches!(row.state, DeliveryState::Failed | DeliveryState::Cancelled | DeliveryState::Parked)
        };
        let failed = self.deliveries.iter().filter(lost).count();
        if failed > 0 {
            let failed = counted(failed, "delivery", "deliveries");
            return Err(Failure::new(EXIT_FAILED, format!("{failed} did not get through; see `bellboard why {id}`")));
        }
        // What a person must set right first (no mail server yet, a paused destination) does not spoil what went through.
        let delivered = self.deliveries.iter().any(|row| row.state == DeliveryState::Delivered);
        let waiting = self.waiting().filter(|row| !(delivered && is_held(row))).count();
        if let Some(held) = self.waiting().find(|row| is_held(row)) {
            let reason = held.reason.as_deref().unwrap_or_default();
            let count = self.waiting().filter(|row| is_held(row)).count();
            let count = counted(count, "delivery waits", "deliveries wait");
            if !delivered {
                return Err(Failure::new(EXIT_TIMEOUT, format!("{count}: {reason}")));
            }
            if waiting == 0 {
                out.aside(format!("note: {count}: {reason}"));
            }
        }
        if waiting > 0 {
            let waiting = counted(waiting, "delivery has", "deliveries have");
            let limit = human_duration(limit);
            let sentence = format!(
                "{waiting} not ended after {limit} and will be tried further; see `bellboard why {id}`, or wait longer with --wait=SECS"
            );
            return Err(Failure::new(EXIT_TIMEOUT, sentence));
        }
        Ok(())
    }
}

/// Whether it waits without a try, for a reason that only a person can change.
fn is_held(row: &DeliveryRow) -> bool {
    row.state == DeliveryState::Pending && row.attempts == 0 && row.reason.is_some()
}

/// Waits for the event's deliveries, prints what became of them, and ends accordingly.
///
/// # Errors
/// With code 1 when one failed, with code 5 when time ran out or nothing was delivered since all of it waits for a person, or
/// when the store cannot be used.
pub async fn wait_and_print(session: &Session, store: &Store, id: EventId, limit: Duration) -> Result<(), Failure> {
    let deliverer = session.deliver(store).await?;
    let outcome = until_ended(store, deliverer.status(), id, limit).await;
    if let Ok(outcome) = &outcome {
        outcome.print(session.out, session.clock.now())?;
    }
    deliverer.stop().await;
    outcome?.verdict(session.out, limit)
}

async fn until_ended(
    store: &Store,
    mut status: watch::Receiver<Status>,
    id: EventId,
    limit: Duration,
) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let deadline = started + limit;
    let held_counts_from = started + HELD_COUNTS_AFTER.min(limit);
    let mut revision = store.revision();
    loop {
        revision.mark_unchanged();
        // What is held is written by the deliverer when it starts; before that, what the one before it wrote may be read.
        let delivers = matches!(*status.borrow_and_update(), Status::Delivering { .. });
        let outcome = Outcome::read(store, id).await?;
        let is_held = outcome.is_held();
        let now = Instant::now();
        if outcome.has_ended() || now >= deadline || (is_held && (delivers || now >= held_counts_from)) {
            return Ok(outcome);
        }
        let wake = if is_held { held_counts_from } else { deadline };
        tokio::select! {
            // A closed store ends the wait too: the next read says so.
            _ = revision.changed() => {}
            Ok(()) = status.changed() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}
