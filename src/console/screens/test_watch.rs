//! A test message on its way: what became of it, told as soon as it is known.

use std::sync::Arc;

use crate::console::screen::{Message, Outcome};
use crate::console::widgets::dialog::{Answer, Question};
use crate::console::words::millis;
use crate::domain::catalogue::EventType;
use crate::domain::command::{Command, Done};
use crate::domain::delivery::DeliveryState;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::store::Store;
use crate::store::deliveries::DeliveryDetail;
use crate::store::error::StoreError;

/// Asks of which event type a test is to be; the types beyond the letters are reached by the cursor.
#[must_use]
pub fn choose_test(label: &str, id: DestinationId, types: &[Arc<EventType>]) -> Outcome {
    let keys = "123456789abcdefghilmoprstuvwxyz".chars().chain(std::iter::repeat('\0'));
    let answer = |(key, kind): (char, &Arc<EventType>)| Answer {
        key,
        label: format!("{}: {}", kind.name, kind.title),
        outcome: Outcome::Run(Command::TestDestination { id, event_type: Some(kind.name.clone()) }),
    };
    Outcome::Ask(Question::new(format!("Send {label} a test of"), keys.zip(types).map(answer).collect()))
}

/// The last test that a screen sent.
#[derive(Default)]
pub struct TestWatch {
    id: Option<DeliveryId>,
    detail: Option<DeliveryDetail>,
    expected: bool,
}

impl TestWatch {
    /// Begins to watch when the change was a test: one that made exactly one delivery of a test.
    pub fn begin(&mut self, done: &Done) -> bool {
        let is_test = done.destination.is_some() && done.deliveries.len() == 1;
        if is_test {
            *self = Self { id: done.deliveries.first().copied(), detail: None, expected: true };
        }
        is_test
    }

    /// Stops speaking about it; [`TestWatch::last`] still knows it.
    pub const fn forget(&mut self) {
        self.expected = false;
    }

    /// The last test.
    #[must_use]
    pub const fn last(&self) -> Option<DeliveryId> {
        self.id
    }

    /// The last test, as far as it has come.
    #[must_use]
    pub const fn detail(&self) -> Option<&DeliveryDetail> {
        self.detail.as_ref()
    }

    /// Reads how far it has come.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(&mut self, store: &Store) -> Result<(), StoreError> {
        if let Some(id) = self.id {
            match store.delivery(id).await {
                Ok(detail) => self.detail = Some(detail),
                Err(StoreError::NotFound(_)) => self.id = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What became of it so far, until another key is pressed.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        let detail = self.detail.as_ref().filter(|_| self.expected)?;
        let row = &detail.delivery;
        let took = row.duration_ms.map(|ms| format!(" in {}", millis(ms))).unwrap_or_default();
        let status = row.status.map(|status| format!(", answered {status}")).unwrap_or_default();
        let label = &row.label;
        let reason = row.reason.as_deref().unwrap_or("no reason was noted");
        Some(match row.state {
            DeliveryState::Delivered => Message::good(format!("the test to {label} was delivered{took}{status}")),
            DeliveryState::Failed | DeliveryState::Parked => {
                Message::bad(format!("the test to {label} failed{took}: {reason}"))
            }
            DeliveryState::Cancelled | DeliveryState::Folded => {
                Message::warn(format!("the test to {label} was cancelled: {reason}"))
            }
            DeliveryState::Pending if row.attempts > 0 => {
                Message::bad(format!("the test to {label} failed{took} and is tried again: {reason}"))
            }
            DeliveryState::Pending if row.reason.is_some() => {
                Message::warn(format!("the test to {label} waits: {reason}"))
            }
            DeliveryState::Pending | DeliveryState::Sending => {
                Message::plain(format!("a test is on its way to {label}..."))
            }
        })
    }
}
