//! The orders of the list of accounts.

use crate::console::screen::{Message, Outcome};
use crate::console::screens::accounts::Accounts;
use crate::console::widgets::list::ListCursor;
use crate::store::accounts::AccountOrder;

/// What an order is called on the screen.
pub(crate) const fn order_words(order: AccountOrder) -> &'static str {
    match order {
        AccountOrder::Name => "name",
        AccountOrder::Trouble => "failures",
        AccountOrder::Recent => "the last event",
    }
}

impl Accounts {
    /// In that order.
    #[must_use]
    pub fn sorted(mut self, order: AccountOrder) -> Self {
        self.order = order;
        self
    }

    pub(crate) fn sort(&mut self) -> Outcome {
        self.order = match self.order {
            AccountOrder::Name => AccountOrder::Trouble,
            AccountOrder::Trouble => AccountOrder::Recent,
            AccountOrder::Recent => AccountOrder::Name,
        };
        self.cursor = ListCursor::default();
        Outcome::Reload.then(Outcome::Say(Message::plain(format!("sorted by {}", order_words(self.order)))))
    }
}
