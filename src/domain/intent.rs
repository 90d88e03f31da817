//! What a command would do, said before or instead of doing it: where every change is refused, the console and the command
//! line still tell what would have been done.

use crate::domain::command::{CellChange, Command, EnrolBy};
use crate::domain::destination::DestinationState;
use crate::domain::id::DestinationId;
use crate::domain::matrix::CellSetting;

impl Command {
    /// The destination that it is about, whose name [`Command::would`] wants.
    #[must_use]
    pub fn destination(&self) -> Option<DestinationId> {
        match self {
            Self::EditDestination { id, .. }
            | Self::RotateSecret { id, .. }
            | Self::RevealSecret { id, .. }
            | Self::SetDestinationState { id, .. }
            | Self::RemoveDestination { id }
            | Self::TestDestination { id, .. } => Some(*id),
            Self::Together { changes, .. } => changes.first().and_then(Self::destination),
            _ => None,
        }
    }

    /// What follows "this would", as `turn Slack on for job.fail of acme`. `label` is what people call the destination.
    #[must_use]
    pub fn would(&self, label: &str) -> String {
        match self {
            Self::AddAccount { key, profile } => format!("make the account {key}, {}", profile.name),
            Self::EditAccount { key, .. } => format!("change what is known of {key}"),
            Self::RemoveAccount { key } => format!("remove the account {key} with all that it has"),
            Self::CopySetup { from, to } => format!("copy the set-up of {from} to {to}"),
            Self::AddEventType { account, name, .. } => format!("add the event type {name} to {account}"),
            Self::RemoveEventType { account, name } => format!("remove the event type {name} of {account}"),
            Self::SetCells { account, cells } => format!("{} of {account}", cells_words(cells)),
            Self::Mute { account, scope, until, .. } => format!("mute {} of {account} until {until}", scope.words()),
            Self::Unmute { account, scope } => format!("end the mute of {} of {account}", scope.words()),
            Self::AddDestination { account, channel, .. } => {
                format!("add a destination for {} to {account}", channel.title())
            }
            Self::EditDestination { .. } => format!("change {label}"),
            Self::RotateSecret { .. } => format!("make a new signing secret for {label}"),
            Self::RevealSecret { field, .. } => format!("show the {field} of {label}"),
            Self::SetDestinationState { state, .. } => match state {
                DestinationState::Enabled => format!("enable {label}"),
                DestinationState::Paused => format!("pause {label}"),
                DestinationState::Disabled => format!("disable {label}, and cancel what waits for it"),
            },
            Self::RemoveDestination { .. } => format!("remove {label}, and cancel what waits for it"),
            Self::TestDestination { event_type, .. } => match event_type {
                Some(event_type) => format!("send a test of {event_type} to {label}"),
                None => format!("send a test to {label}"),
            },
            Self::Replay { deliveries } => {
                format!("send {} again", counted(deliveries.len(), "delivery", "deliveries"))
            }
            Self::StartReplay { what, items, .. } => format!("send {} {what}", items.len()),
            Self::CancelReplay { id } => format!("stop the replay {id}"),
            Self::Prune { before } => format!("remove what ended before {before}"),
            Self::Cancel { deliveries } => format!("cancel {}", counted(deliveries.len(), "delivery", "deliveries")),
            Self::CreateToken { name, scope, .. } => format!("make the token {name}, which may {}", scope.name()),
            Self::RevokeToken { id } => format!("revoke the token {id}"),
            Self::Invite { account, channel } => format!("make a code to enrol a {} of {account}", channel.title()),
            Self::Enrol { by: EnrolBy::Token(account), channel, .. } => {
                format!("enrol a {} of {account}", channel.title())
            }
            Self::Enrol { by: EnrolBy::Code(_), channel, .. } => format!("enrol a {}", channel.title()),
            Self::SetNotification { account, event_type, .. } => format!("set the row {event_type} of {account}"),
            Self::ForgetSecrets { .. } => "forget secrets that the audit trail keeps".to_owned(),
            Self::UseKey { key } => format!("seal secrets with the key {key}"),
            Self::Together { changes, .. } => match changes.as_slice() {
                [] => "change nothing".to_owned(),
                [one] => one.would(label),
                [first, rest @ ..] => format!("{}, and {} more like it", first.would(label), rest.len()),
            },
            Self::Undo { change } => format!("take {change} back"),
        }
    }
}

fn cells_words(cells: &[CellChange]) -> String {
    let word = |to: CellSetting| match to {
        CellSetting::On => "on",
        CellSetting::Off => "off",
        CellSetting::Default => "back to the default",
    };
    match cells {
        [one] => format!("turn {} {} for {}", one.channel.title(), word(one.to), one.event_type),
        [first, rest @ ..] if rest.iter().all(|cell| cell.to == first.to) => {
            format!("turn {} cells {}", cells.len(), word(first.to))
        }
        _ => format!("set {}", counted(cells.len(), "cell", "cells")),
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("this {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::channel::Channel;
    use crate::domain::id::DeliveryId;

    #[test]
    fn what_a_command_would_do_is_said_in_the_words_of_people() {
        let Ok(account) = "acme".parse::<crate::domain::account::AccountKey>() else { panic!("a good key") };
        let cell = |event_type: &str, to| CellChange { event_type: event_type.to_owned(), channel: Channel::Slack, to };
        let cells = |cells| Command::SetCells { account: account.clone(), cells };
        let check = |command: &Command, expected: &str| assert_eq!(command.would("#ops"), expected);
        check(&cells(vec![cell("job.fail", CellSetting::On)]), "turn Slack on for job.fail of acme");
        check(
            &cells(vec![cell("job.fail", CellSetting::Off), cell("app.auth", CellSetting::Off)]),
            "turn 2 cells off of acme",
        );
        check(
            &cells(vec![cell("job.fail", CellSetting::Off), cell("app.auth", CellSetting::On)]),
            "set 2 cells of acme",
        );
        check(&Command::Replay { deliveries: vec![DeliveryId::new(1)] }, "send this delivery again");
        let id = DestinationId::new(1);
        let pause = Command::SetDestinationState { id, state: DestinationState::Paused };
        check(&pause, "pause #ops");
        assert_eq!((pause.destination(), cells(Vec::new()).destination()), (Some(id), None));
    }
}
