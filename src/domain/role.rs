//! What a person may do, by login or group.

use std::fmt;

use serde::Serialize;

use crate::domain::command::Command;

/// What a person may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See everything but secrets, and change nothing.
    Look,
    /// Look after customers: the matrix, destinations, tests, sending again.
    Operate,
    /// All of it: also what concerns every account, or cannot be taken back, and secrets that are kept.
    Administer,
}

impl Role {
    /// The name in the config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Command {
    /// Who may have it done.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Together { changes, .. } => changes.iter().map(Self::role).max().unwrap_or(Role::Operate),
            Self::RemoveAccount { .. }
            | Self::CreateToken { .. }
            | Self::RevokeToken { .. }
            | Self::RevealSecret { .. }
            | Self::Prune { .. }
            | Self::ForgetSecrets { .. }
            | Self::UseKey { .. } => Role::Administer,
            Self::AddAccount { .. }
            | Self::EditAccount { .. }
            | Self::CopySetup { .. }
            | Self::AddEventType { .. }
            | Self::RemoveEventType { .. }
            | Self::SetCells { .. }
            | Self::Mute { .. }
            | Self::Unmute { .. }
            | Self::AddDestination { .. }
            | Self::EditDestination { .. }
            | Self::RotateSecret { .. }
            | Self::SetDestinationState { .. }
            | Self::RemoveDestination { .. }
            | Self::TestDestination { .. }
            | Self::Replay { .. }
            | Self::StartReplay { .. }
            | Self::CancelReplay { .. }
            | Self::Cancel { .. }
            | Self::Invite { .. }
            | Self::Enrol { .. }
            | Self::SetNotification { .. }
            // What an administrator alone may do cannot be taken back.
            | Self::Undo { .. } => Role::Operate,
        }
    }
}

/// Who has which role: logins as `jane`, groups as `@support`, everybody as `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Who may look.
    pub look: Vec<String>,
    /// Who may operate.
    pub operate: Vec<String>,
    /// Who may administer.
    pub administer: Vec<String>,
}

impl Roles {
    /// The highest role of that login. Where nobody was given any, everybody who gets at the database may do everything.
    #[must_use]
    pub fn of(&self, login: &str, groups: &[String]) -> Option<Role> {
        let names = |who: &String| match who.strip_prefix('@') {
            Some(group) => groups.iter().any(|own| own == group),
            None => who == login || who == "*",
        };
        let by_role = [(Role::Administer, &self.administer), (Role::Operate, &self.operate), (Role::Look, &self.look)];
        if by_role.iter().all(|(_, who)| who.is_empty()) {
            return Some(Role::Administer);
        }
        by_role.into_iter().find(|(_, who)| who.iter().any(names)).map(|(role, _)| role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_counts() {
        let all = |who: &[&str]| who.iter().map(|who| (*who).to_owned()).collect::<Vec<_>>();
        let roles =
            Roles { look: all(&["*"]), operate: all(&["@support", "joe"]), administer: all(&["root", "@ops", "jane"]) };
        let check = |login: &str, groups: &[&str], expected: Role| {
            assert_eq!(roles.of(login, &all(groups)), Some(expected), "{login} in {groups:?}");
        };
        check("jane", &[], Role::Administer);
        check("jane", &["support"], Role::Administer);
        check("joe", &[], Role::Operate);
        check("kim", &["users", "support"], Role::Operate);
        check("kim", &["users"], Role::Look);
        // A group's name is no login, and a login is no group's.
        check("support", &["joe"], Role::Look);
        check("@support", &[], Role::Look);
    }

    #[test]
    fn several_changes_take_the_role_of_the_highest_of_them() {
        let id = crate::domain::id::DestinationId::new(1);
        let together = |changes| Command::Together { account: None, says: String::new(), changes }.role();
        assert_eq!(together(vec![Command::RemoveDestination { id }]), Role::Operate);
        let reveal = Command::RevealSecret { id, field: "secret".to_owned() };
        assert_eq!(together(vec![Command::RemoveDestination { id }, reveal]), Role::Administer);
    }

    #[test]
    fn who_is_not_named_may_nothing_unless_nobody_is() {
        assert_eq!(Roles::default().of("kim", &[]), Some(Role::Administer));
        let roles = Roles { administer: vec!["jane".to_owned()], ..Roles::default() };
        assert_eq!(roles.of("kim", &["jane".to_owned()]), None);
    }
}
