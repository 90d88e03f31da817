//! What is offered to whom: a key that a role may not use is in no footer, help or palette, and says so when it is pressed.

use crate::console::keymap::{Action, Binding, Place, of};
use crate::domain::role::Role;

impl Binding {
    /// The lowest role that may use it.
    #[must_use]
    pub const fn role(&self) -> Role {
        role(self.place, self.action)
    }
}

/// The lowest role that may do this there. The store has the last word; this keeps people from asking in vain.
#[must_use]
pub const fn role(place: Place, action: Action) -> Role {
    match action {
        Action::ToggleRow
        | Action::ToggleColumn
        | Action::Mute
        | Action::SetUpChannel
        | Action::Test
        | Action::TestOther
        | Action::Undo
        | Action::Redo
        | Action::New
        | Action::Edit
        | Action::Fill
        | Action::Invite
        | Action::Rotate
        | Action::Pause
        | Action::Disable
        | Action::Remove
        | Action::Replay
        | Action::Cancel
        | Action::CopySetup
        | Action::TakeSetup
        | Action::Mark
        | Action::SendMissed => Role::Operate,
        Action::Toggle if !matches!(place, Place::PickSeveral) => Role::Operate,
        Action::Reveal => Role::Administer,
        // From a delivery it opens the destination's form; elsewhere the list, which is there to look at too.
        Action::SetUp if matches!(place, Place::Delivery) => Role::Operate,
        _ => Role::Look,
    }
}

/// The bindings of a place that a role may use, in the table's order.
pub fn offered(place: Place, own: Role) -> impl Iterator<Item = &'static Binding> {
    of(place).filter(move |binding| binding.role() <= own)
}
