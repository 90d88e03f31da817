//! What is wrong at present, across all accounts: destinations that get nothing, and tries that failed.

use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::destination::Destination;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::deliveries::{delivery_columns, delivery_joins};
use crate::store::destinations::destination;
use crate::store::error::StoreError;
use crate::store::events::account_key;
use crate::store::live::AttemptLine;

/// Deliveries of one destination are counted up to here.
pub const COUNT_MAX: u32 = 1000;

/// Destinations in trouble that are looked at; those that have failed longest come first.
const DESTINATIONS_MAX: u32 = 1000;

/// Failed tries that a filter looks through, from the newest on.
pub const LOOKED_THROUGH_MAX: u32 = 3000;

/// Words of a filter that are heeded.
pub(crate) const WORDS_MAX: usize = 32;

/// A destination that fails or is disabled.
#[derive(Clone, Debug, PartialEq)]
pub struct TroubleRow {
    /// Whose it is.
    pub account: AccountKey,
    /// That account's name.
    pub account_name: String,
    /// The destination, its secrets masked.
    pub destination: Destination,
    /// Deliveries that wait for it, up to [`COUNT_MAX`].
    pub waiting: u32,
    /// Deliveries to it that have failed for good, up to [`COUNT_MAX`].
    pub failed: u32,
}

/// Which failed tries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureFilter {
    /// Of accounts whose key or name has these letters in this order.
    pub account: Option<String>,
    /// Over this channel.
    pub channel: Option<Channel>,
    /// Of event types whose name has these letters in this order.
    pub event_type: Option<String>,
    /// Of deliveries that have failed for good (`Some(true)`), or that are tried again (`Some(false)`).
    pub for_good: Option<bool>,
    /// Begun at this time or later.
    pub since: Option<Timestamp>,
    /// Each has its letters in this order in the account, the event type, the destination or the reason.
    pub words: Vec<String>,
    /// How many at most.
    pub limit: u32,
}

impl Store {
    /// Destinations of all accounts that fail or are disabled, the worst first: what fails or was disabled by itself before
    /// what a person disabled, then those that most deliveries wait for or failed at, then those that have failed longest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn trouble(&self) -> Result<Vec<TroubleRow>, StoreError> {
        let rows = sqlx::query(
            "WITH trouble AS MATERIALIZED (
                SELECT * FROM destination
                WHERE removed_at IS NULL AND (failing_since IS NOT NULL OR state = 'disabled')
                ORDER BY failing_since IS NULL, failing_since LIMIT ?1)
             SELECT trouble.id, account_id, channel, label, fields, sealed IS NOT NULL, only_types, state, state_reason,
                    failing_since, last_failure, trouble.created_at, revision, account.key, account.name,
                    (SELECT count(*) FROM (SELECT 1 FROM delivery
                     WHERE destination_id = trouble.id AND state = 'pending' LIMIT ?2)) AS waiting,
                    (SELECT count(*) FROM (SELECT 1 FROM delivery
                     WHERE destination_id = trouble.id AND state = 'failed' LIMIT ?2)) AS failed
             FROM trouble JOIN account ON account.id = trouble.account_id AND account.removed_at IS NULL
             ORDER BY state = 'disabled' AND state_reason LIKE 'disabled by %', waiting + failed DESC,
                      failing_since IS NULL, failing_since, trouble.id",
        )
        .bind(DESTINATIONS_MAX)
        .bind(COUNT_MAX)
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(TroubleRow {
                    account: account_key(row.try_get(13)?)?,
                    account_name: row.try_get(14)?,
                    destination: destination(row)?,
                    waiting: row.try_get(15)?,
                    failed: row.try_get(16)?,
                })
            })
            .collect()
    }

    /// Tries that did not get through, the newest first; of the newest [`LOOKED_THROUGH_MAX`], those that the filter lets
    /// through.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn failures(&self, filter: &FailureFilter) -> Result<Vec<AttemptLine>, StoreError> {
        let told = "account.key || ' ' || account.name || ' ' || event.event_type || ' ' || destination.label || ' ' ||
                    coalesce(failed.reason, '')";
        let words = &filter.words[..filter.words.len().min(WORDS_MAX)];
        let all_words = all_in(told, 8, words.len());
        let statement = format!(
            "SELECT failed.id, failed.number, failed.started_at, failed.duration_ms, failed.outcome, failed.status,
                    failed.reason, {}
              FROM (SELECT id, delivery_id, number, started_at, duration_ms, outcome, status, reason
                    FROM attempt INDEXED BY attempt_failed WHERE outcome <> 'delivered' AND started_at >= ?1
                    ORDER BY started_at DESC, id DESC LIMIT ?2) AS failed
              CROSS JOIN delivery ON delivery.id = failed.delivery_id{}
              WHERE (?3 IS NULL OR account.key LIKE ?3 ESCAPE '\\' OR account.name LIKE ?3 ESCAPE '\\')
                AND (?4 IS NULL OR destination.channel = ?4) AND (?5 IS NULL OR event.event_type LIKE ?5 ESCAPE '\\')
                AND (?6 IS NULL OR (delivery.state = 'failed') = ?6){all_words}
              ORDER BY failed.started_at DESC, failed.id DESC LIMIT ?7",
            delivery_columns!(),
            delivery_joins!()
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(filter.since.map_or(0, Timestamp::millis))
            .bind(LOOKED_THROUGH_MAX)
            .bind(filter.account.as_deref().map(like))
            .bind(filter.channel.map(Channel::name))
            .bind(filter.event_type.as_deref().map(like))
            .bind(filter.for_good)
            .bind(filter.limit);
        for word in words {
            query = query.bind(like(word));
        }
        let rows = query.fetch_all(self.readers()).await?;
        rows.iter().map(AttemptLine::read).collect()
    }

    /// How many tries failed in each of `buckets` spans of time of equal length, the last of which ends now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn failure_counts(&self, span_ms: i64, buckets: usize) -> Result<Vec<u32>, StoreError> {
        let span_ms = span_ms.max(1);
        let now = self.clock().now().millis();
        let start = now - span_ms.saturating_mul(i64::try_from(buckets).unwrap_or(i64::MAX));
        let rows = sqlx::query(
            "SELECT (started_at - ?1 - 1) / ?2, count(*) FROM attempt INDEXED BY attempt_failed
             WHERE outcome <> 'delivered' AND started_at > ?1 AND started_at <= ?3 GROUP BY 1",
        )
        .bind(start)
        .bind(span_ms)
        .bind(now)
        .fetch_all(self.readers())
        .await?;
        let mut counts = vec![0; buckets];
        for row in &rows {
            let bucket: i64 = row.try_get(0)?;
            if let Some(count) = usize::try_from(bucket).ok().and_then(|bucket| counts.get_mut(bucket)) {
                *count = row.try_get(1)?;
            }
        }
        Ok(counts)
    }
}

/// A condition that text matches each of so many patterns, which are bound from that parameter on.
pub(crate) fn all_in(text: &str, first: usize, count: usize) -> String {
    let one = |number| [" AND ", text, &format!(" LIKE ?{number} ESCAPE '\\'")].concat();
    (first..first + count).map(one).collect()
}

/// A pattern for text that has these letters in this order.
pub(crate) fn like(letters: &str) -> String {
    let mut pattern = String::from("%");
    for letter in letters.chars().filter(|letter| !letter.is_whitespace()) {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
        pattern.push('%');
    }
    pattern
}
