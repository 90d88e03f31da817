//! A question in front of a screen: a few answers, of which the first changes nothing when the matter is dangerous.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::console::screen::Outcome;
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::paint::{put, put_right, shade, wrap};
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

    /// Puts the cursor on the answer with this key, or with its small letter where the capital stands for nothing else; says
    /// whether there is one.
    pub fn pick(&mut self, key: char) -> bool {
        let position = |key: char| self.answers.iter().position(|answer| answer.key == key);
        let found = position(key).or_else(|| position(key.to_ascii_lowercase()));
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

    /// Draws it over the middle of the area. Where it would not fit, it does without its edges; what is beyond the screen then is
    /// counted in the last line.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let width = area.width.min(WIDTH_MAX);
        let inner = usize::from(width.saturating_sub(4)).max(1);
        let text = wrap(&self.text, inner);
        let labels: Vec<Vec<String>> =
            self.answers.iter().map(|answer| wrap(&answer.label, inner.saturating_sub(LABEL_AT).max(1))).collect();
        let tall = text.len() + labels.iter().map(Vec::len).sum::<usize>();
        let has_edges = tall + 2 <= usize::from(area.height);
        let edge_lines = if has_edges { 2 } else { 0 };
        let height = u16::try_from(tall + edge_lines).unwrap_or(u16::MAX).min(area.height);
        let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
        let place = place.intersection(buffer.area);
        draw_box(buffer, place, theme, has_edges);
        let mut y = u16::from(has_edges);
        for line in &text {
            put(buffer, place, 2, y, line, theme.head);
            y += 1;
        }
        let room = usize::from(place.height).saturating_sub(text.len() + edge_lines).max(1);
        let (first, shown) = in_view(&labels, self.cursor, room);
        for (index, label) in labels.iter().enumerate().skip(first).take(shown) {
            let key = self.answers.get(index).map_or(' ', |answer| answer.key);
            for (part, text) in label.iter().enumerate() {
                let key = if part == 0 { key } else { ' ' };
                let line = format!(" {key}  {text} ");
                put(buffer, place, 2, y, &line, theme.text);
                if index == self.cursor {
                    let wide = u16::try_from(columns(&line)).unwrap_or(width);
                    shade(buffer, place, 2, y, wide.min(width.saturating_sub(4)), theme.cursor);
                }
                y += 1;
            }
        }
        let more = labels.len().saturating_sub(first + shown);
        if more > 0 {
            put_right(buffer, place, 2, place.height.saturating_sub(1), &format!("{more} more below "), theme.dim);
        }
    }
}

/// Columns before an answer's words: its key and what is around that.
const LABEL_AT: usize = 5;

/// The first answer that is in view and how many are, so that the one under the cursor is.
fn in_view(labels: &[Vec<String>], cursor: usize, room: usize) -> (usize, usize) {
    let tall = |from: usize, to: usize| labels.iter().take(to).skip(from).map(Vec::len).sum::<usize>();
    let first = (0..cursor).find(|first| tall(*first, cursor + 1) <= room).unwrap_or(cursor);
    let shown = (1..=labels.len().saturating_sub(first)).take_while(|count| tall(first, first + count) <= room).last();
    (first, shown.unwrap_or(1))
}

fn draw_box(buffer: &mut Buffer, place: Rect, theme: &Theme, has_edges: bool) {
    Clear.render(place, buffer);
    let inner = usize::from(place.width.saturating_sub(2));
    let (edge, side) = if has_edges { ("-", '|') } else { (" ", ' ') };
    for y in 0..place.height {
        let is_edge = has_edges && (y == 0 || y + 1 == place.height);
        let line =
            if is_edge { format!("+{}+", edge.repeat(inner)) } else { format!("{side}{}{side}", " ".repeat(inner)) };
        put(buffer, place, 0, y, &line, theme.text);
    }
}
