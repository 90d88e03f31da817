//! What the palette calls what can be done: as the foot of a screen does, and where that has no room for it, by a name of its own.

use crate::console::keymap::{Action, Binding};

impl Binding {
    /// A word or three; nothing for what only moves within a line.
    #[must_use]
    pub const fn called(&self) -> &'static str {
        if self.name.is_empty() { name(self.action) } else { self.name }
    }
}

const fn name(action: Action) -> &'static str {
    match action {
        Action::CopySetup => "copy set-up",
        Action::TakeSetup => "take set-up",
        Action::SetUpChannel => "set up channel",
        Action::SendMissed => "send missed",
        Action::Cancel => "end sending",
        Action::Mark => "mark",
        Action::History => "history",
        Action::Fill => "samples",
        Action::First => "first line",
        Action::Last => "last line",
        Action::Invite => "invite",
        Action::Rotate => "new secret",
        Action::TestOther => "test of a kind",
        Action::LastTest => "last test",
        Action::Undo => "undo",
        Action::Redo => "redo",
        Action::Sort => "sort",
        Action::Preview => "preview",
        Action::Simulate => "simulate",
        Action::Zoom => "zoom",
        Action::Split => "split",
        Action::DetailUp => "detail up",
        Action::DetailDown => "detail down",
        Action::NextFailure => "next failure",
        Action::PreviousFailure => "failure before",
        Action::Export => "export",
        Action::LongText => "own editor",
        Action::Reveal => "show secret",
        Action::Previous => "field before",
        Action::Palette => "commands",
        Action::Go => "go",
        Action::GoAccounts => "to accounts",
        Action::GoFailures => "to failures",
        Action::GoDead => "to trouble",
        Action::Mouse => "mouse",
        Action::Quit => "end bellboard",
        Action::Suspend => "to the shell",
        Action::Redraw => "draw anew",
        _ => "",
    }
}
