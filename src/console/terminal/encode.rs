//! A frame as bytes: what differs from the frame before, in as few as are needed, since they may go over a slow line.
//!
//! The sixteen colours are written by their own short codes, a style as its difference from the one before, a short gap as the
//! characters that stand there already, and the blank rest of a line as one sequence. Behind a character whose width
//! terminals disagree about, the cursor is placed anew, so that nothing behind it moves. Each frame begins and ends in the
//! plain style and says where it begins, so that it depends on none before it.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// Begins and ends what a terminal shows as one.
const SYNC_BEGIN: &str = "\x1b[?2026h";
const SYNC_END: &str = "\x1b[?2026l";

/// Blank cells at a line's end from which on erasing is shorter than writing them.
const ERASE_MIN: u16 = 4;

/// Modifiers, each with what turns it on and off (ECMA-48, 8.3.117). Bold and dim share what turns them off.
const MODIFIERS: [(Modifier, u8, u8); 5] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::REVERSED, 7, 27),
];

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Look {
    const fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    fn is_plain(self) -> bool {
        self == Self::default()
    }
}

/// The bytes that make `next` of a terminal that shows `shown`, both of one size; none when nothing differs. With `clear` the
/// terminal is wiped first, and `shown` must be blank.
#[must_use]
pub fn frame(shown: &Buffer, next: &Buffer, clear: bool) -> Vec<u8> {
    let changes = changes(shown, next);
    if changes.is_empty() && !clear {
        return Vec::new();
    }
    let mut pen = Pen { text: SYNC_BEGIN.to_owned(), at: None, look: Look::default(), next };
    if clear {
        pen.text.push_str("\x1b[m\x1b[2J");
    }
    let right = next.area.right();
    // The line that is worked on, and where its blank rest begins; then, that this was erased.
    let (mut line, mut blank_from, mut erased) = (u16::MAX, right, false);
    for (x, y, cell) in changes {
        if line != y {
            (line, blank_from, erased) = (y, blank_rest(next, y), false);
        }
        if erased {
            continue;
        }
        if x < blank_from || right - x < ERASE_MIN {
            pen.put(x, y, cell);
        } else {
            pen.erase(x, y);
            erased = true;
        }
    }
    pen.wear(Look::default());
    pen.text.push_str(SYNC_END);
    pen.text.into_bytes()
}

/// The cells to write, line by line. A line with a wide character, then or now, is written whole: writing over one half of it
/// blanks the other, in a style that terminals do not agree about.
fn changes<'a>(shown: &Buffer, next: &'a Buffer) -> Vec<(u16, u16, &'a Cell)> {
    let mut changes = Vec::new();
    let mut whole = None;
    for (x, y, cell) in shown.diff(next) {
        if whole == Some(y) {
            continue;
        }
        if has_wide(shown, y) || has_wide(next, y) {
            whole = Some(y);
            let mut from = next.area.left();
            while from < next.area.right() {
                let cell = &next[(from, y)];
                changes.push((from, y, cell));
                from += u16::try_from(cell.symbol().width()).unwrap_or(1).max(1);
            }
        } else {
            changes.push((x, y, cell));
        }
    }
    changes
}

fn has_wide(buffer: &Buffer, y: u16) -> bool {
    (buffer.area.left()..buffer.area.right()).any(|x| buffer[(x, y)].symbol().width() > 1)
}

/// From where on a line is blank.
fn blank_rest(buffer: &Buffer, y: u16) -> u16 {
    let is_blank = |x: u16| buffer[(x, y)].symbol() == " " && Look::of(&buffer[(x, y)]).is_plain();
    let last = (buffer.area.left()..buffer.area.right()).rev().find(|&x| !is_blank(x));
    last.map_or(buffer.area.left(), |x| x + 1)
}

/// What writes a frame, and where it is.
struct Pen<'a> {
    text: String,
    /// Where the terminal's cursor is, when that is known for sure.
    at: Option<(u16, u16)>,
    look: Look,
    next: &'a Buffer,
}

impl Pen<'_> {
    fn put(&mut self, x: u16, y: u16, cell: &Cell) {
        self.go(x, y);
        self.wear(Look::of(cell));
        self.text.push_str(cell.symbol());
        // In the last column terminals disagree about where the cursor is; behind what is not one character wide, too.
        let is_sure = is_narrow(cell.symbol()) && x + 1 < self.next.area.right();
        self.at = is_sure.then_some((x + 1, y));
    }

    /// Blanks the line from there on.
    fn erase(&mut self, x: u16, y: u16) {
        self.go(x, y);
        self.wear(Look::default());
        self.text.push_str("\x1b[K");
    }

    /// Moves the cursor, the shortest way.
    fn go(&mut self, x: u16, y: u16) {
        if self.at == Some((x, y)) {
            return;
        }
        let absolute = if x == 0 { format!("\x1b[{}H", y + 1) } else { format!("\x1b[{};{}H", y + 1, x + 1) };
        let relative = match self.at {
            Some((from, row)) if row == y && from < x => {
                let step = Self::forward(x - from);
                let gap = self.gap(from, x, y).filter(|gap| gap.len() <= step.len());
                Some(gap.unwrap_or(step))
            }
            Some((_, row)) if row + 1 == y => Some(format!("\r\n{}", Self::forward(x))),
            _ => None,
        };
        self.text.push_str(&relative.filter(|way| way.len() < absolute.len()).unwrap_or(absolute));
        self.at = Some((x, y));
    }

    fn forward(columns: u16) -> String {
        match columns {
            0 => String::new(),
            1 => "\x1b[C".to_owned(),
            _ => format!("\x1b[{columns}C"),
        }
    }

    /// What stands between two columns, when it can be written as it is.
    fn gap(&self, from: u16, to: u16, y: u16) -> Option<String> {
        let cells = (from..to).map(|x| &self.next[(x, y)]);
        cells.map(|cell| (cell.symbol().is_ascii() && Look::of(cell) == self.look).then(|| cell.symbol())).collect()
    }

    /// Changes the style, the shortest way.
    fn wear(&mut self, look: Look) {
        if look == self.look {
            return;
        }
        let anew = codes(Look::default(), look).map(|codes| format!("0;{codes}"));
        let anew = anew.unwrap_or_default();
        let step = codes(self.look, look).unwrap_or_default();
        let codes = if look.is_plain() || (anew.len() < step.len()) { anew } else { step };
        let _ = write!(self.text, "\x1b[{codes}m");
        self.look = look;
    }
}

/// What turns one style into another; nothing when they are the same.
fn codes(from: Look, to: Look) -> Option<String> {
    let mut codes: Vec<String> = Vec::new();
    let gone = from.modifier - to.modifier;
    let mut come = to.modifier - from.modifier;
    for (modifier, _, off) in MODIFIERS {
        if gone.contains(modifier) && !codes.contains(&off.to_string()) {
            codes.push(off.to_string());
            if off == 22 {
                come |= to.modifier & (Modifier::BOLD | Modifier::DIM);
            }
        }
    }
    codes.extend(MODIFIERS.iter().filter(|(modifier, ..)| come.contains(*modifier)).map(|(_, on, _)| on.to_string()));
    if from.fg != to.fg {
        codes.push(color(to.fg, 30));
    }
    if from.bg != to.bg {
        codes.push(color(to.bg, 40));
    }
    (!codes.is_empty()).then(|| codes.join(";"))
}

/// A colour's code; `base` is 30 for the foreground and 40 for the background (ECMA-48; 90 and 100 as aixterm has them).
fn color(color: Color, base: u8) -> String {
    let named = |index: u8| if index < 8 { base + index } else { base + 52 + index };
    let code = match color {
        Color::Reset => base + 9,
        Color::Black => named(0),
        Color::Red => named(1),
        Color::Green => named(2),
        Color::Yellow => named(3),
        Color::Blue => named(4),
        Color::Magenta => named(5),
        Color::Cyan => named(6),
        Color::Gray => named(7),
        Color::DarkGray => named(8),
        Color::LightRed => named(9),
        Color::LightGreen => named(10),
        Color::LightYellow => named(11),
        Color::LightBlue => named(12),
        Color::LightMagenta => named(13),
        Color::LightCyan => named(14),
        Color::White => named(15),
        Color::Indexed(index) => return format!("{};5;{index}", base + 8),
        Color::Rgb(red, green, blue) => return format!("{};2;{red};{green};{blue}", base + 8),
    };
    code.to_string()
}

/// Whether every terminal takes it for one column: one character, of those that have been one wide for ever.
fn is_narrow(symbol: &str) -> bool {
    let mut characters = symbol.chars();
    let first =
        characters.next().is_some_and(|c| matches!(c, ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{2500}'..='\u{259f}'));
    first && characters.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn screen(lines: &[(&str, Style)]) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 3));
        for (y, (line, style)) in (0..).zip(lines) {
            buffer.set_string(0, y, line, *style);
        }
        buffer
    }

    fn between(shown: &[(&str, Style)], next: &[(&str, Style)]) -> String {
        let bytes = frame(&screen(shown), &screen(next), false);
        let text = String::from_utf8(bytes).unwrap().replace('\x1b', "^");
        let inner = text.strip_prefix("^[?2026h").and_then(|text| text.strip_suffix("^[?2026l"));
        inner.map_or(text.clone(), str::to_owned)
    }

    #[test]
    fn only_what_differs_is_written_and_the_shortest_way() {
        let (plain, bold) = (Style::new(), Style::new().add_modifier(Modifier::BOLD));
        let red = bold.fg(Color::Red);
        assert_eq!(between(&[("same", plain)], &[("same", plain)]), "");
        assert_eq!(between(&[("abc", plain)], &[("xbz", plain)]), "^[1Hxbz", "a short gap is written");
        let long = [("a234567890z", plain)];
        assert_eq!(between(&long, &[("b234567890y", plain)]), "^[1Hb^[9Cy", "a long one is passed over");
        assert_eq!(between(&[("long text", plain)], &[("l", plain)]), "^[1;2H^[K", "a blank rest is erased");
        assert_eq!(between(&[("a", plain), ("b", plain)], &[("c", plain), ("d", plain)]), "^[1Hc\r\nd");
        assert_eq!(between(&[], &[("a", bold), ("b", red)]), "^[1H^[1ma\r\n^[31mb^[m");
        assert_eq!(between(&[("a", bold)], &[("a", plain)]), "^[1Ha");
    }

    #[test]
    fn nothing_stands_behind_a_character_whose_width_is_in_doubt() {
        let plain = Style::new();
        assert_eq!(between(&[], &[("a日b", plain)]), "^[1Ha日^[1;4Hb^[K");
    }
}
