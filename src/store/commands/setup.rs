//! Copies a set-up from one account to another: cells, own event types, and the destinations of chat and webhooks that the
//! other one has not got. Addresses of people (email, devices, browsers) stay with their account.
//!
//! Each of these is a change of its own on the audit trail, and all are taken back together.

use serde_json::json;

use crate::domain::account::{Account, AccountKey};
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, CellChange, Command, DestinationForm, Done};
use crate::domain::destination::FieldValues;
use crate::domain::id::DestinationId;
use crate::store::accounts::read;
use crate::store::commands::matrix::setting;
use crate::store::commands::together::{self, Leader};
use crate::store::destinations::{open_fields, read_all, read_one};
use crate::store::error::{CommandError, StoreError};
use crate::store::matrix::{read_catalogue, read_preferences};
use crate::store::setup::summary;
use crate::store::writer::Session;

/// The name of the change that stands for the whole copy.
pub(crate) const NAME: &str = "copy_setup";

pub(crate) async fn copy(
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
    let mut changes = types(session, &source, &target).await?;
    let of_types = changes.len();
    let cells = cells(session, &source, &target).await?;
    let count = cells.len();
    if count > 0 {
        changes.push(Command::SetCells { account: to.clone(), cells });
    }
    let before = changes.len();
    destinations(session, &source, &target, &mut changes).await?;
    let destinations = changes.len() - before;
    if changes.is_empty() {
        return Ok(Done { says: format!("{to} has the set-up of {from} already"), ..Done::default() });
    }
    let says = format!("{to} has the set-up of {from}: {}", summary([count, of_types, destinations]));
    let after = json!({"from": from, "cells": count, "event_types": of_types, "destinations": destinations});
    together::run(session, actor, Leader { account: Some(to), command: NAME, says: &says, after }, &changes).await
}

/// Whether destinations of the channel are copied with a set-up.
pub(crate) const fn is_copied(channel: Channel) -> bool {
    matches!(channel, Channel::Hipchat | Channel::Slack | Channel::Webhook)
}

/// The own event types that the other account has not got; what recovers another comes after it.
async fn types(session: &mut Session, source: &Account, target: &Account) -> Result<Vec<Command>, CommandError> {
    let present = read_catalogue(&mut session.connection, target.id).await?;
    let catalogue = read_catalogue(&mut session.connection, source.id).await?;
    let mut new: Vec<_> = catalogue.types().iter().filter(|kind| present.get(&kind.name).is_none()).collect();
    new.sort_by_key(|kind| kind.recovers.is_some());
    let add = new.into_iter().map(|kind| Command::AddEventType {
        account: target.key.clone(),
        name: kind.name.clone(),
        title: kind.title.clone(),
        group: kind.group.clone(),
        severity: kind.severity,
        recovers: kind.recovers.clone(),
    });
    Ok(add.collect())
}

async fn cells(session: &mut Session, source: &Account, target: &Account) -> Result<Vec<CellChange>, CommandError> {
    let catalogue = read_catalogue(&mut session.connection, source.id).await?;
    let own = read_catalogue(&mut session.connection, target.id).await?;
    let wanted = read_preferences(&mut session.connection, source.id).await?;
    let present = read_preferences(&mut session.connection, target.id).await?;
    let is_new = |name: &str| own.get(name).is_none();
    let types = own.types().iter().chain(catalogue.types().iter().filter(|kind| is_new(&kind.name)));
    let mut changes = Vec::new();
    for kind in types {
        for channel in Channel::ALL {
            let to = setting(&wanted, &kind.name, channel);
            if to != setting(&present, &kind.name, channel) {
                changes.push(CellChange { event_type: kind.name.clone(), channel, to });
            }
        }
    }
    Ok(changes)
}

async fn destinations(
    session: &mut Session,
    source: &Account,
    target: &Account,
    changes: &mut Vec<Command>,
) -> Result<(), CommandError> {
    let mut there = Vec::new();
    for destination in read_all(&mut session.connection, target.id, None).await? {
        there.push((destination.channel, opened(session, destination.id).await?));
    }
    for destination in read_all(&mut session.connection, source.id, None).await? {
        if !is_copied(destination.channel) {
            continue;
        }
        let fields = opened(session, destination.id).await?;
        if !there.contains(&(destination.channel, fields.clone())) {
            let form = DestinationForm { label: destination.label, only: destination.only, fields };
            let (account, channel) = (target.key.clone(), destination.channel);
            changes.push(Command::AddDestination { account, channel, form });
        }
    }
    Ok(())
}

async fn opened(session: &mut Session, id: DestinationId) -> Result<FieldValues, StoreError> {
    let (destination, sealed) = read_one(&mut session.connection, id).await?;
    open_fields(&destination.fields, sealed.as_deref(), &session.sealer, id)
}
