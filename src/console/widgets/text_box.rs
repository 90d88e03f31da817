//! A line to type in.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use tui_input::{Input, InputRequest};

use crate::console::widgets::paint::{put, shade};
use crate::domain::text::{columns, safe_line};

/// Longest text that can be typed or pasted, in characters: a chain of certificates. A channel's fields are checked more
/// strictly.
const CHARACTERS_MAX: usize = 32 * 1024;

/// Edits of one line that can be taken back.
const EDITS_MAX: usize = 200;

/// What typing does to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A key of the line editor.
    Key(InputRequest),
    /// Text that was pasted.
    Paste(String),
    /// Back to what stood there before the last edit.
    Undo,
}

impl Edit {
    /// What a key does to a line; nothing when it does nothing.
    #[must_use]
    pub fn from_key(event: &KeyEvent) -> Option<Self> {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        let alt = event.modifiers.contains(KeyModifiers::ALT);
        let request = match event.code {
            KeyCode::Left | KeyCode::Char('b') if alt => InputRequest::GoToPrevWord,
            KeyCode::Right | KeyCode::Char('f') if alt => InputRequest::GoToNextWord,
            KeyCode::Left if ctrl => InputRequest::GoToPrevWord,
            KeyCode::Right if ctrl => InputRequest::GoToNextWord,
            KeyCode::Backspace if alt => InputRequest::DeletePrevWord,
            _ if alt => return None,
            KeyCode::Char('y') if ctrl => return Some(Self::Undo),
            KeyCode::Char('u') if ctrl => InputRequest::DeleteLine,
            KeyCode::Char('w') if ctrl => InputRequest::DeletePrevWord,
            KeyCode::Char('a') if ctrl => InputRequest::GoToStart,
            KeyCode::Char('e') if ctrl => InputRequest::GoToEnd,
            KeyCode::Char('k') if ctrl => InputRequest::DeleteTillEnd,
            KeyCode::Char('h') if ctrl => InputRequest::DeletePrevChar,
            KeyCode::Char(c) if !ctrl && !c.is_control() => InputRequest::InsertChar(c),
            KeyCode::Backspace => InputRequest::DeletePrevChar,
            KeyCode::Delete => InputRequest::DeleteNextChar,
            KeyCode::Left => InputRequest::GoToPrevChar,
            KeyCode::Right => InputRequest::GoToNextChar,
            KeyCode::Home => InputRequest::GoToStart,
            KeyCode::End => InputRequest::GoToEnd,
            _ => return None,
        };
        Some(Self::Key(request))
    }
}

/// A text of several lines as one.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A line to type in.
#[derive(Clone, Debug, Default)]
pub struct TextBox {
    input: Input,
    /// What stood there before each edit, the last one last.
    before: Vec<Input>,
    /// Whether the last edit typed a part of a word; a word is taken back as one.
    in_word: bool,
}

impl TextBox {
    /// With this text in it, the cursor at its end.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { input: Input::new(text.into()), before: Vec::new(), in_word: false }
    }

    /// What was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// Takes an edit. Says whether the text changed.
    pub fn edit(&mut self, edit: &Edit) -> bool {
        let was_in_word = std::mem::take(&mut self.in_word);
        if *edit == Edit::Undo {
            let before = self.before.pop();
            let is_some = before.is_some();
            self.input = before.unwrap_or_else(|| self.input.clone());
            return is_some;
        }
        let before = self.input.clone();
        let changed = self.change(edit);
        self.in_word = matches!(edit, Edit::Key(InputRequest::InsertChar(c)) if !c.is_whitespace());
        if changed && !(was_in_word && self.in_word) {
            self.remember(before);
        }
        changed
    }

    /// Puts another text in the place of what stands there, which can be taken back like an edit.
    pub fn replace(&mut self, text: &str) {
        if self.text() != text {
            let before = std::mem::replace(&mut self.input, Input::new(text.to_owned()));
            self.remember(before);
        }
        self.in_word = false;
    }

    fn remember(&mut self, before: Input) {
        self.before.push(before);
        if self.before.len() > EDITS_MAX {
            self.before.remove(0);
        }
    }

    fn change(&mut self, edit: &Edit) -> bool {
        let room = CHARACTERS_MAX.saturating_sub(self.text().chars().count());
        match edit {
            Edit::Key(InputRequest::InsertChar(_)) if room == 0 => false,
            Edit::Key(request) => self.input.handle(*request).is_some_and(|change| change.value),
            Edit::Undo => false,
            Edit::Paste(text) => {
                let line: String = text.trim().chars().filter(|c| !c.is_control()).take(room).collect();
                let at = self.input.cursor();
                let before: String = self.text().chars().take(at).collect();
                let after: String = self.text().chars().skip(at).collect();
                let at = at + line.chars().count();
                self.input = Input::new(before + &line + &after).with_cursor(at);
                !line.is_empty()
            }
        }
    }

    /// Draws it into the area's first line; what is masked shows only how much there is: the
    /// characters from `mask_from` on.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, style: Style, cursor: Option<Style>, mask_from: usize) {
        let characters: Vec<char> = self.text().chars().collect();
        let at = self.input.cursor().min(characters.len());
        let shown = |from: usize, to: usize| -> String {
            let masked = |(index, character): (usize, &char)| if from + index < mask_from { *character } else { '•' };
            safe_line(&characters[from..to].iter().enumerate().map(masked).collect::<String>()).into_owned()
        };
        let room = usize::from(area.width).saturating_sub(1);
        // What is far from the cursor is off the screen.
        let reach = 2 * room + 1;
        let from = if cursor.is_some() { at.saturating_sub(reach) } else { 0 };
        let (before, after) = (shown(from, at), shown(at, characters.len().min(at + reach)));
        let mut skipped = before.as_str();
        while cursor.is_some() && columns(skipped) > room {
            let mut rest = skipped.chars();
            rest.next();
            skipped = rest.as_str();
        }
        let x = put(buffer, area, 0, 0, skipped, style);
        put(buffer, area, x, 0, &after, style);
        if let Some(cursor) = cursor {
            shade(buffer, area, x.min(area.width.saturating_sub(1)), 0, 1, cursor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_is_one_trimmed_line() {
        let mut text = TextBox::new("a");
        assert!(text.edit(&Edit::Paste("  https://x.test/\r\nin\x1b[A \n".to_owned())));
        assert_eq!(text.text(), "ahttps://x.test/in[A");
        assert!(!text.edit(&Edit::Paste("\n".to_owned())));
    }

    #[test]
    fn edits_are_taken_back_one_by_one_and_words_are_stepped_over() {
        let mut text = TextBox::new("one two");
        let key = |code, modifiers| Edit::from_key(&KeyEvent::new(code, modifiers)).unwrap();
        text.edit(&key(KeyCode::Left, KeyModifiers::CONTROL));
        text.edit(&key(KeyCode::Char('x'), KeyModifiers::NONE));
        text.edit(&key(KeyCode::Char('u'), KeyModifiers::CONTROL));
        let undo = key(KeyCode::Char('y'), KeyModifiers::CONTROL);
        assert_eq!(text.text(), "");
        assert!(text.edit(&undo));
        assert_eq!(text.text(), "one xtwo");
        assert!(text.edit(&undo) && !text.edit(&undo));
        assert_eq!(text.text(), "one two");
        for character in " three".chars() {
            text.edit(&key(KeyCode::Char(character), KeyModifiers::NONE));
        }
        text.replace("picked");
        assert!(text.edit(&undo), "what was picked from a list or written elsewhere");
        assert_eq!(text.text(), "one  threetwo");
        text.edit(&undo);
        assert_eq!(text.text(), "one  two", "a word as one");
    }
}
