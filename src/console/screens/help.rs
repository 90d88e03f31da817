//! Every key of every screen, from the keymap table, and what the marks mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::offer::offered;
use crate::console::keymap::{self, Action, Place};
use crate::console::screen::{Outcome, Screen};
use crate::console::speech::Speech;
use crate::console::theme::{Marks, Theme};
use crate::console::widgets::paint::{put, put_all, wrap};
use crate::domain::role::Role;
use crate::domain::text::{columns, pad};

const MARKS: [(&str, &str); 7] = [
    (".", "off"),
    ("*", "on"),
    ("o", "on, but nowhere to go: no destination is set up"),
    ("~", "on, but muted: what comes until a time is not sent, then it is on again by itself"),
    ("=", "on, and paused: what comes is held"),
    ("!", "on, and a destination is failing or disabled"),
    ("*+ .+", "a + beside a mark: differs from the default"),
];

const UNICODE_MARKS: [(&str, &str); 7] =
    [("·", MARKS[0].1), ("■", MARKS[1].1), ("□", MARKS[2].1), MARKS[3], MARKS[4], MARKS[5], ("■+ ·+", MARKS[6].1)];

const WORDS: [(&str, &str); 3] = [
    ("retry 3", "waits for its third try, at the time that stands at the end of the line"),
    ("84 ms x3", "how long the last try took, and that it was the third"),
    ("nowhere", "the event went to no channel; `w` says why for each"),
];

/// The help.
pub struct Help {
    lines: Vec<Line>,
    /// The lines as they fit the screen: a key, or nothing for a head, and its text.
    wrapped: Vec<(Option<String>, String)>,
    offset: usize,
    height: usize,
}

enum Line {
    Head(&'static str),
    Key(&'static str, &'static str),
    Blank,
}

impl Help {
    /// With the keys of that place on top; those that a role may use.
    #[must_use]
    pub fn new(from: Place, marks: Marks, role: Role) -> Self {
        let others = Place::ALL.into_iter().filter(|place| *place != from && *place != Place::Everywhere);
        let mut lines = Vec::new();
        for place in [from, Place::Everywhere].into_iter().chain(others) {
            lines.push(Line::Head(place.title()));
            lines.extend(offered(place, role).map(|binding| Line::Key(binding.shown, binding.help)));
            lines.push(Line::Blank);
            if place == Place::Everywhere {
                lines.push(Line::Head("Marks"));
                let table = if marks == Marks::Ascii { &MARKS } else { &UNICODE_MARKS };
                lines.extend(table.iter().chain(&WORDS).map(|(mark, meaning)| Line::Key(mark, meaning)));
                lines.push(Line::Blank);
            }
        }
        Self { lines, wrapped: Vec::new(), offset: 0, height: 1 }
    }

    /// All of its text, for tests.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| match line {
            Line::Head(title) => (*title).to_owned(),
            Line::Key(key, help) => format!("{key} {help}"),
            Line::Blank => String::new(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn wrap_to(&mut self, width: usize) {
        let widest = keymap::bindings().map(|binding| columns(binding.shown)).max().unwrap_or(0);
        let keys = widest.min(width / 3).max(1);
        self.wrapped.clear();
        for line in &self.lines {
            match line {
                Line::Head(title) => self.wrapped.push((None, (*title).to_owned())),
                Line::Key(key, help) => {
                    for (index, part) in wrap(help, width.saturating_sub(keys + 5).max(8)).into_iter().enumerate() {
                        let key = if index == 0 { key } else { "" };
                        self.wrapped.push((Some(format!("{} ", pad(key, keys))), part));
                    }
                }
                Line::Blank => self.wrapped.push((None, String::new())),
            }
        }
    }

    fn scroll(&mut self, by: isize) -> Outcome {
        let offset_max = self.wrapped.len().saturating_sub(self.height);
        self.offset = self.offset.saturating_add_signed(by).min(offset_max);
        Outcome::Handled
    }
}

impl Screen for Help {
    fn title(&self) -> String {
        "help".to_owned()
    }

    fn place(&self) -> Place {
        Place::Help
    }

    fn arrange(&mut self, area: Rect) {
        self.height = usize::from(area.height).max(1);
        self.wrap_to(usize::from(area.width));
        self.scroll(0);
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        let page = self.height.saturating_sub(1).max(1).cast_signed();
        match action {
            Action::Up => self.scroll(-1),
            Action::Down => self.scroll(1),
            Action::PageUp => self.scroll(-page),
            Action::PageDown => self.scroll(page),
            Action::First => self.scroll(isize::MIN),
            Action::Last => self.scroll(isize::MAX),
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn speak(&self) -> Speech {
        let words = |line: &Line| match line {
            Line::Head(title) => Some((*title).to_owned()),
            Line::Key(key, help) => Some(format!("{key}: {help}")),
            Line::Blank => None,
        };
        Speech { head: self.lines.iter().filter_map(words).collect(), ..Speech::default() }
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        for (y, (key, text)) in (0u16..area.height).zip(self.wrapped.iter().skip(self.offset)) {
            match key {
                None => put(buffer, area, 1, y, text, theme.head),
                Some(key) => put_all(buffer, area, 3, y, &[(key.clone(), theme.key), (text.clone(), theme.text)]),
            };
        }
    }
}
