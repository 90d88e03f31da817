//! The lines of the table of keys for forms, and for the list from which a field is filled.

use crossterm::event::KeyCode;

use crate::console::keymap::table::{BACK, ENTER, LEFT, RIGHT, TAB, bind};
use crate::console::keymap::{Action as A, Binding, Key, Place as P};

/// A form: letters are typed.
pub const FORM: &[Binding] = &[
    bind(P::Form, ENTER, "enter", A::Open, "save", "save; a field that is wrong is shown first"),
    bind(
        P::Form,
        &[Key::Code(KeyCode::Tab), Key::Code(KeyCode::Down)],
        "tab, down",
        A::Next,
        "next",
        "to the next field, and past the last one to the buttons",
    ),
    bind(P::Form, &[Key::Code(KeyCode::BackTab), Key::Code(KeyCode::Up)], "up", A::Previous, "", "to the field before"),
    bind(
        P::Form,
        &[Key::Ctrl('x')],
        "^X",
        A::Clear,
        "clear",
        "empty the field; a secret that was kept goes, or stays after all",
    ),
    bind(
        P::Form,
        &[Key::Ctrl('f')],
        "^F",
        A::Choose,
        "list",
        "choose from a list: a time zone, a room, event types, an account",
    ),
    bind(
        P::Form,
        &[Key::Ctrl('n')],
        "^N",
        A::LongText,
        "",
        "write a long text in your own editor ($VISUAL or $EDITOR)",
    ),
    bind(
        P::Form,
        &[Key::Ctrl('r')],
        "^R",
        A::Reveal,
        "",
        "show the secret that is kept, until you leave the field; that is on record",
    ),
    bind(
        P::Form,
        &[Key::Code(KeyCode::Esc)],
        "esc",
        A::Back,
        "leave",
        "leave without saving; the button Cancel does the same",
    ),
];

/// What the line editor does itself; told in the help.
pub const EDITING: &[Binding] = &[
    bind(P::Editing, &[], "^Y", A::Edited, "", "take the last edit of this line back"),
    bind(P::Editing, &[], "^left, ^right", A::Edited, "", "a word back, a word on"),
    bind(P::Editing, &[], "home, end, ^E", A::Edited, "", "to the line's beginning, to its end"),
    bind(P::Editing, &[], "^W, ^U, ^K", A::Edited, "", "delete the word before, all of it, what follows"),
];

/// A form, on a field with choices or on a button.
pub const CHOICE: &[Binding] = &[
    bind(
        P::Choice,
        &[Key::Code(KeyCode::Enter), Key::Char(' ')],
        "enter",
        A::Open,
        "choose",
        "press the button, or change the choice",
    ),
    bind(
        P::Choice,
        &[Key::Code(KeyCode::Tab), Key::Code(KeyCode::Down), Key::Char('j')],
        "tab, down",
        A::Next,
        "next",
        "to the next field or button",
    ),
    bind(
        P::Choice,
        &[Key::Code(KeyCode::BackTab), Key::Code(KeyCode::Up), Key::Char('k')],
        "up",
        A::Previous,
        "",
        "to the field before",
    ),
    bind(P::Choice, LEFT, "left, h", A::Left, "", "the choice before"),
    bind(P::Choice, RIGHT, "right, l", A::Right, "", "the next choice"),
    bind(P::Choice, &[Key::Char('?')], "?", A::Help, "help", "show the keys of every screen"),
    bind(P::Choice, BACK, "q, esc", A::Back, "leave", "leave without saving"),
];

/// A list to choose one of by typing.
pub const PICK: &[Binding] = &pick(P::Pick);

/// A list to choose several of.
pub const PICK_SEVERAL: &[Binding] = &pick(P::PickSeveral);

/// What it has besides.
pub const PICK_MARK: &[Binding] =
    &[bind(P::PickSeveral, TAB, "tab", A::Toggle, "mark", "mark it; enter then takes all that is marked")];

const fn pick(place: P) -> [Binding; 6] {
    [
        bind(place, ENTER, "enter", A::Open, "take it", "take what is under the cursor, or all that is marked"),
        bind(place, &[Key::Code(KeyCode::Up)], "up", A::Up, "", "up in what was found"),
        bind(place, &[Key::Code(KeyCode::Down)], "down", A::Down, "", "down in what was found"),
        bind(place, &[Key::Code(KeyCode::PageUp)], "page up", A::PageUp, "", "a page up"),
        bind(place, &[Key::Code(KeyCode::PageDown)], "page down", A::PageDown, "", "a page down"),
        bind(place, &[Key::Code(KeyCode::Esc), Key::Ctrl('l')], "esc, ^L", A::Back, "never mind", "choose nothing"),
    ]
}
