//! A list to choose from by typing a part of what one wants: the zones of a form, the rooms of a token, event types. What is
//! chosen goes into a field of the screen beneath.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::screen::{Message, Outcome, Screen};
use crate::console::speech::Speech;
use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::chooser::{Chooser, Part, Words};
use crate::console::widgets::text_box::Edit;
use crate::domain::text::columns;

/// What stands between several that were chosen.
pub const SEPARATOR: &str = ", ";

/// Columns for what is said about a choice, at least.
const ABOUT_COLUMNS_MIN: usize = 16;

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What goes into the field.
    pub value: String,
    /// What people read beside it; may be empty.
    pub about: String,
}

impl Choice {
    /// A value that speaks for itself.
    #[must_use]
    pub fn plain(value: impl Into<String>) -> Self {
        Self { value: value.into(), about: String::new() }
    }
}

/// The list.
pub struct Pick {
    title: &'static str,
    field: &'static str,
    choices: Vec<Choice>,
    chooser: Chooser,
    /// What is marked, where several can be chosen.
    marked: Option<Vec<String>>,
}

impl Pick {
    /// One of them, for that field; the cursor is on what the field has now.
    #[must_use]
    pub fn one(title: &'static str, field: &'static str, choices: Vec<Choice>, now: &str) -> Self {
        let mut chooser = Chooser::new(choices.len());
        let at = choices.iter().position(|choice| choice.value == now.trim());
        chooser.go_to_item(at.unwrap_or(0));
        Self { title, field, choices, chooser, marked: None }
    }

    /// Any of them; what the field has now is marked.
    #[must_use]
    pub fn several(title: &'static str, field: &'static str, choices: Vec<Choice>, now: &str) -> Self {
        let marked = now.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
        Self { marked: Some(marked), ..Self::one(title, field, choices, "") }
    }

    fn current(&self) -> Option<&Choice> {
        self.choices.get(self.chooser.current()?)
    }

    fn is_marked(&self, choice: &Choice) -> bool {
        self.marked.as_ref().is_some_and(|marked| marked.contains(&choice.value))
    }

    fn mark(&mut self) -> Outcome {
        let current = self.current().map(|choice| choice.value.clone());
        let (Some(marked), Some(value)) = (&mut self.marked, current) else { return Outcome::Ignored };
        match marked.iter().position(|other| *other == value) {
            Some(index) => {
                marked.remove(index);
            }
            None => marked.push(value),
        }
        self.chooser.on_action(Action::Down);
        Outcome::Handled
    }

    fn take(&self) -> Outcome {
        let text = match (&self.marked, self.current()) {
            (Some(marked), _) if !marked.is_empty() => marked.join(SEPARATOR),
            (_, Some(choice)) => choice.value.clone(),
            (_, None) => return Outcome::Say(Message::plain("nothing is called like that")),
        };
        Outcome::Close.then(Outcome::Fill { field: self.field, text })
    }
}

impl Screen for Pick {
    fn title(&self) -> String {
        self.title.to_owned()
    }

    fn place(&self) -> Place {
        if self.marked.is_some() { Place::PickSeveral } else { Place::Pick }
    }

    fn on_click(&mut self, area: Rect, _x: u16, y: u16) -> Outcome {
        let (choices, marked) = (&self.choices, self.marked.as_deref());
        self.chooser.click(y, |index| parts(choices, marked, area.width, &plain(), index));
        Outcome::Handled
    }

    fn arrange(&mut self, area: Rect) {
        let (choices, marked) = (&self.choices, self.marked.as_deref());
        self.chooser.arrange(area, |index| parts(choices, marked, area.width, &plain(), index));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.chooser.on_action(action) => Outcome::Handled,
            Action::Toggle => self.mark(),
            Action::Open => self.take(),
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        self.chooser.edit(edit, self.choices.iter().map(words));
        Outcome::Handled
    }

    fn status(&self) -> Option<Message> {
        let Some(marked) = &self.marked else {
            let about = self.current().map(|choice| choice.about.clone());
            return about.filter(|about| !about.is_empty()).map(Message::plain);
        };
        Some(Message::plain(match marked.len() {
            0 => "tab marks several; enter takes the one under the cursor".to_owned(),
            _ => format!("enter takes {}", marked.join(SEPARATOR)),
        }))
    }

    fn speak(&self) -> Speech {
        let words = |choice: &Choice| {
            let about = if choice.about.is_empty() { String::new() } else { format!(", {}", choice.about) };
            format!("{}{about}{}", choice.value, if self.is_marked(choice) { ", marked" } else { "" })
        };
        let items = self.chooser.shown().iter().filter_map(|index| self.choices.get(*index)).map(words).collect();
        Speech::of(items, self.chooser.at()).when_empty("nothing is called like that")
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.chooser.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let none = if self.choices.is_empty() { "there is nothing to choose" } else { "nothing is called like that" };
        let parts = |index| parts(&self.choices, self.marked.as_deref(), area.width, theme, index);
        self.chooser.draw(buffer, area, theme, ("find:", none), parts);
    }
}

/// Whether it is marked, where several can be chosen; its value, and what people read beside it.
fn parts(choices: &[Choice], marked: Option<&[String]>, width: u16, theme: &Theme, index: usize) -> Vec<Part> {
    let Some(choice) = choices.get(index) else { return Vec::new() };
    let mark = if marked.is_some_and(|marked| marked.contains(&choice.value)) { "[x]" } else { "[ ]" };
    let mark_width = if marked.is_some() { 3 } else { 0 };
    let wide = usize::from(width).saturating_sub(2 + mark_width + usize::from(mark_width > 0));
    // Where both do not fit side by side, the value has the line; what is said about the one under the cursor stands below.
    let longest = choices.iter().map(|choice| columns(&choice.value)).max().unwrap_or(0).min(32);
    let fits = !choice.about.is_empty() && longest + 1 + ABOUT_COLUMNS_MIN <= wide;
    let value = if fits { longest } else { wide };
    let about = if fits { wide.saturating_sub(value + 1) } else { 0 };
    let part = |text: &str, width, style| Part { text: text.to_owned(), width, style };
    vec![
        part(mark, mark_width, theme.text),
        part(&choice.value, value, theme.text),
        part(&choice.about, about, theme.dim),
    ]
}

fn words(choice: &Choice) -> Words<'_> {
    Words { name: &choice.value, about: &choice.about }
}

/// For what is only measured.
fn plain() -> Theme {
    Theme::new(ThemeName::Mono)
}
