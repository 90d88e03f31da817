//! One row of the matrix in the vendor's shape: which channels it goes to, and the addresses that come with it.
//!
//! The vendor keeps an address with each kind of event; here a destination belongs to the account and may narrow itself to
//! types. So an address that comes with a type becomes a destination for that type, or the one that is there already takes
//! the type too; a destination that was for this type alone gives way to the new one.

use std::collections::BTreeMap;

use crate::channels::form::{FieldError, typed_values, values_from_text};
use crate::domain::account::{Account, AccountKey};
use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, CellChange, DestinationForm, Done};
use crate::domain::destination::{Destination, FieldValue, FieldValues};
use crate::domain::matrix::CellSetting;
use crate::domain::vendor::PARAMETERS;
use crate::store::accounts::read;
use crate::store::commands::destinations;
use crate::store::commands::matrix::{set_cells, unknown_type};
use crate::store::destinations::{open_fields, read_all, read_one};
use crate::store::error::{CommandError, StoreError};
use crate::store::matrix::read_catalogue;
use crate::store::writer::Session;

/// A destination with its secrets.
type Opened = (Destination, FieldValues);

pub(crate) async fn set(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    event_type: &str,
    channels: Option<&[Channel]>,
    params: &BTreeMap<String, String>,
) -> Result<Done, CommandError> {
    let account = read(&mut session.connection, key).await?;
    let catalogue = read_catalogue(&mut session.connection, account.id).await?;
    let event_type = catalogue.get(event_type).ok_or_else(|| unknown_type(&catalogue, key, event_type))?;
    let mut says = Vec::new();
    for (channel, fields) in by_channel(params)? {
        says.extend(point(session, actor, &account, event_type, channel, fields).await?);
    }
    if let Some(channels) = channels {
        let to = |channel| if channels.contains(&channel) { CellSetting::On } else { CellSetting::Off };
        let cells: Vec<_> = Channel::ALL
            .into_iter()
            .map(|channel| CellChange { event_type: event_type.name.clone(), channel, to: to(channel) })
            .collect();
        says.push(set_cells(session, actor, key, &cells).await?.says);
    }
    Ok(Done { says: says.join("; "), ..Done::default() })
}

/// The parameters as fields of the channels that they are for.
fn by_channel(params: &BTreeMap<String, String>) -> Result<BTreeMap<Channel, BTreeMap<String, String>>, CommandError> {
    let mut fields: BTreeMap<Channel, BTreeMap<String, String>> = BTreeMap::new();
    for (name, value) in params {
        let Some((_, channel, field, _)) = PARAMETERS.iter().find(|(known, ..)| known == name) else {
            let names = PARAMETERS.map(|(name, ..)| name).join(", ");
            return Err(CommandError::Invalid(format!("there is no parameter `{name}`; there are {names}")));
        };
        if !value.trim().is_empty() {
            fields.entry(*channel).or_default().insert((*field).to_owned(), value.clone());
        }
    }
    Ok(fields)
}

/// Makes events of that type go to that address. What changed, as sentences.
async fn point(
    session: &mut Session,
    actor: &Actor,
    account: &Account,
    event_type: &EventType,
    channel: Channel,
    mut text: BTreeMap<String, String>,
) -> Result<Vec<String>, CommandError> {
    let there = opened(session, account, channel).await?;
    let shown = there.iter().find(|(destination, _)| destination.takes(&event_type.name, &event_type.group));
    let event_type = event_type.name.as_str();
    let own = there.iter().find(|(destination, _)| destination.only.iter().any(|name| name == event_type));
    if let Some((_, fields)) = own.or(there.first()) {
        for (_, _, field, _) in PARAMETERS.iter().filter(|(_, of, _, telling)| *of == channel && *telling) {
            if let (false, Some(value)) = (text.contains_key(*field), fields.get(*field)) {
                text.insert((*field).to_owned(), value.expose().to_owned());
            }
        }
    }
    let wanted = typed_values(channel, &text).map_err(named_by_vendor(channel))?;
    let same = there.iter().find(|(_, fields)| is_same_address(channel, fields, &wanted));
    let mut says = Vec::new();
    if let Some((destination, _)) = same {
        let mut only = destination.only.clone();
        if !only.is_empty() && !only.iter().any(|name| name == event_type) {
            only.push(event_type.to_owned());
        }
        let mut fields = destination.fields.clone();
        fields.extend(wanted);
        let form = DestinationForm { label: destination.label.clone(), only, fields };
        says.push(destinations::edit(session, actor, destination.id, &form, None).await?.says);
    } else {
        let fields = values_from_text(channel, &text).map_err(named_by_vendor(channel))?;
        let form = DestinationForm { label: String::new(), only: vec![event_type.to_owned()], fields };
        says.push(destinations::add(session, actor, &account.key, channel, &form).await?.says);
    }
    // What was read and is written back changes nothing, also where a type has more addresses than the vendor's shape shows.
    if same.is_some_and(|same| shown.is_some_and(|shown| shown.0.id == same.0.id)) {
        return Ok(says);
    }
    for (destination, _) in there.iter().filter(|other| Some(other.0.id) != same.map(|same| same.0.id)) {
        says.extend(give_way(session, actor, destination, event_type).await?);
    }
    Ok(says)
}

/// Takes the type from a destination that names it; one that named nothing else is removed.
async fn give_way(
    session: &mut Session,
    actor: &Actor,
    destination: &Destination,
    event_type: &str,
) -> Result<Option<String>, CommandError> {
    if !destination.only.iter().any(|name| name == event_type) {
        return Ok(None);
    }
    let only: Vec<_> = destination.only.iter().filter(|name| *name != event_type).cloned().collect();
    if only.is_empty() {
        return Ok(Some(destinations::remove(session, actor, destination.id).await?.says));
    }
    let form = DestinationForm { label: destination.label.clone(), only, fields: destination.fields.clone() };
    Ok(Some(destinations::edit(session, actor, destination.id, &form, None).await?.says))
}

async fn opened(session: &mut Session, account: &Account, channel: Channel) -> Result<Vec<Opened>, StoreError> {
    let mut all = Vec::new();
    for destination in read_all(&mut session.connection, account.id, Some(channel)).await? {
        let (_, sealed) = read_one(&mut session.connection, destination.id).await?;
        let fields = open_fields(&destination.fields, sealed.as_deref(), &session.sealer, destination.id)?;
        all.push((destination, fields));
    }
    Ok(all)
}

fn is_same_address(channel: Channel, fields: &FieldValues, wanted: &FieldValues) -> bool {
    let text =
        |values: &FieldValues, name: &str| values.get(name).map(FieldValue::expose).unwrap_or_default().to_owned();
    PARAMETERS
        .iter()
        .filter(|(_, of, _, telling)| *of == channel && *telling)
        .all(|(_, _, field, _)| text(fields, field) == text(wanted, field))
}

/// Errors under the names that the caller knows.
fn named_by_vendor(channel: Channel) -> impl Fn(Vec<FieldError>) -> CommandError {
    move |errors| {
        let known = |field: &str| PARAMETERS.iter().find(|(_, of, name, _)| *of == channel && *name == field);
        let renamed = errors.into_iter().map(|error| match known(&error.field) {
            Some((name, ..)) => FieldError::new(*name, error.message),
            None => error,
        });
        CommandError::Fields(renamed.collect())
    }
}
