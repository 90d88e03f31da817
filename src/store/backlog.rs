//! How much waits, and how things stand with destinations, in one look that costs the same however much there is.

use sqlx::{Row, SqliteConnection};

use crate::domain::channel::Channel;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;

/// Deliveries that are counted; what waits beyond them is only known to be more.
pub const COUNTED_MAX: u32 = 100_000;

/// Destinations in trouble that are counted.
const TROUBLED_MAX: u32 = 10_000;

/// What waits for a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries that are pending, whenever they are due.
    pub deliveries: u64,
    /// Since when the first of them is due that nobody holds back; nothing when none is due.
    pub due_since: Option<Timestamp>,
    /// Destinations that only fail at present.
    pub failing: u64,
    /// Destinations that are disabled.
    pub disabled: u64,
}

/// What waits, by channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// In the order of [`Channel::ALL`].
    pub channels: [Waiting; Channel::ALL.len()],
    /// More wait than were counted: the numbers are the least that there are.
    pub is_more: bool,
}

/// The pending deliveries by destination, in the order of the index that holds them, as far as they are counted.
pub const PENDING: &str = "SELECT destination.channel, sum(lane.deliveries),
            min(CASE WHEN destination.state = 'enabled' AND lane.due_at <= ?2 THEN lane.due_at END)
     FROM (SELECT destination_id, count(*) AS deliveries, min(due_at) AS due_at
           FROM (SELECT destination_id, due_at FROM delivery INDEXED BY delivery_pending
                 WHERE state = 'pending' LIMIT ?1)
           GROUP BY destination_id) AS lane
     CROSS JOIN destination ON destination.id = lane.destination_id
     GROUP BY destination.channel";

/// The destinations that fail or are disabled, by channel.
pub const TROUBLED: &str = "SELECT channel, sum(state <> 'disabled'), sum(state = 'disabled')
     FROM (SELECT channel, state FROM destination INDEXED BY destination_trouble
           WHERE removed_at IS NULL AND (failing_since IS NOT NULL OR state = 'disabled') LIMIT ?)
     GROUP BY channel";

impl Store {
    /// Counts what waits, up to [`COUNTED_MAX`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let mut backlog = Backlog::default();
        read_pending(&mut connection, self.clock().now(), &mut backlog).await?;
        for row in sqlx::query(TROUBLED).bind(TROUBLED_MAX).fetch_all(&mut *connection).await? {
            let waiting = &mut backlog.channels[channel(row.try_get(0)?)?.index()];
            waiting.failing = row.try_get::<i64, _>(1)?.unsigned_abs();
            waiting.disabled = row.try_get::<i64, _>(2)?.unsigned_abs();
        }
        Ok(backlog)
    }
}

async fn read_pending(
    connection: &mut SqliteConnection,
    now: Timestamp,
    backlog: &mut Backlog,
) -> Result<(), StoreError> {
    let rows = sqlx::query(PENDING).bind(COUNTED_MAX).bind(now.millis()).fetch_all(connection).await?;
    for row in rows {
        let waiting = &mut backlog.channels[channel(row.try_get(0)?)?.index()];
        waiting.deliveries = row.try_get::<i64, _>(1)?.unsigned_abs();
        waiting.due_since = row.try_get::<Option<i64>, _>(2)?.map(Timestamp::from_millis);
    }
    let counted: u64 = backlog.channels.iter().map(|waiting| waiting.deliveries).sum();
    backlog.is_more = counted >= u64::from(COUNTED_MAX);
    Ok(())
}

fn channel(name: &str) -> Result<Channel, StoreError> {
    name.parse().map_err(|error| StoreError::Damaged(format!("{error}")))
}
