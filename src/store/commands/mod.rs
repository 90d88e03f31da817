//! The one executor of every change that a person can cause, and the audit row that each leaves.
//!
//! It runs inside the writer's transaction, in a savepoint. To add a change: a variant of
//! [`crate::domain::command::Command`], a function in the file of its noun here, a line in [`execute`], and, when it can be
//! taken back, its inverse in [`undo`].

pub(crate) mod accounts;

pub(crate) mod matrix;

pub(crate) mod mutes;

pub(crate) mod destinations;

pub(crate) mod rotation;

pub(crate) mod reveal;

pub(crate) mod deliveries;

pub(crate) mod replays;

pub(crate) mod access;

pub(crate) mod notification;

pub(crate) mod keys;

pub(crate) mod together;

pub(crate) mod setup;

pub(crate) mod undo;

mod conflict;

use serde_json::Value;
use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::command::{Actor, Command, Done};
use crate::domain::id::ChangeId;
use crate::store::chain::{self, Hash, Link};
use crate::store::commands::together::Leader;
use crate::store::error::{CommandError, StoreError};
use crate::store::forget;
use crate::store::writer::Session;

/// What the rows of the audit trail that follow belong to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trail {
    /// The change that is being taken back, while it is.
    pub(crate) undoing: Option<ChangeId>,
    /// The change that stands for those that follow, which are made as one.
    pub(crate) leader: Option<ChangeId>,
}

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
        Command::EditAccount { key, profile, over } => {
            accounts::edit(session, actor, key, profile, over.as_ref()).await
        }
        Command::RemoveAccount { key } => accounts::remove(session, actor, key).await,
        Command::CopySetup { from, to } => setup::copy(session, actor, from, to).await,
        Command::AddEventType { account, name, title, group, severity, recovers } => {
            let own = matrix::OwnType { name, title, group, severity: *severity, recovers: recovers.as_deref() };
            matrix::add_event_type(session, actor, account, &own).await
        }
        Command::RemoveEventType { account, name } => matrix::remove_event_type(session, actor, account, name).await,
        Command::SetCells { account, cells } => matrix::set_cells(session, actor, account, cells).await,
        Command::Mute { account, scope, until, reason } => {
            mutes::mute(session, actor, account, scope, *until, reason).await
        }
        Command::Unmute { account, scope } => mutes::unmute(session, actor, account, scope).await,
        Command::AddDestination { account, channel, form } => {
            destinations::add(session, actor, account, *channel, form).await
        }
        Command::EditDestination { id, form, over } => destinations::edit(session, actor, *id, form, *over).await,
        Command::RotateSecret { id, secret, overlap } => {
            rotation::rotate(session, actor, *id, secret.as_ref(), *overlap).await
        }
        Command::RevealSecret { id, field } => reveal::reveal(session, actor, *id, field).await,
        Command::SetDestinationState { id, state } => destinations::set_state(session, actor, *id, *state, None).await,
        Command::RemoveDestination { id } => destinations::remove(session, actor, *id).await,
        Command::TestDestination { id, event_type } => {
            deliveries::test(session, actor, *id, event_type.as_deref()).await
        }
        Command::Replay { deliveries } => deliveries::replay(session, actor, deliveries).await,
        Command::StartReplay { account, what, items } => {
            replays::start(session, actor, account.as_ref(), what, items).await
        }
        Command::CancelReplay { id } => replays::cancel(session, actor, *id).await,
        Command::Prune { before } => replays::note_pruning(session, actor, *before).await,
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
        Command::UseKey { key } => keys::use_key(session, actor, *key).await,
        Command::ForgetSecrets { which } => forget::run(session, actor, which).await,
        Command::Together { account, says, changes } => {
            let leader = Leader { account: account.as_ref(), command: together::NAME, says, after: Value::Null };
            together::run(session, actor, leader, changes).await
        }
        Command::Undo { change } => Box::pin(undo::undo(session, actor, *change)).await,
    }
}

/// Whether it may write a row anew that has sealed values, or take such a row away: what SQLite frees then is overwritten. All else
/// does without, which saves two statements a command.
fn rewrites_secrets(command: &Command) -> bool {
    match command {
        Command::RemoveAccount { .. }
        | Command::EditDestination { .. }
        | Command::RotateSecret { .. }
        | Command::SetDestinationState { .. }
        | Command::RemoveDestination { .. }
        | Command::Enrol { .. }
        | Command::UseKey { .. }
        | Command::ForgetSecrets { .. }
        | Command::Undo { .. } => true,
        Command::Together { changes, .. } => changes.iter().any(rewrites_secrets),
        Command::AddAccount { .. }
        | Command::EditAccount { .. }
        | Command::CopySetup { .. }
        | Command::AddEventType { .. }
        | Command::RemoveEventType { .. }
        | Command::SetCells { .. }
        | Command::Mute { .. }
        | Command::Unmute { .. }
        | Command::AddDestination { .. }
        | Command::RevealSecret { .. }
        | Command::TestDestination { .. }
        | Command::Replay { .. }
        | Command::StartReplay { .. }
        | Command::CancelReplay { .. }
        | Command::Prune { .. }
        | Command::Cancel { .. }
        | Command::CreateToken { .. }
        | Command::RevokeToken { .. }
        | Command::Invite { .. }
        | Command::SetNotification { .. } => false,
    }
}

impl Session {
    /// Writes a row of the audit trail.
    pub(crate) async fn record(&mut self, actor: &Actor, record: Record<'_>) -> Result<ChangeId, StoreError> {
        let last = sqlx::query("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1");
        let last = last.fetch_optional(&mut self.connection).await?;
        let (last_id, last_hash): (i64, Option<Vec<u8>>) =
            last.map_or(Ok((0, None)), |row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?)))?;
        let previous = last_hash.as_deref().and_then(Hash::from_bytes).unwrap_or(chain::BEFORE_ALL);
        let (before, after) = (record.before.to_string(), record.after.to_string());
        let account = record.account.map(AccountKey::as_str);
        let (login, origin) = (Some(actor.login.as_str()), Some(actor.origin.as_str()));
        let link = Link {
            id: last_id + 1,
            at: self.now.millis(),
            undoes: self.trail.undoing.map(ChangeId::number),
            texts: [login, origin, account, Some(record.command), Some(record.says), Some(&before), Some(&after)],
        };
        let mut insert = sqlx::query(
            "INSERT INTO audit (id, at, undoes, login, origin, account, command, says, before, after, hash)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(link.id)
        .bind(link.at)
        .bind(link.undoes);
        for text in link.texts {
            insert = insert.bind(text);
        }
        insert.bind(link.hash(&previous).as_bytes()).execute(&mut self.connection).await?;
        if let Some(sealed) = record.sealed {
            sqlx::query("INSERT INTO audit_secret (audit_id, sealed) VALUES (?, ?)")
                .bind(link.id)
                .bind(sealed)
                .execute(&mut self.connection)
                .await?;
        }
        if let Some(leader) = self.trail.leader {
            sqlx::query("INSERT INTO audit_together (audit_id, leader) VALUES (?, ?)")
                .bind(link.id)
                .bind(leader.number())
                .execute(&mut self.connection)
                .await?;
        }
        Ok(ChangeId::new(link.id))
    }
}

impl Session {
    /// Runs a command so that its failure takes back its own rows only. The outer error is one that ends the transaction.
    pub(crate) async fn run_in_savepoint(
        &mut self,
        actor: &Actor,
        command: &Command,
    ) -> Result<Result<Done, CommandError>, StoreError> {
        sqlx::query("SAVEPOINT command").execute(&mut self.connection).await?;
        let told = self.work.len();
        self.trail = Trail::default();
        let wipes = rewrites_secrets(command);
        if wipes {
            self.wiping(true).await?;
        }
        self.follow_key().await?;
        let done = execute(self, actor, command).await;
        if done.is_err() {
            for (lane, _) in self.work.drain(told..) {
                self.slots.told(lane);
            }
            sqlx::query("ROLLBACK TO command").execute(&mut self.connection).await?;
        }
        sqlx::query("RELEASE command").execute(&mut self.connection).await?;
        if wipes {
            self.wiping(false).await?;
        }
        self.forget();
        Ok(done)
    }
}
