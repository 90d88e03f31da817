//! The mouse, while a person has switched it on: a click moves the cursor, the wheel scrolls. Nothing is done by it alone.

use crossterm::event::{MouseEvent, MouseEventKind};

use crate::console::app::{App, Turn};
use crate::console::keymap::{Action, Place};
use crate::console::screen::{Message, Outcome};
use crate::console::widgets::frame;

/// Lines that a notch of the wheel moves by.
const WHEEL: usize = 3;

impl App {
    /// Answers the mouse.
    pub async fn point(&mut self, event: &MouseEvent) -> Turn {
        let area = frame::body(self.area);
        let Some(screen) = self.stack.last_mut().filter(|_| self.mouse && self.question.is_none()) else {
            return Turn::On;
        };
        let outcome = match event.kind {
            MouseEventKind::Down(_) if area.contains((event.column, event.row).into()) => {
                screen.on_click(area, event.column - area.x, event.row - area.y)
            }
            // In a form these lead from field to field, which is no scrolling.
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown if !matches!(screen.place(), Place::Form) => {
                let action = if event.kind == MouseEventKind::ScrollUp { Action::Up } else { Action::Down };
                let outcomes: Vec<_> = (0..WHEEL).map(|_| screen.on_action(action)).collect();
                outcomes.into_iter().next_back().unwrap_or(Outcome::Ignored)
            }
            _ => Outcome::Ignored,
        };
        if !matches!(outcome, Outcome::Ignored) {
            self.message = None;
        }
        self.follow(outcome).await
    }

    /// Switches the mouse on or off.
    pub(crate) fn switch_mouse(&mut self) -> Outcome {
        self.mouse = !self.mouse;
        Outcome::Say(Message::plain(if self.mouse {
            "the mouse moves the cursor; where you need it to select text, M switches it off"
        } else {
            "the mouse selects text again, as your terminal has it"
        }))
    }
}
