//! Everything that can be done here, to find by typing: made from the table of keys, which each line teaches.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::offer::offered;
use crate::console::keymap::{self, Action, Binding, Place};
use crate::console::query::score;
use crate::console::screen::{Message, Outcome, Screen};
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::{Answer, Question};
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::ListCursor;
use crate::console::widgets::paint::{Column, below, cursor_at, line, put, put_columns};
use crate::console::widgets::text_box::Edit;
use crate::domain::role::Role;

/// The palette.
pub struct Palette {
    entries: Vec<&'static Binding>,
    shown: Vec<&'static Binding>,
    cursor: ListCursor<(Place, Action)>,
    finder: Finder,
}

impl Palette {
    /// Of what a role can do where it was opened.
    #[must_use]
    pub fn new(from: Place, role: Role) -> Self {
        let places = [from, Place::Screens, Place::Everywhere];
        let entries =
            places.into_iter().flat_map(|place| offered(place, role)).filter(|binding| !is_movement(binding.action));
        let mut finder = Finder::default();
        finder.open();
        let mut palette = Self { entries: entries.collect(), shown: Vec::new(), cursor: ListCursor::default(), finder };
        palette.narrow();
        palette
    }

    fn narrow(&mut self) {
        let words: Vec<&str> = self.finder.text().split_whitespace().collect();
        let fit = |binding: &Binding| {
            // In a sentence nearly any letters stand in some order; there a word must stand whole.
            let fit =
                |word: &&str| score(word, binding.name).or_else(|| score(word, binding.help).filter(|fit| *fit < 3));
            words.iter().map(|word| fit(word).map(u32::from)).sum::<Option<u32>>()
        };
        let mut fits: Vec<_> = self.entries.iter().filter_map(|&one| fit(one).map(|fit| (fit, one))).collect();
        fits.sort_by_key(|(fit, _)| *fit);
        self.shown = fits.into_iter().map(|(_, binding)| binding).collect();
        self.cursor.set(self.shown.iter().map(|binding| (binding.place, binding.action)).collect());
        self.cursor.go(0);
    }
}

/// What is not looked for by name.
const fn is_movement(action: Action) -> bool {
    matches!(
        action,
        Action::Up | Action::Down | Action::Left | Action::Right | Action::PageUp | Action::PageDown | Action::Palette
    )
}

/// Asks where to: every line of the table that begins with `g`.
#[must_use]
pub fn go() -> Question {
    let letter = |binding: &Binding| binding.shown.strip_prefix("g ").and_then(|letter| letter.chars().next());
    let lines = keymap::of(Place::Screens).filter_map(|binding| Some((letter(binding)?, binding)));
    let answers = lines.map(|(key, binding)| Answer {
        key,
        label: binding.help.to_owned(),
        outcome: Outcome::Act(binding.action),
    });
    Question::new("Go".to_owned(), answers.collect())
}

impl Screen for Palette {
    fn title(&self) -> String {
        "commands".to_owned()
    }

    fn place(&self) -> Place {
        Place::Palette
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
            Action::Open => match self.shown.get(self.cursor.index()) {
                Some(binding) => Outcome::Close.then(Outcome::Act(binding.action)),
                None => Outcome::Say(Message::plain("nothing is called like that here")),
            },
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if self.finder.edit(edit) {
            self.narrow();
        }
        Outcome::Handled
    }

    fn status(&self) -> Option<Message> {
        let binding = self.shown.get(self.cursor.index())?;
        Some(Message::plain(format!("enter does it; on its own screen, {} does too", binding.shown)))
    }

    fn speak(&self) -> Speech {
        let words = |binding: &&Binding| format!("{}, by {}", binding.help, binding.shown);
        let items = self.shown.iter().map(words).collect();
        Speech::of(items, self.cursor.index()).when_empty("nothing is called like that here")
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        self.finder.draw(buffer, line(area, 0), theme, ":", "");
        let body = below(area, 1);
        if self.shown.is_empty() {
            put(buffer, body, 1, 0, "nothing is called like that here", theme.dim);
        }
        let shown = self.shown.iter().enumerate().skip(self.cursor.offset()).take(usize::from(body.height));
        for (y, (index, binding)) in (0u16..).zip(shown) {
            let help = usize::from(area.width).saturating_sub(1 + 13);
            let key = binding.shown.split(',').next().unwrap_or_default();
            let columns = [Column::new(key, 10, theme.key), Column::new(binding.help, help, theme.text)];
            put_columns(buffer, line(body, y), 1, &columns);
            if index == self.cursor.index() {
                cursor_at(buffer, body, y, theme);
            }
        }
    }
}
