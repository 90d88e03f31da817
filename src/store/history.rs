//! The history of an account, a cell or a destination: who changed what, and whether it can be taken back.

use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::Change;
use crate::domain::id::{ChangeId, DestinationId};
use crate::store::audit::change;
use crate::store::error::StoreError;
use crate::store::{Store, commands};

/// Changes of an account that are looked through, from the newest on.
const LOOKED_THROUGH_MAX: u32 = 5000;

/// Whose history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Everything about an account.
    Account(AccountKey),
    /// One cell of its matrix, and what muted it: alone, with its row or column, or with the whole account.
    Cell {
        /// Whose.
        account: AccountKey,
        /// The row.
        event_type: String,
        /// The column.
        channel: Channel,
    },
    /// One destination of it.
    Destination {
        /// Whose.
        account: AccountKey,
        /// Which.
        id: DestinationId,
    },
}

impl Subject {
    /// Whose.
    #[must_use]
    pub const fn account(&self) -> &AccountKey {
        match self {
            Self::Account(account) | Self::Cell { account, .. } | Self::Destination { account, .. } => account,
        }
    }
}

/// A change and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// The change.
    pub change: Change,
    /// The change that took it back.
    pub undone_by: Option<ChangeId>,
    /// Whether it is of a kind that can be taken back.
    pub can_undo: bool,
}

impl Store {
    /// Changes of the subject, the newest first: at most `limit`, of the account's newest 5,000.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn history(&self, subject: &Subject, limit: u32) -> Result<Vec<HistoryRow>, StoreError> {
        let (event_type, channel, destination) = match subject {
            Subject::Account(_) => (None, None, None),
            Subject::Cell { event_type, channel, .. } => (Some(event_type.as_str()), Some(channel.name()), None),
            Subject::Destination { id, .. } => (None, None, Some(id.to_string())),
        };
        let is_possible = commands::undo::IS_POSSIBLE;
        let statement = format!(
            "SELECT id, at, login, origin, account, command, says, before, after, undoes,
                    (SELECT max(later.id) FROM audit AS later WHERE later.undoes = one.id), {is_possible}
             FROM (SELECT * FROM audit WHERE account = ?1 ORDER BY id DESC LIMIT ?2) AS one
             WHERE (?3 IS NULL OR json_type(after) = 'array' AND EXISTS
                     (SELECT 1 FROM json_each(after) AS cell WHERE cell.type = 'object'
                      AND cell.value ->> 'event_type' = ?3 AND cell.value ->> 'channel' = ?4)
                  OR command IN ('mute', 'unmute')
                     AND coalesce(after ->> '$.event_type', before ->> '$.event_type', ?3) = ?3
                     AND coalesce(after ->> '$.channel', before ->> '$.channel', ?4) = ?4)
               AND (?5 IS NULL OR coalesce(after ->> '$.id', before ->> '$.id') = ?5)
             ORDER BY id DESC LIMIT ?6"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(subject.account().as_str())
            .bind(LOOKED_THROUGH_MAX)
            .bind(event_type)
            .bind(channel)
            .bind(destination)
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        rows.iter()
            .map(|row| {
                let change = change(row)?;
                let undone_by: Option<i64> = row.try_get(10)?;
                let can_undo = commands::undo::can_undo(&change.command) && row.try_get(11)?;
                Ok(HistoryRow { change, undone_by: undone_by.map(ChangeId::new), can_undo })
            })
            .collect()
    }

    /// Who removed a subject that is there no more, or the account that it was of; nothing where the trail does not tell.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn removed_by(&self, subject: &Subject) -> Result<Option<String>, StoreError> {
        let destination = match subject {
            Subject::Destination { id, .. } => Some(id.to_string()),
            Subject::Account(_) | Subject::Cell { .. } => None,
        };
        let login = sqlx::query_scalar(
            "SELECT login FROM (SELECT * FROM audit WHERE account = ?1 ORDER BY id DESC LIMIT ?2)
             WHERE command = 'remove_account' OR command = 'remove_destination' AND before ->> '$.id' = ?3
             ORDER BY id DESC LIMIT 1",
        )
        .bind(subject.account().as_str())
        .bind(LOOKED_THROUGH_MAX)
        .bind(destination)
        .fetch_optional(self.readers())
        .await?;
        Ok(login)
    }
}
