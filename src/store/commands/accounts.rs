//! Changes of accounts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::channels::form::values_from_text;
use crate::domain::account::{Account, AccountKey, Profile};
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, DestinationForm, Done};
use crate::store::accounts::read;
use crate::store::commands::{Record, destinations};
use crate::store::error::{CommandError, StoreError};
use crate::store::writer::Session;

pub(crate) async fn add(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    profile: &Profile,
) -> Result<Done, CommandError> {
    if find(session, key).await?.is_some() {
        return Err(CommandError::Refused(format!("there is an account `{key}` already; choose another key")));
    }
    sqlx::query("INSERT INTO account (key, name, owner_email, timezone, status, created_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(key.as_str())
        .bind(&profile.name)
        .bind(&profile.owner_email)
        .bind(&profile.timezone)
        .bind(profile.status.name())
        .bind(session.now.millis())
        .execute(&mut session.connection)
        .await?;
    let says =
        format!("{} ({key}) was added, with {} as its first email destination", profile.name, profile.owner_email);
    let record = Record {
        account: Some(key),
        command: "add_account",
        says: &says,
        before: Value::Null,
        after: json!(profile),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    let address = BTreeMap::from([("address".to_owned(), profile.owner_email.clone())]);
    let form = DestinationForm {
        label: String::new(),
        only: Vec::new(),
        fields: values_from_text(Channel::Email, &address).map_err(CommandError::Fields)?,
    };
    let account = read(&mut session.connection, key).await?;
    destinations::insert(session, &account, Channel::Email, &form).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

pub(crate) async fn edit(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    profile: &Profile,
    over: Option<&Profile>,
) -> Result<Done, CommandError> {
    let before = read(&mut session.connection, key).await?;
    if over.is_some_and(|seen| *seen != before.profile) {
        return Err(CommandError::Overtaken(key.to_string()));
    }
    if before.profile == *profile {
        return Ok(Done { says: format!("{key} is as it was"), ..Done::default() });
    }
    sqlx::query("UPDATE account SET name = ?, owner_email = ?, timezone = ?, status = ? WHERE id = ?")
        .bind(&profile.name)
        .bind(&profile.owner_email)
        .bind(&profile.timezone)
        .bind(profile.status.name())
        .bind(before.id.number())
        .execute(&mut session.connection)
        .await?;
    let says = format!("{} ({key}) was changed", profile.name);
    let record = Record {
        account: Some(key),
        command: "edit_account",
        says: &says,
        before: json!(before.profile),
        after: json!(profile),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

pub(crate) async fn remove(session: &mut Session, actor: &Actor, key: &AccountKey) -> Result<Done, CommandError> {
    let account = read(&mut session.connection, key).await?;
    let mut says = format!("{} ({key}) was removed, with its events and deliveries", account.profile.name);
    if !session.end_account(account.id).await? {
        says.push_str("; they are many and go from the file little by little");
    }
    let record = Record {
        account: Some(key),
        command: "remove_account",
        says: &says,
        before: json!(account.profile),
        after: Value::Null,
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

async fn find(session: &mut Session, key: &AccountKey) -> Result<Option<Account>, StoreError> {
    match read(&mut session.connection, key).await {
        Ok(account) => Ok(Some(account)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
