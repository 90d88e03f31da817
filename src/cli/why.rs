//! `why`: for each channel what became of an event. The answer to "I was not told".

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show;
use crate::domain::id::{DeliveryId, EventId, IdError};

/// Say for each channel what became of an event, and why
#[derive(Debug, Args)]
pub struct Why {
    /// Which event, as `evt_…`; or one of its deliveries, as `dlv_17`
    #[arg(value_name = "EVENT", value_parser = Subject::parse)]
    event: Subject,
}

/// What people have at hand when they ask.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Event(EventId),
    Delivery(DeliveryId),
}

impl Subject {
    /// Reads an event's id, also as a test's `webhook-id` (`test_…`), or a delivery's.
    fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("dlv_") {
            return text.parse().map(Self::Delivery).map_err(|error: IdError| error.to_string());
        }
        let event = text.strip_prefix("test_").map_or_else(|| text.to_owned(), |id| format!("evt_{id}"));
        event.parse().map(Self::Event).map_err(|error: IdError| error.to_string())
    }
}

impl Why {
    /// Answers.
    ///
    /// # Errors
    /// When there is no such event.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        let id = match self.event {
            Subject::Event(id) => id,
            Subject::Delivery(id) => store.delivery(id).await?.event.id,
        };
        let why = store.why(&id).await?;
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
        let mut table = Table::new(["channel", "outcome", "delivery", "to", "why"]);
        for row in &why.channels {
            let channel = row.channel.to_string();
            if row.deliveries.is_empty() {
                let outcome = row.outcome.replace('_', " ");
                table.row([channel.clone(), outcome, String::new(), String::new(), row.reason.clone()]);
            }
            for delivery in &row.deliveries {
                let state = delivery.state.name().to_owned();
                let (id, label) = (delivery.id.to_string(), delivery.label.clone());
                table.row([channel.clone(), state, id, label, delivery.explanation()]);
            }
        }
        Ok(session.out.table(&table)?)
    }
}
