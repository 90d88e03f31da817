//! Everything that can be done here, to find by typing: made from the table of keys, which each line teaches.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::offer::offered;
use crate::console::keymap::{self, Action, Binding, Place};
use crate::console::screen::{Message, Outcome, Screen};
use crate::console::speech::Speech;
use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::chooser::{Chooser, Part, Words};
use crate::console::widgets::dialog::{Answer, Question};
use crate::console::widgets::text_box::Edit;
use crate::domain::role::Role;

/// Columns of the key at the end of a line.
const KEY_COLUMNS: usize = 9;

/// Columns of the name at its beginning.
const NAME_COLUMNS: usize = 14;

/// Columns from which each line also says what is done; on a narrower screen the line beneath says it of the one under the cursor.
const WIDE: u16 = 60;

/// The palette.
pub struct Palette {
    entries: Vec<&'static Binding>,
    chooser: Chooser,
    is_wide: bool,
}

impl Palette {
    /// Of what a role can do where it was opened.
    #[must_use]
    pub fn new(from: Place, role: Role) -> Self {
        let places = [from, Place::Screens, Place::Everywhere];
        let offered = places.into_iter().flat_map(|place| offered(place, role));
        let mut entries: Vec<&'static Binding> = Vec::new();
        for binding in offered.filter(|binding| !is_movement(binding.action)) {
            // A screen's own way comes before the one that all have.
            if !entries.iter().any(|other| other.action == binding.action) {
                entries.push(binding);
            }
        }
        let chooser = Chooser::new(entries.len());
        Self { entries, chooser, is_wide: true }
    }

    fn current(&self) -> Option<&'static Binding> {
        self.entries.get(self.chooser.current()?).copied()
    }
}

/// What it is called, what it does where there is room for that, and the key that does it too.
fn parts(entries: &[&Binding], width: u16, theme: &Theme, index: usize) -> Vec<Part> {
    let Some(binding) = entries.get(index) else { return Vec::new() };
    let key = binding.shown.split(',').next().unwrap_or_default();
    let rest = usize::from(width).saturating_sub(KEY_COLUMNS + 3);
    let (name, help) = if width < WIDE { (rest, 0) } else { (NAME_COLUMNS, rest.saturating_sub(NAME_COLUMNS + 1)) };
    let part = |text: &str, width, style| Part { text: text.to_owned(), width, style };
    vec![
        part(binding.called(), name, theme.text),
        part(binding.help, help, theme.dim),
        part(key, KEY_COLUMNS, theme.key),
    ]
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

    fn on_click(&mut self, area: Rect, _x: u16, y: u16) -> Outcome {
        let theme = Theme::new(ThemeName::Mono);
        self.chooser.click(y, |index| parts(&self.entries, area.width, &theme, index));
        Outcome::Handled
    }

    fn arrange(&mut self, area: Rect) {
        self.is_wide = area.width >= WIDE;
        let theme = Theme::new(ThemeName::Mono);
        self.chooser.arrange(area, |index| parts(&self.entries, area.width, &theme, index));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.chooser.on_action(action) => Outcome::Handled,
            Action::Open => match self.current() {
                Some(binding) => Outcome::Close.then(Outcome::Act(binding.action)),
                None => Outcome::Say(Message::plain("nothing is called like that here")),
            },
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        self.chooser.edit(edit, self.entries.iter().map(|one| Words { name: one.called(), about: one.help }));
        Outcome::Handled
    }

    fn status(&self) -> Option<Message> {
        let binding = self.current()?;
        if !self.is_wide {
            return Some(Message::plain(binding.help));
        }
        Some(Message::plain(format!("enter does it; on its own screen, {} does too", binding.shown)))
    }

    fn speak(&self) -> Speech {
        let words = |binding: &&Binding| format!("{}: {}, by {}", binding.called(), binding.help, binding.shown);
        let items = self.chooser.shown().iter().filter_map(|index| self.entries.get(*index)).map(words).collect();
        Speech::of(items, self.chooser.at()).when_empty("nothing is called like that here")
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.chooser.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let says = (":", "nothing is called like that here");
        self.chooser.draw(buffer, area, theme, says, |index| parts(&self.entries, area.width, theme, index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_name_of_its_own() {
        for place in Place::ALL.into_iter().filter(|place| place.is_screen()) {
            let names: Vec<_> = Palette::new(place, Role::Administer).entries.iter().map(|one| one.called()).collect();
            for (index, name) in names.iter().enumerate() {
                assert!(!name.is_empty() && name.len() <= NAME_COLUMNS, "{place:?}: `{name}`");
                assert!(!names[..index].contains(name), "{place:?}: `{name}` is two things");
            }
        }
    }
}
