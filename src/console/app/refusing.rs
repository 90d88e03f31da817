//! What is not done: what a role does not reach to, and what is only told because every change is refused.

use crate::console::app::App;
use crate::console::keymap::offer::role;
use crate::console::keymap::{Action, Place};
use crate::console::screen::{Message, Outcome};
use crate::domain::command::Command;

impl App {
    /// What to answer instead of doing what the person's role does not reach to; nothing when it does.
    pub(crate) fn offered(&self, place: Place, action: Action) -> Option<Outcome> {
        let (needed, own) = (role(place, action), self.services.role);
        let text = format!("that takes the role {needed}, and yours is {own}; nothing was done");
        (needed > own).then(|| Outcome::Say(Message::warn(text)))
    }

    /// Tells what a command would do where every change is refused.
    pub(crate) async fn would(&self, command: &Command) -> Outcome {
        let label = match command.destination() {
            Some(id) => self.store.destination(id).await.map_or_else(|_| id.to_string(), |(_, one)| one.label),
            None => String::new(),
        };
        Outcome::Say(refused(&command.would(&label)))
    }
}

/// The sentence about what would have been done.
pub(crate) fn refused(would: &str) -> Message {
    Message::warn(format!("read-only, not done: this would {would}"))
}
