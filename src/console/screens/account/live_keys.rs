//! What keys do in the live pane of an account.

use crate::console::keymap::Action;
use crate::console::screen::{Message, Outcome};
use crate::console::screens::account::AccountScreen;
use crate::console::screens::delivery::DeliveryScreen;
use crate::console::screens::event::EventScreen;
use crate::console::screens::export;
use crate::console::widgets::text_box::Edit;
use crate::domain::command::Command;

impl AccountScreen {
    pub(crate) fn on_live(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.live.cursor().on_action(action) => {}
            Action::Split | Action::DetailUp | Action::DetailDown => {
                // Two parts take the whole screen.
                let was_zoomed = std::mem::replace(&mut self.zoomed, true);
                if !was_zoomed && self.split.is_on() {
                    return Outcome::Reload;
                }
                return match self.split.on_action(action) {
                    Some(outcome) => {
                        self.zoomed = self.split.is_on() || was_zoomed;
                        outcome
                    }
                    None => Outcome::Handled,
                };
            }
            Action::Filter => self.live.finder().open(),
            Action::SwitchPane if self.live.is_typing() => self.live.finder().keep(),
            Action::NextFailure | Action::PreviousFailure => {
                if !self.live.to_failure(action == Action::NextFailure) {
                    return Outcome::Say(Message::plain("no other failure is shown that way"));
                }
            }
            Action::Export => {
                let table = export::of_live(self.live.rows());
                return export::list(&self.services, &format!("deliveries-{}", self.key), &table);
            }
            Action::Back if self.live.finder().drop_all() => {}
            Action::SwitchPane => (self.zoomed, self.in_live) = (false, false),
            Action::Zoom => (self.zoomed, self.in_live) = (!self.zoomed, true),
            Action::Back if self.zoomed => self.zoomed = false,
            Action::Back => self.in_live = false,
            _ => return self.on_live_row(action),
        }
        // Looking back reads further than following does.
        Outcome::Reload
    }

    fn on_live_row(&mut self, action: Action) -> Outcome {
        self.live.finder().keep();
        // Back comes to the same line: the pane stands still meanwhile.
        if self.live.finder().is_empty() && matches!(action, Action::Open | Action::Why) {
            self.live.cursor().pause();
        }
        let Some(row) = self.live.row() else { return Outcome::Ignored };
        match (action, &row.delivery) {
            (Action::Open, Some(delivery)) => {
                Outcome::Open(Box::new(DeliveryScreen::new(self.services.clone(), delivery.id)))
            }
            (Action::Replay, Some(delivery)) => Outcome::Run(Command::Replay { deliveries: vec![delivery.id] }),
            (Action::Replay, None) => Outcome::Say(Message::warn("it went nowhere, so there is nothing to send again")),
            (Action::Open | Action::Why, _) => {
                Outcome::Open(Box::new(EventScreen::new(self.services.clone(), row.event.id)))
            }
            _ => Outcome::Ignored,
        }
    }

    pub(crate) fn edit_live(&mut self, edit: &Edit) -> Outcome {
        if !self.live.finder().edit(edit) {
            return Outcome::Handled;
        }
        self.live.cursor().go(0);
        Outcome::Reload
    }
}
