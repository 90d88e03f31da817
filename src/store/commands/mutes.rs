//! Mutes and their ends.

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, Change, Command, Done};
use crate::domain::mute::{self, Mute, Scope};
use crate::domain::time::Timestamp;
use crate::store::accounts::read;
use crate::store::commands::Record;
use crate::store::commands::matrix::unknown_type;
use crate::store::error::{CommandError, StoreError};
use crate::store::matrix::read_catalogue;
use crate::store::writer::Session;

pub(crate) async fn mute(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    scope: &Scope,
    until: Timestamp,
    reason: &str,
) -> Result<Done, CommandError> {
    let account = read(&mut session.connection, key).await?;
    let (scope, title) = known(session, key, scope).await?;
    mute::check_end(until, session.now).map_err(CommandError::Invalid)?;
    let mute = Mute { scope, until, by: actor.login.clone(), reason: mute::reason(reason) };
    let before = find(session, account.id.number(), &mute.scope).await?;
    // What has ended is only in the way.
    sqlx::query("DELETE FROM mute WHERE account_id = ? AND until <= ?")
        .bind(account.id.number())
        .bind(session.now.millis())
        .execute(&mut session.connection)
        .await?;
    let (event_type, channel) = names(&mute.scope);
    sqlx::query(
        "INSERT INTO mute (account_id, event_type, channel, until, muted_by, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (account_id, event_type, channel) DO UPDATE SET until = ?4, muted_by = ?5, reason = ?6",
    )
    .bind(account.id.number())
    .bind(event_type)
    .bind(channel)
    .bind(until.millis())
    .bind(&mute.by)
    .bind(&mute.reason)
    .execute(&mut session.connection)
    .await?;
    let until = until.in_zone(&jiff::tz::TimeZone::UTC).strftime("%-d %b %Y %H:%M UTC");
    let says = format!("{title} is muted until {until}");
    record(session, actor, key, "mute", says, before.as_ref(), Some(&mute)).await
}

pub(crate) async fn unmute(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    scope: &Scope,
) -> Result<Done, CommandError> {
    let account = read(&mut session.connection, key).await?;
    let (scope, title) = known(session, key, scope).await?;
    let Some(before) = find(session, account.id.number(), &scope).await? else {
        return Ok(Done { says: format!("{title} is not muted"), ..Done::default() });
    };
    let (event_type, channel) = names(&scope);
    sqlx::query("DELETE FROM mute WHERE account_id = ? AND event_type = ? AND channel = ?")
        .bind(account.id.number())
        .bind(event_type)
        .bind(channel)
        .execute(&mut session.connection)
        .await?;
    let says = format!("{title} is not muted any more");
    record(session, actor, key, "unmute", says, Some(&before), None).await
}

/// What leads back to what was muted before.
pub(crate) fn inverse(change: &Change, account: AccountKey) -> Option<Command> {
    let mute = |value: &Value| serde_json::from_value::<Mute>(value.clone()).ok();
    match mute(&change.before) {
        Some(Mute { scope, until, reason, .. }) => Some(Command::Mute { account, scope, until, reason }),
        None => Some(Command::Unmute { account, scope: mute(&change.after)?.scope }),
    }
}

/// The scope with its event type spelled as the account has it, and what people call it.
async fn known(session: &mut Session, key: &AccountKey, scope: &Scope) -> Result<(Scope, String), CommandError> {
    let account = read(&mut session.connection, key).await?;
    let catalogue = read_catalogue(&mut session.connection, account.id).await?;
    let event_type = match &scope.event_type {
        Some(name) => Some(catalogue.get(name).ok_or_else(|| unknown_type(&catalogue, key, name))?.name.clone()),
        None => None,
    };
    let scope = Scope { event_type, channel: scope.channel };
    let title = scope.titled(&catalogue);
    Ok((scope, title))
}

/// The mute of exactly that scope, when it holds still.
async fn find(session: &mut Session, account: i64, scope: &Scope) -> Result<Option<Mute>, StoreError> {
    let (event_type, channel) = names(scope);
    let row = sqlx::query(
        "SELECT until, muted_by, reason FROM mute
         WHERE account_id = ? AND event_type = ? AND channel = ? AND until > ?",
    )
    .bind(account)
    .bind(event_type)
    .bind(channel)
    .bind(session.now.millis())
    .fetch_optional(&mut session.connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let until = Timestamp::from_millis(row.try_get(0)?);
    Ok(Some(Mute { scope: scope.clone(), until, by: row.try_get(1)?, reason: row.try_get(2)? }))
}

async fn record(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    command: &'static str,
    says: String,
    before: Option<&Mute>,
    after: Option<&Mute>,
) -> Result<Done, CommandError> {
    let record =
        Record { account: Some(key), command, says: &says, before: json!(before), after: json!(after), sealed: None };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

/// The scope as the table has it: an empty name for all.
fn names(scope: &Scope) -> (&str, &str) {
    (scope.event_type.as_deref().unwrap_or_default(), scope.channel.map_or("", Channel::name))
}
