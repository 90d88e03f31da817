//! A list to choose from by typing a part of what one wants: the zones of a form, the rooms of a token, event types. What is
//! chosen goes into a field of the screen beneath.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::query::score;
use crate::console::screen::{Message, Outcome, Screen};
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::ListCursor;
use crate::console::widgets::paint::{Column, below, cursor_at, line, put, put_columns};
use crate::console::widgets::text_box::Edit;

/// What stands between several that were chosen.
pub const SEPARATOR: &str = ", ";

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
    /// Indexes of what fits what was typed, the best first.
    shown: Vec<usize>,
    cursor: ListCursor<usize>,
    finder: Finder,
    /// What is marked, where several can be chosen.
    marked: Option<Vec<String>>,
}

impl Pick {
    /// One of them, for that field; the cursor is on what the field has now.
    #[must_use]
    pub fn one(title: &'static str, field: &'static str, choices: Vec<Choice>, now: &str) -> Self {
        let mut finder = Finder::default();
        finder.open();
        let mut pick =
            Self { title, field, choices, shown: Vec::new(), cursor: ListCursor::default(), finder, marked: None };
        pick.narrow();
        let at = pick.choices.iter().position(|choice| choice.value == now.trim());
        pick.cursor.go(at.unwrap_or(0));
        pick
    }

    /// Any of them; what the field has now is marked.
    #[must_use]
    pub fn several(title: &'static str, field: &'static str, choices: Vec<Choice>, now: &str) -> Self {
        let marked = now.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
        Self { marked: Some(marked), ..Self::one(title, field, choices, "") }
    }

    fn narrow(&mut self) {
        let words: Vec<&str> = self.finder.text().split_whitespace().collect();
        let fit = |choice: &Choice| {
            let of = |word: &&str| {
                let about = score(word, &choice.about).filter(|fit| *fit < 3);
                score(word, &choice.value).into_iter().chain(about).min().map(u32::from)
            };
            words.iter().map(of).sum::<Option<u32>>()
        };
        let mut fits: Vec<_> =
            self.choices.iter().enumerate().filter_map(|(index, choice)| fit(choice).map(|fit| (fit, index))).collect();
        fits.sort_unstable();
        self.shown = fits.into_iter().map(|(_, index)| index).collect();
        self.cursor.set(self.shown.clone());
    }

    fn current(&self) -> Option<&Choice> {
        self.choices.get(*self.cursor.id()?)
    }

    fn mark(&mut self) -> Outcome {
        let current = self.current().map(|choice| choice.value.clone());
        let (Some(marked), Some(value)) = (&mut self.marked, current) else {
            return Outcome::Say(Message::plain("one is chosen here; enter takes it"));
        };
        match marked.iter().position(|other| *other == value) {
            Some(index) => {
                marked.remove(index);
            }
            None => marked.push(value),
        }
        self.cursor.step(1);
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
        Place::Pick
    }

    fn on_click(&mut self, _area: Rect, _x: u16, y: u16) -> Outcome {
        self.cursor.click(y.checked_sub(1));
        Outcome::Handled
    }

    fn arrange(&mut self, area: Rect) {
        self.cursor.arrange(usize::from(area.height.saturating_sub(1)));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.cursor.on_action(action) => Outcome::Handled,
            Action::Toggle => self.mark(),
            Action::Open => self.take(),
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if self.finder.edit(edit) {
            self.narrow();
            self.cursor.go(0);
        }
        Outcome::Handled
    }

    fn status(&self) -> Option<Message> {
        let marked = self.marked.as_ref()?;
        Some(Message::plain(match marked.len() {
            0 => "tab marks several; enter takes the one under the cursor".to_owned(),
            _ => format!("enter takes {}", marked.join(SEPARATOR)),
        }))
    }

    fn speak(&self) -> Speech {
        let words = |choice: &Choice| {
            let marked = self.marked.as_ref().is_some_and(|marked| marked.contains(&choice.value));
            let about = if choice.about.is_empty() { String::new() } else { format!(", {}", choice.about) };
            format!("{}{about}{}", choice.value, if marked { ", marked" } else { "" })
        };
        let items = self.shown.iter().filter_map(|index| self.choices.get(*index)).map(words).collect();
        Speech::of(items, self.cursor.index()).when_empty("nothing is called like that")
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        self.finder.draw(buffer, line(area, 0), theme, "find:", "");
        let body = below(area, 1);
        if self.shown.is_empty() {
            let text =
                if self.choices.is_empty() { "there is nothing to choose" } else { "nothing is called like that" };
            put(buffer, body, 1, 0, text, theme.dim);
        }
        let wide = usize::from(area.width);
        let shown = self.shown.iter().enumerate().skip(self.cursor.offset()).take(usize::from(body.height));
        for (y, (index, choice)) in (0u16..).zip(shown) {
            let Some(choice) = self.choices.get(*choice) else { continue };
            let mark = match &self.marked {
                Some(marked) if marked.contains(&choice.value) => "[x]",
                Some(_) => "[ ]",
                None => "",
            };
            let value = if choice.about.is_empty() { wide.saturating_sub(6) } else { (wide / 2).min(32) };
            let columns = [
                Column::new(mark, if self.marked.is_some() { 3 } else { 0 }, theme.text),
                Column::new(&choice.value, value, theme.text),
                Column::new(&choice.about, wide.saturating_sub(value + 7), theme.dim),
            ];
            put_columns(buffer, line(body, y), 1, &columns);
            if index == self.cursor.index() {
                cursor_at(buffer, body, y, theme);
            }
        }
    }
}
