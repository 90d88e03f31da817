//! The one way text gets onto the screen: made safe, clipped to its area, never outside of the buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::theme::Theme;
use crate::domain::text::{clip, columns, pad, safe_line};

/// A piece of a line.
pub type Span = (String, Style);

/// Puts text into line `y` of the area, from column `x` on; both count from the area's corner. Returns the column after it.
pub fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buffer.area);
    let room = usize::from(area.width.saturating_sub(x));
    if y >= area.height || room == 0 {
        return x;
    }
    let safe = safe_line(text);
    let clipped = clip(&safe, room);
    buffer.set_stringn(area.x + x, area.y + y, &*clipped, room, style);
    x.saturating_add(u16::try_from(columns(&clipped)).unwrap_or(u16::MAX))
}

/// Puts pieces one after the other. Returns the column after them.
pub fn put_all(buffer: &mut Buffer, area: Rect, x: u16, y: u16, spans: &[Span]) -> u16 {
    spans.iter().fold(x, |x, (text, style)| put(buffer, area, x, y, text, *style))
}

/// A part of a line of a table.
pub struct Column {
    text: String,
    width: usize,
    style: Style,
}

impl Column {
    /// Text from outside, made safe, in so many columns; of no width, it is left out.
    #[must_use]
    pub fn new(text: &str, width: usize, style: Style) -> Self {
        Self { text: pad(&safe_line(text), width), width, style }
    }

    /// The text, padded.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Puts the columns of a table's line, each with a space after it. Returns the column after them.
pub fn put_columns(buffer: &mut Buffer, area: Rect, x: u16, columns: &[Column]) -> u16 {
    columns
        .iter()
        .filter(|column| column.width > 0)
        .fold(x, |x, column| put(buffer, area, x, 0, &column.text, column.style).saturating_add(1))
}

/// Puts text so that it ends at the area's right edge, when there is room beyond column `from`. Returns where it begins.
pub fn put_right(buffer: &mut Buffer, area: Rect, from: u16, y: u16, text: &str, style: Style) -> u16 {
    let width = u16::try_from(columns(&safe_line(text))).unwrap_or(u16::MAX);
    let x = area.width.saturating_sub(width);
    if x < from || width > area.width {
        return area.width;
    }
    put(buffer, area, x, y, text, style);
    x
}

/// Gives a part of a line a style, whatever stands there.
pub fn shade(buffer: &mut Buffer, area: Rect, x: u16, y: u16, width: u16, style: Style) {
    let line = Rect::new(area.x.saturating_add(x), area.y.saturating_add(y), width, 1);
    buffer.set_style(line.intersection(area).intersection(buffer.area), style);
}

/// Columns of the cursor in a list.
const CURSOR: u16 = 12;

/// Shows that a list's cursor is on line `y`: at its beginning only, since over a slow line each column costs, twice.
pub fn cursor_at(buffer: &mut Buffer, area: Rect, y: u16, theme: &Theme) {
    shade(buffer, area, 0, y, area.width.min(CURSOR), theme.cursor);
}

/// Fills a line with one character.
pub fn rule(buffer: &mut Buffer, area: Rect, y: u16, style: Style) {
    put(buffer, area, 0, y, &"-".repeat(usize::from(area.width)), style);
}

/// A line of the area as an area of its own.
#[must_use]
pub const fn line(area: Rect, y: u16) -> Rect {
    let height = if y < area.height { 1 } else { 0 };
    Rect::new(area.x, area.y.saturating_add(y), area.width, height)
}

/// What is left of the area beneath its first `lines` lines.
#[must_use]
pub const fn below(area: Rect, lines: u16) -> Rect {
    let lines = if lines < area.height { lines } else { area.height };
    Rect::new(area.x, area.y + lines, area.width, area.height - lines)
}

/// Breaks text into lines of at most `width` columns, at spaces where that can be done.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in safe_line(text).split(' ') {
        let mut word = word.to_owned();
        if !current.is_empty() && columns(&current) + 1 + columns(&word) > width {
            lines.push(std::mem::take(&mut current));
        }
        if columns(&word) > width.max(1) {
            lines.extend(fold(&word, width.max(1)));
            word = lines.pop().unwrap_or_default();
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(&word);
    }
    lines.push(current);
    lines
}

/// Breaks one line into parts of at most `width` columns, wherever that is; nothing of it is lost.
#[must_use]
pub fn fold(text: &str, width: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut used = 0;
    for character in text.chars() {
        let wide = columns(character.encode_utf8(&mut [0; 4]));
        if used + wide > width && used > 0 {
            parts.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

/// How many columns a text takes once it is made safe.
#[must_use]
pub fn columns_of(text: &str) -> usize {
    columns(&safe_line(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_outside() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 5, 2));
        let area = Rect::new(2, 1, 100, 100);
        assert_eq!(put(&mut buffer, area, 0, 0, "abcdef", Style::new()), 3);
        put(&mut buffer, area, 200, 0, "x", Style::new());
        put(&mut buffer, area, 0, 50, "x", Style::new());
        put(&mut buffer, Rect::new(9, 9, 4, 4), 0, 0, "x", Style::new());
        assert_eq!(buffer, Buffer::with_lines(["     ", "  ab…"]));
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
