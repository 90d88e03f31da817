//! Whether somebody has changed something since a change, so that taking it back would overwrite that silently.

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::command::Change;
use crate::domain::id::ChangeId;
use crate::store::accounts::read;
use crate::store::commands::matrix::setting;
use crate::store::destinations::read_one;
use crate::store::error::{CommandError, StoreError};
use crate::store::matrix::{read_channel, read_preferences};
use crate::store::writer::Session;

/// Refuses when what the change left is no longer what stands there.
pub(crate) async fn refuse_if_changed_since(session: &mut Session, change: &Change) -> Result<(), CommandError> {
    if was_anothers(session, change).await? {
        let says =
            format!("{} was about an account that was removed since; what has its key now is another", change.id);
        return Err(CommandError::Refused(says));
    }
    let same = match change.command.as_str() {
        "set_cells" => cells_stand(session, change).await?,
        "edit_account" => match &change.account {
            Some(key) => json!(read(&mut session.connection, key).await?.profile) == change.after,
            None => true,
        },
        "add_account" => is_nobody_elses(session, change).await?,
        "add_destination" | "edit_destination" | "set_destination_state" => destination_stands(session, change).await?,
        _ => true,
    };
    if same {
        return Ok(());
    }
    let row = sqlx::query(
        "SELECT login, id FROM audit WHERE account = ?1 AND id > ?2 AND command = ?3 ORDER BY id DESC LIMIT 1",
    )
    .bind(change.account.as_ref().map(crate::domain::account::AccountKey::as_str))
    .bind(change.id.number())
    .bind(&change.command)
    .fetch_optional(&mut session.connection)
    .await
    .map_err(StoreError::from)?;
    let by = match row {
        Some(row) => {
            let login: String = row.try_get(0).map_err(StoreError::from)?;
            let id: i64 = row.try_get(1).map_err(StoreError::from)?;
            format!("{login} changed it since ({})", ChangeId::new(id))
        }
        None => "it was changed since".to_owned(),
    };
    Err(CommandError::Refused(format!("{by}, so {} is not taken back; set it by hand", change.id)))
}

/// Whether the account that it was about has been removed since.
async fn was_anothers(session: &mut Session, change: &Change) -> Result<bool, StoreError> {
    let Some(key) = &change.account else { return Ok(false) };
    let statement = "SELECT EXISTS (SELECT 1 FROM audit WHERE account = ? AND id > ? AND command = 'remove_account')";
    let removed = sqlx::query_scalar(statement).bind(key.as_str()).bind(change.id.number());
    Ok(removed.fetch_one(&mut session.connection).await?)
}

/// Whether nothing has come to a new account, and nobody else changed anything in it.
async fn is_nobody_elses(session: &mut Session, change: &Change) -> Result<bool, CommandError> {
    let Some(key) = &change.account else { return Ok(true) };
    let account = read(&mut session.connection, key).await?;
    let others: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM event WHERE account_id = ?1)
             OR EXISTS (SELECT 1 FROM audit WHERE account = ?2 AND id > ?3 AND login <> ?4)",
    )
    .bind(account.id.number())
    .bind(key.as_str())
    .bind(change.id.number())
    .bind(&change.actor.login)
    .fetch_one(&mut session.connection)
    .await
    .map_err(StoreError::from)?;
    Ok(!others)
}

async fn cells_stand(session: &mut Session, change: &Change) -> Result<bool, CommandError> {
    let Some(key) = &change.account else { return Ok(true) };
    let account = read(&mut session.connection, key).await?;
    let preferences = read_preferences(&mut session.connection, account.id).await?;
    for cell in change.after.as_array().into_iter().flatten() {
        let part = |name: &str| cell.get(name).and_then(Value::as_str).unwrap_or_default();
        let channel = read_channel(part("channel"))?;
        if json!(setting(&preferences, part("event_type"), channel)).as_str() != Some(part("to")) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn destination_stands(session: &mut Session, change: &Change) -> Result<bool, CommandError> {
    let Some(id) = change.after.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()) else {
        return Ok(true);
    };
    let (now, _) = read_one(&mut session.connection, id).await?;
    Ok(match (change.after.get("state"), change.after.get("settings")) {
        (Some(state), _) => json!(now.state) == *state,
        (None, Some(settings)) => json!({"label": now.label, "only": now.only, "fields": now.fields}) == *settings,
        (None, None) => true,
    })
}
