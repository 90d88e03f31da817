//! The line in which a person types what to find: opened by `/`, narrowing while one types.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::InputRequest;

use crate::console::keymap::Action;
use crate::console::query::Query;
use crate::console::theme::Theme;
use crate::console::widgets::paint::put;
use crate::console::widgets::text_box::{Edit, TextBox};
use crate::domain::time::Timestamp;

/// The line.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    text: TextBox,
    active: bool,
    /// Whether what stands there was typed earlier: the next letter begins anew, any other key edits it.
    is_old: bool,
}

impl Finder {
    /// Answers the keys that begin and leave typing; says whether it was one.
    pub fn on_action(&mut self, action: Action) -> bool {
        match action {
            Action::Filter => self.open(),
            Action::SwitchPane => self.keep(),
            _ => return false,
        }
        true
    }

    /// With this text in it, not being typed in.
    #[must_use]
    pub fn with(text: &str) -> Self {
        Self { text: TextBox::new(text), active: false, is_old: false }
    }

    /// Whether letters are typed into it.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// What was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.text()
    }

    /// Whether it narrows nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text().trim().is_empty()
    }

    /// Begins to type. What was looked for before stands there still, and gives way to the first letter.
    pub fn open(&mut self) {
        self.is_old = !self.active && !self.text().is_empty();
        self.active = true;
    }

    /// Begins to type more words behind those that stand there.
    pub fn amend(&mut self) {
        let text = self.text().trim_end();
        if !text.is_empty() {
            let more = format!("{text} ");
            self.text.replace(&more);
        }
        self.active = true;
    }

    /// Keeps what was typed, and goes back to the list.
    pub const fn keep(&mut self) {
        self.active = false;
    }

    /// Drops what was typed. Says whether there was anything to drop.
    pub fn drop_all(&mut self) -> bool {
        let was = self.active || !self.text().is_empty();
        *self = Self::default();
        was
    }

    /// Takes typing. Says whether the text changed.
    pub fn edit(&mut self, edit: &Edit) -> bool {
        let is_anew = matches!(edit, Edit::Key(InputRequest::InsertChar(_)) | Edit::Paste(_));
        if std::mem::take(&mut self.is_old) && is_anew {
            self.text.replace("");
        }
        self.text.edit(edit)
    }

    /// What it asks for.
    #[must_use]
    pub fn query(&self, now: Timestamp, zone: &TimeZone) -> Query {
        Query::parse(self.text(), now, zone)
    }

    /// Draws it into the area's first line: a hint while nothing is asked for.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme, head: &str, hint: &str) {
        if !self.active && self.text().is_empty() {
            put(buffer, area, 1, 0, hint, theme.dim);
            return;
        }
        let x = put(buffer, area, 1, 0, head, theme.head) + 1;
        let room = Rect::new(area.x + x.min(area.width), area.y, area.width.saturating_sub(x + 1), area.height.min(1));
        let style = if self.active && self.is_old { theme.cursor } else { theme.text };
        self.text.draw(buffer, room, style, self.active.then_some(theme.cursor), usize::MAX);
    }
}
