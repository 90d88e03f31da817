//! A question in front of a screen: a few answers, of which the first changes nothing when the matter is dangerous.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::console::screen::Outcome;
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::paint::{put, shade, wrap};
use crate::domain::text::columns;

/// Widest box, in columns.
const WIDTH_MAX: u16 = 66;

/// An answer and what follows from it.
pub struct Answer {
    /// The key that picks it at once.
    pub key: char,
    /// What it says.
    pub label: String,
    /// What follows.
    pub outcome: Outcome,
}

/// A question.
pub struct Question {
    /// What is asked.
    pub text: String,
    /// What can be answered.
    pub answers: Vec<Answer>,
    cursor: usize,
}

impl Question {
    /// Asks.
    #[must_use]
    pub const fn new(text: String, answers: Vec<Answer>) -> Self {
        Self { text, answers, cursor: 0 }
    }

    /// Asks whether to do something that cannot be taken back; the cursor is on not doing it.
    #[must_use]
    pub fn sure(text: String, yes: String, outcome: Outcome) -> Self {
        let no = Answer { key: 'n', label: "no, leave it".to_owned(), outcome: Outcome::Handled };
        Self::new(text, vec![no, Answer { key: 'y', label: yes, outcome }])
    }

    /// Asks before what was typed is lost.
    #[must_use]
    pub fn leave() -> Self {
        let text = "What you typed is not saved yet. Leave it?".to_owned();
        Self::sure(text, "yes, leave without saving".to_owned(), Outcome::Close)
    }

    /// Tells what is shown this once.
    #[must_use]
    pub fn once(text: String, then: Outcome) -> Self {
        let label = "I have it; it is shown this once".to_owned();
        Self::new(text, vec![Answer { key: 'o', label, outcome: then }])
    }

    /// Moves the cursor; beyond an end it stops there.
    pub fn step(&mut self, by: isize) {
        self.cursor = self.cursor.saturating_add_signed(by).min(self.answers.len().saturating_sub(1));
    }

    /// What follows from the answer under the cursor.
    #[must_use]
    pub fn choose(mut self) -> Outcome {
        if self.cursor < self.answers.len() { self.answers.swap_remove(self.cursor).outcome } else { Outcome::Handled }
    }

    /// Puts the cursor on the answer with this key; says whether there is one.
    pub fn pick(&mut self, key: char) -> bool {
        let found = self.answers.iter().position(|answer| answer.key == key);
        self.cursor = found.unwrap_or(self.cursor);
        found.is_some()
    }

    /// The question in words: each answer with the key that picks it.
    #[must_use]
    pub fn speak(&self) -> Speech {
        let words = |answer: &Answer| match answer.key {
            ' ' | '\0' => answer.label.clone(),
            key => format!("{key}: {}", answer.label),
        };
        Speech::of(self.answers.iter().map(words).collect(), self.cursor).under(&self.text)
    }

    /// Draws it over the lower part of the area.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let width = area.width.min(WIDTH_MAX);
        let inner = usize::from(width.saturating_sub(4)).max(1);
        let text = wrap(&self.text, inner);
        let answers_max = usize::from(area.height).saturating_sub(text.len() + 2).max(1);
        let first = (self.cursor + 1).saturating_sub(answers_max);
        let shown = self.answers.iter().enumerate().skip(first).take(answers_max);
        let lines = text.len() + self.answers.len().min(answers_max) + 2;
        let height = u16::try_from(lines).unwrap_or(u16::MAX).min(area.height);
        let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
        let place = place.intersection(buffer.area);
        Clear.render(place, buffer);
        let edge = format!("+{}+", "-".repeat(usize::from(width.saturating_sub(2))));
        let blank = format!("|{}|", " ".repeat(usize::from(width.saturating_sub(2))));
        for y in 0..place.height {
            let is_edge = y == 0 || y + 1 == place.height;
            put(buffer, place, 0, y, if is_edge { &edge } else { &blank }, theme.text);
        }
        let mut y = 1;
        for line in &text {
            put(buffer, place, 2, y, line, theme.head);
            y += 1;
        }
        for (index, answer) in shown {
            let label = format!(" {}  {} ", answer.key, answer.label);
            put(buffer, place, 2, y, &label, theme.text);
            if index == self.cursor {
                let wide = u16::try_from(columns(&label)).unwrap_or(width);
                shade(buffer, place, 2, y, wide.min(width.saturating_sub(4)), theme.cursor);
            }
            y += 1;
        }
    }
}
