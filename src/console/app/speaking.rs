//! What the app says and takes where nobody sees it: the same screens in words, by [`crate::console::plain`].

use crate::console::app::{App, Turn};
use crate::console::keymap::{Action, Place};
use crate::console::screen::Outcome;
use crate::console::speech::Speech;
use crate::console::widgets::frame;

impl App {
    /// The titles of the open screens, the present one last.
    #[must_use]
    pub fn path(&self) -> String {
        let titles: Vec<String> = self.stack.iter().map(|screen| screen.title()).collect();
        titles.join(" > ")
    }

    /// Which keys mean something at present.
    #[must_use]
    pub fn place(&self) -> Place {
        if self.question.is_some() {
            return Place::Question;
        }
        self.stack.last().map_or(Place::Everywhere, |screen| screen.place())
    }

    /// What is shown, in words: a question, or the screen on top.
    #[must_use]
    pub fn speech(&self) -> Speech {
        match (&self.question, self.stack.last()) {
            (Some(question), _) => question.speak(),
            (None, Some(screen)) => screen.speak(),
            (None, None) => Speech::default(),
        }
    }

    /// The line above the footer.
    #[must_use]
    pub fn says(&self) -> Option<String> {
        let status = || self.stack.last().and_then(|screen| screen.status());
        self.message.clone().or_else(|| self.unread.clone()).or_else(status).map(|message| message.text)
    }

    /// How the deliveries go, as the top line says it.
    #[must_use]
    pub fn pulse_words(&self) -> String {
        frame::pulse(self.deliverer.as_ref(), &self.pulse, self.services.read_only, self.services.demo).join(", ")
    }

    /// What of the table of keys is offered.
    #[must_use]
    pub fn role(&self) -> crate::domain::role::Role {
        self.services.role
    }

    /// Puts the cursor on an item of [`App::speech`], counted from 0.
    pub async fn go_to(&mut self, item: usize) -> Turn {
        self.message = None;
        let outcome = match (&mut self.question, self.stack.last_mut()) {
            (Some(question), _) => {
                question.step(isize::MIN);
                question.step(isize::try_from(item).unwrap_or(isize::MAX));
                Outcome::Handled
            }
            (None, Some(screen)) => screen.go_to(item),
            (None, None) => Outcome::Ignored,
        };
        self.follow(outcome).await
    }

    /// Does what a line of the table of keys asks for.
    pub async fn perform(&mut self, action: Action) -> Turn {
        let Some(screen) = self.stack.last() else { return Turn::Quit };
        let place = screen.place();
        if !matches!(action, Action::Undo | Action::Redo) {
            (self.announced, self.just_changed) = (None, None);
        }
        let outcome = match action {
            Action::Quit => return Turn::Quit,
            Action::Suspend => return self.suspend(),
            Action::Redraw => return Turn::Redraw,
            action => self.offered(place, action).unwrap_or_else(|| self.act(action)),
        };
        if !matches!(outcome, Outcome::Ignored) {
            self.message = None;
        }
        self.follow(outcome).await
    }
}
