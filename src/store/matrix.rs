//! An account's matrix: catalogue, preferences and destinations together.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::account::{Account, AccountKey};
use crate::domain::catalogue::{Catalogue, EventType, Severity};
use crate::domain::channel::Channel;
use crate::domain::destination::Destination;
use crate::domain::id::AccountId;
use crate::domain::matrix::{Cell, Preference, Preferences, Target, cell};
use crate::domain::mute::{Mute, Scope};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::{Store, accounts, destinations};

/// All that the matrix of one account shows.
#[derive(Clone, Debug)]
pub struct MatrixView {
    /// Whose.
    pub account: Account,
    /// Its rows.
    pub catalogue: Catalogue,
    /// What differs from the default.
    pub preferences: Preferences,
    /// Where its columns lead.
    pub destinations: Vec<Destination>,
    /// When all of this was so.
    pub at: Timestamp,
}

impl MatrixView {
    /// One cell.
    #[must_use]
    pub fn cell(&self, event_type: &EventType, channel: Channel) -> Cell {
        let taking: Vec<_> = self
            .destinations
            .iter()
            .filter(|destination| destination.channel == channel)
            .filter(|destination| destination.takes(&event_type.name, &event_type.group))
            .map(|destination| (destination.state, destination.failing_since.is_some()))
            .collect();
        cell(event_type, channel, &self.preferences, &taking, self.at)
    }

    /// The cells as the command line's JSON writes them.
    #[must_use]
    pub fn cells(&self) -> Vec<CellRow> {
        let mut rows = Vec::new();
        for event_type in self.catalogue.types() {
            for channel in Channel::ALL {
                let cell = self.cell(event_type, channel);
                rows.push(CellRow {
                    event_type: event_type.name.clone(),
                    channel,
                    on: cell.on,
                    default: cell.default,
                    destinations: cell.destinations,
                    muted_until: cell.mute.map(|mute| mute.until),
                });
            }
        }
        rows
    }
}

/// A cell in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CellRow {
    /// Its row.
    pub event_type: String,
    /// Its column.
    pub channel: Channel,
    /// Whether events go there.
    pub on: bool,
    /// Whether they would by default.
    pub default: bool,
    /// How many destinations take them.
    pub destinations: usize,
    /// Until when it gets nothing although it is on.
    pub muted_until: Option<Timestamp>,
}

/// What is known of an account's set-up: nothing when there is no such account, a word when it cannot be read.
pub(crate) type KnownSetup = Result<Option<Arc<AccountSetup>>, String>;

/// What fan-out needs of an account, kept by the writer between batches.
#[derive(Debug)]
pub(crate) struct AccountSetup {
    pub(crate) account: Account,
    pub(crate) catalogue: Catalogue,
    pub(crate) preferences: Preferences,
    pub(crate) targets: Vec<Target>,
}

impl Store {
    /// The matrix of an account.
    ///
    /// # Errors
    /// When there is no such account, or the store cannot be read.
    pub async fn matrix(&self, account: &AccountKey) -> Result<MatrixView, StoreError> {
        let mut transaction = self.readers().begin().await?;
        let account = accounts::read(&mut transaction, account).await?;
        let catalogue = read_catalogue(&mut transaction, account.id).await?;
        let preferences = read_preferences(&mut transaction, account.id).await?;
        let destinations = destinations::read_all(&mut transaction, account.id, None).await?;
        Ok(MatrixView { account, catalogue, preferences, destinations, at: self.clock().now() })
    }

    /// The event types of an account.
    ///
    /// # Errors
    /// When there is no such account, or the store cannot be read.
    pub async fn catalogue(&self, account: &AccountKey) -> Result<Catalogue, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let account = accounts::read(&mut connection, account).await?;
        read_catalogue(&mut connection, account.id).await
    }
}

/// What fan-out needs of an account; nothing when there is no such account.
pub(crate) async fn read_setup(
    connection: &mut SqliteConnection,
    key: &AccountKey,
) -> Result<Option<AccountSetup>, StoreError> {
    let account = match accounts::read(connection, key).await {
        Ok(account) => account,
        Err(StoreError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let catalogue = read_catalogue(connection, account.id).await?;
    let preferences = read_preferences(connection, account.id).await?;
    let targets = destinations::read_targets(connection, account.id).await?;
    Ok(Some(AccountSetup { account, catalogue, preferences, targets }))
}

pub(crate) async fn read_catalogue(
    connection: &mut SqliteConnection,
    account: AccountId,
) -> Result<Catalogue, StoreError> {
    let rows = sqlx::query(
        "SELECT name, title, group_name, severity, recovers FROM event_type WHERE account_id = ? ORDER BY name",
    )
    .bind(account.number())
    .fetch_all(connection)
    .await?;
    let own: Result<Vec<_>, StoreError> = rows.iter().map(own_type).collect();
    Ok(Catalogue::new(own?))
}

fn own_type(row: &SqliteRow) -> Result<EventType, StoreError> {
    let title: String = row.try_get(1)?;
    let severity: String = row.try_get(3)?;
    Ok(EventType {
        name: row.try_get(0)?,
        short: title.clone(),
        title,
        group: row.try_get(2)?,
        severity: Severity::parse(&severity).map_err(StoreError::Damaged)?,
        recovers: row.try_get(4)?,
        is_recovered: false,
        built_in: false,
    })
}

pub(crate) async fn read_preferences(
    connection: &mut SqliteConnection,
    account: AccountId,
) -> Result<Preferences, StoreError> {
    let rows =
        sqlx::query("SELECT event_type, channel, is_on, changed_by, changed_at FROM preference WHERE account_id = ?")
            .bind(account.number())
            .fetch_all(&mut *connection)
            .await?;
    let mut cells = HashMap::with_capacity(rows.len());
    for row in &rows {
        let preference =
            Preference { on: row.try_get(2)?, by: row.try_get(3)?, at: Timestamp::from_millis(row.try_get(4)?) };
        cells.insert((row.try_get(0)?, read_channel(row.try_get(1)?)?), preference);
    }
    Ok(Preferences::new(cells, read_mutes(connection, account).await?))
}

async fn read_mutes(connection: &mut SqliteConnection, account: AccountId) -> Result<Vec<Mute>, StoreError> {
    let rows = sqlx::query("SELECT event_type, channel, until, muted_by, reason FROM mute WHERE account_id = ?")
        .bind(account.number())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let (event_type, channel): (String, &str) = (row.try_get(0)?, row.try_get(1)?);
            let scope = Scope {
                event_type: Some(event_type).filter(|name| !name.is_empty()),
                channel: Some(channel).filter(|name| !name.is_empty()).map(read_channel).transpose()?,
            };
            let until = Timestamp::from_millis(row.try_get(2)?);
            Ok(Mute { scope, until, by: row.try_get(3)?, reason: row.try_get(4)? })
        })
        .collect()
}

pub(crate) fn read_channel(name: &str) -> Result<Channel, StoreError> {
    name.parse().map_err(|error| StoreError::Damaged(format!("{error}")))
}
