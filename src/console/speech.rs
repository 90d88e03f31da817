//! A screen in words, for those who hear it: what stands at its top, its items one by one, and what belongs to the item that
//! the cursor is on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::paint::Column;

/// Columns and lines of the area that a screen without words of its own is drawn into.
const AREA: Rect = Rect::new(0, 0, 120, 200);

/// Columns by which a line is set in, beside the margin of one, that is not bellboard's own.
const SET_IN_MIN: usize = 3;

/// What stands before a line that others may have written.
pub(crate) const QUOTED: &str = "| ";

/// A screen in words. Each line stands for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    /// What the screen is about.
    pub head: Vec<String>,
    /// What can be gone to, by number.
    pub items: Vec<String>,
    /// Which of them the cursor is on, from 0.
    pub at: Option<usize>,
    /// What belongs to the one under the cursor.
    pub after: Vec<String>,
}

impl Speech {
    /// Of items, with the cursor on one.
    #[must_use]
    pub fn of(items: Vec<String>, at: usize) -> Self {
        let at = (at < items.len()).then_some(at);
        Self { items, at, ..Self::default() }
    }

    /// With this at its top.
    #[must_use]
    pub fn under(mut self, head: impl Into<String>) -> Self {
        self.head.push(head.into());
        self
    }

    /// With this in the place of items that are not there.
    #[must_use]
    pub fn when_empty(mut self, text: &str) -> Self {
        if self.items.is_empty() {
            self.after.push(text.to_owned());
        }
        self
    }

    /// What is drawn, line by line; for screens that are text anyway. What is set in on the screen is what others wrote, or goes on: a bar
    /// stands before it, or an answer could have lines that sound like bellboard's own.
    #[must_use]
    pub fn drawn(draw: impl FnOnce(&mut Buffer, Rect, &Theme)) -> Self {
        let mut buffer = Buffer::empty(AREA);
        draw(&mut buffer, AREA, &Theme::new(ThemeName::Mono));
        let line = |y| {
            let text: String = (0..AREA.width).map(|x| buffer[(x, y)].symbol()).collect();
            let (text, drawn) = (text.trim(), text.trim_end());
            match drawn.len() - text.len() {
                SET_IN_MIN.. => format!("{QUOTED}{text}"),
                // Rules between parts say nothing.
                _ if text.ends_with("----") => text.trim_end_matches('-').trim_end().to_owned(),
                _ => text.to_owned(),
            }
        };
        let head = (0..AREA.height).map(line).filter(|line| !line.is_empty()).collect();
        Self { head, ..Self::default() }
    }
}

/// The parts of a table's line, those that say nothing left out.
#[must_use]
pub fn columns(columns: &[Column]) -> String {
    let texts = columns.iter().map(Column::text).map(str::trim).filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join(", ")
}

/// The size of the area that screens are arranged for where nobody sees them.
#[must_use]
pub const fn area() -> Rect {
    AREA
}
