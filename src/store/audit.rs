//! The audit trail: who changed what, and what can be taken back.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::account::AccountKey;
use crate::domain::command::{Actor, Change};
use crate::domain::id::ChangeId;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::chain::Hash;
use crate::store::error::StoreError;
use crate::store::events::account_key;

/// Which changes to list.
#[derive(Clone, Debug)]
pub struct ChangeFilter {
    /// Of this account's set-up.
    pub account: Option<AccountKey>,
    /// Older than this one; for the next page.
    pub before: Option<ChangeId>,
    /// How many at most.
    pub limit: u32,
}

impl Default for ChangeFilter {
    fn default() -> Self {
        Self { account: None, before: None, limit: 100 }
    }
}

impl Store {
    /// Changes that the filter lets through, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn changes(&self, filter: &ChangeFilter) -> Result<Vec<Change>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, at, login, origin, account, command, says, before, after, undoes FROM audit
             WHERE (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3",
        )
        .bind(filter.account.as_ref().map(AccountKey::as_str))
        .bind(filter.before.map(ChangeId::number))
        .bind(filter.limit)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(change).collect()
    }

    /// The next changes after one, the oldest first, each with its hash in the chain: for an export of all of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn changes_after(
        &self,
        last: Option<ChangeId>,
        limit: u32,
    ) -> Result<Vec<(Change, Option<Hash>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, at, login, origin, account, command, says, before, after, undoes, hash FROM audit
             WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(last.map_or(0, ChangeId::number))
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        let hash = |row: &SqliteRow| row.try_get::<Option<Vec<u8>>, _>(10);
        rows.iter().map(|row| Ok((change(row)?, hash(row)?.as_deref().and_then(Hash::from_bytes)))).collect()
    }
}

/// Reads the ten columns of a change.
pub(crate) fn change(row: &SqliteRow) -> Result<Change, StoreError> {
    let account: Option<String> = row.try_get(4)?;
    let before: String = row.try_get(7)?;
    let after: String = row.try_get(8)?;
    let damaged = |error: serde_json::Error| StoreError::Damaged(error.to_string());
    let undoes: Option<i64> = row.try_get(9)?;
    Ok(Change {
        id: ChangeId::new(row.try_get(0)?),
        at: Timestamp::from_millis(row.try_get(1)?),
        actor: Actor { login: row.try_get(2)?, origin: row.try_get(3)? },
        account: account.as_deref().map(account_key).transpose()?,
        command: row.try_get(5)?,
        says: row.try_get(6)?,
        before: serde_json::from_str(&before).map_err(damaged)?,
        after: serde_json::from_str(&after).map_err(damaged)?,
        undoes: undoes.map(ChangeId::new),
    })
}
