//! The one table of keys: it drives handling, the footer and the help.
//!
//! Nothing here is only on Alt, on a function key, or on a Ctrl key that multiplexers and terminals eat, and nothing waits on
//! a bare Esc: wherever Esc works, another key does the same. To add a key: one line in [`table`], and the screen's answer
//! to its [`Action`].

pub mod table;

pub mod account;

pub mod lists;

pub mod remap;

pub mod forms;

pub mod offer;

pub mod named;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where a key means something: a screen, or a part of one that has the keys at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Everywhere, also while typing.
    Everywhere,
    /// The list of accounts.
    Accounts,
    /// The line in which one types what to find.
    Filter,
    /// The destinations of all accounts that fail or are disabled.
    Dead,
    /// The failed tries of all accounts.
    Failures,
    /// The history of an account, a cell or a destination.
    History,
    /// The matrix of an account.
    Matrix,
    /// The live pane beneath it.
    Live,
    /// The destinations of a channel.
    Destinations,
    /// A form: letters are typed.
    Form,
    /// Wherever text is typed: what the line editor does itself.
    Editing,
    /// A form, on a field with a list to choose from or on a button.
    Choice,
    /// A delivery.
    Delivery,
    /// An event and what became of it.
    Event,
    /// The copy of a set-up to other accounts.
    Copy,
    /// What one customer missed.
    Missed,
    /// The list of everything that can be done.
    Palette,
    /// Every screen, while nothing is typed or asked.
    Screens,
    /// What customers would read.
    Preview,
    /// Where an event would go.
    Simulate,
    /// A list to choose one of by typing.
    Pick,
    /// A list to choose several of.
    PickSeveral,
    /// The help.
    Help,
    /// A question in front of a screen.
    Question,
}

impl Place {
    /// All of them, in the help's order.
    pub const ALL: [Self; 24] = [
        Self::Accounts,
        Self::Filter,
        Self::Matrix,
        Self::Live,
        Self::Destinations,
        Self::Form,
        Self::Editing,
        Self::Choice,
        Self::Delivery,
        Self::Event,
        Self::Dead,
        Self::Failures,
        Self::History,
        Self::Copy,
        Self::Missed,
        Self::Preview,
        Self::Simulate,
        Self::Pick,
        Self::PickSeveral,
        Self::Palette,
        Self::Screens,
        Self::Question,
        Self::Help,
        Self::Everywhere,
    ];

    /// Its name in the help.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Accounts => "Accounts",
            Self::Filter => "While typing what to find",
            Self::Dead => "Destinations in trouble",
            Self::Failures => "Failures, live",
            Self::History => "A history",
            Self::Copy => "Copy a set-up",
            Self::Missed => "Send again what was missed",
            Self::Preview => "A preview of a message",
            Self::Simulate => "An event, simulated",
            Self::Pick => "A list to choose from",
            Self::PickSeveral => "A list to choose several from",
            Self::Palette => "Commands",
            Self::Screens => "On every screen",
            Self::Matrix => "Account: the matrix",
            Self::Live => "Account: the live pane",
            Self::Destinations => "Destinations of a channel",
            Self::Form => "A form",
            Self::Editing => "While typing",
            Self::Choice => "A form, on a choice or a button",
            Self::Delivery => "A delivery",
            Self::Event => "An event",
            Self::Help => "This help",
            Self::Question => "A question",
        }
    }

    /// Whether letters are typed there and so cannot be keys.
    #[must_use]
    pub const fn takes_text(self) -> bool {
        matches!(self, Self::Form | Self::Filter | Self::Palette | Self::Pick | Self::PickSeveral)
    }

    /// Whether it is a screen of its own, from which other screens can be gone to: nothing typed is lost there.
    #[must_use]
    pub const fn is_screen(self) -> bool {
        !self.takes_text()
            && !matches!(
                self,
                Self::Choice | Self::Question | Self::Help | Self::Everywhere | Self::Screens | Self::Editing
            )
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is explained by the help text of its bindings")]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Toggle,
    ToggleRow,
    ToggleColumn,
    Mute,
    SetUp,
    Test,
    TestOther,
    LastTest,
    Preview,
    Simulate,
    Choose,
    Reveal,
    LongText,
    Data,
    Undo,
    SwitchPane,
    Zoom,
    Split,
    DetailUp,
    DetailDown,
    Why,
    New,
    Invite,
    Rotate,
    Edit,
    Fill,
    Filter,
    Trouble,
    Dead,
    Failures,
    History,
    Matrix,
    Hold,
    Older,
    Newer,
    SetUpChannel,
    CopySetup,
    TakeSetup,
    Mark,
    Sort,
    Edited,
    SendMissed,
    Palette,
    Go,
    GoAccounts,
    GoFailures,
    GoDead,
    Redo,
    Proof,
    Export,
    NextFailure,
    PreviousFailure,
    Pause,
    Disable,
    Remove,
    Replay,
    Cancel,
    Next,
    Previous,
    Clear,
    Help,
    Back,
    Quit,
    Suspend,
    Redraw,
    Mouse,
}

/// A key as terminals of every kind can send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A printable character.
    Char(char),
    /// Ctrl and a letter.
    Ctrl(char),
    /// Any other.
    Code(KeyCode),
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// Where.
    pub place: Place,
    /// Any of these.
    pub keys: &'static [Key],
    /// How the keys are written for people.
    pub shown: &'static str,
    /// What they ask for.
    pub action: Action,
    /// The words in the footer; empty keeps it out of there.
    pub name: &'static str,
    /// The sentence in the help.
    pub help: &'static str,
}

/// The whole table, line by line, with the keys that the config gave it.
pub fn bindings() -> impl Iterator<Item = &'static Binding> {
    remap::lines().iter().copied().flatten()
}

/// What a key asks for there.
#[must_use]
pub fn action(place: Place, event: &KeyEvent) -> Option<Action> {
    let key = key(event)?;
    let of = |place: Place| bindings().find(|binding| binding.place == place && binding.keys.contains(&key));
    let on_screens = || if place.is_screen() { of(Place::Screens) } else { None };
    of(place).or_else(on_screens).or_else(|| of(Place::Everywhere)).map(|binding| binding.action)
}

/// The key as the table writes it; nothing for what the table cannot hold.
#[must_use]
pub fn key(event: &KeyEvent) -> Option<Key> {
    let modifiers = event.modifiers;
    match event.code {
        _ if modifiers.contains(KeyModifiers::ALT) => None,
        KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Ctrl(c.to_ascii_lowercase())),
        KeyCode::Char(c) => Some(Key::Char(c)),
        code => Some(Key::Code(code)),
    }
}

/// The bindings of a place, in the table's order.
pub fn of(place: Place) -> impl Iterator<Item = &'static Binding> {
    bindings().filter(move |binding| binding.place == place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_one_that_terminals_or_multiplexers_eat() {
        for binding in bindings() {
            let is_eaten = |key: &Key| matches!(key, Key::Ctrl(c) if "bagoptsq".contains(*c));
            assert!(binding.keys.is_empty() || !binding.keys.iter().all(is_eaten), "{binding:?}");
            for key in binding.keys {
                match key {
                    Key::Ctrl(_) => {}
                    Key::Code(code) => assert!(!matches!(code, KeyCode::F(_)), "{binding:?}"),
                    Key::Char(c) => assert!(!binding.place.takes_text(), "{binding:?}: `{c}` is typed there"),
                }
            }
            let only_esc = !binding.keys.is_empty() && binding.keys.iter().all(|key| *key == Key::Code(KeyCode::Esc));
            assert!(!only_esc || binding.place == Place::Form, "{binding:?}; a form has its Cancel button");
            assert!(!binding.help.is_empty() && !binding.shown.is_empty(), "{binding:?}");
        }
    }

    #[test]
    fn a_key_means_one_thing_in_a_place() {
        for place in Place::ALL {
            let keys: Vec<_> = of(place).flat_map(|binding| binding.keys).collect();
            for (index, key) in keys.iter().enumerate() {
                assert!(!keys[..index].contains(key), "{key:?} twice in {place:?}");
            }
            let moves = |wanted| of(place).any(|binding| binding.action == wanted);
            let is_none = matches!(place, Place::Everywhere | Place::Screens | Place::Editing);
            assert!(is_none || moves(Action::Back), "{place:?} has no way back");
        }
    }
}
