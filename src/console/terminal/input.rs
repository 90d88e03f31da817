//! What a terminal sends, cut into keys, pastes, the mouse and focus.
//!
//! A sequence may come in parts, as over a network: what follows an escape within [`ESCAPE_WAIT`] belongs to it, and only then it
//! is the key. Answers to questions that others asked the terminal are passed over. Bytes come in and events go out; there is
//! no terminal and no time here.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use vte::{Params, Parser, Perform};

/// How long an escape may stand alone before it is the key of that name.
pub const ESCAPE_WAIT: Duration = Duration::from_millis(50);

/// How long a paste may be silent before it counts as ended, should its end be lost.
pub const PASTE_WAIT: Duration = Duration::from_secs(10);

/// Longest paste that is kept, in bytes; more than any field takes. The rest is dropped.
const PASTE_MAX: usize = 256 * 1024;

const ESCAPE: u8 = 0x1b;

/// Cuts bytes into events.
#[derive(Default)]
pub struct Input {
    parser: Parser,
    taken: Taken,
    /// Whether an escape came last, of which nobody knows yet what it is.
    escape: bool,
}

/// What the parser's parts make.
#[derive(Default)]
struct Taken {
    events: VecDeque<Event>,
    /// What is being pasted.
    paste: Option<String>,
    /// Whether an `ESC O` came, whose letter follows.
    single_shift: bool,
    /// Whether the next character belongs to a function key of the Linux console (`ESC [ [ A`).
    passed_over: bool,
}

impl Input {
    /// Takes what was read.
    pub fn take(&mut self, bytes: &[u8]) {
        for part in bytes.chunk_by(|&one, &other| one != ESCAPE && other != ESCAPE) {
            if part[0] == ESCAPE && self.escape {
                self.settle();
            }
            self.parser.advance(&mut self.taken, part);
            self.escape = part == [ESCAPE];
        }
    }

    /// The next event.
    pub fn event(&mut self) -> Option<Event> {
        self.taken.events.pop_front()
    }

    /// How long to wait for more before [`Self::settle`] is due; nothing while nothing is open.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        if self.escape {
            return Some(ESCAPE_WAIT);
        }
        self.taken.paste.as_ref().map(|_| PASTE_WAIT)
    }

    /// Nothing more came: an escape that stands alone is the key, and a paste has ended.
    pub fn settle(&mut self) {
        if self.escape && self.taken.paste.is_none() {
            self.taken.key(KeyCode::Esc, KeyModifiers::NONE);
        } else if !self.escape {
            self.taken.end_paste();
        }
        self.parser = Parser::new();
        self.escape = false;
    }
}

impl Taken {
    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.events.push_back(Event::Key(KeyEvent::new(code, modifiers)));
    }

    fn end_paste(&mut self) {
        self.events.extend(self.paste.take().map(Event::Paste));
    }

    fn pasted(&mut self, character: char) -> bool {
        let Some(paste) = &mut self.paste else { return false };
        if paste.len() < PASTE_MAX {
            paste.push(character);
        }
        true
    }
}

impl Perform for Taken {
    fn print(&mut self, character: char) {
        if self.pasted(character) || std::mem::take(&mut self.passed_over) {
            return;
        }
        if std::mem::take(&mut self.single_shift) {
            if let Some(code) = letter(character) {
                self.key(code, KeyModifiers::NONE);
            }
        } else if character == '\u{7f}' {
            self.key(KeyCode::Backspace, KeyModifiers::NONE);
        } else if character != char::REPLACEMENT_CHARACTER {
            self.key(KeyCode::Char(character), KeyModifiers::NONE);
        }
    }

    fn execute(&mut self, byte: u8) {
        if self.paste.is_some() {
            if matches!(byte, b'\t' | b'\n' | b'\r') {
                self.pasted(char::from(byte));
            }
            return;
        }
        self.single_shift = false;
        match byte {
            b'\r' => self.key(KeyCode::Enter, KeyModifiers::NONE),
            b'\t' => self.key(KeyCode::Tab, KeyModifiers::NONE),
            0x08 => self.key(KeyCode::Backspace, KeyModifiers::NONE),
            0x01..=0x1a => self.key(KeyCode::Char(char::from(byte + 0x60)), KeyModifiers::CONTROL),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        let numbers: Vec<u16> = params.iter().map(|one| one.first().copied().unwrap_or(0)).collect();
        let number = |index: usize| numbers.get(index).copied().unwrap_or(0);
        if self.paste.is_some() {
            if action == '~' && number(0) == 201 {
                self.end_paste();
            }
            return;
        }
        if ignore {
            return;
        }
        match (intermediates, action) {
            (b"<", 'M') => {
                let at = (number(1).saturating_sub(1), number(2).saturating_sub(1));
                self.events.extend(mouse(number(0), at).map(Event::Mouse));
            }
            ([], '[') => self.passed_over = true,
            ([], 'I') => self.events.push_back(Event::FocusGained),
            ([], 'O') => self.events.push_back(Event::FocusLost),
            ([], '~') if number(0) == 200 => self.paste = Some(String::new()),
            ([], '~') => {
                if let Some(code) = numbered(number(0)) {
                    self.key(code, modifiers(number(1)));
                }
            }
            ([], 'Z') => self.key(KeyCode::BackTab, KeyModifiers::NONE),
            ([], action) => {
                if let Some(code) = letter(action) {
                    self.key(code, modifiers(number(1)));
                }
            }
            _ => {}
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _ignore: bool, byte: u8) {
        if self.paste.is_some() || !intermediates.is_empty() {
            return;
        }
        match byte {
            b'O' => self.single_shift = true,
            0x7f => self.key(KeyCode::Backspace, KeyModifiers::ALT),
            0x20..=0x7e if byte != b'\\' => self.key(KeyCode::Char(char::from(byte)), KeyModifiers::ALT),
            _ => {}
        }
    }
}

/// Keys that end in a letter, behind `ESC [` and `ESC O`. Function keys mean nothing here; one looks like a cursor's place.
const fn letter(letter: char) -> Option<KeyCode> {
    Some(match letter {
        'A' => KeyCode::Up,
        'B' => KeyCode::Down,
        'C' => KeyCode::Right,
        'D' => KeyCode::Left,
        'H' => KeyCode::Home,
        'F' => KeyCode::End,
        'M' => KeyCode::Enter,
        _ => return None,
    })
}

/// Keys that are numbers between `ESC [` and `~`.
const fn numbered(number: u16) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        _ => return None,
    })
}

/// The keys held down, as xterm counts them: one more than the sum of 1 shift, 2 alt, 4 control.
fn modifiers(number: u16) -> KeyModifiers {
    let held = number.saturating_sub(1);
    let bits = [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)];
    bits.into_iter().filter(|(bit, _)| held & bit != 0).map(|(_, modifier)| modifier).collect()
}

/// A press of the first button, or the wheel (xterm's SGR mouse); nothing else counts.
fn mouse(button: u16, (column, row): (u16, u16)) -> Option<MouseEvent> {
    let kind = match button {
        0 => MouseEventKind::Down(MouseButton::Left),
        64 => MouseEventKind::ScrollUp,
        65 => MouseEventKind::ScrollDown,
        _ => return None,
    };
    Some(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a person did, in words, when the bytes come in these parts, and nothing after them.
    fn typed(parts: &[&str]) -> String {
        let mut input = Input::default();
        for part in parts {
            input.take(part.as_bytes());
        }
        if input.wait().is_some() {
            input.settle();
        }
        let mut words = Vec::new();
        while let Some(event) = input.event() {
            words.push(match event {
                Event::Key(KeyEvent { code, modifiers, .. }) if modifiers.is_empty() => code.to_string(),
                Event::Key(KeyEvent { code, modifiers, .. }) => format!("{modifiers}+{code}"),
                Event::Paste(text) => format!("paste {text:?}"),
                other => format!("{other:?}"),
            });
        }
        words.join(" ")
    }

    #[test]
    fn keys_are_told_apart() {
        let check = |bytes: &str, expected: &str| assert_eq!(typed(&[bytes]), expected, "{bytes:?}");
        check("aÄ日", "a Ä 日");
        check("\r\t\x7f\x08\x1b[Z", "Enter Tab Backspace Backspace Back Tab");
        check("\x1b[A\x1bOB\x1b[1;5C\x1b[H\x1b[4~\x1b[5~", "Up Down Control+Right Home End Page Up");
        check("\x03\x1bf\x1b", "Control+c Alt+f Esc");
        check("\x1b\x1b", "Esc Esc");
        check("\x1b[[Ax", "x");
    }

    #[test]
    fn a_key_may_come_in_parts() {
        assert_eq!(typed(&["\x1b", "[A", "\x1b[", "B", "\x1bO", "C", "\x1b[5", "~"]), "Up Down Right Page Up");
        let mut input = Input::default();
        for part in "日".as_bytes().chunks(1) {
            input.take(part);
        }
        assert_eq!(input.event(), Some(Event::Key(KeyEvent::new(KeyCode::Char('日'), KeyModifiers::NONE))));
    }

    #[test]
    fn a_paste_is_one_thing_whatever_is_in_it_and_however_it_comes() {
        assert_eq!(typed(&["\x1b[200~a\rq\x1b[31mb\x03c\x1b[201~d"]), "paste \"a\\rqbc\" d");
        assert_eq!(typed(&["\x1b", "[200~a", "b\x1b", "[201~", "q"]), "paste \"ab\" q");
        assert_eq!(typed(&["\x1b[200~never ended"]), "paste \"never ended\"");
        let long = "x".repeat(PASTE_MAX + 10);
        assert_eq!(typed(&["\x1b[200~", &long, "\x1b[201~"]).len(), PASTE_MAX + "paste \"\"".len());
    }

    #[test]
    fn answers_to_questions_that_nobody_asked_are_no_keys() {
        let answers = "\x1b[?62;22c\x1b[24;80R\x1b]11;rgb:0000/0000/0000\x1b\\\x1bP1+r544e\x1b\\\x1b[?1;2c\x1b[>0;1c";
        assert_eq!(typed(&[answers, "j"]), "j");
    }

    #[test]
    fn the_mouse_and_focus_are_told() {
        let text = typed(&["\x1b[<0;5;3M\x1b[<0;5;3m\x1b[<65;1;1M\x1b[I\x1b[O"]);
        assert!(text.starts_with("Mouse(MouseEvent { kind: Down(Left), column: 4, row: 2"), "{text}");
        assert!(text.contains("ScrollDown") && text.ends_with("FocusGained FocusLost"), "{text}");
        assert_eq!(text.matches("Mouse(").count(), 2);
    }
}
