//! Ends: the backlog of a destination that was disabled or removed, and an account that was removed with all that it had.
//!
//! However much that is, it is at an end with the commit of the command, and takes the writer no longer than a small one does. What
//! one short step cannot do is marked, and done by further steps beside the deliveries ([`Upkeep::Ends`]). Each is a transaction
//! of its own and asks the store what is left, so a process that ends loses nothing and the next one goes on.
//!
//! Until then the rows are there still. Whatever sends must leave out those that are marked (`not_ended!`), and whatever makes a
//! delivery pending again, or ends it otherwise, must not touch them. Those that come after the mark have higher numbers, and are sent as ever.

use serde_json::Value;
use sqlx::SqliteConnection;

use crate::domain::delivery::Reason;
use crate::domain::id::{AccountId, DestinationId};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::removing::{ROWS_MAX, taken};
use crate::store::upkeep::Upkeep;
use crate::store::writer::Session;

/// Deliveries or destinations of one step: a few milliseconds.
const STEP: u32 = 500;

/// Beyond this it is not counted how many deliveries end.
const COUNTED_MAX: u32 = 10_000;

/// How the reason of a delivery begins that is at an end and has not been written so yet.
pub(crate) const BEING_CANCELLED: &str = "is being cancelled: ";

/// Of a row `delivery`, or one of that table by another name: that it is not at an end by a mark.
macro_rules! not_ended {
    () => {
        $crate::store::ending::not_ended!("delivery")
    };
    ($row:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM ending WHERE ending.destination_id = ",
            $row,
            ".destination_id AND ending.last >= ",
            $row,
            ".id)"
        )
    };
}
pub(crate) use not_ended;

/// The backlogs that are being ended. Those of an account that goes are removed with it instead.
const MARKED: &str = "SELECT ending.destination_id, ending.last, ending.reason FROM ending
     CROSS JOIN destination ON destination.id = ending.destination_id
     CROSS JOIN account ON account.id = destination.account_id AND account.removed_at IS NULL LIMIT 1";

/// An account that is being removed. One that has events comes first, as they may have gone to another's destinations
/// ([`crate::store::removing`]).
const REMOVED: &str = "SELECT id FROM account WHERE removed_at IS NOT NULL
     ORDER BY EXISTS (SELECT 1 FROM event WHERE account_id = account.id) DESC LIMIT 1";

/// How many deliveries have come to an end.
pub(crate) struct Ended {
    pub(crate) deliveries: u64,
    /// Whether there are more than were counted.
    pub(crate) is_more: bool,
}

/// What is at an end by a mark, and still in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endings {
    /// Destinations whose backlogs are being cancelled.
    pub backlogs: u64,
    /// Accounts that are being removed.
    pub accounts: u64,
}

impl Endings {
    /// Whether there are none.
    #[must_use]
    pub const fn are_none(self) -> bool {
        self.backlogs == 0 && self.accounts == 0
    }
}

impl Store {
    /// What is at an end by a mark, and still in the file.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn endings(&self) -> Result<Endings, StoreError> {
        let (backlogs, accounts): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM ending), (SELECT count(*) FROM account WHERE removed_at IS NOT NULL)",
        )
        .fetch_one(self.readers())
        .await?;
        Ok(Endings { backlogs: backlogs.unsigned_abs(), accounts: accounts.unsigned_abs() })
    }

    /// Ends a little of what is at an end by a mark; returns how many rows that moved, nothing when there is no more.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn end_some(&self) -> Result<Option<u64>, StoreError> {
        if self.endings().await?.are_none() {
            return Ok(None);
        }
        Ok(Some(self.keep_up(Upkeep::Ends).await?))
    }
}

/// Whether the backlog of any destination is being ended.
pub(crate) async fn are_ending(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query(MARKED).fetch_optional(connection).await?.is_some())
}

impl Session {
    /// Nothing that waits for this destination is sent any more.
    pub(crate) async fn end_backlog(&mut self, id: DestinationId, reason: &str) -> Result<Ended, StoreError> {
        let reason = Reason::new(reason);
        let at_once = self.cancel_some(id.number(), i64::MAX, reason.as_str()).await?;
        if at_once < u64::from(STEP) {
            return Ok(Ended { deliveries: at_once, is_more: false });
        }
        let left: u32 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM delivery INDEXED BY delivery_order
             WHERE state = 'pending' AND destination_id = ?1 LIMIT ?2)",
        )
        .bind(id.number())
        .bind(COUNTED_MAX)
        .fetch_one(&mut self.connection)
        .await?;
        self.mark(id.number(), reason.as_str()).await?;
        Ok(Ended { deliveries: at_once + u64::from(left), is_more: left == COUNTED_MAX })
    }

    /// All deliveries that this destination has by now are at an end, as far as they are pending.
    async fn mark(&mut self, destination: i64, reason: &str) -> Result<(), StoreError> {
        self.has_marked = true;
        sqlx::query(
            "INSERT INTO ending (destination_id, last, reason)
             SELECT ?1, seq, ?2 FROM sqlite_sequence WHERE name = 'delivery'
             ON CONFLICT (destination_id) DO UPDATE SET last = excluded.last, reason = excluded.reason",
        )
        .bind(destination)
        .bind(reason)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// One step of what is at an end; returns how many rows it moved.
    pub(crate) async fn step_ends(&mut self) -> Result<u64, StoreError> {
        let marked: Option<(i64, i64, String)> = sqlx::query_as(MARKED).fetch_optional(&mut self.connection).await?;
        if let Some((destination, last, reason)) = marked {
            let ended = self.cancel_some(destination, last, &reason).await?;
            if ended < u64::from(STEP) {
                sqlx::query("DELETE FROM ending WHERE destination_id = ?")
                    .bind(destination)
                    .execute(&mut self.connection)
                    .await?;
            }
            return Ok(ended);
        }
        let removed: Option<i64> = sqlx::query_scalar(REMOVED).fetch_optional(&mut self.connection).await?;
        match removed {
            Some(account) => Ok(self.remove_some(account).await?.unwrap_or(0)),
            None => Ok(0),
        }
    }

    /// Cancels the earliest of what waits for a destination, up to that number; returns how many those were.
    async fn cancel_some(&mut self, destination: i64, last: i64, reason: &str) -> Result<u64, StoreError> {
        let cancelled = sqlx::query(
            "UPDATE delivery SET state = 'cancelled', due_at = NULL, reason = ?2, updated_at = ?3
             WHERE id IN (SELECT id FROM delivery INDEXED BY delivery_order
                WHERE state = 'pending' AND destination_id = ?1 AND id <= ?4 ORDER BY id LIMIT ?5)",
        )
        .bind(destination)
        .bind(reason)
        .bind(self.now.millis())
        .bind(last)
        .bind(STEP)
        .execute(&mut self.connection)
        .await?;
        Ok(cancelled.rows_affected())
    }

    /// The account is no more, and its key is free; says whether all that belonged to it is gone already.
    pub(crate) async fn end_account(&mut self, account: AccountId) -> Result<bool, StoreError> {
        const STATEMENTS: [&str; 8] = [
            "DELETE FROM preference WHERE account_id = ?",
            "DELETE FROM trouble WHERE account_id = ?",
            "DELETE FROM mute WHERE account_id = ?",
            "DELETE FROM event_type WHERE account_id = ?",
            "DELETE FROM token WHERE account_id = ?",
            "DELETE FROM enrolment WHERE account_id = ?",
            "DELETE FROM access WHERE destination_id IN (SELECT id FROM destination WHERE account_id = ?)",
            // No key of an account begins like this.
            "UPDATE account SET key = '#' || id, name = '', owner_email = '' WHERE id = ?",
        ];
        let id = account.number();
        for statement in STATEMENTS {
            sqlx::query(statement).bind(id).execute(&mut self.connection).await?;
        }
        let with_backlog: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM destination WHERE account_id = ?1
             AND EXISTS (SELECT 1 FROM delivery WHERE state = 'pending' AND destination_id = destination.id)",
        )
        .bind(id)
        .fetch_all(&mut self.connection)
        .await?;
        for destination in with_backlog {
            self.mark(destination, "the account was removed").await?;
        }
        for statement in [
            "UPDATE destination SET removed_at = coalesce(removed_at, ?2), sealed = NULL WHERE account_id = ?1",
            "UPDATE account SET removed_at = ?2 WHERE id = ?1",
        ] {
            sqlx::query(statement).bind(id).bind(self.now.millis()).execute(&mut self.connection).await?;
        }
        let mut moved = 0;
        while moved < ROWS_MAX {
            match self.remove_some(id).await? {
                Some(rows) => moved += rows,
                None => break,
            }
        }
        let is_there = sqlx::query("SELECT 1 FROM account WHERE id = ?").bind(id);
        Ok(is_there.fetch_optional(&mut self.connection).await?.is_none())
    }

    /// Removes a little of what belongs to a removed account: its oldest events with all that is theirs, its destinations when it
    /// has no events any more, and at last itself. Returns how many rows went; nothing when no more can go now, as events that
    /// left it ([`crate::store::removing`]) still have deliveries to its destinations.
    async fn remove_some(&mut self, account: i64) -> Result<Option<u64>, StoreError> {
        let events = self.first_events(account).await?;
        if let Some((first, _)) = events.first() {
            let some = taken(&events);
            if some.is_empty() {
                return Ok(Some(self.remove_part(*first).await?));
            }
            let ids: Vec<i64> = some.iter().map(|(id, _)| *id).collect();
            self.remove_events(&ids).await?;
            return Ok(Some(some.iter().map(|(_, rows)| rows).sum()));
        }
        let destinations: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM destination WHERE account_id = ?
             AND NOT EXISTS (SELECT 1 FROM delivery WHERE destination_id = destination.id) LIMIT ?",
        )
        .bind(account)
        .bind(STEP)
        .fetch_all(&mut self.connection)
        .await?;
        if destinations.is_empty() {
            sqlx::query(
                "DELETE FROM account WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM destination WHERE account_id = ?1)",
            )
            .bind(account)
            .execute(&mut self.connection)
            .await?;
            return Ok(None);
        }
        let rows = destinations.len() as u64;
        let ids = Value::from(destinations).to_string();
        for statement in [
            "DELETE FROM storm WHERE destination_id IN (SELECT value FROM json_each(?))",
            "DELETE FROM ending WHERE destination_id IN (SELECT value FROM json_each(?))",
            "DELETE FROM destination WHERE id IN (SELECT value FROM json_each(?))",
        ] {
            sqlx::query(statement).bind(&ids).execute(&mut self.connection).await?;
        }
        Ok(Some(rows))
    }
}
