//! What each command takes: the role of whoever asks, and whether `--restricted` leaves it within reach. The one table of
//! both, looked at before a command is begun; the store has the last word about each change all the same.
//!
//! The compiler asks for a line for each new command, and a test for its place in the table of all of them.

use crate::cli::accounts::Accounts;
use crate::cli::args::{Arguments, Command};
use crate::cli::audit::Audit;
use crate::cli::config::ConfigCommand;
use crate::cli::deliveries::Deliveries;
use crate::cli::destinations::Destinations;
use crate::cli::event_types::EventTypes;
use crate::cli::events::Events;
use crate::cli::keys::Keys;
use crate::cli::matrix::Matrix;
use crate::cli::messages::Messages;
use crate::cli::replays::Replays;
use crate::cli::tokens::Tokens;
use crate::domain::role::Role;
use crate::domain::role::Role::{Administer, Look, Operate};

/// What a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The lowest role that may have it done. Nothing for what acts for nobody and shows nothing of anybody: it tells about
    /// the program or the config's file, or is the service, whose user is no person.
    pub role: Option<Role>,
    /// Whether it reads and writes nothing but the database and the terminal, so that `--restricted` leaves it.
    pub when_restricted: bool,
}

/// Within reach under `--restricted`.
const fn inside(role: Role) -> Reach {
    Reach { role: Some(role), when_restricted: true }
}

/// For whoever runs the machine: it is out of reach under `--restricted`.
const fn outside(role: Role) -> Reach {
    Reach { role: Some(role), when_restricted: false }
}

/// Whoever only asks what would be done looks.
const fn unless_dry(role: Role, dry_run: bool) -> Role {
    if dry_run { Look } else { role }
}

impl Arguments {
    /// What it takes to have this done.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        match &self.command {
            // The console; it offers what the role allows.
            None => inside(Look),
            Some(command) => command.reach(),
        }
    }
}

impl Command {
    const fn reach(&self) -> Reach {
        match self {
            Self::Man(_) | Self::Help(_) => Reach { role: None, when_restricted: true },
            Self::Demo(_) | Self::Serve(_) | Self::Completions(_) => Reach { role: None, when_restricted: false },
            Self::Emit(emit) => inside(unless_dry(Operate, emit.dry_run)),
            // It takes a file, and as many events as somebody likes.
            Self::Ingest(_) => outside(Operate),
            Self::Watch(_) | Self::Why(_) => inside(Look),
            Self::Accounts { command } => accounts(command),
            Self::EventTypes { command } => event_types(command),
            Self::Matrix { command } => matrix(command),
            Self::Messages { command } => messages(command),
            Self::Destinations { command } => destinations(command),
            Self::Deliveries { command } => deliveries(command),
            Self::Events { command } => events(command),
            Self::Tokens { command } => tokens(command),
            Self::Audit { command } => audit(command),
            Self::Config { command } => config(command),
            Self::Keys { command } => keys(command),
            Self::Doctor(_) => outside(Look),
            // A copy has everybody's events in it, and leaves the audit trail behind.
            Self::Backup(_) | Self::Restore(_) => outside(Administer),
            Self::Prune(prune) => outside(unless_dry(Administer, prune.dry_run)),
        }
    }
}

const fn messages(command: &Messages) -> Reach {
    match command {
        Messages::Preview(_) | Messages::Template { .. } => inside(Look),
    }
}

const fn events(command: &Events) -> Reach {
    match command {
        Events::List(_) | Events::Show { .. } => inside(Look),
    }
}

const fn tokens(command: &Tokens) -> Reach {
    match command {
        Tokens::List => outside(Look),
        Tokens::Create { .. } | Tokens::Revoke { .. } => outside(Administer),
    }
}

const fn audit(command: &Audit) -> Reach {
    match command {
        Audit::List(_) | Audit::Export | Audit::Verify { .. } => inside(Look),
        Audit::Undo { .. } => inside(Operate),
        Audit::Forget(forget) => inside(unless_dry(Administer, forget.dry_run)),
    }
}

const fn keys(command: &Keys) -> Reach {
    match command {
        Keys::Show => outside(Look),
        Keys::Rotate => outside(Administer),
    }
}

const fn accounts(command: &Accounts) -> Reach {
    match command {
        Accounts::List(_) | Accounts::Show { .. } => inside(Look),
        Accounts::Add(_) | Accounts::Edit(_) | Accounts::Copy { .. } => inside(Operate),
        Accounts::Remove { .. } => inside(Administer),
    }
}

const fn event_types(command: &EventTypes) -> Reach {
    match command {
        EventTypes::List { .. } => inside(Look),
        EventTypes::Add(_) | EventTypes::Remove { .. } => inside(Operate),
    }
}

const fn matrix(command: &Matrix) -> Reach {
    match command {
        Matrix::Show { .. } => inside(Look),
        Matrix::Set(_) | Matrix::Mute(_) | Matrix::Unmute(_) => inside(Operate),
    }
}

const fn destinations(command: &Destinations) -> Reach {
    match command {
        Destinations::List { .. } | Destinations::Show { .. } => inside(Look),
        Destinations::Add { .. }
        | Destinations::Invite { .. }
        | Destinations::Edit { .. }
        | Destinations::Rotate(_)
        | Destinations::Test(_)
        | Destinations::Pause { .. }
        | Destinations::Enable { .. }
        | Destinations::Disable { .. }
        | Destinations::Remove { .. } => inside(Operate),
    }
}

const fn deliveries(command: &Deliveries) -> Reach {
    match command {
        Deliveries::List(_) | Deliveries::Show { .. } => inside(Look),
        Deliveries::Replay(again) => inside(unless_dry(Operate, again.go.dry_run)),
        Deliveries::SendMissed(missed) => inside(unless_dry(Operate, missed.go.dry_run)),
        Deliveries::Replays { command } => replays(command.as_ref()),
        Deliveries::Cancel(_) => inside(Operate),
    }
}

const fn replays(command: Option<&Replays>) -> Reach {
    match command {
        None | Some(Replays::List) => inside(Look),
        Some(Replays::Cancel { .. }) => inside(Operate),
    }
}

/// The config's file is there for whoever can read it; `check` and `path` must answer while it is broken, when nobody has a role.
const fn config(command: &ConfigCommand) -> Reach {
    match command {
        ConfigCommand::Show { example: true } | ConfigCommand::Path | ConfigCommand::Check => {
            Reach { role: None, when_restricted: false }
        }
        ConfigCommand::Show { example: false } | ConfigCommand::Keys => outside(Look),
    }
}
