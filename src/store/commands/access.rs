//! Changes of who may speak over HTTP: tokens, enrolment codes, and enrolments themselves.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Row;

use crate::channels::identity_field;
use crate::domain::access::{NAME_CHARACTERS_MAX, Scope, SecretHash, bearer_token, enrolment_code};
use crate::domain::account::{Account, AccountKey};
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, DestinationForm, Done, EnrolBy};
use crate::domain::destination::{DestinationState, FieldValue};
use crate::domain::id::{AccountId, DestinationId, TokenId};
use crate::domain::text::safe_line;
use crate::store::access::random;
use crate::store::accounts::{read, read_by_id};
use crate::store::commands::{Record, destinations};
use crate::store::destinations::{open_fields, read_all, read_one};
use crate::store::error::{CommandError, StoreError};
use crate::store::writer::Session;

/// How long an enrolment code can be used: long enough for a mail to arrive and be read, too short to lie about.
pub const ENROLMENT_VALID: Duration = Duration::from_hours(1);

/// Most tokens that are not revoked.
const TOKENS_MAX: i64 = 1000;

pub(crate) async fn create_token(
    session: &mut Session,
    actor: &Actor,
    name: &str,
    scope: Scope,
    account: Option<&AccountKey>,
) -> Result<Done, CommandError> {
    let name = safe_line(name.trim()).into_owned();
    if !(1..=NAME_CHARACTERS_MAX).contains(&name.chars().count()) {
        return Err(CommandError::Invalid(format!("a token's name has 1 to {NAME_CHARACTERS_MAX} characters")));
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM token WHERE revoked_at IS NULL")
        .fetch_one(&mut session.connection)
        .await?;
    if count >= TOKENS_MAX {
        return Err(CommandError::Refused(format!("there are {TOKENS_MAX} tokens already; revoke some first")));
    }
    let account_id = match account {
        Some(key) => Some(read(&mut session.connection, key).await?.id.number()),
        None => None,
    };
    let secret = bearer_token(&random()?);
    let inserted = sqlx::query("INSERT INTO token (hash, name, scope, account_id, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(SecretHash::of(secret.expose()).as_bytes().as_slice())
        .bind(&name)
        .bind(scope.name())
        .bind(account_id)
        .bind(session.now.millis())
        .execute(&mut session.connection)
        .await?;
    let id = TokenId::new(inserted.last_insert_rowid());
    let whose = account.map_or_else(|| "every account".to_owned(), ToString::to_string);
    let says = format!("the token {name} ({id}) may {} for {whose}", scope_words(scope));
    let after = json!({"id": id, "name": name, "scope": scope, "account": account});
    let record = Record { account, command: "create_token", says: &says, before: Value::Null, after, sealed: None };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), secret: Some(secret), ..Done::default() })
}

pub(crate) async fn revoke_token(session: &mut Session, actor: &Actor, id: TokenId) -> Result<Done, CommandError> {
    let row = sqlx::query(
        "SELECT token.name, revoked_at, account.key FROM token LEFT JOIN account ON account.id = account_id
         WHERE token.id = ?",
    )
    .bind(id.number())
    .fetch_optional(&mut session.connection)
    .await?
    .ok_or_else(|| CommandError::NotFound(format!("there is no token `{id}`; see `bellboard tokens list`")))?;
    let (name, revoked): (String, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    if revoked.is_some() {
        return Ok(Done { says: format!("the token {name} ({id}) is revoked already"), ..Done::default() });
    }
    let account: Option<String> = row.try_get(2)?;
    let account = account.as_deref().map(crate::store::events::account_key).transpose()?;
    sqlx::query("UPDATE token SET revoked_at = ? WHERE id = ?")
        .bind(session.now.millis())
        .bind(id.number())
        .execute(&mut session.connection)
        .await?;
    let says = format!("the token {name} ({id}) is revoked; whoever shows it is refused from now on");
    let record = Record {
        account: account.as_ref(),
        command: "revoke_token",
        says: &says,
        before: json!({"id": id, "name": name}),
        after: Value::Null,
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

pub(crate) async fn invite(
    session: &mut Session,
    actor: &Actor,
    key: &AccountKey,
    channel: Channel,
) -> Result<Done, CommandError> {
    if identity_field(channel).is_none() {
        let says = format!("nothing enrols itself for {channel}; add a destination with `bellboard destinations add`");
        return Err(CommandError::Invalid(says));
    }
    let account = read(&mut session.connection, key).await?;
    let secret = enrolment_code(&random()?);
    // What is long past tells nobody anything.
    sqlx::query("DELETE FROM enrolment WHERE account_id = ? AND expires_at < ?")
        .bind(account.id.number())
        .bind(session.now.minus(ENROLMENT_VALID * 24).millis())
        .execute(&mut session.connection)
        .await?;
    sqlx::query(
        "INSERT INTO enrolment (hash, account_id, channel, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(SecretHash::of_code(secret.expose()).as_bytes().as_slice())
    .bind(account.id.number())
    .bind(channel.name())
    .bind(&actor.login)
    .bind(session.now.millis())
    .bind(session.now.plus(ENROLMENT_VALID).millis())
    .execute(&mut session.connection)
    .await?;
    let says = format!("one {channel} destination can be enrolled for {} within an hour", account.profile.name);
    let record = Record {
        account: Some(key),
        command: "invite",
        says: &says,
        before: Value::Null,
        after: json!({"channel": channel}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), secret: Some(secret), ..Done::default() })
}

pub(crate) async fn enrol(
    session: &mut Session,
    actor: &Actor,
    by: &EnrolBy,
    channel: Channel,
    form: &DestinationForm,
) -> Result<Done, CommandError> {
    let (account, code) = match by {
        EnrolBy::Code(hash) => {
            let (account, id) = open_code(session, *hash, channel).await?;
            (account, Some(id))
        }
        EnrolBy::Token(key) => (read(&mut session.connection, key).await?, None),
    };
    let done = match same_address(session, account.id, channel, form).await? {
        Some(id) => again(session, actor, id, form).await?,
        None => destinations::add(session, actor, &account.key, channel, form).await?,
    };
    let Some(id) = done.destination else { return Ok(done) };
    if let Some(code) = code {
        sqlx::query("UPDATE enrolment SET used_at = ?, destination_id = ? WHERE id = ?")
            .bind(session.now.millis())
            .bind(id.number())
            .bind(code)
            .execute(&mut session.connection)
            .await?;
    }
    let secret = bearer_token(&random()?);
    sqlx::query("INSERT INTO access (destination_id, hash) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET hash = ?2")
        .bind(id.number())
        .bind(SecretHash::of(secret.expose()).as_bytes().as_slice())
        .execute(&mut session.connection)
        .await?;
    Ok(Done { secret: Some(secret), ..done })
}

/// The account and row of a code that may be used now.
async fn open_code(session: &mut Session, hash: SecretHash, channel: Channel) -> Result<(Account, i64), CommandError> {
    let row = sqlx::query("SELECT id, account_id, channel, expires_at, used_at FROM enrolment WHERE hash = ?")
        .bind(hash.as_bytes().as_slice())
        .fetch_optional(&mut session.connection)
        .await?
        .filter(|row| row.try_get(2).is_ok_and(|name: &str| name == channel.name()))
        .ok_or_else(|| {
            CommandError::NotFound("there is no such enrolment code; ask support for a new one".to_owned())
        })?;
    let used: Option<i64> = row.try_get(4)?;
    if used.is_some() {
        return Err(CommandError::Refused("this enrolment code has been used; ask support for a new one".to_owned()));
    }
    if row.try_get::<i64, _>(3)? <= session.now.millis() {
        return Err(CommandError::Refused("this enrolment code has expired; ask support for a new one".to_owned()));
    }
    let account = read_by_id(&mut session.connection, AccountId::new(row.try_get(1)?)).await?;
    Ok((account, row.try_get(0)?))
}

/// The account's destination with the same address, when it has one: a device that registers again stays one.
async fn same_address(
    session: &mut Session,
    account: AccountId,
    channel: Channel,
    form: &DestinationForm,
) -> Result<Option<DestinationId>, StoreError> {
    let Some(address) = identity_field(channel).and_then(|name| Some((name, form.fields.get(name)?))) else {
        return Ok(None);
    };
    for destination in read_all(&mut session.connection, account, Some(channel)).await? {
        let (_, sealed) = read_one(&mut session.connection, destination.id).await?;
        let fields = open_fields(&destination.fields, sealed.as_deref(), &session.sealer, destination.id)?;
        if fields.get(address.0).is_some_and(|field| same(field, address.1)) {
            return Ok(Some(destination.id));
        }
    }
    Ok(None)
}

fn same(one: &FieldValue, other: &FieldValue) -> bool {
    !one.expose().is_empty() && one.expose().eq_ignore_ascii_case(other.expose())
}

/// Takes the newer settings, and enables what had been disabled: whoever enrols is there.
async fn again(
    session: &mut Session,
    actor: &Actor,
    id: DestinationId,
    form: &DestinationForm,
) -> Result<Done, CommandError> {
    let done = destinations::edit(session, actor, id, form, None).await?;
    let (destination, _) = read_one(&mut session.connection, id).await?;
    if destination.state == DestinationState::Disabled {
        destinations::set_state(session, actor, id, DestinationState::Enabled, None).await?;
    }
    Ok(done)
}

const fn scope_words(scope: Scope) -> &'static str {
    match scope {
        Scope::Emit => "hand in events",
        Scope::Devices => "register devices",
        Scope::Read => "read the matrix",
        Scope::Write => "read and change the matrix",
        Scope::Metrics => "read the metrics",
    }
}

/// Forgets that a removed destination had something to show.
pub(crate) async fn forget_access(session: &mut Session, id: DestinationId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM access WHERE destination_id = ?")
        .bind(id.number())
        .execute(&mut session.connection)
        .await?;
    Ok(())
}
