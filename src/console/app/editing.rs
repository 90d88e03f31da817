//! A long text goes to the person's own editor, and comes back into its field.

use crate::console::app::{App, Turn};
use crate::console::screen::{Message, Outcome};

impl App {
    /// Hands the text over to the loop, where a program may be started.
    pub(crate) fn ask_editor(&mut self, field: &'static str, text: String) -> Outcome {
        if self.services.options.restricted || self.services.options.plain {
            return Outcome::Say(Message::plain("no other program is started from here; type or paste it"));
        }
        self.editing = Some((field, text));
        Outcome::Handled
    }

    /// Takes the field and the text that wait for an editor.
    pub const fn take_editing(&mut self) -> Option<(&'static str, String)> {
        self.editing.take()
    }

    /// Puts what an editor made of a text into its field, or says why there is nothing.
    pub async fn edited(&mut self, field: &'static str, text: Result<String, String>) -> Turn {
        let outcome = match text {
            Ok(text) => Outcome::Fill { field, text },
            Err(why) => Outcome::Say(Message::bad(why)),
        };
        self.follow(outcome).await
    }
}
