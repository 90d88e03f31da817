//! What happens at present: the newest events with their deliveries, and attempts as they end.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::account::AccountKey;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::deliveries::{DeliveryRow, delivery_columns, delivery_joins, delivery_row, select_row};
use crate::store::error::StoreError;
use crate::store::events::{EventBrief, EventFilter};

/// Deliveries of one event that the live pane reads at most.
const DELIVERIES_OF_EVENT_MAX: usize = 50;

/// A line of the live pane: one delivery, or an event that went nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRow {
    /// The event.
    pub event: EventBrief,
    /// One of its deliveries.
    pub delivery: Option<DeliveryRow>,
}

/// One attempt as it ended, for `watch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptLine {
    /// Where to read on.
    pub cursor: i64,
    /// The delivery, as it is now.
    pub delivery: DeliveryRow,
    /// Which try.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration_ms: u32,
    /// How it ended.
    pub outcome: String,
    /// What the answer's status was.
    pub status: Option<u16>,
    /// What went wrong.
    pub reason: Option<String>,
}

impl AttemptLine {
    /// Reads id, number, start, duration, outcome, status and reason of an attempt, then the columns of its delivery.
    pub(crate) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            cursor: row.try_get(0)?,
            delivery: delivery_row(row, 7)?,
            number: row.try_get(1)?,
            started_at: Timestamp::from_millis(row.try_get(2)?),
            duration_ms: row.try_get(3)?,
            outcome: row.try_get(4)?,
            status: row.try_get(5)?,
            reason: row.try_get(6)?,
        })
    }
}

impl Store {
    /// The newest events of an account, or of all, with their deliveries: at most `limit` lines, the newest event first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn live(&self, account: Option<&AccountKey>, limit: u32) -> Result<Vec<LiveRow>, StoreError> {
        let filter = EventFilter { account: account.cloned(), limit, ..EventFilter::default() };
        let events = self.events(&filter).await?;
        let of_events = match account {
            Some(_) => {
                "SELECT id FROM event WHERE account_id = (SELECT id FROM account WHERE key = ?1) ORDER BY id DESC LIMIT ?2"
            }
            // The same events as above: those of an account that is being removed are none of them.
            None => {
                "SELECT event.id FROM event CROSS JOIN account ON account.id = event.account_id
                 WHERE ?1 IS NULL AND account.removed_at IS NULL ORDER BY event.id DESC LIMIT ?2"
            }
        };
        let statement = format!(
            "{} WHERE delivery.event_id IN ({of_events}) ORDER BY delivery.event_id DESC, delivery.id LIMIT ?3",
            select_row!()
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(account.map(AccountKey::as_str))
            .bind(limit)
            .bind(limit.saturating_mul(4))
            .fetch_all(self.readers())
            .await?;
        let mut deliveries =
            rows.iter().map(|row| delivery_row(row, 0)).collect::<Result<Vec<_>, _>>()?.into_iter().peekable();
        let mut lines = Vec::new();
        for event in events {
            let before = lines.len();
            while let Some(delivery) = deliveries.next_if(|delivery| delivery.event_id == event.id) {
                if lines.len() - before < DELIVERIES_OF_EVENT_MAX {
                    lines.push(LiveRow { event: event.clone(), delivery: Some(delivery) });
                }
            }
            if lines.len() == before {
                lines.push(LiveRow { event, delivery: None });
            }
            if lines.len() >= limit as usize {
                break;
            }
        }
        lines.truncate(limit as usize);
        Ok(lines)
    }

    /// Attempts that ended after the cursor, in the order in which they did.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn attempts_after(
        &self,
        cursor: i64,
        account: Option<&AccountKey>,
        limit: u32,
    ) -> Result<Vec<AttemptLine>, StoreError> {
        let rows = sqlx::query(
            concat!(
                "SELECT attempt.id, attempt.number, attempt.started_at, attempt.duration_ms, attempt.outcome, attempt.status,
                        attempt.reason, ",
                delivery_columns!(),
                " FROM attempt CROSS JOIN delivery ON delivery.id = attempt.delivery_id",
                delivery_joins!(),
                " WHERE attempt.id > ?1 AND (?2 IS NULL OR account.key = ?2) ORDER BY attempt.id LIMIT ?3"
            ),
        )
        .bind(cursor)
        .bind(account.map(AccountKey::as_str))
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(AttemptLine::read).collect()
    }

    /// The cursor of the newest attempt; 0 when there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_attempt(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT coalesce(max(id), 0) FROM attempt").fetch_one(self.readers()).await?;
        Ok(row.try_get(0)?)
    }
}
