//! Destinations, with their secrets sealed in the file and typed in memory.

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::account::{Account, AccountKey};
use crate::domain::channel::Channel;
use crate::domain::destination::{Destination, DestinationState, FieldValue, FieldValues};
use crate::domain::id::{AccountId, DestinationId};
use crate::domain::matrix::Target;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::matrix::read_channel;
use crate::store::seal::Sealer;
use crate::store::{Store, accounts};

const COLUMNS: usize = 13;

impl Store {
    /// The destinations of an account, of one channel or all, in the order in which they were added. Their secrets are
    /// there as masks only.
    ///
    /// # Errors
    /// When there is no such account, or the store cannot be read.
    pub async fn destinations(
        &self,
        account: &AccountKey,
        channel: Option<Channel>,
    ) -> Result<Vec<Destination>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let account = accounts::read(&mut connection, account).await?;
        read_all(&mut connection, account.id, channel).await
    }

    /// One destination and whose it is. Its secrets are there as masks only.
    ///
    /// # Errors
    /// When there is none, or it was removed, or the store cannot be read.
    pub async fn destination(&self, id: DestinationId) -> Result<(Account, Destination), StoreError> {
        let mut connection = self.readers().acquire().await?;
        let (destination, _) = read_one(&mut connection, id).await?;
        let account = accounts::read_by_id(&mut connection, destination.account).await?;
        Ok((account, destination))
    }
}

/// All that are not removed, on a connection at hand.
pub(crate) async fn read_all(
    connection: &mut SqliteConnection,
    account: AccountId,
    channel: Option<Channel>,
) -> Result<Vec<Destination>, StoreError> {
    rows_of(connection, account, channel).await?.iter().map(destination).collect()
}

async fn rows_of(
    connection: &mut SqliteConnection,
    account: AccountId,
    channel: Option<Channel>,
) -> Result<Vec<SqliteRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, account_id, channel, label, fields, sealed IS NOT NULL, only_types, state, state_reason,
                failing_since, last_failure, created_at, revision
         FROM destination WHERE account_id = ?1 AND removed_at IS NULL AND (?2 IS NULL OR channel = ?2) ORDER BY id",
    )
    .bind(account.number())
    .bind(channel.map(Channel::name))
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// One that is not removed, with its sealed secrets, on a connection at hand.
pub(crate) async fn read_one(
    connection: &mut SqliteConnection,
    id: DestinationId,
) -> Result<(Destination, Option<Vec<u8>>), StoreError> {
    read_any(connection, id, false).await
}

/// One, also when it is removed, on a connection at hand.
pub(crate) async fn read_even_removed(
    connection: &mut SqliteConnection,
    id: DestinationId,
) -> Result<Destination, StoreError> {
    Ok(read_any(connection, id, true).await?.0)
}

async fn read_any(
    connection: &mut SqliteConnection,
    id: DestinationId,
    even_removed: bool,
) -> Result<(Destination, Option<Vec<u8>>), StoreError> {
    let row = sqlx::query(
        "SELECT id, account_id, channel, label, fields, sealed IS NOT NULL, only_types, state, state_reason,
                failing_since, last_failure, created_at, revision, sealed
         FROM destination WHERE id = ?1 AND (removed_at IS NULL
            OR ?2 AND EXISTS (SELECT 1 FROM account WHERE account.id = destination.account_id AND account.removed_at IS NULL))",
    )
    .bind(id.number())
    .bind(even_removed)
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| {
        StoreError::NotFound(format!("there is no destination `{id}`; see `bellboard destinations list ACCOUNT`"))
    })?;
    Ok((destination(&row)?, row.try_get(COLUMNS)?))
}

/// What fan-out needs of an account's destinations.
pub(crate) async fn read_targets(
    connection: &mut SqliteConnection,
    account: AccountId,
) -> Result<Vec<Target>, StoreError> {
    rows_of(connection, account, None).await?.iter().map(target).collect()
}

/// What is sent to a destination that cannot be read is stored all the same, and parked when it is to be sent: it costs neither the
/// event nor the other destinations.
fn target(row: &SqliteRow) -> Result<Target, StoreError> {
    match destination(row) {
        Ok(destination) => Ok(Target {
            id: destination.id,
            channel: destination.channel,
            state: destination.state,
            state_reason: destination.state_reason,
            only: destination.only,
        }),
        Err(StoreError::Damaged(problem)) => {
            let target = Target {
                id: DestinationId::new(row.try_get(0)?),
                channel: read_channel(row.try_get(2)?)?,
                state: DestinationState::Enabled,
                state_reason: None,
                only: Vec::new(),
            };
            tracing::error!(destination = %target.id, problem, "a destination cannot be read; what it gets will be parked");
            Ok(target)
        }
        Err(error) => Err(error),
    }
}

/// Reads the thirteen columns of a destination.
pub(crate) fn destination(row: &SqliteRow) -> Result<Destination, StoreError> {
    let fields: String = row.try_get(4)?;
    let only: String = row.try_get(6)?;
    let state: String = row.try_get(7)?;
    let failing_since: Option<i64> = row.try_get(9)?;
    Ok(Destination {
        id: DestinationId::new(row.try_get(0)?),
        account: AccountId::new(row.try_get(1)?),
        channel: read_channel(row.try_get(2)?)?,
        label: row.try_get(3)?,
        state: read_state(&state)?,
        state_reason: row.try_get(8)?,
        only: serde_json::from_str(&only).map_err(damaged)?,
        fields: plain_fields(&fields)?,
        failing_since: failing_since.map(Timestamp::from_millis),
        last_failure: row.try_get(10)?,
        created_at: Timestamp::from_millis(row.try_get(11)?),
        revision: row.try_get(12)?,
    })
}

pub(crate) fn read_state(name: &str) -> Result<DestinationState, StoreError> {
    [DestinationState::Enabled, DestinationState::Paused, DestinationState::Disabled]
        .into_iter()
        .find(|state| state.name() == name)
        .ok_or_else(|| StoreError::Damaged(format!("state `{name}` of a destination")))
}

/// Splits fields into what the file shows and what it seals. In the shown part a secret stands as null, so that it is known
/// to be set.
pub(crate) fn split_fields(
    fields: &FieldValues,
    sealer: &Sealer,
    id: DestinationId,
) -> Result<(String, Option<Vec<u8>>), StoreError> {
    let mut plain = serde_json::Map::new();
    let mut secret = serde_json::Map::new();
    for (name, value) in fields {
        let shown = match value {
            FieldValue::Plain(text) => Value::from(text.as_str()),
            FieldValue::Flag(flag) => Value::from(*flag),
            FieldValue::Secret(text) => {
                secret.insert(name.clone(), Value::from(text.expose()));
                Value::Null
            }
        };
        plain.insert(name.clone(), shown);
    }
    let secrets = if secret.is_empty() {
        None
    } else {
        Some(sealer.seal(&row_name(id), Value::Object(secret).to_string().as_bytes())?)
    };
    Ok((Value::Object(plain).to_string(), secrets))
}

/// Puts the secrets back among the fields.
pub(crate) fn open_fields(
    fields: &FieldValues,
    secrets: Option<&[u8]>,
    sealer: &Sealer,
    id: DestinationId,
) -> Result<FieldValues, StoreError> {
    let mut all = fields.clone();
    if let Some(secrets) = secrets {
        let opened = sealer.open_sealed(&row_name(id), secrets)?;
        let secrets: std::collections::BTreeMap<String, String> = serde_json::from_slice(&opened).map_err(damaged)?;
        for (name, secret) in secrets {
            all.insert(name, FieldValue::Secret(Secret::new(secret)));
        }
    }
    Ok(all)
}

/// The name that a destination's secrets are bound to.
pub(crate) fn row_name(id: DestinationId) -> String {
    format!("destination:{}", id.number())
}

fn plain_fields(json: &str) -> Result<FieldValues, StoreError> {
    let map: serde_json::Map<String, Value> = serde_json::from_str(json).map_err(damaged)?;
    Ok(map
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Null => FieldValue::Secret(Secret::default()),
                Value::Bool(flag) => FieldValue::Flag(flag),
                Value::String(text) => FieldValue::Plain(text),
                other => FieldValue::Plain(other.to_string()),
            };
            (name, value)
        })
        .collect())
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn damaged(error: serde_json::Error) -> StoreError {
    StoreError::Damaged(error.to_string())
}
