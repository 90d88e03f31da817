//! Changes of the matrix: its cells, and an account's own rows.

use serde_json::{Value, json};

use crate::domain::account::AccountKey;
use crate::domain::catalogue::{Catalogue, OWN_TYPES_MAX, Severity, is_valid_name};
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, CellChange, Done};
use crate::domain::id::AccountId;
use crate::domain::matrix::{CellSetting, Preferences};
use crate::domain::own_event;
use crate::store::accounts::read;
use crate::store::commands::Record;
use crate::store::error::CommandError;
use crate::store::matrix::{read_catalogue, read_preferences};
use crate::store::writer::Session;

/// Longest title or group of an account's own event type, in characters.
const TEXT_CHARACTERS_MAX: usize = 80;

/// What a person says about an event type of the account's own.
pub(crate) struct OwnType<'a> {
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) group: &'a str,
    pub(crate) severity: Severity,
    pub(crate) recovers: Option<&'a str>,
}

pub(crate) async fn set_cells(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    cells: &[CellChange],
) -> Result<Done, CommandError> {
    let account = read(&mut session.connection, key).await?;
    let catalogue = read_catalogue(&mut session.connection, account.id).await?;
    let preferences = read_preferences(&mut session.connection, account.id).await?;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut last = String::new();
    for cell in cells {
        let event_type =
            catalogue.get(&cell.event_type).ok_or_else(|| unknown_type(&catalogue, key, &cell.event_type))?;
        let was = setting(&preferences, &event_type.name, cell.channel);
        let default = event_type.on_by_default(cell.channel);
        let to = match (cell.to, default) {
            (CellSetting::On, true) | (CellSetting::Off, false) => CellSetting::Default,
            (to, _) => to,
        };
        if was != to {
            write_cell(session, actor, account.id, &event_type.name, cell.channel, to).await?;
            before.push(json!({"event_type": event_type.name, "channel": cell.channel, "to": was}));
            after.push(json!({"event_type": event_type.name, "channel": cell.channel, "to": to}));
        }
        let on = if to == CellSetting::Default { default } else { to == CellSetting::On };
        let on = if on { "on" } else { "off" };
        last = format!("{} is {on} for {}", cell.channel.title(), event_type.short);
    }
    if after.is_empty() {
        let says = if cells.len() == 1 { format!("{last} already") } else { "nothing had to be changed".to_owned() };
        return Ok(Done { says, ..Done::default() });
    }
    let says = if after.len() == 1 && cells.len() == 1 { last } else { format!("{} cells were changed", after.len()) };
    let record = Record {
        account: Some(key),
        command: "set_cells",
        says: &says,
        before: Value::Array(before),
        after: Value::Array(after),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

pub(crate) async fn add_event_type(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    own: &OwnType<'_>,
) -> Result<Done, CommandError> {
    let account = read(&mut session.connection, key).await?;
    let catalogue = read_catalogue(&mut session.connection, account.id).await?;
    if !is_valid_name(own.name) {
        let hint = "use lower-case words of letters, digits, `_` and `-`, joined by stops, 64 bytes at most";
        return Err(CommandError::Invalid(format!("`{}` is no name for an event type; {hint}", own.name)));
    }
    if own_event::is_own(own.name) {
        let prefix = own_event::PREFIX;
        return Err(CommandError::Refused(format!(
            "names that begin with `{prefix}` are bellboard's own; take another"
        )));
    }
    for (what, text) in [("title", own.title), ("group", own.group)] {
        let length = text.trim().chars().count();
        if length == 0 || length > TEXT_CHARACTERS_MAX || text.chars().any(char::is_control) {
            return Err(CommandError::Invalid(format!("the {what} needs 1 to {TEXT_CHARACTERS_MAX} characters")));
        }
    }
    if catalogue.get(own.name).is_some() {
        return Err(CommandError::Refused(format!("`{key}` has an event type `{}` already", own.name)));
    }
    if catalogue.types().iter().filter(|event_type| !event_type.built_in).count() >= OWN_TYPES_MAX {
        return Err(CommandError::Refused(format!("an account has at most {OWN_TYPES_MAX} event types of its own")));
    }
    let recovers = own.recovers.map(|name| recovered(&catalogue, key, own, name)).transpose()?;
    sqlx::query(
        "INSERT INTO event_type (account_id, name, title, group_name, severity, recovers) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(account.id.number())
    .bind(own.name)
    .bind(own.title.trim())
    .bind(own.group.trim())
    .bind(own.severity.name())
    .bind(recovers)
    .execute(&mut session.connection)
    .await?;
    let says = format!("{key} has the event type {}", own.name);
    let after = json!({"name": own.name, "title": own.title, "group": own.group, "severity": own.severity,
                       "recovers": recovers});
    let record =
        Record { account: Some(key), command: "add_event_type", says: &says, before: Value::Null, after, sealed: None };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

/// The type whose trouble an own type ends, as it is stored.
fn recovered<'a>(
    catalogue: &'a Catalogue,
    key: &AccountKey,
    own: &OwnType<'_>,
    name: &str,
) -> Result<&'a str, CommandError> {
    if own.severity != Severity::Recovery {
        let problem = format!("{} is no recovery; make its severity recovery, or let it recover nothing", own.name);
        return Err(CommandError::Invalid(problem));
    }
    let other = catalogue.get(name).ok_or_else(|| unknown_type(catalogue, key, name))?;
    if other.severity != Severity::Failure {
        return Err(CommandError::Invalid(format!("`{}` is no failure, so nothing can recover it", other.name)));
    }
    Ok(&other.name)
}

pub(crate) async fn remove_event_type(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    name: &str,
) -> Result<Done, CommandError> {
    let account = read(&mut session.connection, key).await?;
    let catalogue = read_catalogue(&mut session.connection, account.id).await?;
    let event_type = catalogue.get(name).ok_or_else(|| unknown_type(&catalogue, key, name))?;
    if event_type.built_in {
        return Err(CommandError::Refused(format!(
            "`{name}` is built in and stays; turn its channels off with `bellboard matrix set {key} {name} CHANNEL off`"
        )));
    }
    // Its cells stay, so that adding the type again brings them back.
    sqlx::query("DELETE FROM event_type WHERE account_id = ? AND name = ?")
        .bind(account.id.number())
        .bind(&event_type.name)
        .execute(&mut session.connection)
        .await?;
    let says = format!("{key} no longer has the event type {name}");
    let before = json!({"name": event_type.name, "title": event_type.title, "group": event_type.group,
                        "severity": event_type.severity, "recovers": event_type.recovers});
    let record = Record {
        account: Some(key),
        command: "remove_event_type",
        says: &says,
        before,
        after: Value::Null,
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

/// What a cell is set to.
pub(crate) fn setting(preferences: &Preferences, event_type: &str, channel: Channel) -> CellSetting {
    match preferences.get(event_type, channel) {
        None => CellSetting::Default,
        Some(preference) if preference.on => CellSetting::On,
        Some(_) => CellSetting::Off,
    }
}

async fn write_cell(
    session: &mut Session,
    actor: &Actor,
    account: AccountId,
    event_type: &str,
    channel: Channel,
    to: CellSetting,
) -> Result<(), CommandError> {
    if to == CellSetting::Default {
        sqlx::query("DELETE FROM preference WHERE account_id = ? AND event_type = ? AND channel = ?")
            .bind(account.number())
            .bind(event_type)
            .bind(channel.name())
            .execute(&mut session.connection)
            .await?;
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO preference (account_id, event_type, channel, is_on, changed_by, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (account_id, event_type, channel) DO UPDATE SET is_on = ?4, changed_by = ?5, changed_at = ?6",
    )
    .bind(account.number())
    .bind(event_type)
    .bind(channel.name())
    .bind(to == CellSetting::On)
    .bind(&actor.login)
    .bind(session.now.millis())
    .execute(&mut session.connection)
    .await?;
    Ok(())
}

/// What to say when a catalogue has no type of that name.
pub(crate) fn unknown_type(catalogue: &Catalogue, key: &AccountKey, name: &str) -> CommandError {
    let hint =
        catalogue.nearest(name).map(|nearest| format!(" (did you mean `{}`?)", nearest.name)).unwrap_or_default();
    CommandError::NotFound(format!("there is no event type `{name}`{hint}; see `bellboard event-types list {key}`"))
}
