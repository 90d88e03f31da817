//! A form: fields with what is wrong beside each, then buttons.
//!
//! Each field has two lines: its title and box, and beneath it what is wrong, or, where the cursor is, one line of help.
//!
//! ```text
//!  Address *       [https://hooks.acme.test/in            ]
//!                   the address must begin with https:// or http://
//! ```

mod speaking;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::screen::Message;
use crate::console::theme::Theme;
use crate::console::widgets::paint::{fold, line, put, shade};
use crate::console::widgets::text_box::{Edit, TextBox};
use crate::domain::secret::{MASK, Secret};
use crate::domain::text::{columns, pad, safe_line};

/// Lines of a field.
const FIELD_LINES: usize = 2;

/// How a field is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By typing.
    Line,
    /// By typing; nobody sees it.
    Masked,
    /// By typing; nobody sees what follows the host.
    MaskedUrl,
    /// By choosing.
    OneOf(Vec<String>),
}

/// A field.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about the field of its own")]
pub struct FormField {
    /// Its name in the store.
    pub name: &'static str,
    /// What people read before it.
    pub title: &'static str,
    /// One line about it.
    pub help: String,
    /// How it is filled in.
    pub shape: Shape,
    /// Whether it must be.
    pub required: bool,
    /// Whether there is a secret already, which stays when nothing is typed.
    pub kept: bool,
    /// Whether the secret that was there is to go.
    pub cleared: bool,
    /// The secret that is kept, while a person looks at it.
    pub shown: Option<Secret>,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Whether it was typed in or left, so that it may be told what is wrong.
    pub touched: bool,
    text: TextBox,
    initial: String,
}

impl FormField {
    /// With this text in it.
    #[must_use]
    pub fn new(name: &'static str, title: &'static str, help: impl Into<String>, shape: Shape, text: &str) -> Self {
        Self {
            name,
            title,
            help: help.into(),
            shape,
            required: false,
            kept: false,
            cleared: false,
            shown: None,
            error: None,
            touched: false,
            text: TextBox::new(text),
            initial: text.to_owned(),
        }
    }

    /// What is in it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.text()
    }

    /// Puts text into it.
    pub fn fill(&mut self, text: &str) {
        self.text.replace(text);
        self.touched = true;
    }

    /// Empties it; when it is empty, takes the secret that is kept away, or keeps it after all.
    fn clear(&mut self) {
        if self.text().is_empty() && (self.kept || self.cleared) {
            std::mem::swap(&mut self.kept, &mut self.cleared);
        }
        self.fill("");
    }

    /// Makes this the text that it had from the start.
    pub fn begin_with(&mut self, text: &str) {
        self.text = TextBox::new(text);
        text.clone_into(&mut self.initial);
    }

    fn turn(&mut self, by: isize) {
        let Shape::OneOf(choices) = &self.shape else { return };
        let count = choices.len().max(1).cast_signed();
        let at = choices.iter().position(|choice| choice == self.text()).unwrap_or(0).cast_signed();
        let next = (at + by).rem_euclid(count).cast_unsigned();
        let choice = choices.get(next).cloned().unwrap_or_default();
        self.fill(&choice);
    }

    fn mask_from(&self) -> usize {
        match self.shape {
            Shape::Line | Shape::OneOf(_) => usize::MAX,
            Shape::Masked => 0,
            // What stands before the path is no secret, and is typed where one can see it.
            Shape::MaskedUrl => {
                let slashes = self.text().chars().enumerate().filter(|(_, character)| *character == '/');
                slashes.map(|(index, _)| index + 1).nth(2).unwrap_or(usize::MAX)
            }
        }
    }
}

/// What a key did to a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormAnswer {
    /// Nothing, or something inside of it.
    Handled,
    /// The text of the field under the cursor changed.
    Changed,
    /// The cursor is on another field.
    Moved,
    /// Enter in a field that is typed in.
    Entered,
    /// A button, by its index.
    Pressed(usize),
    /// The person wants to leave.
    Leave,
}

/// A form.
#[derive(Clone, Debug)]
pub struct Form {
    /// The fields.
    pub fields: Vec<FormField>,
    buttons: Vec<&'static str>,
    focus: usize,
    offset: usize,
}

impl Form {
    /// With the cursor on the first field.
    #[must_use]
    pub const fn new(fields: Vec<FormField>, buttons: Vec<&'static str>) -> Self {
        Self { fields, buttons, focus: 0, offset: 0 }
    }

    /// Which keys mean something: letters are typed, or they are not.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.fields.get(self.focus).map(|field| &field.shape) {
            Some(Shape::Line | Shape::Masked | Shape::MaskedUrl) => Place::Form,
            _ => Place::Choice,
        }
    }

    /// The field under the cursor, to change.
    pub fn current_mut(&mut self) -> Option<&mut FormField> {
        self.fields.get_mut(self.focus)
    }

    /// The field under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&FormField> {
        self.fields.get(self.focus)
    }

    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FormField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field of that name, to change.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut FormField> {
        self.fields.iter_mut().find(|field| field.name == name)
    }

    /// What is wrong with the field under the cursor, when it may be told: in full, where the line beneath it is short.
    #[must_use]
    pub fn wrong(&self) -> Option<Message> {
        let field = self.current().filter(|field| field.touched)?;
        field.error.as_ref().map(|error| Message::bad(format!("{}: {error}", field.title)))
    }

    /// Whether anything was typed.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.fields.iter().any(|field| field.text() != field.initial || field.cleared)
    }

    /// Puts the cursor on the first field that is wrong; says whether there is one.
    pub fn go_to_error(&mut self) -> bool {
        let wrong = self.fields.iter().position(|field| field.error.is_some());
        self.focus = wrong.unwrap_or(self.focus);
        wrong.is_some()
    }

    /// What was typed in the field under the cursor may be told wrong from now on.
    fn leave_field(&mut self) {
        if let Some(field) = self.fields.get_mut(self.focus) {
            field.touched = field.touched || !field.text().is_empty();
            field.shown = None;
        }
    }

    /// Answers a key.
    pub fn on_action(&mut self, action: Action) -> FormAnswer {
        let last = self.fields.len() + self.buttons.len().saturating_sub(1);
        match action {
            Action::Next | Action::Previous => {
                self.leave_field();
                let to = if action == Action::Next { self.focus + 1 } else { self.focus.saturating_sub(1) };
                self.focus = to.min(last);
                FormAnswer::Moved
            }
            Action::Left | Action::Right => {
                let by = if action == Action::Left { -1 } else { 1 };
                if let Some(field) = self.fields.get_mut(self.focus) {
                    field.turn(by);
                    return FormAnswer::Changed;
                }
                self.focus = self.focus.saturating_add_signed(by).clamp(self.fields.len(), last);
                FormAnswer::Handled
            }
            Action::Open => match self.fields.get_mut(self.focus) {
                Some(field) if matches!(field.shape, Shape::OneOf(_)) => {
                    field.turn(1);
                    FormAnswer::Changed
                }
                Some(_) => FormAnswer::Entered,
                None => FormAnswer::Pressed(self.focus - self.fields.len()),
            },
            Action::Clear => {
                if let Some(field) = self.fields.get_mut(self.focus) {
                    field.clear();
                }
                FormAnswer::Changed
            }
            Action::Back => FormAnswer::Leave,
            _ => FormAnswer::Handled,
        }
    }

    /// Takes typing.
    pub fn on_edit(&mut self, edit: &Edit) -> FormAnswer {
        let Some(field) = self.fields.get_mut(self.focus).filter(|field| !matches!(field.shape, Shape::OneOf(_)))
        else {
            return FormAnswer::Handled;
        };
        if field.text.edit(edit) {
            field.touched = true;
            field.shown = None;
            return FormAnswer::Changed;
        }
        FormAnswer::Handled
    }

    /// Keeps the cursor's field in view.
    pub fn arrange(&mut self, area: Rect) {
        let height = usize::from(area.height).max(1);
        let top = self.focus.min(self.fields.len()) * FIELD_LINES;
        let bottom = top + if self.focus < self.fields.len() { FIELD_LINES } else { 1 };
        self.offset = self.offset.min(top).max(bottom.saturating_sub(height));
    }

    /// Draws it.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let titles = self.fields.iter().map(|field| columns(field.title) + 3).max().unwrap_or(0);
        let titles = titles.min(usize::from(area.width) / 3);
        for (index, field) in self.fields.iter().enumerate() {
            let Some(y) = (index * FIELD_LINES).checked_sub(self.offset).and_then(|y| u16::try_from(y).ok()) else {
                continue;
            };
            self.draw_field(buffer, area, theme, (index, y, titles), field);
        }
        let top = (self.fields.len() * FIELD_LINES).checked_sub(self.offset).and_then(|y| u16::try_from(y).ok());
        let Some(y) = top else { return };
        let mut x = u16::try_from(titles + 2).unwrap_or(0).min(area.width.saturating_sub(30));
        for (index, button) in self.buttons.iter().enumerate() {
            let chosen = self.focus == self.fields.len() + index;
            let style = if chosen { theme.cursor } else { theme.text };
            x = put(buffer, area, x, y, &format!("[ {button} ]"), style) + 2;
        }
    }

    fn draw_field(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        theme: &Theme,
        (index, y, titles): (usize, u16, usize),
        field: &FormField,
    ) {
        let chosen = index == self.focus;
        let star = if field.required { " *" } else { "" };
        let title = pad(&format!("{}{star}", field.title), titles);
        let style = if chosen { theme.head } else { theme.text };
        let x = put(buffer, area, 1, y, &title, style);
        let row = line(area, y);
        let end = row.width.saturating_sub(2);
        put(buffer, row, x, 0, "[", style);
        put(buffer, row, end, 0, "]", style);
        let inner = Rect::new(row.x.saturating_add(x + 1), row.y, end.saturating_sub(x + 1), row.height);
        if let Some(secret) = field.shown.as_ref().filter(|_| field.text().is_empty()) {
            // A long one goes on in the line beneath.
            let parts = fold(&safe_line(secret.expose()), usize::from(inner.width).max(1));
            for (y, part) in (0u16..2).zip(parts) {
                put(buffer, Rect { height: 2, ..inner }, 0, y, &part, theme.warn);
            }
            return;
        }
        if field.text().is_empty() && field.kept {
            put(buffer, inner, 0, 0, &format!("{MASK} is kept; type to replace it, ^X clears it"), theme.dim);
        } else if field.text().is_empty() && field.cleared {
            put(buffer, inner, 0, 0, "is cleared when this is saved; ^X keeps it", theme.warn);
        }
        let mut counted = false;
        if let Shape::OneOf(choices) = &field.shape {
            let mut at = 0;
            let wide: usize = choices.iter().map(|choice| columns(choice) + 3).sum();
            let fits = wide <= usize::from(inner.width) + 1;
            if !fits {
                let number = choices.iter().position(|choice| choice == field.text()).unwrap_or(0) + 1;
                let style = if chosen { theme.cursor } else { theme.text };
                at = put(buffer, inner, 0, 0, &format!("({})", field.text()), style) + 1;
                let of = format!("{number} of {}: left, right", choices.len());
                let below = line(Rect { height: 2, ..inner }, 1);
                let (row, x) = if at >= inner.width { (below, 0) } else { (inner, at) };
                counted = at >= inner.width && chosen;
                put(buffer, row, x, 0, &of, theme.dim);
            }
            for choice in choices.iter().filter(|_| fits) {
                let is_it = choice == field.text();
                let text = if is_it { format!("({choice})") } else { format!(" {choice} ") };
                at = put(buffer, inner, at, 0, &text, if is_it && chosen { theme.cursor } else { theme.text }) + 1;
            }
        } else {
            field.text.draw(buffer, inner, theme.text, chosen.then_some(theme.cursor), field.mask_from());
        }
        match &field.error {
            Some(error) if field.touched => {
                put(buffer, area, x + 1, y + 1, error, theme.bad);
            }
            _ if chosen && !counted => {
                put(buffer, area, x + 1, y + 1, &field.help, theme.dim);
            }
            _ => {}
        }
        if chosen && row.height > 0 {
            put(buffer, row, 0, 0, ">", theme.head);
            shade(buffer, row, 0, 0, 1, theme.head);
        }
    }
}
