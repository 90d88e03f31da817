//! Accounts, and what is wrong with each.

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::account::{Account, AccountKey, AccountStatus, Profile};
use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;

/// Waiting deliveries are counted up to here; a backlog of a million is not counted for a list.
pub const WAITING_COUNT_MAX: u32 = 1000;

/// Spans that the last minute is cut into.
pub const RATE_SPANS: usize = 12;

/// Their length, in milliseconds.
const RATE_SPAN_MS: i64 = 5000;

/// Newest events whose accounts come first in the order of the last event; all others follow.
const RECENT_EVENTS: u32 = 5000;

/// In which order accounts are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountOrder {
    /// By their names.
    #[default]
    Name,
    /// Those with most failing or disabled destinations first.
    Trouble,
    /// Those with the newest event first, as far as the newest 5,000 events reach back; the others by name.
    Recent,
}

/// Which accounts to list.
#[derive(Clone, Debug)]
pub struct AccountFilter {
    /// Letters that the key or name has in this order; empty for all.
    pub text: String,
    /// Only those with a failing or disabled destination.
    pub trouble_only: bool,
    /// In which order.
    pub order: AccountOrder,
    /// How many at most.
    pub limit: u32,
}

impl Default for AccountFilter {
    fn default() -> Self {
        Self { text: String::new(), trouble_only: false, order: AccountOrder::Name, limit: 200 }
    }
}

/// A line of the list of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The account.
    pub account: Account,
    /// Enabled or paused destinations that only fail at present.
    pub failing: u32,
    /// Destinations that are disabled.
    pub disabled: u32,
    /// Deliveries that wait, up to [`WAITING_COUNT_MAX`].
    pub waiting: u32,
    /// When the newest event came.
    pub last_event_at: Option<Timestamp>,
}

/// How the deliveries go, for the head of a screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Deliveries that wait, up to [`WAITING_COUNT_MAX`].
    pub waiting: u32,
    /// Destinations that only fail at present.
    pub failing: u32,
    /// Destinations that are disabled.
    pub disabled: u32,
    /// Events of the last minute, up to [`WAITING_COUNT_MAX`].
    pub per_minute: u32,
    /// Those events in twelve spans of five seconds, the present one last; nothing when there were more than are counted.
    pub rate: Option<[u32; RATE_SPANS]>,
    /// The process that delivers, or last did.
    pub delivering_by: Option<String>,
}

impl Store {
    /// The account of that key.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn account(&self, key: &AccountKey) -> Result<Account, StoreError> {
        let mut connection = self.readers().acquire().await?;
        read(&mut connection, key).await
    }

    /// Accounts in that order, those whose key or name begins with the text before others of the same rank.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn accounts(&self, filter: &AccountFilter) -> Result<Vec<AccountRow>, StoreError> {
        const TROUBLED: &str = "SELECT account_id FROM destination WHERE removed_at IS NULL
            AND (failing_since IS NOT NULL OR state = 'disabled')";
        let recent =
            format!("SELECT account_id FROM (SELECT account_id FROM event ORDER BY id DESC LIMIT {RECENT_EVENTS})");
        let trouble = if filter.trouble_only { format!(" AND id IN ({TROUBLED})") } else { String::new() };
        // What an order puts first is found first, so that the others are read no further than the limit.
        let (first, by) = match filter.order {
            AccountOrder::Name => return self.accounts_like(filter, &trouble, "").await,
            AccountOrder::Trouble => (
                TROUBLED.to_owned(),
                "(SELECT count(*) FROM destination WHERE account_id = account.id AND removed_at IS NULL
                  AND (failing_since IS NOT NULL OR state = 'disabled')) DESC, ",
            ),
            AccountOrder::Recent => {
                (recent, "(SELECT id FROM event WHERE account_id = account.id ORDER BY id DESC LIMIT 1) DESC, ")
            }
        };
        let mut rows = self.accounts_like(filter, &format!("{trouble} AND id IN ({first})"), by).await?;
        let left = filter.limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        if left > 0 {
            let others = AccountFilter { limit: left, ..filter.clone() };
            rows.extend(self.accounts_like(&others, &format!("{trouble} AND id NOT IN ({first})"), "").await?);
        }
        Ok(rows)
    }

    /// Accounts that the filter's text and a condition let through, sorted `by` something before their names.
    async fn accounts_like(
        &self,
        filter: &AccountFilter,
        condition: &str,
        by: &str,
    ) -> Result<Vec<AccountRow>, StoreError> {
        let text: Vec<String> = filter.text.chars().filter(|c| !c.is_whitespace()).map(escape_like).collect();
        // Two texts: the one without letters stops at the limit, in the order of the index; the other has to look through it.
        let (is_found, later) = if text.is_empty() {
            ("?1 IS NOT NULL AND ?2 IS NOT NULL", "0")
        } else {
            (
                "(key LIKE ?1 ESCAPE '\\' OR name LIKE ?1 ESCAPE '\\')",
                "NOT (key LIKE ?2 ESCAPE '\\' OR name LIKE ?2 ESCAPE '\\')",
            )
        };
        let order = if text.is_empty() { "" } else { "later, " };
        // What is sorted by something else is few, and found by its numbers.
        let index = if by.is_empty() { "INDEXED BY account_name" } else { "" };
        let statement = format!(
            "WITH found AS MATERIALIZED (
                SELECT id AS number, {later} AS later
                FROM account {index}
                WHERE removed_at IS NULL AND {is_found} {condition}
                ORDER BY {by}{order}name COLLATE NOCASE, key LIMIT ?3)
             SELECT id, key, name, owner_email, timezone, status, created_at, later,
               (SELECT count(*) FROM destination WHERE account_id = account.id AND removed_at IS NULL
                AND (failing_since IS NOT NULL OR state = 'disabled') AND state <> 'disabled'),
               (SELECT count(*) FROM destination WHERE account_id = account.id AND removed_at IS NULL
                AND (failing_since IS NOT NULL OR state = 'disabled') AND state = 'disabled'),
               (SELECT count(*) FROM (SELECT 1 FROM destination AS d JOIN delivery ON delivery.destination_id = d.id
                WHERE d.account_id = account.id AND delivery.state = 'pending' LIMIT ?4)),
               (SELECT received_at FROM event WHERE account_id = account.id ORDER BY id DESC LIMIT 1)
             FROM found CROSS JOIN account ON account.id = found.number
             ORDER BY {by}later, name COLLATE NOCASE, key"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(format!("%{}%", text.join("%")))
            .bind(format!("{}%", text.concat()))
            .bind(filter.limit)
            .bind(WAITING_COUNT_MAX)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(row_of_list).collect()
    }

    /// How the deliveries of one account, or of all, go.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn pulse(&self, account: Option<&AccountKey>) -> Result<Pulse, StoreError> {
        let now = self.clock().now().millis();
        let minute_ago = now - 60_000;
        // Two texts, since one with `?1 IS NULL OR` could not use the account's indexes.
        let (of_destination, of_delivery, of_event) = match account {
            Some(_) => (
                "account_id = (SELECT id FROM account WHERE key = ?1)",
                "destination_id IN (SELECT id FROM destination WHERE account_id = (SELECT id FROM account WHERE key = ?1))",
                "account_id = (SELECT id FROM account WHERE key = ?1)",
            ),
            None => ("?1 IS NULL", "?1 IS NULL", "?1 IS NULL"),
        };
        let statement = format!(
            "SELECT
               (SELECT count(*) FROM (SELECT 1 FROM delivery WHERE state = 'pending' AND {of_delivery} LIMIT ?2)),
               (SELECT count(*) FROM destination WHERE removed_at IS NULL
                AND (failing_since IS NOT NULL OR state = 'disabled') AND state <> 'disabled' AND {of_destination}),
               (SELECT count(*) FROM destination WHERE removed_at IS NULL
                AND (failing_since IS NOT NULL OR state = 'disabled') AND state = 'disabled' AND {of_destination}),
               (SELECT json_group_array(received_at) FROM (SELECT received_at FROM event WHERE {of_event}
                ORDER BY id DESC LIMIT ?2) WHERE received_at > ?3),
               (SELECT process FROM deliverer WHERE id = 1)"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(account.map(AccountKey::as_str))
            .bind(WAITING_COUNT_MAX)
            .bind(minute_ago)
            .fetch_one(self.readers())
            .await?;
        let times: String = row.try_get(3)?;
        let times: Vec<i64> = serde_json::from_str(&times).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let per_minute = u32::try_from(times.len()).unwrap_or(WAITING_COUNT_MAX);
        let mut rate = [0; RATE_SPANS];
        for at in times {
            let span =
                RATE_SPANS.checked_sub(1 + usize::try_from((now - at).max(0) / RATE_SPAN_MS).unwrap_or(RATE_SPANS));
            if let Some(count) = span.and_then(|span| rate.get_mut(span)) {
                *count += 1;
            }
        }
        Ok(Pulse {
            waiting: row.try_get(0)?,
            failing: row.try_get(1)?,
            disabled: row.try_get(2)?,
            per_minute,
            rate: (per_minute < WAITING_COUNT_MAX).then_some(rate),
            delivering_by: row.try_get(4)?,
        })
    }
}

/// The account of that key, on a connection at hand.
pub(crate) async fn read(connection: &mut SqliteConnection, key: &AccountKey) -> Result<Account, StoreError> {
    let row = sqlx::query("SELECT id, key, name, owner_email, timezone, status, created_at FROM account WHERE key = ?")
        .bind(key.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| not_found(key))?;
    account(&row)
}

/// The account of that number, on a connection at hand.
pub(crate) async fn read_by_id(connection: &mut SqliteConnection, id: AccountId) -> Result<Account, StoreError> {
    let row = sqlx::query("SELECT id, key, name, owner_email, timezone, status, created_at FROM account WHERE id = ? AND removed_at IS NULL")
        .bind(id.number())
        .fetch_one(connection)
        .await?;
    account(&row)
}

/// What to say when there is no account of that key.
pub(crate) fn not_found(key: &AccountKey) -> StoreError {
    StoreError::NotFound(format!("there is no account `{key}`; see `bellboard accounts list`"))
}

fn account(row: &SqliteRow) -> Result<Account, StoreError> {
    let key: String = row.try_get(1)?;
    let status: String = row.try_get(5)?;
    Ok(Account {
        id: AccountId::new(row.try_get(0)?),
        key: key.parse().map_err(|_| StoreError::Damaged(format!("account key `{key}`")))?,
        profile: Profile {
            name: row.try_get(2)?,
            owner_email: row.try_get(3)?,
            timezone: row.try_get(4)?,
            status: if status == "active" { AccountStatus::Active } else { AccountStatus::Suspended },
        },
        created_at: Timestamp::from_millis(row.try_get(6)?),
    })
}

fn row_of_list(row: &SqliteRow) -> Result<AccountRow, StoreError> {
    let last: Option<i64> = row.try_get(11)?;
    Ok(AccountRow {
        account: account(row)?,
        failing: row.try_get(8)?,
        disabled: row.try_get(9)?,
        waiting: row.try_get(10)?,
        last_event_at: last.map(Timestamp::from_millis),
    })
}

fn escape_like(character: char) -> String {
    if matches!(character, '%' | '_' | '\\') { format!("\\{character}") } else { character.to_string() }
}
