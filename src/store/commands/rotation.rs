//! A webhook's signing secret gives way to a new one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::channels::signing::{self, OLD_FIELDS, OVERLAP_MAX, SECRET};
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, Change, Done};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::id::DestinationId;
use crate::domain::secret::Secret;
use crate::domain::time::human_duration;
use crate::store::accounts::read_by_id;
use crate::store::commands::destinations::write_settings;
use crate::store::commands::{Record, undo};
use crate::store::destinations::{open_fields, read_one, split_fields};
use crate::store::error::{CommandError, StoreError};
use crate::store::writer::Session;

/// The command's name in the audit trail.
pub(crate) const NAME: &str = "rotate_secret";

pub(crate) async fn rotate(
    session: &mut Session,
    actor: &Actor,
    id: DestinationId,
    secret: Option<&FieldValue>,
    overlap: Duration,
) -> Result<Done, CommandError> {
    let (before, sealed) = read_one(&mut session.connection, id).await?;
    if before.channel != Channel::Webhook {
        return Err(CommandError::Refused(format!(
            "{} signs nothing; only webhooks have a signing secret",
            before.label
        )));
    }
    if overlap > OVERLAP_MAX {
        let longest = human_duration(OVERLAP_MAX);
        return Err(CommandError::Invalid(format!("two secrets are valid for {longest} at most")));
    }
    let mut fields = open_fields(&before.fields, sealed.as_deref(), &session.sealer, id)?;
    signing::forget_old(&mut fields, session.now);
    let third = fields.contains_key(OLD_FIELDS[0]);
    let until = session.now.plus(overlap);
    let given = secret.map(|secret| Secret::new(secret.expose()));
    let made = match &given {
        Some(_) => None,
        None => Some(signing::new_secret().map_err(StoreError::Io)?),
    };
    if let Some(new) = given.as_ref().or(made.as_ref()) {
        signing::rotate(&mut fields, new, until).map_err(CommandError::Fields)?;
    }
    signing::forget_old(&mut fields, session.now);
    let old =
        if overlap.is_zero() { "is over".to_owned() } else { format!("signs too for {}", human_duration(overlap)) };
    let older = if third { "; the one before that is over" } else { "" };
    let says = format!("{} has a new signing secret; the old one {old}{older}", before.label);
    write(session, actor, id, &fields, &says).await.map(|done| Done { secret: made, ..done })
}

/// Brings back the secrets that were in force before that change.
pub(crate) async fn take_back(
    session: &mut Session,
    actor: &Actor,
    change: &Change,
    sealed: Option<Vec<u8>>,
) -> Result<Done, CommandError> {
    let id = undo::destination(&change.before, change)?;
    let (now, sealed_now) = read_one(&mut session.connection, id).await?;
    let mut fields = open_fields(&now.fields, sealed_now.as_deref(), &session.sealer, id)?;
    let before = open_fields(&FieldValues::new(), sealed.as_deref(), &session.sealer, id)?;
    for name in [SECRET, OLD_FIELDS[0], OLD_FIELDS[1]] {
        fields.remove(name);
        fields.extend(before.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    if let Some(until) = change.before.get(OLD_FIELDS[1]).and_then(Value::as_str) {
        fields.insert(OLD_FIELDS[1].to_owned(), FieldValue::Plain(until.to_owned()));
    }
    let says = format!("{} signs as it did before", now.label);
    write(session, actor, id, &fields, &says).await
}

async fn write(
    session: &mut Session,
    actor: &Actor,
    id: DestinationId,
    fields: &FieldValues,
    says: &str,
) -> Result<Done, CommandError> {
    let (before, sealed_before) = read_one(&mut session.connection, id).await?;
    let account = read_by_id(&mut session.connection, before.account).await?;
    let (plain, sealed) = split_fields(fields, &session.sealer, id)?;
    write_settings(session, id, &before.label, &plain, sealed, &json!(before.only).to_string()).await?;
    let until = |fields: &FieldValues| json!({"id": id, OLD_FIELDS[1]: fields.get(OLD_FIELDS[1])});
    let record = Record {
        account: Some(&account.key),
        command: NAME,
        says,
        before: until(&before.fields),
        after: until(fields),
        sealed: sealed_before,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says: says.to_owned(), change: Some(change), destination: Some(id), ..Done::default() })
}
