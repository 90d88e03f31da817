//! A theme from a file: what each kind of thing looks like, in colours by the terminal's names or numbers.
//!
//! ```toml
//! good = "bright-cyan"
//! bad = "red bold"
//! cursor = "black on 214"
//! ```

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};

use crate::console::theme::{Theme, ThemeName};

/// The things that have a look.
const ROLES: &str = "text, dim, head, bar, cursor, good, bad, warn, changed, key";

const NAMES: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

const MODIFIERS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
];

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The sixteen that have names.
    Sixteen,
    /// Those, and 240 by number.
    #[default]
    Many,
}

/// Reads a theme file; what it does not name is as in the terminal theme.
///
/// # Errors
/// The first thing that is wrong, with what to write instead.
pub fn parse(text: &str) -> Result<Theme, String> {
    let roles: BTreeMap<String, String> =
        toml::from_str(text).map_err(|error| format!("it is no theme: {}", error.message().replace('\n', ", ")))?;
    let mut theme = Theme::new(ThemeName::Terminal);
    for (name, text) in roles {
        let style = style(&text).map_err(|problem| format!("{name}: {problem}"))?;
        *theme.role(&name).ok_or_else(|| format!("nothing is called `{name}`; write one of {ROLES}"))? = style;
    }
    Ok(theme)
}

/// `COLOUR on COLOUR bold`, any part of it.
fn style(text: &str) -> Result<Style, String> {
    let mut style = Style::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word == "on" {
            style = style.bg(color(words.next().unwrap_or_default())?);
        } else if let Some((_, modifier)) = MODIFIERS.iter().find(|(name, _)| *name == word) {
            style = style.add_modifier(*modifier);
        } else {
            style = style.fg(color(word)?);
        }
    }
    Ok(style)
}

fn color(word: &str) -> Result<Color, String> {
    if let Ok(index) = word.parse::<u8>() {
        return Ok(named(index).unwrap_or(Color::Indexed(index)));
    }
    let (name, bright) = word.strip_prefix("bright-").map_or((word, 0), |name| (name, 8));
    let index = NAMES.iter().position(|other| *other == name).and_then(|index| u8::try_from(index).ok());
    match index.and_then(|index| named(index + bright)) {
        _ if word == "default" => Ok(Color::Reset),
        Some(color) => Ok(color),
        None => Err(format!(
            "`{word}` is no colour; write default, one of {}, the same with bright- before it, or 0 to 255; then bold, \
             dim, italic, underline or reverse",
            NAMES.join(", ")
        )),
    }
}

const fn named(index: u8) -> Option<Color> {
    Some(match index {
        0 => Color::Black,
        1 => Color::Red,
        2 => Color::Green,
        3 => Color::Yellow,
        4 => Color::Blue,
        5 => Color::Magenta,
        6 => Color::Cyan,
        7 => Color::Gray,
        8 => Color::DarkGray,
        9 => Color::LightRed,
        10 => Color::LightGreen,
        11 => Color::LightYellow,
        12 => Color::LightBlue,
        13 => Color::LightMagenta,
        14 => Color::LightCyan,
        15 => Color::White,
        _ => return None,
    })
}

impl Theme {
    /// With the nearest of the sixteen named colours where the terminal has no others.
    #[must_use]
    pub fn limited_to(mut self, depth: Depth) -> Self {
        if depth == Depth::Many {
            return self;
        }
        for name in ROLES.split(", ") {
            if let Some(style) = self.role(name) {
                style.fg = style.fg.map(nearest);
                style.bg = style.bg.map(nearest);
            }
        }
        self
    }
}

/// The nearest named colour of a numbered one, in xterm's palette: a cube of six by six by six, then greys.
fn nearest(color: Color) -> Color {
    let Color::Indexed(index) = color else { return color };
    if index >= 232 {
        return named([0, 8, 7, 15][usize::from((index - 232) / 6)]).unwrap_or(color);
    }
    let cube = index.saturating_sub(16);
    let (red, green, blue) = (cube / 36, cube / 6 % 6, cube % 6);
    let most = red.max(green).max(blue);
    let bit = |part: u8, bit: u8| if most > 0 && part * 2 > most { bit } else { 0 };
    let bright = if most >= 5 { 8 } else { 0 };
    named(bit(red, 1) + bit(green, 2) + bit(blue, 4) + bright).unwrap_or(color)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_things_look_like() {
        let theme = parse("good = \"bright-cyan\"\nbad = \"214 on black bold\"").unwrap();
        assert_eq!(theme.good, Style::new().fg(Color::LightCyan));
        assert_eq!(theme.bad, Style::new().fg(Color::Indexed(214)).bg(Color::Black).add_modifier(Modifier::BOLD));
        assert_eq!(theme.warn, Theme::new(ThemeName::Terminal).warn);
        assert_eq!(theme.limited_to(Depth::Sixteen).bad.fg, Some(Color::LightYellow));
        let check = |text: &str, expected: &str| {
            let problem = parse(text).map(|_| ()).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        };
        check("good = \"pink\"", "good: `pink` is no colour; write default, one of black,");
        check("goood = \"red\"", "nothing is called `goood`; write one of text,");
        check("good = 3", "it is no theme");
    }

    #[test]
    fn every_number_has_a_near_name() {
        assert!((0..=255).map(|index| nearest(Color::Indexed(index))).all(|color| !matches!(color, Color::Indexed(_))));
    }
}
