//! Changes of accounts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::channels::form::values_from_text;
use crate::domain::account::{Account, AccountKey, Profile};
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, DestinationForm, Done};
use crate::store::accounts::read;
use crate::store::commands::{Record, destinations};
use crate::store::destinations::{open_fields, read_all, read_one};
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
) -> Result<Done, CommandError> {
    let before = read(&mut session.connection, key).await?;
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
    const STATEMENTS: [&str; 14] = [
        "DELETE FROM storm WHERE destination_id IN (SELECT id FROM destination WHERE account_id = ?)",
        "DELETE FROM attempt WHERE delivery_id IN (SELECT delivery.id FROM event JOIN delivery ON delivery.event_id = event.id
         WHERE event.account_id = ?)",
        "DELETE FROM delivery WHERE event_id IN (SELECT id FROM event WHERE account_id = ?)",
        "DELETE FROM idempotency WHERE account_id = ?",
        "DELETE FROM event WHERE account_id = ?",
        "DELETE FROM preference WHERE account_id = ?",
        "DELETE FROM trouble WHERE account_id = ?",
        "DELETE FROM mute WHERE account_id = ?",
        "DELETE FROM event_type WHERE account_id = ?",
        "DELETE FROM token WHERE account_id = ?",
        "DELETE FROM enrolment WHERE account_id = ?",
        "DELETE FROM access WHERE destination_id IN (SELECT id FROM destination WHERE account_id = ?)",
        "DELETE FROM destination WHERE account_id = ?",
        "DELETE FROM account WHERE id = ?",
    ];
    let account = read(&mut session.connection, key).await?;
    for statement in STATEMENTS {
        sqlx::query(statement).bind(account.id.number()).execute(&mut session.connection).await?;
    }
    let says = format!("{} ({key}) was removed, with its events and deliveries", account.profile.name);
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

/// Copies cells, own event types, and the destinations of chat and webhooks that the other account has not got. Addresses of
/// people (email, devices, browsers) stay with their account.
pub(crate) async fn copy_setup(
    session: &mut Session,
    actor: &Actor,
    from: &AccountKey,
    to: &AccountKey,
) -> Result<Done, CommandError> {
    if from == to {
        return Err(CommandError::Invalid(format!("`{from}` is both; name two different accounts")));
    }
    let source = read(&mut session.connection, from).await?;
    let target = read(&mut session.connection, to).await?;
    sqlx::query(
        "INSERT INTO event_type (account_id, name, title, group_name, severity, recovers)
         SELECT ?2, name, title, group_name, severity, recovers FROM event_type WHERE account_id = ?1 ON CONFLICT DO NOTHING",
    )
    .bind(source.id.number())
    .bind(target.id.number())
    .execute(&mut session.connection)
    .await?;
    sqlx::query("DELETE FROM preference WHERE account_id = ?")
        .bind(target.id.number())
        .execute(&mut session.connection)
        .await?;
    let cells = sqlx::query(
        "INSERT INTO preference (account_id, event_type, channel, is_on, changed_by, changed_at)
         SELECT ?2, event_type, channel, is_on, ?3, ?4 FROM preference WHERE account_id = ?1",
    )
    .bind(source.id.number())
    .bind(target.id.number())
    .bind(&actor.login)
    .bind(session.now.millis())
    .execute(&mut session.connection)
    .await?
    .rows_affected();
    let copied = copy_destinations(session, &source, &target).await?;
    let says =
        format!("{to} has the cells of {from} ({cells} that differ from the default) and {copied} more destinations");
    let record = Record {
        account: Some(to),
        command: "copy_setup",
        says: &says,
        before: Value::Null,
        after: json!({"from": from, "cells": cells, "destinations": copied}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

/// Whether destinations of the channel are copied with a set-up: addresses of people stay with their account.
pub(crate) const fn is_copied(channel: Channel) -> bool {
    matches!(channel, Channel::Hipchat | Channel::Slack | Channel::Webhook)
}

async fn copy_destinations(session: &mut Session, source: &Account, target: &Account) -> Result<usize, CommandError> {
    let mut there = Vec::new();
    for destination in read_all(&mut session.connection, target.id, None).await? {
        there.push((destination.channel, opened(session, destination.id).await?));
    }
    let mut copied = 0;
    for destination in read_all(&mut session.connection, source.id, None).await? {
        if !is_copied(destination.channel) {
            continue;
        }
        let fields = opened(session, destination.id).await?;
        if !there.contains(&(destination.channel, fields.clone())) {
            let form = DestinationForm { label: destination.label, only: destination.only, fields };
            destinations::insert(session, target, destination.channel, &form).await?;
            copied += 1;
        }
    }
    Ok(copied)
}

async fn opened(
    session: &mut Session,
    id: crate::domain::id::DestinationId,
) -> Result<crate::domain::destination::FieldValues, StoreError> {
    let (destination, sealed) = read_one(&mut session.connection, id).await?;
    open_fields(&destination.fields, sealed.as_deref(), &session.sealer, id)
}

async fn find(session: &mut Session, key: &AccountKey) -> Result<Option<Account>, StoreError> {
    match read(&mut session.connection, key).await {
        Ok(account) => Ok(Some(account)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
