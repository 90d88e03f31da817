//! `--wait`: stays until all deliveries of an event have ended, and delivers in this process when no other does.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::cli::failure::{EXIT_FAILED, EXIT_TIMEOUT, Failure};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::show;
use crate::domain::delivery::DeliveryState;
use crate::domain::event::Event;
use crate::domain::id::EventId;
use crate::domain::time::{Timestamp, parse_duration};
use crate::store::Store;
use crate::store::deliveries::{DeliveryFilter, DeliveryRow};

/// Most deliveries of one event that are waited for and shown.
const DELIVERIES_MAX: u32 = 1000;

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
        Ok(out.table(&show::deliveries(&self.deliveries, now))?)
    }

    fn has_ended(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.state.is_end())
    }

    /// How a command that waited ends.
    ///
    /// # Errors
    /// When a delivery did not get through, or has not ended yet.
    fn verdict(&self, limit: Duration) -> Result<(), Failure> {
        let count = |test: fn(DeliveryState) -> bool| self.deliveries.iter().filter(|row| test(row.state)).count();
        let waiting = count(|state| !state.is_end());
        let failed = count(|state| matches!(state, DeliveryState::Failed | DeliveryState::Cancelled));
        let id = self.event.id;
        if failed > 0 {
            let failed = show::counted(failed, "delivery", "deliveries");
            return Err(Failure::new(EXIT_FAILED, format!("{failed} did not get through; see `bellboard why {id}`")));
        }
        if waiting > 0 {
            let waiting = show::counted(waiting, "delivery has", "deliveries have");
            let seconds = limit.as_secs_f64();
            let sentence = format!(
                "{waiting} not ended after {seconds} s and will be tried further; see `bellboard why {id}`, or wait longer with --wait=SECS"
            );
            return Err(Failure::new(EXIT_TIMEOUT, sentence));
        }
        Ok(())
    }
}

/// Waits for the event's deliveries, prints what became of them, and ends accordingly.
///
/// # Errors
/// With code 1 when one failed, with code 5 when time ran out, or when the store cannot be used.
pub async fn wait_and_print(session: &Session, store: &Store, id: EventId, limit: Duration) -> Result<(), Failure> {
    let outcome = until_ended(store, id, limit).await;
    if let Ok(outcome) = &outcome {
        outcome.print(session.out, session.clock.now())?;
    }
    outcome?.verdict(limit)
}

async fn until_ended(store: &Store, id: EventId, limit: Duration) -> Result<Outcome, Failure> {
    let deadline = Instant::now() + limit;
    let mut revision = store.revision();
    loop {
        revision.mark_unchanged();
        let outcome = Outcome::read(store, id).await?;
        if outcome.has_ended() {
            return Ok(outcome);
        }
        match tokio::time::timeout_at(deadline, revision.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Outcome::read(store, id).await,
        }
    }
}
