//! Takes changes back: for each command that can be, its inverse made from what stood there before.

use serde_json::Value;
use sqlx::Row;

use crate::domain::account::{AccountKey, AccountStatus, Profile};
use crate::domain::catalogue::Severity;
use crate::domain::command::{Actor, CellChange, Change, Command, Done};
use crate::domain::destination::DestinationState;
use crate::domain::id::{ChangeId, DestinationId};
use crate::store::audit;
use crate::store::commands::{Record, conflict, destinations, execute, mutes, rotation, setup, together};
use crate::store::destinations::{read_even_removed, read_one};
use crate::store::error::{CommandError, StoreError};
use crate::store::forget;
use crate::store::writer::Session;

/// A column that says of the row `one` of the audit trail whether what it depends on lets it be taken back: an account that
/// something has come to by now is not taken away by an undo.
pub(crate) const IS_POSSIBLE: &str = "CASE one.command
    WHEN 'together' THEN EXISTS (SELECT 1 FROM audit_together WHERE leader = one.id)
    WHEN 'copy_setup' THEN EXISTS (SELECT 1 FROM audit_together WHERE leader = one.id)
    WHEN 'remove_account' THEN one.undoes IS NOT NULL
    WHEN 'add_account' THEN EXISTS (SELECT 1 FROM account WHERE key = one.account
        AND NOT EXISTS (SELECT 1 FROM event WHERE account_id = account.id))
    ELSE 1 END";

/// Whether a command of that name can be taken back, where [`IS_POSSIBLE`] says so too.
pub(crate) fn can_undo(command: &str) -> bool {
    matches!(
        command,
        "set_cells"
            | "edit_account"
            | "add_event_type"
            | "remove_event_type"
            | "add_destination"
            | "remove_destination"
            | "edit_destination"
            | "add_account"
            | "remove_account"
            | setup::NAME
            | together::NAME
            | "set_destination_state"
            | rotation::NAME
            | "mute"
            | "unmute"
    )
}

pub(crate) async fn undo(session: &mut Session, actor: &Actor, id: ChangeId) -> Result<Done, CommandError> {
    let row = sqlx::query(
        "SELECT id, at, login, origin, account, command, says, before, after, undoes, sealed,
                EXISTS (SELECT 1 FROM audit AS later WHERE later.undoes = audit.id)
         FROM audit LEFT JOIN audit_secret ON audit_id = id WHERE id = ?",
    )
    .bind(id.number())
    .fetch_optional(&mut session.connection)
    .await?
    .ok_or_else(|| CommandError::NotFound(format!("there is no change `{id}`; see `bellboard audit list`")))?;
    let change = audit::change(&row)?;
    if row.try_get(11)? {
        return Err(CommandError::Refused(format!("{id} has been taken back already")));
    }
    conflict::refuse_if_changed_since(session, &change).await?;
    let sealed: Option<Vec<u8>> = row.try_get(10)?;
    forget::refuse_if_forgotten(&change.says, sealed.as_deref())?;
    let outer = session.trail.undoing.replace(id);
    let done = match change.command.as_str() {
        "edit_destination" => restore_settings(session, actor, &change, sealed).await,
        rotation::NAME => rotation::take_back(session, actor, &change, sealed).await,
        "remove_destination" => restore_destination(session, actor, &change, sealed).await,
        setup::NAME | together::NAME => together::take_back(session, actor, &change).await,
        _ => match inverse(&change) {
            Ok(command) => execute(session, actor, &command).await,
            Err(error) => Err(error),
        },
    };
    session.trail.undoing = outer;
    let done = done?;
    if done.change.is_none() {
        return Err(CommandError::Refused(format!("there is nothing to take back: {}", done.says)));
    }
    Ok(Done { says: format!("taken back: {}", change.says), ..done })
}

/// The command that leads back to what stood there before.
fn inverse(change: &Change) -> Result<Command, CommandError> {
    let account = || change.account.clone().ok_or_else(|| damaged(change));
    match change.command.as_str() {
        "set_cells" => Ok(Command::SetCells { account: account()?, cells: cells(change)? }),
        "add_account" => Ok(Command::RemoveAccount { key: account()? }),
        "remove_account" if change.undoes.is_some() => {
            Ok(Command::AddAccount { key: account()?, profile: profile(change)? })
        }
        "edit_account" => Ok(Command::EditAccount { key: account()?, profile: profile(change)?, over: None }),
        "add_event_type" => {
            Ok(Command::RemoveEventType { account: account()?, name: text(&change.after, "name", change)? })
        }
        "remove_event_type" => add_event_type(change, account()?),
        "add_destination" => Ok(Command::RemoveDestination { id: destination(&change.after, change)? }),
        "mute" | "unmute" => mutes::inverse(change, account()?).ok_or_else(|| damaged(change)),
        "set_destination_state" => {
            let state = change.before.get("state").cloned().unwrap_or_default();
            let state: DestinationState = serde_json::from_value(state).map_err(|_| damaged(change))?;
            Ok(Command::SetDestinationState { id: destination(&change.before, change)?, state })
        }
        _ => Err(CommandError::Refused(format!("this cannot be taken back: {}", change.says))),
    }
}

/// Brings a destination back that was removed, with its secrets. What was cancelled when it went stays so.
async fn restore_destination(
    session: &mut Session,
    actor: &Actor,
    change: &Change,
    sealed: Option<Vec<u8>>,
) -> Result<Done, CommandError> {
    let id = destination(&change.before, change)?;
    let row = read_even_removed(&mut session.connection, id).await?;
    let brought_back = sqlx::query(
        "UPDATE destination SET removed_at = NULL, sealed = ?2 WHERE id = ?1 AND removed_at IS NOT NULL
         AND (?2 IS NOT NULL OR NOT EXISTS (SELECT 1 FROM json_each(fields) WHERE type = 'null'))",
    )
    .bind(id.number())
    .bind(sealed)
    .execute(&mut session.connection)
    .await?;
    if brought_back.rows_affected() == 0 {
        let why = format!("{} cannot come back, since its secrets were not kept; add it anew", row.label);
        return Err(CommandError::Refused(why));
    }
    let says = format!("{} is there again", row.label);
    let settings = change.before.get("settings").cloned().unwrap_or_default();
    let record = Record {
        account: change.account.as_ref(),
        command: "add_destination",
        says: &says,
        before: Value::Null,
        after: serde_json::json!({"id": id, "settings": settings}),
        sealed: None,
    };
    let by = session.record(actor, record).await?;
    Ok(Done { says, change: Some(by), destination: Some(id), ..Done::default() })
}

async fn restore_settings(
    session: &mut Session,
    actor: &Actor,
    change: &Change,
    sealed: Option<Vec<u8>>,
) -> Result<Done, CommandError> {
    let id = destination(&change.before, change)?;
    let (now, sealed_now) = read_one(&mut session.connection, id).await?;
    let settings = change.before.get("settings").ok_or_else(|| damaged(change))?;
    let label = text(settings, "label", change)?;
    let fields = settings.get("fields").and_then(Value::as_object).ok_or_else(|| damaged(change))?;
    // In the audit trail a secret stands as its mask; in the destination's row as null.
    let fields: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(name, value)| {
            let is_secret = value.as_str() == Some(crate::domain::secret::MASK);
            (name.clone(), if is_secret { Value::Null } else { value.clone() })
        })
        .collect();
    let only = settings.get("only").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    let fields = Value::Object(fields).to_string();
    destinations::write_settings(session, id, &label, &fields, sealed, &only.to_string()).await?;
    let says = format!("the settings of {label} are as they were before");
    let record = Record {
        account: change.account.as_ref(),
        command: "edit_destination",
        says: &says,
        before: serde_json::json!({"id": id, "settings":
            {"label": now.label, "only": now.only, "fields": now.fields}}),
        after: change.before.clone(),
        sealed: sealed_now,
    };
    let by = session.record(actor, record).await?;
    Ok(Done { says, change: Some(by), destination: Some(id), ..Done::default() })
}

fn cells(change: &Change) -> Result<Vec<CellChange>, CommandError> {
    let cells = change.before.as_array().ok_or_else(|| damaged(change))?;
    cells
        .iter()
        .map(|cell| {
            let part = |name: &str| cell.get(name).cloned().unwrap_or_default();
            Ok(CellChange {
                event_type: text(cell, "event_type", change)?,
                channel: serde_json::from_value(part("channel")).map_err(|_| damaged(change))?,
                to: serde_json::from_value(part("to")).map_err(|_| damaged(change))?,
            })
        })
        .collect()
}

fn profile(change: &Change) -> Result<Profile, CommandError> {
    let before = &change.before;
    let status = if before.get("status").and_then(Value::as_str) == Some("suspended") {
        AccountStatus::Suspended
    } else {
        AccountStatus::Active
    };
    Ok(Profile {
        name: text(before, "name", change)?,
        owner_email: text(before, "owner_email", change)?,
        timezone: text(before, "timezone", change)?,
        status,
    })
}

fn add_event_type(change: &Change, account: AccountKey) -> Result<Command, CommandError> {
    let before = &change.before;
    Ok(Command::AddEventType {
        account,
        name: text(before, "name", change)?,
        title: text(before, "title", change)?,
        group: text(before, "group", change)?,
        severity: Severity::parse(&text(before, "severity", change)?).map_err(|_| damaged(change))?,
        recovers: before.get("recovers").and_then(Value::as_str).map(str::to_owned),
    })
}

pub(crate) fn destination(value: &Value, change: &Change) -> Result<DestinationId, CommandError> {
    text(value, "id", change)?.parse().map_err(|_| damaged(change))
}

fn text(value: &Value, name: &str, change: &Change) -> Result<String, CommandError> {
    value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| damaged(change))
}

fn damaged(change: &Change) -> CommandError {
    CommandError::Store(StoreError::Damaged(format!("{} in the audit trail cannot be read", change.id)))
}
