//! A list beside what is under its cursor: side by side on a wide terminal, one above the other on a high one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::Action;
use crate::console::screen::{Message, Outcome, Screen, Shared};
use crate::console::screens::delivery::DeliveryScreen;
use crate::console::theme::Theme;
use crate::console::widgets::paint::{below, line, put};
use crate::domain::id::DeliveryId;
use crate::store::Store;
use crate::store::error::StoreError;

/// Columns from which two stand side by side; each of them then has what a list needs at least.
const WIDTH_MIN: u16 = 120;

/// Lines from which one stands above the other: those of a small terminal.
const HEIGHT_MIN: u16 = 15;

/// Lines of the list when it stands above, at least and at most; between them it is a third of the whole.
const LIST_LINES: (u16, u16) = (6, 10);

/// The other part: a delivery.
#[derive(Default)]
pub struct Split {
    is_on: bool,
    area: Rect,
    detail: Option<(DeliveryId, DeliveryScreen)>,
}

impl Split {
    /// On, as it was left.
    #[must_use]
    pub fn again(is_on: bool) -> Self {
        Self { is_on, ..Self::default() }
    }

    /// Whether it is wanted.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// The parts of an area: the list, and the delivery where there is room for it.
    #[must_use]
    pub fn parts(&self, area: Rect) -> (Rect, Option<Rect>) {
        if !self.is_on {
            return (area, None);
        }
        if area.width >= WIDTH_MIN {
            let list = Rect { width: area.width / 2, ..area };
            let x = list.width + 1;
            return (list, Some(Rect { x: area.x + x, width: area.width - x, ..area }));
        }
        if area.height >= HEIGHT_MIN {
            let lines = (area.height / 3).clamp(LIST_LINES.0, LIST_LINES.1);
            return (Rect { height: lines, ..area }, Some(below(area, lines)));
        }
        (area, None)
    }

    /// Answers the keys of the other part; nothing when it was another one.
    pub fn on_action(&mut self, action: Action) -> Option<Outcome> {
        match action {
            Action::Split => {
                self.is_on = !self.is_on;
                let has_room = self.parts(self.area).1.is_some();
                if self.is_on && !has_room {
                    self.is_on = false;
                    let text = "too few lines here for two parts: enter opens it, and q comes back to this line";
                    return Some(Outcome::Say(Message::plain(text)));
                }
                Some(Outcome::Reload)
            }
            Action::DetailUp | Action::DetailDown => {
                let (_, detail) = self.detail.as_mut()?;
                let action = if action == Action::DetailUp { Action::Up } else { Action::Down };
                Some(detail.on_action(action))
            }
            _ => None,
        }
    }

    /// Learns how large the whole is; returns the part of the list.
    pub fn arrange(&mut self, area: Rect) -> Rect {
        self.area = area;
        let (list, other) = self.parts(area);
        if let (Some(other), Some((_, detail))) = (other, &mut self.detail) {
            detail.arrange(below(other, 1));
        }
        list
    }

    /// Reads the delivery under the cursor, where it is shown.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(&mut self, store: &Store, services: &Shared, id: Option<DeliveryId>) -> Result<(), StoreError> {
        let Some(id) = id.filter(|_| self.parts(self.area).1.is_some()) else {
            self.detail = None;
            return Ok(());
        };
        if self.detail.as_ref().is_none_or(|(shown, _)| *shown != id) {
            self.detail = Some((id, DeliveryScreen::new(services.clone(), id)));
        }
        let read = match &mut self.detail {
            Some((_, detail)) => detail.load(store).await,
            None => Ok(()),
        };
        match read {
            // It was pruned since the list was read.
            Err(StoreError::NotFound(_)) => self.detail = None,
            read => read?,
        }
        Ok(())
    }

    /// Draws the other part, with a line between.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let (list, Some(other)) = self.parts(area) else { return };
        if other.x > list.x {
            for y in 0..area.height {
                put(buffer, area, list.width, y, "|", theme.dim);
            }
        }
        let title = match &self.detail {
            Some((id, _)) => format!("-- {id}, J and K scroll "),
            None => "-- nothing is under the cursor ".to_owned(),
        };
        let fill = usize::from(other.width).saturating_sub(title.len());
        put(buffer, line(other, 0), 0, 0, &format!("{title}{}", "-".repeat(fill)), theme.dim);
        if let Some((_, detail)) = &self.detail {
            detail.draw(buffer, below(other, 1), theme);
        }
    }
}
