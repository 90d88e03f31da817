//! `why`: for each channel what became of an event. The answer to "I was not told".

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show;
use crate::domain::id::EventId;

/// Say for each channel what became of an event, and why
#[derive(Debug, Args)]
pub struct Why {
    /// Which event, as evt_…; `bellboard events list --account KEY` has them
    event: EventId,
}

impl Why {
    /// Answers.
    ///
    /// # Errors
    /// When there is no such event.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        let why = store.why(&self.event).await?;
        if session.out.json {
            return Ok(session.out.document(&why)?);
        }
        let event = &why.event;
        session.out.line(format!(
            "{}: {} of {}, received {}",
            event.id,
            event.event_type,
            event.account,
            show::time(event.received_at)
        ))?;
        let mut table = Table::new(["channel", "outcome", "why", "delivery", "to"]);
        for row in &why.channels {
            let outcome = row.outcome.replace('_', " ");
            if row.deliveries.is_empty() {
                table.row([row.channel.to_string(), outcome, row.reason.clone(), String::new(), String::new()]);
            }
            for delivery in &row.deliveries {
                let result = delivery.explanation();
                table.row([
                    row.channel.to_string(),
                    delivery.state.name().to_owned(),
                    result,
                    delivery.id.to_string(),
                    delivery.label.clone(),
                ]);
            }
        }
        Ok(session.out.table(&table)?)
    }
}
