//! What is not done: what a key does not mean, what a role does not reach to, and what is only told because every change is refused.

use crossterm::event::KeyEvent;

use crate::console::app::App;
use crate::console::keymap::offer::role;
use crate::console::keymap::{self, Action, Key, Place};
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

/// What to answer to a letter or a sign that does nothing in that place. Other keys come by accident, and by themselves.
pub(crate) fn means_nothing(place: Place, event: &KeyEvent) -> Outcome {
    let Some(Key::Char(sign)) = keymap::key(event) else { return Outcome::Ignored };
    let beside = match place {
        Place::Matrix => Some((Place::Live, "live pane")),
        Place::Live => Some((Place::Matrix, "matrix")),
        _ => None,
    };
    let shown = |wanted| keymap::of(place).find(|binding| binding.action == wanted).map(|binding| binding.shown);
    let pressed = match sign {
        ' ' => "space".to_owned(),
        sign if sign.is_ascii_graphic() => format!("`{sign}`"),
        _ => "that key".to_owned(),
    };
    let beside = beside.filter(|(place, _)| keymap::action(*place, event).is_some());
    let text = match (beside, shown(Action::SwitchPane), shown(Action::Help)) {
        (Some((_, name)), Some(switch), _) => format!("{pressed} works in the {name}; {switch} leads there"),
        (_, _, Some(help)) => format!("{pressed} does nothing here; {help} shows what does"),
        _ => format!("{pressed} does nothing here"),
    };
    Outcome::Say(Message::plain(text))
}

/// The sentence about what would have been done.
pub(crate) fn refused(would: &str) -> Message {
    Message::warn(format!("read-only, not done: this would {would}"))
}
