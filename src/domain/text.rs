//! Makes outside text safe before it meets a terminal, and cuts it to columns.
//!
//! Payloads, answers, names and labels come from strangers. A terminal obeys control sequences, bidirectional overrides
//! reorder a line, joiners and combining marks make a width that no two terminals agree on. What goes through here is one
//! line of visible text whose width is known.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Combining marks kept on one base character; more are dropped, so that no cell grows over its neighbours.
const MARKS_PER_CHARACTER_MAX: usize = 2;

/// The text as one harmless line: a line break or tab becomes a space, any other control character `·`; bidirectional
/// controls, joiners, variation selectors, tags and other invisible format characters are dropped.
#[must_use]
pub fn safe_line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut marks = 0;
    for character in text.chars() {
        if matches!(character, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}') {
            safe.push(' ');
            marks = 0;
        } else if character.is_control() {
            safe.push('·');
            marks = 0;
        } else if is_invisible(character) {
        } else if character.width() == Some(0) {
            marks += 1;
            if marks <= MARKS_PER_CHARACTER_MAX && !safe.is_empty() {
                safe.push(character);
            }
        } else {
            safe.push(character);
            marks = 0;
        }
    }
    Cow::Owned(safe)
}

/// The text's lines, each made safe; a tab becomes two spaces. At most `lines_max` lines come back.
#[must_use]
pub fn safe_lines(text: &str, lines_max: usize) -> Vec<String> {
    text.lines().take(lines_max).map(|line| safe_line(&line.replace('\t', "  ")).into_owned()).collect()
}

/// A JSON document in which no character is one that a terminal obeys: they are written as `\\uXXXX`, which means the same to
/// whoever reads JSON (RFC 8259 section 7). Such characters stand in strings only, and those under U+0020 are written so already.
#[must_use]
pub fn safe_json(document: &str) -> Cow<'_, str> {
    let acts = |character: char| {
        !matches!(character, '\n' | '\r' | '\t')
            && (character.is_control() || is_invisible(character) || matches!(character, '\u{2028}' | '\u{2029}'))
    };
    if !document.contains(acts) {
        return Cow::Borrowed(document);
    }
    let mut safe = String::with_capacity(document.len() + 64);
    for character in document.chars() {
        if acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Cuts to at most `columns` columns of a terminal, at a grapheme's edge; a cut text ends in `…`.
#[must_use]
pub fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut clipped = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let width = grapheme.width();
        if used + width > columns - 1 {
            break;
        }
        used += width;
        clipped.push_str(grapheme);
    }
    clipped.push('…');
    Cow::Owned(clipped)
}

/// Cuts to at most `columns` columns and fills up with spaces, so that columns of a table line up.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    let clipped = clip(text, columns);
    let fill = columns.saturating_sub(clipped.width());
    format!("{clipped}{}", " ".repeat(fill))
}

/// How many columns a terminal gives this text.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.width()
}

/// Cuts to at most `characters_max` characters, with `…` as the last when something was cut. For services that count
/// characters, not columns.
#[must_use]
pub fn shorten(text: &str, characters_max: usize) -> Cow<'_, str> {
    if text.chars().count() <= characters_max {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(characters_max.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

/// A number of bytes for people: `312 bytes`, `64 KiB`, `1.5 MiB`.
#[must_use]
pub fn human_bytes(bytes: usize) -> String {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    match bytes {
        0..KIB => format!("{bytes} bytes"),
        KIB..MIB => format!("{} KiB", bytes / KIB),
        _ => format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB),
    }
}

/// Format characters that show nothing and change how other text looks (Unicode general category Cf, variation selectors,
/// and the fillers that count as letters).
const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let check = |text: &str, expected: &str| assert_eq!(safe_line(text), expected, "{text:?}");
        check("plain", "plain");
        check("a\x1b[31mb\x07", "a·[31mb·");
        check("two\nlines\r\tand", "two lines  and");
        check("\u{9b}31m", "·31m");
        check("user\u{202e}gnp.exe", "usergnp.exe");
        check("e\u{301}\u{301}\u{301}\u{301}", "e\u{301}\u{301}");
        check("\u{301}x", "x");
        check("wide 漢字", "wide 漢字");
        check("👩\u{200d}🚀", "👩🚀");
    }

    #[test]
    fn json_says_the_same_and_does_nothing() {
        let text = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}x\u{200b}\u{e0041}\u{2028}漢\"\\";
        let document = serde_json::json!({ text: [text] });
        for written in [document.to_string(), serde_json::to_string_pretty(&document).unwrap()] {
            let safe = safe_json(&written);
            assert!(safe.chars().all(|c| c == '\n' || safe_line(&c.to_string()) == c.to_string()), "{safe:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), document);
        }
    }

    #[test]
    fn text_is_cut_by_columns() {
        let check = |text: &str, width: usize, expected: &str| {
            assert_eq!(clip(text, width), expected, "{text:?} in {width}");
            assert_eq!(columns(&pad(text, width)), width, "{text:?} padded to {width}");
        };
        check("short", 8, "short");
        check("somewhat long", 8, "somewha…");
        check("漢字漢字", 5, "漢字…");
        check("漢字漢字", 4, "漢…");
        check("x", 0, "");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }
}
