//! The orders of a channel's destinations.

use serde::{Deserialize, Serialize};

use crate::console::screen::{Message, Outcome};
use crate::console::screens::destinations::Destinations;
use crate::domain::destination::{Destination, DestinationState};
use crate::domain::id::DestinationId;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;

/// An order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they were added.
    #[default]
    Added,
    /// By their names.
    Name,
    /// Those that fail first, those that have failed longest before the others; then those that are disabled or paused.
    Worst,
    /// Those that were sent to last, first.
    Recent,
}

impl Order {
    /// What it is called on the screen.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Added => "as added",
            Self::Name => "by name",
            Self::Worst => "the worst first",
            Self::Recent => "last used first",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Added => Self::Name,
            Self::Name => Self::Worst,
            Self::Worst => Self::Recent,
            Self::Recent => Self::Added,
        }
    }
}

/// How bad it is: the lower, the worse.
fn badness(row: &Destination) -> (u8, Option<Timestamp>) {
    let rank = match row.state {
        DestinationState::Enabled if row.failing_since.is_some() => 0,
        DestinationState::Disabled => 1,
        DestinationState::Paused => 2,
        DestinationState::Enabled => 3,
    };
    (rank, row.failing_since)
}

impl Destinations {
    pub(crate) fn sort(&mut self) -> Outcome {
        self.order = self.order.next();
        Outcome::Reload.then(Outcome::Say(Message::plain(format!("sorted: {}", self.order.words()))))
    }

    pub(crate) async fn put_in_order(&mut self, store: &Store) -> Result<(), StoreError> {
        match self.order {
            Order::Added => {}
            Order::Name => self.rows.sort_by_cached_key(|row| row.label.to_lowercase()),
            Order::Worst => self.rows.sort_by_key(badness),
            Order::Recent => {
                let last = store.last_deliveries(&self.account, self.channel).await?;
                let at = |id: DestinationId| last.iter().find(|(other, _)| *other == id).map(|(_, newest)| *newest);
                self.rows.sort_by_key(|row| std::cmp::Reverse(at(row.id)));
            }
        }
        Ok(())
    }
}
