//! The one table of keys: it drives handling, the footer and the help.
//!
//! Nothing here is only on Alt, on a function key, or on a Ctrl key that multiplexers and terminals eat, and nothing waits on
//! a bare Esc: wherever Esc works, another key does the same. To add a key: one line in [`BINDINGS`], and the screen's answer
//! to its [`Action`].

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where a key means something: a screen, or a part of one that has the keys at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Everywhere, also while typing.
    Everywhere,
    /// The list of accounts.
    Accounts,
    /// The filter above that list.
    Filter,
    /// The matrix of an account.
    Matrix,
    /// The live pane beneath it.
    Live,
    /// The destinations of a channel.
    Destinations,
    /// A form: letters are typed.
    Form,
    /// A form, on a field with a list to choose from or on a button.
    Choice,
    /// A delivery.
    Delivery,
    /// An event and what became of it.
    Event,
    /// The help.
    Help,
    /// A question in front of a screen.
    Question,
}

impl Place {
    /// All of them, in the help's order.
    pub const ALL: [Self; 12] = [
        Self::Accounts,
        Self::Filter,
        Self::Matrix,
        Self::Live,
        Self::Destinations,
        Self::Form,
        Self::Choice,
        Self::Delivery,
        Self::Event,
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
            Self::Filter => "Accounts, while filtering",
            Self::Matrix => "Account: the matrix",
            Self::Live => "Account: the live pane",
            Self::Destinations => "Destinations of a channel",
            Self::Form => "A form",
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
        matches!(self, Self::Form | Self::Filter)
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
    SetUp,
    Test,
    Undo,
    SwitchPane,
    Zoom,
    Why,
    New,
    Edit,
    Fill,
    Filter,
    Trouble,
    Pause,
    Disable,
    Remove,
    Replay,
    Cancel,
    Next,
    Previous,
    Help,
    Back,
    Quit,
    Suspend,
    Redraw,
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

const fn bind(
    place: Place,
    keys: &'static [Key],
    shown: &'static str,
    action: Action,
    name: &'static str,
    help: &'static str,
) -> Binding {
    Binding { place, keys, shown, action, name, help }
}

const UP: &[Key] = &[Key::Code(KeyCode::Up), Key::Char('k')];
const DOWN: &[Key] = &[Key::Code(KeyCode::Down), Key::Char('j')];
const LEFT: &[Key] = &[Key::Code(KeyCode::Left), Key::Char('h')];
const RIGHT: &[Key] = &[Key::Code(KeyCode::Right), Key::Char('l')];
const PAGE_UP: &[Key] = &[Key::Code(KeyCode::PageUp), Key::Ctrl('u')];
const PAGE_DOWN: &[Key] = &[Key::Code(KeyCode::PageDown), Key::Ctrl('d')];
const FIRST: &[Key] = &[Key::Code(KeyCode::Home), Key::Char('g')];
const LAST: &[Key] = &[Key::Code(KeyCode::End), Key::Char('G')];
const ENTER: &[Key] = &[Key::Code(KeyCode::Enter)];
const SPACE: &[Key] = &[Key::Char(' ')];
const TAB: &[Key] = &[Key::Code(KeyCode::Tab)];
const BACK: &[Key] = &[Key::Char('q'), Key::Code(KeyCode::Esc)];

/// The table. Within a place, the order is the footer's.
pub const BINDINGS: &[Binding] = &[
    bind(Place::Accounts, ENTER, "enter", Action::Open, "open", "open the account under the cursor"),
    bind(
        Place::Accounts,
        &[Key::Char('/')],
        "/",
        Action::Filter,
        "find",
        "find an account: type a part of its key or name",
    ),
    bind(Place::Accounts, &[Key::Char('n')], "n", Action::New, "new", "make a new account"),
    bind(
        Place::Accounts,
        &[Key::Char('e')],
        "e",
        Action::Edit,
        "edit",
        "change the account's name, address, zone or status",
    ),
    bind(
        Place::Accounts,
        &[Key::Char('!')],
        "!",
        Action::Trouble,
        "trouble",
        "show only accounts with failing or disabled destinations, or all again",
    ),
    bind(
        Place::Accounts,
        &[Key::Char('d')],
        "d",
        Action::Fill,
        "",
        "in an empty store: fill in sample accounts to try things on",
    ),
    bind(Place::Accounts, UP, "up, k", Action::Up, "", "move up"),
    bind(Place::Accounts, DOWN, "down, j", Action::Down, "", "move down"),
    bind(Place::Accounts, PAGE_UP, "page up, ^U", Action::PageUp, "", "a page up"),
    bind(Place::Accounts, PAGE_DOWN, "page down, ^D", Action::PageDown, "", "a page down"),
    bind(Place::Accounts, FIRST, "home, g", Action::First, "", "to the first"),
    bind(Place::Accounts, LAST, "end, G", Action::Last, "", "to the last"),
    bind(Place::Accounts, &[Key::Char('?')], "?", Action::Help, "help", "show the keys of every screen"),
    bind(Place::Accounts, &[Key::Char('q')], "q", Action::Back, "quit", "end bellboard"),
    bind(Place::Filter, ENTER, "enter", Action::Open, "open", "open the account under the cursor"),
    bind(Place::Filter, &[Key::Code(KeyCode::Up)], "up", Action::Up, "", "move up in what was found"),
    bind(Place::Filter, &[Key::Code(KeyCode::Down)], "down", Action::Down, "", "move down in what was found"),
    bind(Place::Filter, TAB, "tab", Action::SwitchPane, "to the list", "keep the filter and go to the list"),
    bind(
        Place::Filter,
        &[Key::Code(KeyCode::Esc), Key::Ctrl('l')],
        "esc, ^L",
        Action::Back,
        "all again",
        "drop the filter",
    ),
    bind(
        Place::Matrix,
        SPACE,
        "space",
        Action::Toggle,
        "toggle",
        "turn the cell on or off; on a column's head, the whole column",
    ),
    bind(Place::Matrix, ENTER, "enter", Action::SetUp, "set up", "open the destinations of this column's channel"),
    bind(Place::Matrix, &[Key::Char('t')], "t", Action::Test, "test", "send a test over this column's channel"),
    bind(Place::Matrix, &[Key::Char('u')], "u", Action::Undo, "undo", "take your last change of this account back"),
    bind(Place::Matrix, TAB, "tab", Action::SwitchPane, "live", "go to the live pane"),
    bind(
        Place::Matrix,
        &[Key::Char('r')],
        "r",
        Action::ToggleRow,
        "row",
        "turn the row on or off as one, for channels that have a destination",
    ),
    bind(Place::Matrix, &[Key::Char('c')], "c", Action::ToggleColumn, "column", "turn the column on or off as one"),
    bind(
        Place::Matrix,
        &[Key::Char('e')],
        "e",
        Action::Edit,
        "edit",
        "change the account's name, address, zone or status",
    ),
    bind(
        Place::Matrix,
        &[Key::Char('z')],
        "z",
        Action::Zoom,
        "",
        "the live pane over the whole screen, or the matrix back",
    ),
    bind(Place::Matrix, UP, "up, k", Action::Up, "", "move up; above the first row are the heads of the columns"),
    bind(Place::Matrix, DOWN, "down, j", Action::Down, "", "move down"),
    bind(Place::Matrix, LEFT, "left, h", Action::Left, "", "move left"),
    bind(Place::Matrix, RIGHT, "right, l", Action::Right, "", "move right"),
    bind(Place::Matrix, FIRST, "home, g", Action::First, "", "to the heads of the columns"),
    bind(Place::Matrix, LAST, "end, G", Action::Last, "", "to the last row"),
    bind(Place::Matrix, &[Key::Char('?')], "?", Action::Help, "help", "show the keys of every screen"),
    bind(Place::Matrix, BACK, "q, esc", Action::Back, "back", "back to the accounts"),
    bind(Place::Live, ENTER, "enter", Action::Open, "open", "open the delivery; for an event that went nowhere, why"),
    bind(Place::Live, &[Key::Char('w')], "w", Action::Why, "why", "what became of this event in each channel"),
    bind(
        Place::Live,
        &[Key::Char('r')],
        "r",
        Action::Replay,
        "send again",
        "send this delivery once more, under the same webhook-id",
    ),
    bind(
        Place::Live,
        &[Key::Char('z')],
        "z",
        Action::Zoom,
        "zoom",
        "the live pane over the whole screen, or the matrix back",
    ),
    bind(Place::Live, FIRST, "home, g", Action::First, "follow", "to the newest, and follow"),
    bind(Place::Live, TAB, "tab", Action::SwitchPane, "matrix", "back to the matrix"),
    bind(Place::Live, UP, "up, k", Action::Up, "", "move up; from the newest line it follows"),
    bind(Place::Live, DOWN, "down, j", Action::Down, "", "move down; the pane stands still then"),
    bind(Place::Live, PAGE_UP, "page up, ^U", Action::PageUp, "", "a page up"),
    bind(Place::Live, PAGE_DOWN, "page down, ^D", Action::PageDown, "", "a page down"),
    bind(Place::Live, LAST, "end, G", Action::Last, "", "to the oldest that is shown"),
    bind(Place::Live, &[Key::Char('?')], "?", Action::Help, "help", "show the keys of every screen"),
    bind(Place::Live, BACK, "q, esc", Action::Back, "back", "back to the matrix"),
    bind(Place::Destinations, &[Key::Char('a')], "a", Action::New, "add", "add a destination"),
    bind(
        Place::Destinations,
        &[Key::Code(KeyCode::Enter), Key::Char('e')],
        "enter, e",
        Action::Edit,
        "edit",
        "change the destination under the cursor",
    ),
    bind(Place::Destinations, &[Key::Char('t')], "t", Action::Test, "test", "send a test there and show the answer"),
    bind(
        Place::Destinations,
        &[Key::Char('p')],
        "p",
        Action::Pause,
        "pause",
        "hold what comes, or send it again: nothing is lost meanwhile",
    ),
    bind(
        Place::Destinations,
        &[Key::Char('x')],
        "x",
        Action::Disable,
        "disable",
        "disable: what comes is noted as not sent; or enable again",
    ),
    bind(
        Place::Destinations,
        &[Key::Char('d')],
        "d",
        Action::Remove,
        "remove",
        "remove the destination, after a question",
    ),
    bind(Place::Destinations, &[Key::Char('u')], "u", Action::Undo, "", "take your last change of this account back"),
    bind(Place::Destinations, &[Key::Char('v')], "v", Action::Open, "", "open the last test"),
    bind(Place::Destinations, UP, "up, k", Action::Up, "", "move up"),
    bind(Place::Destinations, DOWN, "down, j", Action::Down, "", "move down"),
    bind(Place::Destinations, FIRST, "home, g", Action::First, "", "to the first"),
    bind(Place::Destinations, LAST, "end, G", Action::Last, "", "to the last"),
    bind(Place::Destinations, &[Key::Char('?')], "?", Action::Help, "help", "show the keys of every screen"),
    bind(Place::Destinations, BACK, "q, esc", Action::Back, "back", "back to the matrix"),
    bind(Place::Form, ENTER, "enter", Action::Open, "save", "save; a field that is wrong is shown first"),
    bind(
        Place::Form,
        &[Key::Code(KeyCode::Tab), Key::Code(KeyCode::Down)],
        "tab, down",
        Action::Next,
        "next",
        "to the next field, and past the last one to the buttons",
    ),
    bind(
        Place::Form,
        &[Key::Code(KeyCode::BackTab), Key::Code(KeyCode::Up)],
        "up",
        Action::Previous,
        "",
        "to the field before",
    ),
    bind(
        Place::Form,
        &[Key::Code(KeyCode::Esc)],
        "esc",
        Action::Back,
        "leave",
        "leave without saving; the button Cancel does the same",
    ),
    bind(
        Place::Choice,
        &[Key::Code(KeyCode::Enter), Key::Char(' ')],
        "enter",
        Action::Open,
        "choose",
        "press the button, or change the choice",
    ),
    bind(
        Place::Choice,
        &[Key::Code(KeyCode::Tab), Key::Code(KeyCode::Down), Key::Char('j')],
        "tab, down",
        Action::Next,
        "next",
        "to the next field or button",
    ),
    bind(
        Place::Choice,
        &[Key::Code(KeyCode::BackTab), Key::Code(KeyCode::Up), Key::Char('k')],
        "up",
        Action::Previous,
        "",
        "to the field before",
    ),
    bind(Place::Choice, LEFT, "left, h", Action::Left, "", "the choice before"),
    bind(Place::Choice, RIGHT, "right, l", Action::Right, "", "the next choice"),
    bind(Place::Choice, &[Key::Char('?')], "?", Action::Help, "help", "show the keys of every screen"),
    bind(Place::Choice, BACK, "q, esc", Action::Back, "leave", "leave without saving"),
    bind(
        Place::Delivery,
        &[Key::Char('r')],
        "r",
        Action::Replay,
        "send again",
        "send it once more, under the same webhook-id",
    ),
    bind(Place::Delivery, &[Key::Char('x')], "x", Action::Cancel, "cancel", "do not try it any more"),
    bind(Place::Delivery, &[Key::Char('w')], "w", Action::Why, "why", "what became of this event in each channel"),
    bind(Place::Delivery, &[Key::Char('s')], "s", Action::SetUp, "set up", "change the destination"),
    bind(Place::Delivery, UP, "up, k", Action::Up, "", "a line up"),
    bind(Place::Delivery, DOWN, "down, j", Action::Down, "scroll", "a line down"),
    bind(Place::Delivery, PAGE_UP, "page up, ^U", Action::PageUp, "", "a page up"),
    bind(
        Place::Delivery,
        &[Key::Code(KeyCode::PageDown), Key::Ctrl('d'), Key::Char(' ')],
        "page down, ^D, space",
        Action::PageDown,
        "",
        "a page down",
    ),
    bind(Place::Delivery, FIRST, "home, g", Action::First, "", "to the top"),
    bind(Place::Delivery, LAST, "end, G", Action::Last, "", "to the end"),
    bind(Place::Delivery, &[Key::Char('?')], "?", Action::Help, "help", "show the keys of every screen"),
    bind(Place::Delivery, BACK, "q, esc", Action::Back, "back", "back"),
    bind(
        Place::Event,
        ENTER,
        "enter",
        Action::Open,
        "open",
        "open the channel's delivery; where none was made, set the channel up",
    ),
    bind(Place::Event, &[Key::Char('r')], "r", Action::Replay, "send again", "send the channel's deliveries once more"),
    bind(Place::Event, UP, "up, k", Action::Up, "", "move up"),
    bind(Place::Event, DOWN, "down, j", Action::Down, "", "move down"),
    bind(Place::Event, PAGE_UP, "page up, ^U", Action::PageUp, "", "scroll the event's data up"),
    bind(Place::Event, PAGE_DOWN, "page down, ^D", Action::PageDown, "data", "scroll the event's data down"),
    bind(Place::Event, FIRST, "home, g", Action::First, "", "to the first"),
    bind(Place::Event, LAST, "end, G", Action::Last, "", "to the last"),
    bind(Place::Event, &[Key::Char('?')], "?", Action::Help, "help", "show the keys of every screen"),
    bind(Place::Event, BACK, "q, esc", Action::Back, "back", "back"),
    bind(Place::Question, ENTER, "enter", Action::Open, "choose", "take the answer under the cursor"),
    bind(Place::Question, UP, "up, k", Action::Up, "", "the answer above"),
    bind(Place::Question, DOWN, "down, j", Action::Down, "", "the answer beneath"),
    bind(Place::Question, BACK, "q, esc", Action::Back, "never mind", "leave everything as it is"),
    bind(Place::Help, UP, "up, k", Action::Up, "", "a line up"),
    bind(Place::Help, DOWN, "down, j", Action::Down, "scroll", "a line down"),
    bind(Place::Help, PAGE_UP, "page up, ^U", Action::PageUp, "", "a page up"),
    bind(
        Place::Help,
        &[Key::Code(KeyCode::PageDown), Key::Ctrl('d'), Key::Char(' ')],
        "page down, ^D, space",
        Action::PageDown,
        "",
        "a page down",
    ),
    bind(Place::Help, FIRST, "home, g", Action::First, "", "to the top"),
    bind(Place::Help, LAST, "end, G", Action::Last, "", "to the end"),
    bind(
        Place::Help,
        &[Key::Char('q'), Key::Char('?'), Key::Code(KeyCode::Esc)],
        "q, ?, esc",
        Action::Back,
        "back",
        "back to where you were",
    ),
    bind(
        Place::Everywhere,
        &[Key::Ctrl('c')],
        "^C",
        Action::Quit,
        "",
        "end bellboard at once; what is being sent ends first",
    ),
    bind(Place::Everywhere, &[Key::Ctrl('z')], "^Z", Action::Suspend, "", "back to the shell; `fg` returns"),
    bind(Place::Everywhere, &[Key::Ctrl('l')], "^L", Action::Redraw, "", "draw the screen anew"),
];

/// What a key asks for there.
#[must_use]
pub fn action(place: Place, event: &KeyEvent) -> Option<Action> {
    let key = key(event)?;
    let of = |place: Place| BINDINGS.iter().find(|binding| binding.place == place && binding.keys.contains(&key));
    of(place).or_else(|| of(Place::Everywhere)).map(|binding| binding.action)
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
    BINDINGS.iter().filter(move |binding| binding.place == place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_one_that_terminals_or_multiplexers_eat() {
        for binding in BINDINGS {
            for key in binding.keys {
                match key {
                    Key::Ctrl(c) => assert!(!"bagoptsq".contains(*c), "{binding:?}"),
                    Key::Code(code) => assert!(!matches!(code, KeyCode::F(_)), "{binding:?}"),
                    Key::Char(c) => assert!(!binding.place.takes_text(), "{binding:?}: `{c}` is typed there"),
                }
            }
            let only_esc = binding.keys.iter().all(|key| *key == Key::Code(KeyCode::Esc));
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
            assert!(place == Place::Everywhere || moves(Action::Back), "{place:?} has no way back");
        }
    }
}
