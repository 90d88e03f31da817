//! What the dispatcher alone uses: claims and results. What it reads is in [`crate::store::lanes`].
//!
//! A lane is the pending deliveries of one destination in the order in which they are due. A claim makes some of them this
//! process's until its lease ends; its attempt number is the fencing token that a result must bring back. Both are bulk
//! statements over any number of deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;
use tokio::sync::oneshot;

use crate::domain::catalogue::{EventType, Severity};
use crate::domain::channel::Channel;
use crate::domain::delivery::{Exchange, Next, Reason, SendError};
use crate::domain::id::{AccountId, DeliveryId, DestinationId};
use crate::domain::message::Message;
use crate::domain::own_event;
use crate::domain::payload::Payload;
use crate::domain::time::Timestamp;
use crate::store::ending::not_ended;
use crate::store::error::StoreError;
use crate::store::events::event_id;
use crate::store::holds::Word;
use crate::store::matrix::read_setup;
use crate::store::request::Request;
use crate::store::writer::Session;
use crate::store::{Store, accounts};

/// How much of a lane is read, and kept in memory, at once.
pub const HEAD_MAX: usize = 256;

/// A delivery that was just made pending: where to, which, and when it is due.
pub type NewWork = (DestinationId, Waiting);

/// What the dispatcher is told of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A delivery was just made pending.
    Waits(Waiting),
    /// Some that waited already are due at another time than before, the first of them then.
    Moved(Timestamp),
}

/// A pending delivery of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub delivery: DeliveryId,
    /// When it is due.
    pub due_at: Timestamp,
}

/// A claimed delivery: what to send, and what must come back with the result.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Where to.
    pub destination: DestinationId,
    /// What to send; its `attempt` is the fencing token.
    pub message: Message,
    /// Which try this is since the last replay, from 1.
    pub tries: u32,
    /// When it, or its last replay, was first due.
    pub due_since: Timestamp,
}

/// What a send came to.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// The claim's attempt number.
    pub attempt: u32,
    /// Where it went.
    pub destination: DestinationId,
    /// When the send began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What went over the wire.
    pub exchange: Kept,
    /// What follows.
    pub next: Next,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// What the destination is now held to be; nothing when that has not changed.
    pub health: Option<Health>,
    /// How it is to be left alone from now on; nothing when it has not said anything of that.
    pub word: Option<Box<Word>>,
}

/// An exchange as it is kept. Its texts are made where it ended: the writer is one, and what it does all others wait for.
#[derive(Clone, Debug)]
pub struct Kept {
    request: Option<String>,
    answer: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<SendError>,
}

impl Kept {
    /// Of what went over the wire.
    #[must_use]
    pub fn of(exchange: &Exchange) -> Self {
        Self {
            request: exchange.request.as_ref().and_then(|request| serde_json::to_string(request).ok()),
            answer: exchange.answer.as_ref().and_then(|answer| serde_json::to_string(answer).ok()),
            status: exchange.status(),
            error: exchange.result.as_ref().err().cloned(),
        }
    }

    /// The request and the answer, as JSON.
    pub(crate) fn texts(&self) -> (Option<&str>, Option<&str>) {
        (self.request.as_deref(), self.answer.as_deref())
    }
}

impl Finished {
    /// When the next try is due, if there is one, by a clock that says `now`. Where that has been set back since it was decided,
    /// the wait counts from now.
    #[must_use]
    pub fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        let Next::Retry { at, .. } = self.next else { return None };
        Some(at.minus(self.decided_at.since(now)))
    }
}

/// A change of how a destination is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// A send went well after some that had not.
    Recovered,
    /// A send failed after one that went well.
    Failing {
        /// What it met.
        reason: Reason,
    },
    /// It is not to be sent to any more.
    Disable {
        /// Why.
        reason: Reason,
    },
}

/// The process that delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliverer {
    /// This start of it.
    pub boot_id: String,
    /// Its name for people, as `pid 812 on web1`.
    pub process: String,
    /// The channels that it cannot serve, and why; what waits for them says so.
    pub holds: BTreeMap<Channel, Reason>,
    /// How long after each failed try the next one is made.
    pub schedule: Vec<Duration>,
}

impl Store {
    /// What the writer tells the dispatcher. There is one such place; the second call gets none.
    #[must_use]
    pub fn take_inbox(&self) -> Option<crate::store::outbox::Inbox> {
        self.inner.inbox.lock().ok()?.take()
    }

    /// Makes pending deliveries this process's until `lease_ends`. Those that are no longer pending are left out.
    ///
    /// # Errors
    /// When the store cannot be written; nothing is claimed then.
    pub async fn claim(&self, deliveries: Vec<DeliveryId>, lease_ends: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Claim { deliveries, lease_ends, reply }).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes what became of sends. A result whose claim is no longer in force changes nothing.
    ///
    /// # Errors
    /// When the store cannot be written; nothing is noted then.
    pub async fn finish(&self, results: impl Into<Arc<[Finished]>>) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let results = results.into();
        self.request(Request::Finish { results, reply }).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Says that this process delivers from now on; what the last one was sending is pending again, due at once. Returns how
    /// many those were. `holds` are the channels that it cannot serve, and why.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn reclaim(&self, deliverer: Deliverer) -> Result<u64, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Reclaim { deliverer, reply }).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// What to send of pending deliveries, with the number that the try will have.
const CLAIMABLE: &str = concat!(
    "SELECT delivery.id, delivery.destination_id, delivery.attempts + 1, delivery.attempts_base,
            delivery.due_since, event.public_id, event.event_type, event.received_at, event.is_test, event.data,
            event.account_id, event.down_since, event.tester, delivery.created_at
     FROM json_each(?) AS claimed
     CROSS JOIN delivery ON delivery.id = claimed.value
     CROSS JOIN event ON event.id = delivery.event_id
     WHERE delivery.state = 'pending' AND ",
    not_ended!()
);

/// `OR FAIL`: without a copy of each page to take the statement alone back by, which costs a tenth of it. Whatever fails here takes
/// the whole transaction back.
const MARK_CLAIMED: &str = concat!(
    "UPDATE OR FAIL delivery SET state = 'sending', attempts = attempts + 1, due_at = ?2, updated_at = ?3
     WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'pending' AND ",
    not_ended!()
);

impl Session {
    pub(crate) async fn claim(
        &mut self,
        deliveries: &[DeliveryId],
        lease_ends: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        let ids = serde_json::Value::from(deliveries.iter().map(|id| id.number()).collect::<Vec<_>>()).to_string();
        let rows = sqlx::query(CLAIMABLE).bind(&ids).fetch_all(&mut self.connection).await?;
        let marked = sqlx::query(MARK_CLAIMED)
            .bind(&ids)
            .bind(lease_ends.millis())
            .bind(self.now.millis())
            .execute(&mut self.connection)
            .await?;
        let count = usize::try_from(marked.rows_affected()).unwrap_or(usize::MAX);
        let mut messages = Vec::with_capacity(rows.len());
        if rows.len() < count {
            self.park_lost(&ids).await?;
        }
        for row in &rows {
            match self.claimed(row).await {
                Ok(claimed) => messages.extend(claimed),
                // One row that cannot be read must hold up neither the others nor itself for ever.
                Err(error @ (StoreError::Damaged(_) | StoreError::NotFound(_))) => {
                    self.park(row.try_get(0)?, &error).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(messages)
    }

    /// What to send; nothing when it is folded into a summary instead.
    async fn claimed(&mut self, row: &sqlx::sqlite::SqliteRow) -> Result<Option<Claimed>, StoreError> {
        let attempt: u32 = row.try_get(2)?;
        let before: u32 = row.try_get(3)?;
        let name: String = row.try_get(6)?;
        let account = AccountId::new(row.try_get(10)?);
        let setup = self.setup_of(account).await?;
        let delivery = DeliveryId::new(row.try_get(0)?);
        let mut payload = Payload::trusted(row.try_get(9)?);
        let event_type = if own_event::is_own(&name) {
            if name == own_event::SUMMARY && payload == Payload::empty() {
                payload = self.close_summary(&setup, delivery).await?;
            }
            Arc::new(own_event::event_type(&name, &payload))
        } else {
            setup.catalogue.get(&name).cloned().unwrap_or_else(|| Arc::new(removed_type(&name)))
        };
        let message = Message {
            delivery,
            destination: DestinationId::new(row.try_get(1)?),
            event: event_id(row.try_get(5)?)?,
            attempt,
            account: setup.account.key.clone(),
            account_name: setup.account.profile.name.clone(),
            timezone: setup.account.profile.timezone.clone(),
            event_type,
            payload,
            received_at: Timestamp::from_millis(row.try_get(7)?),
            sent_at: self.now,
            test: row.try_get(8)?,
            tester: row.try_get(12)?,
            down_since: row.try_get::<Option<i64>, _>(11)?.map(Timestamp::from_millis),
        };
        // What a replay sends, again or for the first time, a person wants sent.
        let (due_since, made_at): (i64, i64) = (row.try_get(4)?, row.try_get(13)?);
        let is_first = attempt == 1 && due_since == made_at && made_at == message.received_at.millis();
        if is_first && self.fold(&setup, &message).await? {
            return Ok(None);
        }
        Ok(Some(Claimed {
            destination: message.destination,
            message,
            tries: attempt.saturating_sub(before),
            due_since: Timestamp::from_millis(due_since),
        }))
    }

    async fn setup_of(&mut self, account: AccountId) -> Result<Arc<crate::store::matrix::AccountSetup>, StoreError> {
        if let Some(key) = self.keys.get(&account)
            && let Some(Ok(Some(setup))) = self.setups.get(key)
        {
            return Ok(setup.clone());
        }
        let key = accounts::read_by_id(&mut self.connection, account).await?.key;
        let setup = read_setup(&mut self.connection, &key).await?.ok_or_else(|| accounts::not_found(&key))?;
        let setup = Arc::new(setup);
        self.keys.insert(account, key.clone());
        self.setups.insert(key, Ok(Some(setup.clone())));
        Ok(setup)
    }
}

/// An event type that was removed after its event came: what is left of it is its name.
pub(crate) fn removed_type(name: &str) -> EventType {
    EventType {
        name: name.to_owned(),
        title: name.to_owned(),
        short: name.to_owned(),
        group: String::new(),
        severity: Severity::Info,
        recovers: None,
        is_recovered: false,
        built_in: false,
    }
}
