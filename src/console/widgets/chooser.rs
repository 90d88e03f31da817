//! A list to choose from by typing a part of what one wants: what the palette and every list of choices are made of. A line
//! that is longer than the screen is wide goes on beneath itself, so that what tells two apart is never cut away.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::keymap::Action;
use crate::console::query::score;
use crate::console::theme::Theme;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::paint::{below, cursor_at, line, put, wrap};
use crate::console::widgets::text_box::Edit;

/// What of an item is looked at while one types.
pub struct Words<'a> {
    /// Its name: any of its letters in their order fit.
    pub name: &'a str,
    /// What is said about it: in a sentence nearly any letters stand in some order, so there a word must stand whole.
    pub about: &'a str,
}

/// A part of an item's line.
pub struct Part {
    /// What it says.
    pub text: String,
    /// Its columns, without the one after it.
    pub width: usize,
    /// How it looks.
    pub style: Style,
}

/// The list, of items that its owner keeps and names by their index.
pub struct Chooser {
    /// Indexes of what fits what was typed, the best first.
    shown: Vec<usize>,
    /// The place in `shown` of the cursor, and of the first in view.
    cursor: usize,
    offset: usize,
    area: Rect,
    finder: Finder,
}

impl Chooser {
    /// Of all those items.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let mut finder = Finder::default();
        finder.open();
        Self { shown: (0..count).collect(), cursor: 0, offset: 0, area: Rect::default(), finder }
    }

    /// The index of the item under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        self.shown.get(self.cursor).copied()
    }

    /// The indexes of what fits, the best first.
    #[must_use]
    pub fn shown(&self) -> &[usize] {
        &self.shown
    }

    /// Which of them the cursor is on.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.cursor
    }

    /// Puts the cursor on one of what is shown.
    pub fn go(&mut self, at: usize) {
        self.cursor = at.min(self.shown.len().saturating_sub(1));
    }

    /// Puts the cursor on the item of that index.
    pub fn go_to_item(&mut self, index: usize) {
        self.go(self.shown.iter().position(|other| *other == index).unwrap_or(0));
    }

    /// Answers the keys that move; says whether it was one.
    pub fn on_action(&mut self, action: Action) -> bool {
        let page = usize::from(self.area.height.saturating_sub(2)).max(1);
        match action {
            Action::Up => self.go(self.cursor.saturating_sub(1)),
            Action::Down => self.go(self.cursor + 1),
            Action::PageUp => self.go(self.cursor.saturating_sub(page)),
            Action::PageDown => self.go(self.cursor + page),
            Action::First => self.go(0),
            Action::Last => self.go(usize::MAX),
            _ => return false,
        }
        true
    }

    /// Takes typing, and narrows the items to what fits it.
    pub fn edit<'a>(&mut self, edit: &Edit, items: impl Iterator<Item = Words<'a>>) {
        if !self.finder.edit(edit) {
            return;
        }
        let words: Vec<&str> = self.finder.text().split_whitespace().collect();
        let fit = |item: &Words<'_>| {
            let of = |word: &&str| {
                let about = score(word, item.about).filter(|fit| *fit < 3);
                score(word, item.name).into_iter().chain(about).min().map(u32::from)
            };
            words.iter().map(of).sum::<Option<u32>>()
        };
        let mut fits: Vec<_> =
            items.enumerate().filter_map(|(index, item)| fit(&item).map(|fit| (fit, index))).collect();
        fits.sort_unstable();
        self.shown = fits.into_iter().map(|(_, index)| index).collect();
        (self.cursor, self.offset) = (0, 0);
    }

    /// Learns its area; keeps the cursor in view.
    pub fn arrange(&mut self, area: Rect, parts: impl Fn(usize) -> Vec<Part>) {
        self.area = area;
        let room = usize::from(area.height.saturating_sub(1)).max(1);
        self.go(self.cursor);
        self.offset = self.offset.min(self.cursor);
        let heights: Vec<usize> = self
            .shown
            .iter()
            .skip(self.offset)
            .take(self.cursor + 1 - self.offset)
            .map(|item| height(&parts(*item)))
            .collect();
        let mut sum: usize = heights.iter().sum();
        for tall in heights {
            if sum <= room || self.offset == self.cursor {
                break;
            }
            sum -= tall;
            self.offset += 1;
        }
    }

    /// Puts the cursor on the item in this line of the area.
    pub fn click(&mut self, y: u16, parts: impl Fn(usize) -> Vec<Part>) {
        let Some(mut left) = y.checked_sub(1).map(usize::from) else { return };
        for (at, item) in self.shown.iter().enumerate().skip(self.offset) {
            let tall = height(&parts(*item));
            if left < tall {
                self.cursor = at;
                return;
            }
            left -= tall;
        }
    }

    /// Draws it: what was typed, then what fits; `none` where nothing does.
    pub fn draw(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        theme: &Theme,
        (head, none): (&str, &str),
        parts: impl Fn(usize) -> Vec<Part>,
    ) {
        self.finder.draw(buffer, line(area, 0), theme, head, "");
        let body = below(area, 1);
        if self.shown.is_empty() {
            put(buffer, body, 1, 0, none, theme.dim);
        }
        let mut y = 0;
        for (at, item) in self.shown.iter().enumerate().skip(self.offset) {
            if y >= body.height {
                break;
            }
            let tall = draw_parts(buffer, below(body, y), &parts(*item));
            if at == self.cursor {
                cursor_at(buffer, body, y, theme);
            }
            y = y.saturating_add(tall);
        }
    }
}

fn lines(part: &Part) -> Vec<String> {
    wrap(&part.text, part.width.max(1))
}

fn height(parts: &[Part]) -> usize {
    parts.iter().filter(|part| part.width > 0).map(|part| lines(part).len()).max().unwrap_or(1)
}

fn draw_parts(buffer: &mut Buffer, area: Rect, parts: &[Part]) -> u16 {
    let mut x = 1;
    for part in parts.iter().filter(|part| part.width > 0) {
        for (y, text) in (0u16..).zip(lines(part)) {
            put(buffer, area, x, y, &text, part.style);
        }
        x = x.saturating_add(u16::try_from(part.width + 1).unwrap_or(u16::MAX));
    }
    u16::try_from(height(parts)).unwrap_or(u16::MAX)
}
