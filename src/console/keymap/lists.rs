//! The lines of the table of keys for the screens that are lists across accounts.

use crate::console::keymap::table::{BACK, DOWN, ENTER, FIND, FIRST, LAST, PAGE_DOWN, PAGE_UP, SPACE, UP, bind};
use crate::console::keymap::{Action as A, Binding, Key, Place as P};

/// The destinations in trouble.
pub const DEAD: &[Binding] = &[
    bind(P::Dead, ENTER, "enter", A::Open, "open", "open the destination, in its channel's list"),
    bind(
        P::Dead,
        FIND,
        "/",
        A::Filter,
        "find",
        "narrow the list: type parts of what is in it, or state:, channel:, account:",
    ),
    bind(P::Dead, &[Key::Char('H')], "H", A::History, "history", "who changed this destination, and take it back"),
    bind(P::Dead, UP, "up, k", A::Up, "", "move up"),
    bind(P::Dead, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::Dead, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(P::Dead, PAGE_DOWN, "page down, ^D", A::PageDown, "", "a page down"),
    bind(P::Dead, FIRST, "home, g", A::First, "", "to the worst"),
    bind(P::Dead, LAST, "end, G", A::Last, "", "to the last"),
    bind(P::Dead, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Dead, BACK, "q, esc", A::Back, "back", "back"),
];

/// The failures.
pub const FAILURES: &[Binding] = &[
    bind(P::Failures, ENTER, "enter", A::Open, "open", "open the delivery; back comes to the same line"),
    bind(
        P::Failures,
        FIND,
        "/",
        A::Filter,
        "find",
        "narrow the list: type parts of what is in it, or account:, channel:, type:, since:, state:failed",
    ),
    bind(P::Failures, SPACE, "space", A::Hold, "pause", "stand still, or follow again"),
    bind(P::Failures, &[Key::Char('w')], "w", A::Why, "why", "what became of this event in each channel"),
    bind(P::Failures, &[Key::Char('r')], "r", A::Replay, "send again", "send this delivery once more"),
    bind(P::Failures, &[Key::Char('s')], "s", A::SetUp, "set up", "open the destination, in its channel's list"),
    bind(P::Failures, &[Key::Char('a')], "a", A::Matrix, "account", "open the account"),
    bind(P::Failures, UP, "up, k", A::Up, "", "move up; from the newest line it follows"),
    bind(P::Failures, DOWN, "down, j", A::Down, "", "move down; the list stands still then"),
    bind(P::Failures, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(P::Failures, PAGE_DOWN, "page down, ^D", A::PageDown, "", "a page down"),
    bind(P::Failures, FIRST, "home, g", A::First, "", "to the newest, and follow"),
    bind(P::Failures, LAST, "end, G", A::Last, "", "to the oldest that is shown"),
    bind(P::Failures, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Failures, BACK, "q, esc", A::Back, "back", "back"),
];

/// A history.
pub const HISTORY: &[Binding] = &[
    bind(P::History, &[Key::Char('u')], "u", A::Undo, "take back", "take the change under the cursor back"),
    bind(P::History, FIND, "/", A::Filter, "find", "narrow the list: type parts of who did what, or since:"),
    bind(P::History, UP, "up, k", A::Up, "", "move up"),
    bind(P::History, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::History, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(P::History, PAGE_DOWN, "page down, ^D", A::PageDown, "", "a page down"),
    bind(P::History, FIRST, "home, g", A::First, "", "to the newest"),
    bind(P::History, LAST, "end, G", A::Last, "", "to the oldest that is shown"),
    bind(P::History, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::History, BACK, "q, esc", A::Back, "back", "back"),
];
