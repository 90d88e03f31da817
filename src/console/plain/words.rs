//! What a typed line asks for: an item's number, keys, the names that the footer gives them, or text for a field.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::console::keymap::offer::offered;
use crate::console::keymap::{Action, Place};
use crate::domain::role::Role;

/// A part of what a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// To an item, counted from 0.
    Item(usize),
    /// A key.
    Key(KeyEvent),
    /// What a line of the table of keys does, by its name.
    Action(Action),
    /// This in the place of what stands in the field.
    Text(String),
    /// The whole screen again.
    Screen,
    /// What can be done here.
    Keys,
    /// The next items.
    More,
    /// Nothing that is known.
    Unknown(String),
}

/// Reads a line. Where text is typed a line is text, and one that begins with a full stop is not.
#[must_use]
pub fn read(place: Place, role: Role, line: &str) -> Vec<Said> {
    if place.takes_text() {
        return match line.strip_prefix('.') {
            None => vec![Said::Text(line.to_owned())],
            Some(text) if text.starts_with('.') => vec![Said::Text(text.to_owned())],
            Some(command) => commands(place, role, command.trim()),
        };
    }
    let line = line.trim();
    commands(place, role, line.strip_prefix('.').filter(|rest| !rest.is_empty()).unwrap_or(line))
}

fn commands(place: Place, role: Role, line: &str) -> Vec<Said> {
    match line {
        "screen" | "" => return vec![Said::Screen],
        "keys" => return vec![Said::Keys],
        "more" => return vec![Said::More],
        "quit" => return vec![Said::Action(Action::Quit)],
        _ => {}
    }
    if let Some(action) = named(place, role, line) {
        return vec![Said::Action(action)];
    }
    // What is looked for, in one line: begin to find, type it, keep it.
    if let Some(text) = line.strip_prefix('/').filter(|text| !text.is_empty())
        && offered(place, role).any(|binding| binding.action == Action::Filter)
    {
        let text = Said::Text(text.trim().to_owned());
        return vec![Said::Action(Action::Filter), text, Said::Action(Action::SwitchPane)];
    }
    line.split_whitespace().map(|word| one(place, role, word)).collect()
}

fn one(place: Place, role: Role, word: &str) -> Said {
    let number = word.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let is_key = word.chars().count() == 1 && place == Place::Question;
    match number.filter(|_| !is_key) {
        Some(item) => Said::Item(item),
        None => key(word)
            .map(Said::Key)
            .or_else(|| named(place, role, word).map(Said::Action))
            .unwrap_or_else(|| Said::Unknown(word.to_owned())),
    }
}

/// What is called that in the footer or is done everywhere.
fn named(place: Place, role: Role, name: &str) -> Option<Action> {
    let bindings = offered(place, role).chain(offered(Place::Screens, role).filter(|_| place.is_screen()));
    bindings.filter(|binding| !binding.name.is_empty()).find(|binding| binding.name == name).map(|one| one.action)
}

/// A key by its name in the table, or a single letter.
fn key(word: &str) -> Option<KeyEvent> {
    let code = match word {
        "enter" => KeyCode::Enter,
        "space" => KeyCode::Char(' '),
        "tab" => KeyCode::Tab,
        "esc" => KeyCode::Esc,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        _ => {
            let (letter, modifiers) = match word.strip_prefix('^') {
                Some(letter) if !letter.is_empty() => (letter, KeyModifiers::CONTROL),
                _ => (word, KeyModifiers::NONE),
            };
            let mut letters = letter.chars();
            let only = letters.next().filter(|_| letters.as_str().is_empty())?;
            let only = if modifiers.is_empty() { only } else { only.to_ascii_lowercase() };
            return Some(KeyEvent::new(KeyCode::Char(only), modifiers));
        }
    };
    Some(KeyEvent::new(code, KeyModifiers::NONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_numbers_keys_names_or_text() {
        let check = |place, line: &str, expected: &[Said]| {
            assert_eq!(read(place, Role::Administer, line), expected, "{line:?} in {place:?}");
        };
        let letter = |c| Said::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        let enter = Said::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
        check(Place::Accounts, "3 enter", &[Said::Item(2), enter.clone()]);
        check(Place::Matrix, "toggle", &[Said::Action(Action::Toggle)]);
        check(Place::Matrix, "set up", &[Said::Action(Action::SetUp)]);
        check(Place::Matrix, "H", &[letter('H')]);
        check(Place::Matrix, "", &[Said::Screen]);
        check(Place::Matrix, "nonsense", &[Said::Unknown("nonsense".to_owned())]);
        check(Place::Question, "2", &[letter('2')]);
        check(Place::Form, "Acme Ltd", &[Said::Text("Acme Ltd".to_owned())]);
        check(Place::Form, ".enter", &[enter]);
        check(Place::Form, "..profile", &[Said::Text(".profile".to_owned())]);
        let find = [Said::Action(Action::Filter), Said::Text("slack".to_owned()), Said::Action(Action::SwitchPane)];
        check(Place::Accounts, "/slack", &find);
        assert_eq!(read(Place::Matrix, Role::Look, "toggle"), [Said::Unknown("toggle".to_owned())]);
    }
}
