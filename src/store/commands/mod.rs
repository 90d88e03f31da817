//! The one executor of every change that a person can cause, and the audit row that each leaves.
//!
//! It runs inside the writer's transaction, in a savepoint. To add a change: a variant of
//! [`crate::domain::command::Command`], a function in the file of its noun here, a line in [`execute`], and, when it can be
//! taken back, its inverse in [`undo`].

pub(crate) mod accounts;

pub(crate) mod matrix;

pub(crate) mod destinations;

pub(crate) mod deliveries;

pub(crate) mod access;

pub(crate) mod notification;

pub(crate) mod undo;

use serde_json::Value;

use crate::domain::account::AccountKey;
use crate::domain::command::{Actor, Command, Done};
use crate::domain::id::ChangeId;
use crate::store::error::{CommandError, StoreError};
use crate::store::writer::Session;

/// What a command leaves in the audit trail.
pub(crate) struct Record<'a> {
    pub(crate) account: Option<&'a AccountKey>,
    pub(crate) command: &'static str,
    pub(crate) says: &'a str,
    pub(crate) before: Value,
    pub(crate) after: Value,
    /// Sealed secrets that stood there before.
    pub(crate) sealed: Option<Vec<u8>>,
}

/// Does it, all or nothing.
pub(crate) async fn execute(session: &mut Session, actor: &Actor, command: &Command) -> Result<Done, CommandError> {
    match command {
        Command::AddAccount { key, profile } => accounts::add(session, actor, key, profile).await,
        Command::EditAccount { key, profile } => accounts::edit(session, actor, key, profile).await,
        Command::RemoveAccount { key } => accounts::remove(session, actor, key).await,
        Command::CopySetup { from, to } => accounts::copy_setup(session, actor, from, to).await,
        Command::AddEventType { account, name, title, group, severity } => {
            let own = matrix::OwnType { name, title, group, severity: *severity };
            matrix::add_event_type(session, actor, account, &own).await
        }
        Command::RemoveEventType { account, name } => matrix::remove_event_type(session, actor, account, name).await,
        Command::SetCells { account, cells } => matrix::set_cells(session, actor, account, cells).await,
        Command::AddDestination { account, channel, form } => {
            destinations::add(session, actor, account, *channel, form).await
        }
        Command::EditDestination { id, form } => destinations::edit(session, actor, *id, form).await,
        Command::SetDestinationState { id, state } => destinations::set_state(session, actor, *id, *state, None).await,
        Command::RemoveDestination { id } => destinations::remove(session, actor, *id).await,
        Command::TestDestination { id, event_type } => {
            deliveries::test(session, actor, *id, event_type.as_deref()).await
        }
        Command::Replay { deliveries } => deliveries::replay(session, actor, deliveries).await,
        Command::Cancel { deliveries } => deliveries::cancel(session, actor, deliveries).await,
        Command::CreateToken { name, scope, account } => {
            access::create_token(session, actor, name, *scope, account.as_ref()).await
        }
        Command::RevokeToken { id } => access::revoke_token(session, actor, *id).await,
        Command::Invite { account, channel } => access::invite(session, actor, account, *channel).await,
        Command::Enrol { by, channel, form } => access::enrol(session, actor, by, *channel, form).await,
        Command::SetNotification { account, event_type, channels, params } => {
            notification::set(session, actor, account, event_type, channels.as_deref(), params).await
        }
        Command::Undo { change } => Box::pin(undo::undo(session, actor, *change)).await,
    }
}

impl Session {
    /// Writes a row of the audit trail.
    pub(crate) async fn record(&mut self, actor: &Actor, record: Record<'_>) -> Result<ChangeId, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO audit (at, login, origin, account, command, says, before, after, sealed)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.now.millis())
        .bind(&actor.login)
        .bind(&actor.origin)
        .bind(record.account.map(AccountKey::as_str))
        .bind(record.command)
        .bind(record.says)
        .bind(record.before.to_string())
        .bind(record.after.to_string())
        .bind(record.sealed)
        .execute(&mut self.connection)
        .await?;
        Ok(ChangeId::new(inserted.last_insert_rowid()))
    }
}
