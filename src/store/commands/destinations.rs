//! Changes of destinations.

use serde_json::{Value, json};

use crate::channels::{self, signing};
use crate::domain::account::{Account, AccountKey};
use crate::domain::catalogue::Catalogue;
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, DestinationForm, Done};
use crate::domain::destination::{Destination, DestinationState, FieldValue, FieldValues, LABEL_CHARACTERS_MAX};
use crate::domain::id::DestinationId;
use crate::domain::text::safe_line;
use crate::store::accounts::{read, read_by_id};
use crate::store::commands::Record;
use crate::store::commands::access::forget_access;
use crate::store::commands::matrix::unknown_type;
use crate::store::destinations::{open_fields, read_one, split_fields};
use crate::store::ending::Ended;
use crate::store::error::{CommandError, StoreError};
use crate::store::matrix::read_catalogue;
use crate::store::writer::Session;

/// Most destinations of one account.
const DESTINATIONS_MAX: i64 = 1000;

pub(crate) async fn add(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    channel: Channel,
    form: &DestinationForm,
) -> Result<Done, CommandError> {
    let account = read(&mut session.connection, key).await?;
    check_only(session, &account, &form.only).await?;
    let mut form = form.clone();
    let secret = channels::complete(channel, &mut form.fields).map_err(CommandError::Fields)?;
    let (id, label) = insert(session, &account, channel, &form).await?;
    let mut says = format!("{} has the {} destination {label}", account.profile.name, channel.title());
    add_notes(&mut says, channel, &form, session);
    let after = described(&label, &form);
    let record = Record {
        account: Some(key),
        command: "add_destination",
        says: &says,
        before: Value::Null,
        after: json!({"id": id, "settings": after}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), destination: Some(id), secret, ..Done::default() })
}

/// What the person should know of what was saved.
fn add_notes(says: &mut String, channel: Channel, form: &DestinationForm, session: &Session) {
    for note in channels::notes(channel, &form.fields, session.now) {
        says.push_str("; ");
        says.push_str(&note);
    }
}

/// Checks and stores a new destination, without a row in the audit trail.
pub(crate) async fn insert(
    session: &mut Session,
    account: &Account,
    channel: Channel,
    form: &DestinationForm,
) -> Result<(DestinationId, String), CommandError> {
    channels::parse(channel, &form.fields).map_err(CommandError::Fields)?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM destination WHERE account_id = ? AND removed_at IS NULL")
        .bind(account.id.number())
        .fetch_one(&mut session.connection)
        .await?;
    if count >= DESTINATIONS_MAX {
        return Err(CommandError::Refused(format!("an account has at most {DESTINATIONS_MAX} destinations")));
    }
    let label = label(channel, form)?;
    let next: i64 =
        sqlx::query_scalar("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'destination'), 0) + 1")
            .fetch_one(&mut session.connection)
            .await?;
    let id = DestinationId::new(next);
    let (fields, sealed) = split_fields(&form.fields, &session.sealer, id)?;
    sqlx::query(
        "INSERT INTO destination (id, account_id, channel, label, fields, sealed, only_types, state, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'enabled', ?)",
    )
    .bind(id.number())
    .bind(account.id.number())
    .bind(channel.name())
    .bind(&label)
    .bind(fields)
    .bind(sealed)
    .bind(json!(form.only).to_string())
    .bind(session.now.millis())
    .execute(&mut session.connection)
    .await?;
    Ok((id, label))
}

pub(crate) async fn edit(
    session: &mut Session,
    actor: &Actor,
    id: DestinationId,
    form: &DestinationForm,
    over: Option<i64>,
) -> Result<Done, CommandError> {
    let (before, sealed_before) = read_one(&mut session.connection, id).await?;
    if over.is_some_and(|seen| seen != before.revision) {
        return Err(CommandError::Overtaken(before.label));
    }
    let account = read_by_id(&mut session.connection, before.account).await?;
    check_only(session, &account, &form.only).await?;
    let mut stored = open_fields(&before.fields, sealed_before.as_deref(), &session.sealer, id)?;
    signing::forget_old(&mut stored, session.now);
    let fields = keep_secrets(before.channel, &stored, &form.fields);
    channels::parse(before.channel, &fields).map_err(CommandError::Fields)?;
    let form = DestinationForm { fields, label: form.label.clone(), only: form.only.clone() };
    let label = label(before.channel, &form)?;
    if label == before.label && form.only == before.only && form.fields == stored {
        return Ok(Done { says: format!("{label} is as it was"), destination: Some(id), ..Done::default() });
    }
    let (fields, sealed) = split_fields(&form.fields, &session.sealer, id)?;
    write_settings(session, id, &label, &fields, sealed, &json!(form.only).to_string()).await?;
    let mut says = format!("the {} destination {label} was changed", before.channel.title());
    add_notes(&mut says, before.channel, &form, session);
    let record = Record {
        account: Some(&account.key),
        command: "edit_destination",
        says: &says,
        before: json!({"id": id, "settings": settings_of(&before)}),
        after: json!({"id": id, "settings": described(&label, &form)}),
        sealed: sealed_before,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), destination: Some(id), ..Done::default() })
}

/// Writes a destination's settings as they are stored.
pub(crate) async fn write_settings(
    session: &mut Session,
    id: DestinationId,
    label: &str,
    fields: &str,
    sealed: Option<Vec<u8>>,
    only: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE destination SET label = ?, fields = ?, sealed = ?, only_types = ?, revision = revision + 1 WHERE id = ?",
    )
        .bind(label)
        .bind(fields)
        .bind(sealed)
        .bind(only)
        .bind(id.number())
        .execute(&mut session.connection)
        .await?;
    Ok(())
}

/// Enables, pauses or disables. `reason` is the program's when it was not a person who wanted it.
pub(crate) async fn set_state(
    session: &mut Session,
    actor: &Actor,
    id: DestinationId,
    state: DestinationState,
    reason: Option<&str>,
) -> Result<Done, CommandError> {
    let (before, _) = read_one(&mut session.connection, id).await?;
    let account = read_by_id(&mut session.connection, before.account).await?;
    if before.state == state {
        return Ok(Done { says: format!("{} is {} already", before.label, state.name()), ..Done::default() });
    }
    let state_reason = match (state, reason) {
        (DestinationState::Enabled, _) => None,
        (_, Some(reason)) => Some(reason.to_owned()),
        (_, None) => Some(format!("{} by {}", state.name(), actor.login)),
    };
    let missing_since = match state {
        DestinationState::Disabled => session.waiting_since(id).await?.unwrap_or(session.now),
        _ => session.now,
    };
    // A destination that is enabled again starts with a clean slate; what it last met would only mislead.
    sqlx::query(
        "UPDATE destination SET state = ?1, state_reason = ?2, state_at = ?4,
                failing_fifths = CASE ?1 WHEN 'enabled' THEN 0 ELSE failing_fifths END,
                failing_told = CASE ?1 WHEN 'enabled' THEN 0 ELSE failing_told END,
                failing_since = CASE ?1 WHEN 'enabled' THEN NULL ELSE failing_since END,
                last_failure = CASE ?1 WHEN 'enabled' THEN NULL ELSE last_failure END WHERE id = ?3",
    )
    .bind(state.name())
    .bind(&state_reason)
    .bind(id.number())
    .bind(missing_since.min(session.now).millis())
    .execute(&mut session.connection)
    .await?;
    let mut says = format!("{} is {}", before.label, state.name());
    if let Some(reason) = reason {
        says = format!("{says}: {reason}");
    }
    if state == DestinationState::Disabled {
        session.forget_hold(id).await?;
        let reason = format!("the destination was disabled: {}", state_reason.as_deref().unwrap_or_default());
        says.push_str(&cancelled(&session.end_backlog(id, &reason).await?));
    }
    let record = Record {
        account: Some(&account.key),
        command: "set_destination_state",
        says: &says,
        before: json!({"id": id, "state": before.state}),
        after: json!({"id": id, "state": state, "reason": state_reason}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), destination: Some(id), ..Done::default() })
}

pub(crate) async fn remove(session: &mut Session, actor: &Actor, id: DestinationId) -> Result<Done, CommandError> {
    let (before, sealed) = read_one(&mut session.connection, id).await?;
    let account = read_by_id(&mut session.connection, before.account).await?;
    sqlx::query("UPDATE destination SET removed_at = ?, sealed = NULL WHERE id = ?")
        .bind(session.now.millis())
        .bind(id.number())
        .execute(&mut session.connection)
        .await?;
    forget_access(session, id).await?;
    let ended = session.end_backlog(id, "the destination was removed").await?;
    let says = format!("{} was removed{}", before.label, cancelled(&ended));
    let record = Record {
        account: Some(&account.key),
        command: "remove_destination",
        says: &says,
        before: json!({"id": id, "settings": settings_of(&before)}),
        after: Value::Null,
        sealed,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

fn cancelled(ended: &Ended) -> String {
    match ended {
        Ended { deliveries: 0, .. } => String::new(),
        Ended { deliveries: 1, .. } => "; the delivery that waited for it is cancelled".to_owned(),
        Ended { deliveries, is_more: false } => {
            format!("; the {deliveries} deliveries that waited for it are cancelled")
        }
        Ended { deliveries, is_more: true } => {
            format!("; the more than {deliveries} deliveries that waited for it are cancelled")
        }
    }
}

/// Every name that a destination narrows itself to must be a type or a group of the account.
async fn check_only(session: &mut Session, account: &Account, only: &[String]) -> Result<(), CommandError> {
    let catalogue: Catalogue = read_catalogue(&mut session.connection, account.id).await?;
    for name in only {
        if !catalogue.types().iter().any(|event_type| event_type.name == *name || event_type.group == *name) {
            return Err(unknown_type(&catalogue, &account.key, name));
        }
    }
    Ok(())
}

/// The new values, with each secret that was left out or masked as it stands, and with what stands in no form.
fn keep_secrets(channel: Channel, stored: &FieldValues, new: &FieldValues) -> FieldValues {
    let in_a_form = |name: &str| !channels::kept_fields(channel).contains(&name);
    let mut fields = new.clone();
    fields.retain(|name, value| *value != FieldValue::CLEARED && in_a_form(name));
    for (name, value) in stored {
        let left_out = match new.get(name) {
            None => true,
            Some(FieldValue::Secret(secret)) => secret.is_empty(),
            Some(_) => false,
        };
        if (left_out && matches!(value, FieldValue::Secret(_))) || !in_a_form(name) {
            fields.insert(name.clone(), value.clone());
        }
    }
    fields
}

fn label(channel: Channel, form: &DestinationForm) -> Result<String, CommandError> {
    let label = safe_line(form.label.trim()).into_owned();
    if label.chars().count() > LABEL_CHARACTERS_MAX {
        return Err(CommandError::Invalid(format!("a label has at most {LABEL_CHARACTERS_MAX} characters")));
    }
    Ok(if label.is_empty() { channels::address(channel, &form.fields) } else { label })
}

fn described(label: &str, form: &DestinationForm) -> Value {
    json!({"label": label, "only": form.only, "fields": form.fields})
}

fn settings_of(destination: &Destination) -> Value {
    json!({"label": destination.label, "only": destination.only, "fields": destination.fields})
}
