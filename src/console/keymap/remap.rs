//! Other keys than the table's, as the config wishes them: `[console.keys]`, an action's name and its keys.
//!
//! An action is changed wherever the table has it, or with `place.action` only there. What cannot be is refused with what is in
//! the way: keys that terminals cannot send or tell apart, letters where text is typed, and keys that another action has.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crossterm::event::KeyCode;

use crate::console::keymap::table::TABLE;
use crate::console::keymap::{Action, Binding, Key, Place};
use crate::domain::catalogue::edit_distance;

/// Keys by the names of actions.
pub type Wishes = BTreeMap<String, Vec<String>>;

/// The table with other keys, for as long as the program runs.
static REMAPPED: OnceLock<Vec<&'static [Binding]>> = OnceLock::new();

/// Keys that have names, and how people read them.
const NAMED: [(&str, Key); 14] = [
    ("space", Key::Char(' ')),
    ("enter", Key::Code(KeyCode::Enter)),
    ("tab", Key::Code(KeyCode::Tab)),
    ("shift-tab", Key::Code(KeyCode::BackTab)),
    ("esc", Key::Code(KeyCode::Esc)),
    ("up", Key::Code(KeyCode::Up)),
    ("down", Key::Code(KeyCode::Down)),
    ("left", Key::Code(KeyCode::Left)),
    ("right", Key::Code(KeyCode::Right)),
    ("home", Key::Code(KeyCode::Home)),
    ("end", Key::Code(KeyCode::End)),
    ("page-up", Key::Code(KeyCode::PageUp)),
    ("page-down", Key::Code(KeyCode::PageDown)),
    ("delete", Key::Code(KeyCode::Delete)),
];

/// The lines in force: the table's, or those that [`install`] was given.
pub(crate) fn lines() -> &'static [&'static [Binding]] {
    REMAPPED.get().map_or(TABLE, Vec::as_slice)
}

/// Has these lines hold from now on. Counts once, at the start.
pub fn install(lines: Vec<Binding>) {
    let _ = REMAPPED.set(vec![lines.leak()]);
}

/// The table as these wishes have it.
///
/// # Errors
/// The first wish that cannot be, with what to write instead.
pub fn remap(wishes: &Wishes) -> Result<Vec<Binding>, String> {
    let mut lines: Vec<Binding> = TABLE.iter().copied().flatten().copied().collect();
    let mut changed = vec![false; lines.len()];
    // What is named with its place counts before what is named without.
    let (narrow, wide): (Vec<_>, Vec<_>) = wishes.iter().partition(|(name, _)| name.contains('.'));
    for (name, texts) in narrow.into_iter().chain(wide) {
        let keys = texts.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|problem| format!("{name}: {problem}"))?;
        if keys.is_empty() {
            return Err(format!("{name}: it would have no key left; write at least one"));
        }
        let mut found = false;
        for (line, changed) in lines.iter_mut().zip(&mut changed) {
            if !is_called(line, name) || line.keys.is_empty() {
                continue;
            }
            found = true;
            if !std::mem::replace(changed, true) {
                check_place(line, &keys).map_err(|problem| format!("{name}: {problem}"))?;
                line.keys = keys.clone().leak();
                line.shown = keys.iter().map(|key| shown(*key)).collect::<Vec<_>>().join(", ").leak();
            }
        }
        if !found {
            return Err(unknown(name));
        }
    }
    conflict(&lines, &changed).map_or(Ok(lines), Err)
}

/// What a line is called in the config: `place.action`.
#[must_use]
pub fn name(line: &Binding) -> String {
    format!("{}.{}", place_name(line.place), action_name(line.action))
}

/// `ToggleRow` as the config writes it: `toggle-row`.
fn name_of(name: &str) -> String {
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.extend(character.to_lowercase());
    }
    words
}

fn action_name(action: Action) -> String {
    name_of(&format!("{action:?}"))
}

fn place_name(place: Place) -> String {
    name_of(&format!("{place:?}"))
}

fn is_called(line: &Binding, name: &str) -> bool {
    match name.split_once('.') {
        Some((place, action)) => place_name(line.place) == place && action_name(line.action) == action,
        None => action_name(line.action) == name,
    }
}

fn unknown(name: &str) -> String {
    let lines = || TABLE.iter().copied().flatten().filter(|line| !line.keys.is_empty());
    if let Some((place, action)) = name.split_once('.')
        && lines().any(|line| action_name(line.action) == action)
    {
        let there = lines().filter(|line| action_name(line.action) == action).map(|line| place_name(line.place));
        return format!("there is no {action} in `{place}`; it is in {}", there.collect::<Vec<_>>().join(", "));
    }
    let nearest = lines().map(|line| action_name(line.action)).min_by_key(|other| edit_distance(other, name));
    let guess = nearest.filter(|other| edit_distance(other, name) <= other.len().max(3) / 3);
    let guess = guess.map_or(String::new(), |other| format!("did you mean `{other}`? "));
    format!("there is no action `{name}`; {guess}`bellboard config keys` prints them all")
}

/// A key as the config writes it: `x`, `X`, `space`, `ctrl-x`.
fn parse(text: &str) -> Result<Key, String> {
    if let Some((_, key)) = NAMED.iter().find(|(name, _)| *name == text) {
        return Ok(*key);
    }
    let letter = text.strip_prefix("ctrl-").or_else(|| text.strip_prefix('^').filter(|rest| !rest.is_empty()));
    let mut characters = letter.unwrap_or(text).chars();
    match (letter.is_some(), characters.next(), characters.next()) {
        (true, Some(c), None) if "hijm".contains(c.to_ascii_lowercase()) => {
            Err(format!("terminals send `{text}` as another key; write a key of its own"))
        }
        (true, Some(c), None) if c.is_ascii_alphabetic() => Ok(Key::Ctrl(c.to_ascii_lowercase())),
        (false, Some(c), None) if !c.is_control() && !c.is_whitespace() => Ok(Key::Char(c)),
        _ => {
            let names: Vec<_> = NAMED.iter().map(|(name, _)| *name).collect();
            Err(format!("`{text}` is no key; write one character, ctrl- and a letter, or one of {}", names.join(", ")))
        }
    }
}

/// How a key is written for people.
fn shown(key: Key) -> String {
    match NAMED.iter().find(|(_, other)| *other == key) {
        Some((name, _)) => (*name).to_owned(),
        None => match key {
            Key::Char(c) => c.to_string(),
            Key::Ctrl(c) => format!("^{}", c.to_ascii_uppercase()),
            Key::Code(code) => code.to_string().to_lowercase(),
        },
    }
}

fn check_place(line: &Binding, keys: &[Key]) -> Result<(), String> {
    let letter = keys.iter().find(|key| matches!(key, Key::Char(_)));
    match letter {
        Some(key) if line.place.takes_text() => {
            let (place, action) = (place_name(line.place), action_name(line.action));
            Err(format!("`{}` is typed there; write another key for `{place}.{action}`", shown(*key)))
        }
        _ => Ok(()),
    }
}

/// The first key that would mean two things, where one of them was changed.
fn conflict(lines: &[Binding], changed: &[bool]) -> Option<String> {
    let meets = |one: &Binding, other: &Binding| {
        one.place == other.place
            || other.place == Place::Everywhere
            || (other.place == Place::Screens && one.place.is_screen())
    };
    for (index, one) in lines.iter().enumerate() {
        for (other_index, other) in lines.iter().enumerate() {
            let concerns = index != other_index && (changed[index] || changed[other_index]) && meets(one, other);
            // The same action under the same key in a screen and everywhere is no conflict.
            if !concerns || one.action == other.action {
                continue;
            }
            if let Some(key) = one.keys.iter().find(|key| other.keys.contains(key)) {
                return Some(format!(
                    "`{}` would mean both `{}` and `{}`; write another key for one of them",
                    shown(*key),
                    name(one),
                    name(other)
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(wishes: &[(&str, &[&str])]) -> Result<Vec<Binding>, String> {
        let own = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        remap(&wishes.iter().map(|(name, keys)| ((*name).to_owned(), own(keys))).collect())
    }

    #[test]
    fn an_action_gets_other_keys_everywhere_or_in_one_place() {
        let find = |lines: &[Binding], place, action| {
            let line = lines.iter().find(|line| line.place == place && line.action == action);
            line.map(|line| (line.keys.to_vec(), line.shown)).unwrap()
        };
        let lines = with(&[("test", &["T", "ctrl-t"]), ("live.hold", &["."]), ("test-other", &["O"])]).unwrap();
        for place in [Place::Matrix, Place::Destinations] {
            assert_eq!(find(&lines, place, Action::Test), (vec![Key::Char('T'), Key::Ctrl('t')], "T, ^T"));
        }
        assert_eq!(find(&lines, Place::Live, Action::Hold), (vec![Key::Char('.')], "."));
        assert_eq!(with(&[]).unwrap().len(), lines.len());
    }

    #[test]
    fn what_cannot_be_is_named_with_what_is_in_the_way() {
        let check = |wishes: &[(&str, &[&str])], expected: &str| {
            let problem = with(wishes).map(|_| ()).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        };
        check(&[("matrix.mute", &["t"])], "`t` would mean both `matrix.test` and `matrix.mute`");
        check(&[("matrix.mute", &["g"])], "`g` would mean both `matrix.mute` and `screens.go`");
        check(&[("matrix.mute", &["ctrl-c"])], "`everywhere.quit`");
        check(&[("mite", &["x"])], "there is no action `mite`; did you mean `mute`?");
        check(&[("live.mute", &["x"])], "there is no mute in `live`; it is in matrix");
        check(&[("mute", &["F5"])], "`F5` is no key");
        check(&[("mute", &["alt-x"])], "`alt-x` is no key");
        check(&[("mute", &["ctrl-i"])], "terminals send `ctrl-i` as another key");
        check(&[("mute", &[])], "no key left");
        check(&[("clear", &["x"])], "`x` is typed there; write another key for `form.clear`");
    }
}
