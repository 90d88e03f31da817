//! Several destinations at once: they are paused, enabled, disabled, tested or removed together, and taken back together.

use crate::console::keymap::Action;
use crate::console::screen::{Message, Outcome};
use crate::console::screens::destinations::Destinations;
use crate::console::widgets::dialog::Question;
use crate::domain::account::AccountKey;
use crate::domain::command::Command;
use crate::domain::destination::{Destination, DestinationState};

/// The line above the footer while some are marked.
pub(crate) fn says(count: usize) -> Message {
    let them = if count == 1 { "it".to_owned() } else { format!("all {count} as one") };
    Message::plain(format!("{count} marked: space pauses, x disables, t tests, d removes {them}; q lets go"))
}

/// Brings all into that state; where they are in it already, back to enabled. `account` is whose they are, when it is one's.
pub(crate) fn set_all(marked: &[&Destination], state: DestinationState, account: Option<&AccountKey>) -> Outcome {
    let all_are = marked.iter().all(|row| row.state == state);
    let state = if all_are { DestinationState::Enabled } else { state };
    let of = account.map(|account| format!(" of {account}")).unwrap_or_default();
    let are = if marked.len() == 1 { "is" } else { "are" };
    let says = format!("{}{of} {are} {}", counted(marked.len()), state.name());
    // Pausing what is disabled would let through what was to be dropped.
    let meant = |row: &&&Destination| {
        !(state == DestinationState::Paused && row.state == DestinationState::Disabled) && row.state != state
    };
    let set = |row: &&Destination| Command::SetDestinationState { id: row.id, state };
    let changes = marked.iter().filter(meant).map(set).collect();
    Outcome::Run(Command::Together { account: account.cloned(), says, changes })
}

impl Destinations {
    pub(crate) fn mark(&mut self) {
        if let Some(id) = self.cursor.id().copied() {
            self.marked.turn(id);
            self.cursor.on_action(Action::Down);
        }
    }

    /// Does it to all that are marked; nothing when none is, or when it is about one only.
    pub(crate) fn on_marked(&mut self, action: Action) -> Option<Outcome> {
        let marked: Vec<&Destination> = self.rows.iter().filter(|row| self.marked.has(&row.id)).collect();
        if marked.is_empty() {
            return None;
        }
        let outcome = match action {
            Action::Pause => set_all(&marked, DestinationState::Paused, Some(&self.account)),
            Action::Disable => set_all(&marked, DestinationState::Disabled, Some(&self.account)),
            Action::Test => Self::test_all(&marked),
            Action::Remove => self.ask_to_remove(&marked),
            _ => return None,
        };
        if action != Action::Remove {
            self.marked.clear();
        }
        Some(outcome)
    }

    fn test_all(marked: &[&Destination]) -> Outcome {
        let says = format!("{} tests are on their way; the live pane shows what becomes of them", marked.len());
        let test = |row: &&Destination| Outcome::Run(Command::TestDestination { id: row.id, event_type: None });
        marked.iter().rev().map(test).fold(Outcome::Say(Message::good(says)), |after, test| test.then(after))
    }

    fn ask_to_remove(&self, marked: &[&Destination]) -> Outcome {
        let names: Vec<&str> = marked.iter().map(|row| row.label.as_str()).collect();
        let text = format!(
            "Remove {}: {}? What waits for them is cancelled for good; u brings the destinations back.",
            counted(marked.len()),
            names.join(", ")
        );
        let says = format!("{} of {} were removed", counted(marked.len()), self.account);
        let remove = marked.iter().map(|row| Command::RemoveDestination { id: row.id }).collect();
        Outcome::Ask(Question::sure(text, format!("yes, remove {}", marked.len()), self.as_one(says, remove)))
    }

    fn as_one(&self, says: String, changes: Vec<Command>) -> Outcome {
        Outcome::Run(Command::Together { account: Some(self.account.clone()), says, changes })
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 destination".to_owned() } else { format!("{count} destinations") }
}
