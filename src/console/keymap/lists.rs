//! The lines of the table of keys for deliveries, events, and the screens across accounts.

use crossterm::event::KeyCode;

use crate::console::keymap::table::{
    BACK, DOWN, ENTER, FIND, FIRST, LAST, LEFT, PAGE_DOWN, PAGE_UP, RIGHT, SPACE, UP, bind,
};
use crate::console::keymap::{Action as A, Binding, Key, Place as P};

/// A delivery.
pub const DELIVERY: &[Binding] = &[
    bind(P::Delivery, &[Key::Char('r')], "r", A::Replay, "send again", "send it once more, under the same webhook-id"),
    bind(P::Delivery, &[Key::Char('x')], "x", A::Cancel, "cancel", "do not try it any more"),
    bind(P::Delivery, &[Key::Char('w')], "w", A::Why, "why", "what became of this event in each channel"),
    bind(
        P::Delivery,
        &[Key::Char('y')],
        "y",
        A::Proof,
        "proof",
        "proof for the customer: to your terminal's clipboard, or to a file; secrets are out",
    ),
    bind(P::Delivery, &[Key::Char('s')], "s", A::SetUp, "set up", "change the destination"),
    bind(P::Delivery, UP, "up, k", A::Up, "", "a line up"),
    bind(P::Delivery, DOWN, "down, j", A::Down, "scroll", "a line down"),
    bind(P::Delivery, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(
        P::Delivery,
        &[Key::Code(KeyCode::PageDown), Key::Ctrl('d'), Key::Char(' ')],
        "page down, ^D, space",
        A::PageDown,
        "",
        "a page down",
    ),
    bind(P::Delivery, FIRST, "home", A::First, "", "to the top"),
    bind(P::Delivery, LAST, "end, G", A::Last, "", "to the end"),
    bind(P::Delivery, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Delivery, BACK, "q, esc", A::Back, "back", "back"),
];

/// An event.
pub const EVENT: &[Binding] = &[
    bind(
        P::Event,
        ENTER,
        "enter",
        A::Open,
        "open",
        "open the channel's delivery; where none was made, set the channel up",
    ),
    bind(P::Event, &[Key::Char('r')], "r", A::Replay, "send again", "send the channel's deliveries once more"),
    bind(P::Event, &[Key::Char('n')], "n", A::Older, "older", "the event of this type before this one"),
    bind(P::Event, &[Key::Char('p')], "p", A::Newer, "newer", "the event of this type after this one"),
    bind(P::Event, UP, "up, k", A::Up, "", "move up"),
    bind(P::Event, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::Event, PAGE_UP, "page up, ^U", A::PageUp, "", "scroll the event's data up"),
    bind(P::Event, PAGE_DOWN, "page down, ^D", A::PageDown, "data", "scroll the event's data down"),
    bind(P::Event, FIRST, "home", A::First, "", "to the first"),
    bind(P::Event, LAST, "end, G", A::Last, "", "to the last"),
    bind(P::Event, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Event, BACK, "q, esc", A::Back, "back", "back"),
];

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
    bind(P::Dead, &[Key::Char('v')], "v", A::Mark, "mark", "mark the destination, to enable or disable several as one"),
    bind(
        P::Dead,
        &[Key::Char('x')],
        "x",
        A::Disable,
        "enable",
        "enable the destination or all that are marked; disable them where they are not disabled",
    ),
    bind(P::Dead, &[Key::Char('H')], "H", A::History, "history", "who changed this destination, and take it back"),
    bind(P::Dead, UP, "up, k", A::Up, "", "move up"),
    bind(P::Dead, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::Dead, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(P::Dead, PAGE_DOWN, "page down, ^D", A::PageDown, "", "a page down"),
    bind(P::Dead, FIRST, "home", A::First, "", "to the worst"),
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
    bind(
        P::Failures,
        &[Key::Char('r')],
        "r",
        A::Replay,
        "send again",
        "send this delivery once more, or all that are marked",
    ),
    bind(P::Failures, &[Key::Char('v')], "v", A::Mark, "mark", "mark the delivery, to send several again as one"),
    bind(P::Failures, &[Key::Char('s')], "s", A::SetUp, "set up", "open the destination, in its channel's list"),
    bind(P::Failures, &[Key::Char('a')], "a", A::Matrix, "account", "open the account"),
    bind(P::Failures, &[Key::Char('E')], "E", A::Export, "", "write what is shown to a file: text, JSON or CSV"),
    bind(
        P::Failures,
        &[Key::Char('|')],
        "|",
        A::Split,
        "",
        "show the delivery under the cursor beside the list or beneath it, where there is room",
    ),
    bind(P::Failures, &[Key::Char('J')], "J", A::DetailDown, "", "scroll the delivery beside the list down"),
    bind(P::Failures, &[Key::Char('K')], "K", A::DetailUp, "", "scroll the delivery beside the list up"),
    bind(P::Failures, UP, "up, k", A::Up, "", "move up; from the newest line it follows"),
    bind(P::Failures, DOWN, "down, j", A::Down, "", "move down; the list stands still then"),
    bind(P::Failures, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(P::Failures, PAGE_DOWN, "page down, ^D", A::PageDown, "", "a page down"),
    bind(P::Failures, FIRST, "home", A::First, "", "to the newest, and follow"),
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
    bind(P::History, FIRST, "home", A::First, "", "to the newest"),
    bind(P::History, LAST, "end, G", A::Last, "", "to the oldest that is shown"),
    bind(P::History, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::History, BACK, "q, esc", A::Back, "back", "back"),
];

/// The copy of a set-up.
pub const COPY: &[Binding] = &[
    bind(P::Copy, ENTER, "enter", A::Open, "copy", "copy to the marked accounts, or to the one under the cursor"),
    bind(P::Copy, SPACE, "space", A::Toggle, "mark", "mark the account, to copy to several at once"),
    bind(P::Copy, FIND, "/", A::Filter, "find", "find an account by a part of its name or key"),
    bind(P::Copy, UP, "up, k", A::Up, "", "move up"),
    bind(P::Copy, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::Copy, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(P::Copy, PAGE_DOWN, "page down, ^D", A::PageDown, "", "a page down"),
    bind(P::Copy, FIRST, "home", A::First, "", "to the first"),
    bind(P::Copy, LAST, "end, G", A::Last, "", "to the last"),
    bind(P::Copy, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Copy, BACK, "q, esc", A::Back, "back", "back"),
];

/// What one customer missed.
pub const MISSED: &[Binding] = &[
    bind(
        P::Missed,
        ENTER,
        "enter",
        A::Open,
        "send",
        "send what was counted in the line under the cursor, after a question",
    ),
    bind(
        P::Missed,
        FIND,
        "/",
        A::Filter,
        "which",
        "say since when (since:09:30, since:2h), and of which channel: or type:",
    ),
    bind(P::Missed, &[Key::Char('x')], "x", A::Cancel, "", "end what is being sent again; what is on its way stays so"),
    bind(P::Missed, UP, "up, k", A::Up, "", "move up"),
    bind(P::Missed, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::Missed, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Missed, BACK, "q, esc", A::Back, "back", "back"),
];

/// What customers would read.
pub const PREVIEW: &[Binding] = &[
    bind(P::Preview, LEFT, "left, h", A::Left, "", "the channel before"),
    bind(P::Preview, RIGHT, "right, l", A::Right, "next channel", "the next channel"),
    bind(P::Preview, UP, "up, k", A::Up, "", "a line up"),
    bind(P::Preview, DOWN, "down, j", A::Down, "scroll", "a line down"),
    bind(P::Preview, PAGE_UP, "page up, ^U", A::PageUp, "", "a page up"),
    bind(P::Preview, PAGE_DOWN, "page down, ^D", A::PageDown, "", "a page down"),
    bind(P::Preview, FIRST, "home", A::First, "", "to the top"),
    bind(P::Preview, LAST, "end, G", A::Last, "", "to the end"),
    bind(P::Preview, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Preview, BACK, "q, esc", A::Back, "back", "back"),
];

/// Where an event would go.
pub const SIMULATE: &[Binding] = &[
    bind(
        P::Simulate,
        ENTER,
        "enter",
        A::Open,
        "open",
        "open the destination, or go to the cell that keeps it from going",
    ),
    bind(P::Simulate, &[Key::Char('e')], "e", A::Choose, "event type", "choose another event type from a list"),
    bind(P::Simulate, &[Key::Char('d')], "d", A::Data, "data", "type the data that it would carry, a JSON object"),
    bind(
        P::Simulate,
        &[Key::Ctrl('n')],
        "^N",
        A::LongText,
        "",
        "write the data in your own editor ($VISUAL or $EDITOR)",
    ),
    bind(P::Simulate, LEFT, "left, h", A::Left, "", "the event type before"),
    bind(P::Simulate, RIGHT, "right, l", A::Right, "next type", "the next event type"),
    bind(P::Simulate, UP, "up, k", A::Up, "", "move up"),
    bind(P::Simulate, DOWN, "down, j", A::Down, "", "move down"),
    bind(P::Simulate, FIRST, "home", A::First, "", "to the first"),
    bind(P::Simulate, LAST, "end, G", A::Last, "", "to the last"),
    bind(P::Simulate, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Simulate, BACK, "q, esc", A::Back, "back", "back"),
];

/// The palette.
pub const PALETTE: &[Binding] = &[
    bind(P::Palette, ENTER, "enter", A::Open, "do it", "do what is under the cursor"),
    bind(P::Palette, &[Key::Code(KeyCode::Up)], "up", A::Up, "", "up in what was found"),
    bind(P::Palette, &[Key::Code(KeyCode::Down)], "down", A::Down, "", "down in what was found"),
    bind(P::Palette, &[Key::Code(KeyCode::PageUp)], "page up", A::PageUp, "", "a page up"),
    bind(P::Palette, &[Key::Code(KeyCode::PageDown)], "page down", A::PageDown, "", "a page down"),
    bind(P::Palette, &[Key::Code(KeyCode::Esc), Key::Ctrl('l')], "esc, ^L", A::Back, "never mind", "do nothing"),
];

/// On every screen. A key that begins with `g` is one of the answers that `g` asks for.
pub const SCREENS: &[Binding] = &[
    bind(
        P::Screens,
        &[Key::Char(':'), Key::Ctrl('p')],
        ":, ^P",
        A::Palette,
        "",
        "everything that can be done here, to find by typing",
    ),
    bind(P::Screens, &[Key::Char('g')], "g", A::Go, "", "go somewhere: one of the letters beneath follows"),
    bind(P::Screens, &[], "g g", A::First, "", "to the first line"),
    bind(P::Screens, &[], "g a", A::GoAccounts, "", "to the accounts"),
    bind(P::Screens, &[], "g f", A::GoFailures, "", "to what fails, live, in all accounts"),
    bind(P::Screens, &[], "g d", A::GoDead, "", "to the destinations of all accounts in trouble"),
    bind(P::Screens, &[Key::Char('u')], "u", A::Undo, "", "take your last change back, of this account or of any"),
    bind(
        P::Screens,
        &[Key::Char('M')],
        "M",
        A::Mouse,
        "",
        "the mouse: a click moves the cursor and the wheel scrolls; or it selects text again",
    ),
    bind(P::Screens, &[Key::Char('U')], "U", A::Redo, "", "do again what you took back last"),
];
