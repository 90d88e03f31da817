//! Bulk replays: which there are, and what one would send.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::delivery::DeliveryState;
use crate::domain::id::{DestinationId, EventId, ReplayId};
use crate::domain::matrix::{NotSent, fan_out};
use crate::domain::replay::{ITEMS_MAX, Replay, ReplayItem, ReplayState};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::bounds::EVENTS;
use crate::store::deliveries::{DeliveryFilter, DeliveryRow};
use crate::store::ending::{BEING_CANCELLED, are_ending};
use crate::store::error::StoreError;
use crate::store::events::{account_key, event_id};
use crate::store::matrix::{AccountSetup, read_setup};

/// How many rows are read at a time while counting.
const PAGE: u32 = 1000;

/// How many are shown of what was counted.
pub const SAMPLE: usize = 5;

/// Most replays that are listed.
const LIST_MAX: u32 = 100;

/// What a replay would send: counted, and then sent exactly like this.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What to send, the oldest first.
    pub items: Vec<ReplayItem>,
    /// The newest of them, for people.
    pub sample: Vec<Sample>,
    /// Whether there is more than one replay can send.
    pub more: bool,
}

/// One of those that a replay would send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Of which event.
    pub event: EventId,
    /// That event's type.
    pub event_type: String,
    /// Whose.
    pub account: AccountKey,
    /// Over which channel.
    pub channel: Channel,
    /// Where to.
    pub destination: DestinationId,
    /// When the event came, or the delivery was made.
    pub at: Timestamp,
    /// What became of it so far.
    pub why: String,
}

impl Plan {
    fn add(&mut self, item: ReplayItem, sample: impl FnOnce() -> Sample) {
        if self.items.len() >= ITEMS_MAX {
            self.more = true;
            return;
        }
        self.items.push(item);
        if self.sample.len() < SAMPLE {
            self.sample.push(sample());
        }
    }
}

/// An event with channels that got nothing of it.
struct Candidate {
    event: EventId,
    account: AccountKey,
    event_type: String,
    received_at: Timestamp,
    not_sent: Vec<(Channel, NotSent)>,
}

impl Store {
    /// The replays, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn replays(&self) -> Result<Vec<Replay>, StoreError> {
        let statement = "SELECT id, what, state, total, sent, passed, started_by, started_at, ended_at FROM replay
             ORDER BY id DESC LIMIT ?";
        let rows = sqlx::query(statement).bind(LIST_MAX).fetch_all(self.readers()).await?;
        rows.iter().map(replay).collect()
    }

    /// One replay.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn replay(&self, id: ReplayId) -> Result<Replay, StoreError> {
        let mut connection = self.readers().acquire().await?;
        read_replay(&mut connection, id).await
    }

    /// How many replays run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn replays_running(&self) -> Result<u32, StoreError> {
        let statement = "SELECT count(*) FROM replay WHERE state = 'running'";
        Ok(sqlx::query_scalar(statement).fetch_one(self.readers()).await?)
    }

    /// The deliveries that the filter lets through and that have ended: what a replay sends again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn plan_again(&self, filter: &DeliveryFilter) -> Result<Plan, StoreError> {
        let mut plan = Plan::default();
        self.each_delivery(filter, |row| {
            if row.state.is_end() {
                plan.add(ReplayItem::Again(row.id), || sample_of(row));
            }
            !plan.more
        })
        .await?;
        plan.items.reverse();
        Ok(plan)
    }

    /// What the filter lets through that was never tried: events that went to nobody in a channel and would go somewhere now, and
    /// deliveries that were cancelled before their first try, but not by a person. The filter's state is not heeded.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn plan_missed(&self, filter: &DeliveryFilter) -> Result<Plan, StoreError> {
        let mut plan = Plan::default();
        let of_state = |state| DeliveryFilter { state: Some(state), ..filter.clone() };
        let mut add = |row: &DeliveryRow| {
            if row.attempts == 0 && !row.test {
                plan.add(ReplayItem::Again(row.id), || sample_of(row));
            }
            !plan.more
        };
        // A step of it waits until these are cancelled.
        if are_ending(&mut *self.readers().acquire().await?).await? {
            let is_ending = |reason: &String| reason.starts_with(BEING_CANCELLED);
            self.each_delivery(&of_state(DeliveryState::Pending), |row| {
                !row.reason.as_ref().is_some_and(is_ending) || add(row)
            })
            .await?;
        }
        self.each_delivery(&of_state(DeliveryState::Cancelled), |row| {
            row.reason.as_deref().is_none_or(|reason| reason.starts_with("cancelled by ")) || add(row)
        })
        .await?;
        let mut setups = HashMap::new();
        let mut before = None;
        let mut connection = self.readers().acquire().await?;
        while !plan.more {
            let page = read_candidates(&mut connection, filter, before).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.0);
            let pairs = missed(&mut connection, &mut setups, filter, page, self.clock().now()).await?;
            for (item, sample) in without_delivery(&mut connection, pairs).await? {
                plan.add(item, || sample);
            }
        }
        plan.items.reverse();
        Ok(plan)
    }

    /// Hands over all deliveries that the filter lets through, the newest first, until `take` says no.
    async fn each_delivery(
        &self,
        filter: &DeliveryFilter,
        mut take: impl FnMut(&DeliveryRow) -> bool,
    ) -> Result<(), StoreError> {
        let mut filter = DeliveryFilter { limit: PAGE, ..filter.clone() };
        loop {
            let rows = self.deliveries(&filter).await?;
            if !rows.iter().all(&mut take) || rows.len() < PAGE as usize {
                return Ok(());
            }
            filter.before = rows.last().map(|row| row.id);
        }
    }
}

fn sample_of(row: &DeliveryRow) -> Sample {
    Sample {
        event: row.event_id,
        event_type: row.event_type.clone(),
        account: row.account.clone(),
        channel: row.channel,
        destination: row.destination,
        at: row.created_at,
        why: row.explanation(),
    }
}

/// Events with channels that got nothing, the newest first, each with its row's number.
async fn read_candidates(
    connection: &mut SqliteConnection,
    filter: &DeliveryFilter,
    before: Option<i64>,
) -> Result<Vec<(i64, Candidate)>, StoreError> {
    let of_account = match (&filter.account, filter.destination) {
        (Some(_), _) => "event.account_id = (SELECT id FROM account WHERE key = ?1)",
        (None, Some(_)) => "event.account_id = (SELECT account_id FROM destination WHERE id = ?7)",
        (None, None) => "?1 IS NULL AND ?7 IS NULL",
    };
    let of_event = match filter.event {
        Some(_) => " AND event.id = (SELECT id FROM event WHERE public_id = ?8)",
        None => " AND ?8 IS NULL",
    };
    let between = EVENTS.between("event.id", filter.since.map(|_| "?3"), filter.until.map(|_| "?4"));
    let statement = format!(
        "SELECT event.id, event.public_id, account.key, event.event_type, event.received_at, event.not_sent
         FROM event JOIN account ON account.id = event.account_id AND account.removed_at IS NULL
         WHERE {of_account} AND (?2 IS NULL OR event.event_type = ?2) AND (?3 IS NULL OR event.received_at >= ?3)
           AND (?4 IS NULL OR event.received_at < ?4) AND (?5 IS NULL OR event.id < ?5)
           AND event.is_test = 0 AND event.not_sent <> '[]'{of_event}{between}
         ORDER BY event.id DESC LIMIT ?6"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(filter.account.as_ref().map(AccountKey::as_str))
        .bind(filter.event_type.as_deref())
        .bind(filter.since.map(Timestamp::millis))
        .bind(filter.until.map(Timestamp::millis))
        .bind(before)
        .bind(PAGE)
        .bind(filter.destination.map(DestinationId::number))
        .bind(filter.event.map(|event| event.as_bytes().to_vec()))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let not_sent: String = row.try_get(5)?;
            let candidate = Candidate {
                event: event_id(row.try_get(1)?)?,
                account: account_key(row.try_get(2)?)?,
                event_type: row.try_get(3)?,
                received_at: Timestamp::from_millis(row.try_get(4)?),
                not_sent: serde_json::from_str(&not_sent).map_err(|error| StoreError::Damaged(error.to_string()))?,
            };
            Ok((row.try_get(0)?, candidate))
        })
        .collect()
}

/// Where these events would go now, in channels that got nothing of them then.
async fn missed(
    connection: &mut SqliteConnection,
    setups: &mut HashMap<AccountKey, Option<Arc<AccountSetup>>>,
    filter: &DeliveryFilter,
    page: Vec<(i64, Candidate)>,
    now: Timestamp,
) -> Result<Vec<(ReplayItem, Sample)>, StoreError> {
    let mut pairs = Vec::new();
    for (_, candidate) in page {
        if !setups.contains_key(&candidate.account) {
            let setup = read_setup(connection, &candidate.account).await?;
            setups.insert(candidate.account.clone(), setup.map(Arc::new));
        }
        let Some(Some(setup)) = setups.get(&candidate.account) else { continue };
        let Some(event_type) = setup.catalogue.get(&candidate.event_type) else { continue };
        let to = fan_out(setup.account.profile.status, event_type, &setup.preferences, &setup.targets, now).to;
        for target in setup.targets.iter().filter(|target| to.contains(&target.id)) {
            let reason = candidate.not_sent.iter().find(|(channel, _)| *channel == target.channel);
            let wanted = filter.channel.is_none_or(|channel| channel == target.channel)
                && filter.destination.is_none_or(|id| id == target.id);
            if let (Some((_, reason)), true) = (reason, wanted) {
                let sample = Sample {
                    event: candidate.event,
                    event_type: candidate.event_type.clone(),
                    account: candidate.account.clone(),
                    channel: target.channel,
                    destination: target.id,
                    at: candidate.received_at,
                    why: reason.text(),
                };
                pairs.push((ReplayItem::Missed(candidate.event, target.id), sample));
            }
        }
    }
    Ok(pairs)
}

/// Leaves out what was sent since by an earlier replay.
async fn without_delivery(
    connection: &mut SqliteConnection,
    pairs: Vec<(ReplayItem, Sample)>,
) -> Result<Vec<(ReplayItem, Sample)>, StoreError> {
    let asked = pairs
        .iter()
        .map(|(_, sample)| json!([sample.event.to_string().trim_start_matches("evt_"), sample.destination.number()]));
    let rows = sqlx::query(
        "SELECT event.public_id, delivery.destination_id FROM json_each(?) AS pair
         CROSS JOIN event ON event.public_id = unhex(pair.value ->> 0)
         CROSS JOIN delivery ON delivery.event_id = event.id AND delivery.destination_id = pair.value ->> 1",
    )
    .bind(asked.collect::<Value>().to_string())
    .fetch_all(connection)
    .await?;
    let sent = rows
        .iter()
        .map(|row| Ok((event_id(row.try_get(0)?)?, DestinationId::new(row.try_get(1)?))))
        .collect::<Result<HashSet<_>, StoreError>>()?;
    Ok(pairs.into_iter().filter(|(_, sample)| !sent.contains(&(sample.event, sample.destination))).collect())
}

pub(crate) async fn read_replay(connection: &mut SqliteConnection, id: ReplayId) -> Result<Replay, StoreError> {
    let statement =
        "SELECT id, what, state, total, sent, passed, started_by, started_at, ended_at FROM replay WHERE id = ?";
    let row = sqlx::query(statement).bind(id.number()).fetch_optional(connection).await?.ok_or_else(|| {
        StoreError::NotFound(format!("there is no replay `{id}`; see `bellboard deliveries replays`"))
    })?;
    replay(&row)
}

fn replay(row: &SqliteRow) -> Result<Replay, StoreError> {
    let state: String = row.try_get(2)?;
    let ended: Option<i64> = row.try_get(8)?;
    let state = ReplayState::ALL.into_iter().find(|known| known.name() == state);
    Ok(Replay {
        id: ReplayId::new(row.try_get(0)?),
        what: row.try_get(1)?,
        state: state.ok_or_else(|| StoreError::Damaged("the state of a replay".to_owned()))?,
        total: row.try_get(3)?,
        sent: row.try_get(4)?,
        passed: row.try_get(5)?,
        started_by: row.try_get(6)?,
        started_at: Timestamp::from_millis(row.try_get(7)?),
        ended_at: ended.map(Timestamp::from_millis),
    })
}
