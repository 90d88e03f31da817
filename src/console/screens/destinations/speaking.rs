//! The destinations of a channel in words, and the facts about one, line by line.

use ratatui::style::Style;

use crate::console::screens::destinations::Destinations;
use crate::console::speech::Speech;
use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::paint::{Span, wrap};
use crate::console::words::health;
use crate::domain::destination::Destination;
use crate::domain::text::pad;

/// Columns of a fact's name.
const NAME_COLUMNS: usize = 15;

/// Columns of a fact where it is heard, and not seen.
const SPOKEN_COLUMNS: usize = 400;

impl Destinations {
    pub(crate) fn words(&self) -> Speech {
        let theme = Theme::new(ThemeName::Mono);
        let words = |row: &Destination| format!("{}, {}", row.label, health(row, &theme).0);
        let items: Vec<String> = self.rows.iter().map(words).collect();
        let mut speech = Speech::of(items, self.cursor.index());
        if let Some(row) = self.row() {
            let mut facts = Facts::new(&theme, SPOKEN_COLUMNS);
            self.answer(&mut facts, row);
            self.details(&mut facts, row, &self.services.options.zone);
            let said = facts.lines.iter().map(|spans| {
                let texts: Vec<&str> =
                    spans.iter().map(|(text, _)| text.trim()).filter(|text| !text.is_empty()).collect();
                texts.join(": ")
            });
            speech.after.extend(said);
        }
        speech.when_empty("no destination is here yet; a adds one")
    }
}

/// Names and values, wrapped, line by line.
pub(crate) struct Facts<'a> {
    lines: Vec<Vec<Span>>,
    pub(crate) theme: &'a Theme,
    width: usize,
}

impl<'a> Facts<'a> {
    pub(crate) const fn new(theme: &'a Theme, width: usize) -> Self {
        Self { lines: Vec::new(), theme, width }
    }

    pub(crate) fn lines(self) -> Vec<Vec<Span>> {
        self.lines
    }

    pub(crate) fn add(&mut self, name: &str, value: &str, style: Style) {
        let width = self.width.saturating_sub(NAME_COLUMNS + 3).max(8);
        for (index, part) in wrap(value, width).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.lines.push(vec![(format!("{} ", pad(name, NAME_COLUMNS)), self.theme.dim), (part, style)]);
        }
    }
}
