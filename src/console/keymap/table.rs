//! The lines of the one table of keys, place by place. Within a place, the order is the footer's.

use crossterm::event::KeyCode;

use crate::console::keymap::account::{LIVE, MATRIX};
use crate::console::keymap::forms::{CHOICE, EDITING, FORM, PICK, PICK_MARK, PICK_SEVERAL};
use crate::console::keymap::lists::{
    COPY, DEAD, DELIVERY, EVENT, FAILURES, HISTORY, MISSED, PALETTE, PREVIEW, SCREENS, SIMULATE,
};
use crate::console::keymap::{Action as A, Binding, Key, Place as P};

/// The table.
pub const TABLE: &[&[Binding]] = &[
    ACCOUNTS,
    FILTER,
    MATRIX,
    LIVE,
    DESTINATIONS,
    FORM,
    EDITING,
    CHOICE,
    DELIVERY,
    EVENT,
    DEAD,
    FAILURES,
    HISTORY,
    COPY,
    MISSED,
    PREVIEW,
    SIMULATE,
    PICK,
    PICK_SEVERAL,
    PICK_MARK,
    PALETTE,
    SCREENS,
    QUESTION,
    HELP,
    EVERYWHERE,
];

/// One line.
pub(crate) const fn bind(
    place: P,
    keys: &'static [Key],
    shown: &'static str,
    action: A,
    name: &'static str,
    help: &'static str,
) -> Binding {
    Binding { place, keys, shown, action, name, help }
}

pub(crate) const UP: &[Key] = &[Key::Code(KeyCode::Up), Key::Char('k')];
pub(crate) const DOWN: &[Key] = &[Key::Code(KeyCode::Down), Key::Char('j')];
pub(crate) const LEFT: &[Key] = &[Key::Code(KeyCode::Left), Key::Char('h')];
pub(crate) const RIGHT: &[Key] = &[Key::Code(KeyCode::Right), Key::Char('l')];
pub(crate) const PAGE_UP: &[Key] = &[Key::Code(KeyCode::PageUp), Key::Ctrl('u')];
pub(crate) const PAGE_DOWN: &[Key] = &[Key::Code(KeyCode::PageDown), Key::Ctrl('d')];
pub(crate) const FIRST: &[Key] = &[Key::Code(KeyCode::Home)];
pub(crate) const LAST: &[Key] = &[Key::Code(KeyCode::End), Key::Char('G')];
pub(crate) const ENTER: &[Key] = &[Key::Code(KeyCode::Enter)];
pub(crate) const SPACE: &[Key] = &[Key::Char(' ')];
pub(crate) const FIND: &[Key] = &[Key::Char('/')];
pub(crate) const TAB: &[Key] = &[Key::Code(KeyCode::Tab)];
pub(crate) const BACK: &[Key] = &[Key::Char('q'), Key::Code(KeyCode::Esc)];

const ACCOUNTS: &[Binding] = &[
    bind(P::Accounts, ENTER, "enter", A::Open, "open", "open the account under the cursor"),
    bind(P::Accounts, &[Key::Char('/')], "/", A::Filter, "find", "find an account: type a part of its key or name"),
    bind(P::Accounts, &[Key::Char('n')], "n", A::New, "new", "make a new account"),
    bind(P::Accounts, &[Key::Char('e')], "e", A::Edit, "edit", "change the account's name, address, zone or status"),
    bind(
        P::Accounts,
        &[Key::Char('!')],
        "!",
        A::Trouble,
        "trouble",
        "show only accounts with failing or disabled destinations, or all again",
    ),
    bind(P::Accounts, &[Key::Char('f')], "f", A::Failures, "failures", "watch what fails, live, in all accounts"),
    bind(
        P::Accounts,
        &[Key::Char('D')],
        "D",
        A::Dead,
        "dead",
        "the destinations of all accounts that fail or are disabled, the worst first",
    ),
    bind(
        P::Accounts,
        &[Key::Char('y')],
        "y",
        A::CopySetup,
        "",
        "copy the account's set-up to the marked accounts, or to others; what would change is shown first",
    ),
    bind(
        P::Accounts,
        &[Key::Char('p')],
        "p",
        A::TakeSetup,
        "",
        "put another account's set-up onto the marked accounts, or onto this one; what would change is shown first",
    ),
    bind(P::Accounts, &[Key::Char('v')], "v", A::Mark, "", "mark the account, to copy a set-up to several as one"),
    bind(P::Accounts, &[Key::Char('o')], "o", A::Sort, "sort", "sort by name, by failures, or by the last event"),
    bind(P::Accounts, &[Key::Char('H')], "H", A::History, "", "who changed what in this account; take a change back"),
    bind(
        P::Accounts,
        &[Key::Char('d')],
        "d",
        A::Fill,
        "",
        "in an empty store: fill in sample accounts to try things on",
    ),
    bind(P::Accounts, UP, "up, k", A::Up, "", "move up"),
    bind(P::Accounts, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::Accounts, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(P::Accounts, PAGE_DOWN, "page down, ^D", A::PageDown, "", "a page down"),
    bind(P::Accounts, FIRST, "home", A::First, "", "to the first"),
    bind(P::Accounts, LAST, "end, G", A::Last, "", "to the last"),
    bind(P::Accounts, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Accounts, &[Key::Char('q')], "q", A::Back, "quit", "end bellboard"),
];

const FILTER: &[Binding] = &[
    bind(
        P::Filter,
        ENTER,
        "enter",
        A::Open,
        "go to it",
        "open what is under the cursor; in the matrix, stay on that cell",
    ),
    bind(P::Filter, &[Key::Code(KeyCode::Up)], "up", A::Up, "", "up in what was found"),
    bind(P::Filter, &[Key::Code(KeyCode::Down)], "down", A::Down, "", "down in what was found"),
    bind(P::Filter, TAB, "tab", A::SwitchPane, "to the list", "keep what was typed and go to the list"),
    bind(P::Filter, &[Key::Code(KeyCode::Esc), Key::Ctrl('l')], "esc, ^L", A::Back, "all again", "drop what was typed"),
];

const DESTINATIONS: &[Binding] = &[
    bind(P::Destinations, &[Key::Char('a')], "a", A::New, "add", "add a destination"),
    bind(
        P::Destinations,
        &[Key::Code(KeyCode::Enter), Key::Char('e')],
        "enter, e",
        A::Edit,
        "edit",
        "change the destination under the cursor",
    ),
    bind(P::Destinations, &[Key::Char('t')], "t", A::Test, "test", "send a test there and show the answer"),
    bind(
        P::Destinations,
        SPACE,
        "space",
        A::Pause,
        "pause",
        "hold what comes, or send it again: nothing is lost meanwhile",
    ),
    bind(
        P::Destinations,
        &[Key::Char('x')],
        "x",
        A::Disable,
        "disable",
        "disable: what comes is noted as not sent; or enable again",
    ),
    bind(P::Destinations, &[Key::Char('d')], "d", A::Remove, "remove", "remove the destination, after a question"),
    bind(
        P::Destinations,
        &[Key::Char('i')],
        "i",
        A::Invite,
        "",
        "make a link or code by which a browser or app enrols itself",
    ),
    bind(P::Destinations, &[Key::Char('H')], "H", A::History, "", "who changed this destination, and take it back"),
    bind(P::Destinations, &[Key::Char('s')], "s", A::Rotate, "", "make a new signing secret for the webhook"),
    bind(P::Destinations, &[Key::Char('T')], "T", A::TestOther, "", "send a test of an event type that you choose"),
    bind(P::Destinations, &[Key::Char('u')], "u", A::Undo, "", "take your last change of this account back"),
    bind(
        P::Destinations,
        &[Key::Char('v')],
        "v",
        A::Mark,
        "mark",
        "mark the destination, to pause, disable, test or remove several as one",
    ),
    bind(
        P::Destinations,
        &[Key::Char('o')],
        "o",
        A::Sort,
        "",
        "sort by name, the worst first, last used first, or as added",
    ),
    bind(P::Destinations, &[Key::Char('V')], "V", A::LastTest, "", "view the last test from here: request and answer"),
    bind(P::Destinations, UP, "up, k", A::Up, "", "move up"),
    bind(P::Destinations, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::Destinations, FIRST, "home", A::First, "", "to the first"),
    bind(P::Destinations, LAST, "end, G", A::Last, "", "to the last"),
    bind(P::Destinations, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Destinations, BACK, "q, esc", A::Back, "back", "back to the matrix"),
];

const QUESTION: &[Binding] = &[
    bind(P::Question, ENTER, "enter", A::Open, "choose", "take the answer under the cursor"),
    bind(P::Question, UP, "up, k", A::Up, "", "the answer above"),
    bind(P::Question, DOWN, "down, j", A::Down, "", "the answer beneath"),
    bind(P::Question, BACK, "q, esc", A::Back, "never mind", "leave everything as it is"),
];

const HELP: &[Binding] = &[
    bind(P::Help, UP, "up, k", A::Up, "", "a line up"),
    bind(P::Help, DOWN, "down, j", A::Down, "scroll", "a line down"),
    bind(P::Help, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(
        P::Help,
        &[Key::Code(KeyCode::PageDown), Key::Ctrl('d'), Key::Char(' ')],
        "page down, ^D, space",
        A::PageDown,
        "",
        "a page down",
    ),
    bind(P::Help, FIRST, "home", A::First, "", "to the top"),
    bind(P::Help, LAST, "end, G", A::Last, "", "to the end"),
    bind(
        P::Help,
        &[Key::Char('q'), Key::Char('?'), Key::Code(KeyCode::Esc)],
        "q, ?, esc",
        A::Back,
        "back",
        "back to where you were",
    ),
];

const EVERYWHERE: &[Binding] = &[
    bind(P::Everywhere, &[Key::Ctrl('c')], "^C", A::Quit, "", "end bellboard at once; what is being sent ends first"),
    bind(P::Everywhere, &[Key::Ctrl('z')], "^Z", A::Suspend, "", "back to the shell; `fg` returns"),
    bind(P::Everywhere, &[Key::Ctrl('l')], "^L", A::Redraw, "", "draw the screen anew"),
];
