//! Colours. Everything is told apart by its mark or word as well; colours only help.
//!
//! A file can name other ones ([`mod@file`]). Themes use the terminal's own foreground and background and the sixteen names, so
//! that they fit light and dark ones. The mono theme uses no colour at all, only modifiers, so that the cursor stays visible where
//! colours are not wanted.

pub mod file;

use ratatui::style::{Color, Modifier, Style};

/// A theme's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// The terminal's own colours, on light and dark ones; cyan and red, which everybody tells apart.
    #[default]
    Terminal,
    /// Bright ones, for a dark background.
    Dark,
    /// Deep ones, for a light background.
    Light,
    /// Blue and yellow where others use green and red.
    ColourBlind,
    /// No colours.
    Mono,
}

impl ThemeName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Terminal, Self::Dark, Self::Light, Self::ColourBlind, Self::Mono];

    /// The name in the config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Dark => "dark",
            Self::Light => "light",
            Self::ColourBlind => "colour-blind",
            Self::Mono => "mono",
        }
    }
}

/// Which characters marks and small plots are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marks {
    /// Those that every terminal has.
    #[default]
    Ascii,
    /// Boxes and blocks.
    Unicode,
}

impl Marks {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ascii, Self::Unicode];

    /// The name in the config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Unicode => "unicode",
        }
    }
}

/// The styles of everything on the screen.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Ordinary text.
    pub text: Style,
    /// What matters less.
    pub dim: Style,
    /// Heads of tables and groups.
    pub head: Style,
    /// The line at the top.
    pub bar: Style,
    /// What is under the cursor.
    pub cursor: Style,
    /// Went well.
    pub good: Style,
    /// Went wrong.
    pub bad: Style,
    /// Needs a look.
    pub warn: Style,
    /// A cell that differs from the default; laid over the cell's own style.
    pub changed: Style,
    /// A key in the footer.
    pub key: Style,
    /// The characters of marks and small plots.
    pub marks: Marks,
}

impl Theme {
    /// The theme of that name.
    #[must_use]
    pub const fn new(name: ThemeName) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let (good, bad, warn, key) = match name {
            ThemeName::Terminal => {
                (plain.fg(Color::Cyan), bold.fg(Color::Red), bold.fg(Color::Magenta), plain.fg(Color::Cyan))
            }
            ThemeName::Dark => (
                plain.fg(Color::LightCyan),
                bold.fg(Color::LightRed),
                bold.fg(Color::LightYellow),
                plain.fg(Color::LightBlue),
            ),
            ThemeName::Light => {
                (plain.fg(Color::Blue), bold.fg(Color::Red), bold.fg(Color::Magenta), plain.fg(Color::Blue))
            }
            ThemeName::ColourBlind => {
                (plain.fg(Color::Blue), bold.fg(Color::Yellow), bold.fg(Color::Magenta), plain.fg(Color::Cyan))
            }
            ThemeName::Mono => (plain, bold, bold, bold),
        };
        Self {
            text: plain,
            dim: plain.add_modifier(Modifier::DIM),
            head: bold,
            bar: bold.add_modifier(Modifier::REVERSED),
            cursor: plain.add_modifier(Modifier::REVERSED),
            good,
            bad,
            warn,
            changed: plain.add_modifier(Modifier::BOLD).add_modifier(Modifier::UNDERLINED),
            key,
            marks: Marks::Ascii,
        }
    }

    /// The style of what a theme file calls so.
    pub(crate) const fn role(&mut self, name: &str) -> Option<&mut Style> {
        Some(match name.as_bytes() {
            b"text" => &mut self.text,
            b"dim" => &mut self.dim,
            b"head" => &mut self.head,
            b"bar" => &mut self.bar,
            b"cursor" => &mut self.cursor,
            b"good" => &mut self.good,
            b"bad" => &mut self.bad,
            b"warn" => &mut self.warn,
            b"changed" => &mut self.changed,
            b"key" => &mut self.key,
            _ => return None,
        })
    }

    /// With those marks.
    #[must_use]
    pub const fn with_marks(mut self, marks: Marks) -> Self {
        self.marks = marks;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mono_theme_has_no_colour_and_a_visible_cursor() {
        let theme = Theme::new(ThemeName::Mono);
        for style in [theme.text, theme.dim, theme.good, theme.bad, theme.warn, theme.cursor, theme.changed, theme.key]
        {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert!(theme.cursor.add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn nothing_is_told_by_red_against_green() {
        for name in ThemeName::ALL {
            let theme = Theme::new(name);
            let greens = [Some(Color::Green), Some(Color::LightGreen)];
            let all = [theme.good, theme.bad, theme.warn, theme.key];
            assert!(all.iter().all(|style| !greens.contains(&style.fg)), "{name:?}");
            assert_ne!(theme.good, theme.bad, "{name:?}");
        }
    }
}
