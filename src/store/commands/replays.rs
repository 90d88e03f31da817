//! Bulk replays: started and ended by people, worked off in steps. And the record of a removal, which is worked off likewise.

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::command::{Actor, Done};
use crate::domain::id::{DeliveryId, DestinationId, EventId, ReplayId};
use crate::domain::replay::{ITEMS_MAX, ReplayItem, ReplayState, step};
use crate::domain::time::Timestamp;
use crate::store::commands::Record;
use crate::store::commands::deliveries::resend;
use crate::store::ending::are_ending;
use crate::store::error::{CommandError, StoreError};
use crate::store::queue::{NewWork, News, Waiting};
use crate::store::replays::read_replay;
use crate::store::writer::Session;

/// Items of one row of `replay_chunk`: few rows to write at the start, little to read for a step.
const CHUNK: usize = 1000;

pub(crate) async fn start(
    session: &mut Session,
    actor: &Actor,
    account: Option<&AccountKey>,
    what: &str,
    items: &[ReplayItem],
) -> Result<Done, CommandError> {
    if items.is_empty() {
        return Err(CommandError::Invalid("nothing matches, so nothing is sent".to_owned()));
    }
    if items.len() > ITEMS_MAX {
        return Err(CommandError::Invalid(format!("one replay sends at most {ITEMS_MAX}; narrow what it is to send")));
    }
    let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let inserted = sqlx::query(
        "INSERT INTO replay (what, state, total, sent, passed, under_way, stepped_at, started_by, started_at)
         VALUES (?1, 'running', ?2, 0, 0, '[]', ?4, ?3, ?4)",
    )
    .bind(what)
    .bind(total)
    .bind(&actor.login)
    .bind(session.now.millis())
    .execute(&mut session.connection)
    .await?;
    let id = ReplayId::new(inserted.last_insert_rowid());
    for (number, chunk) in (0_i64..).zip(items.chunks(CHUNK)) {
        sqlx::query("INSERT INTO replay_chunk (replay_id, number, items) VALUES (?, ?, ?)")
            .bind(id.number())
            .bind(number)
            .bind(chunk.iter().map(write_item).collect::<Value>().to_string())
            .execute(&mut session.connection)
            .await?;
    }
    let says = format!("{what}: {id} sends {total}");
    let record = Record {
        account,
        command: "start_replay",
        says: &says,
        before: Value::Null,
        after: json!({"replay": id, "total": total}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    // The first ones at once: a small replay is done with that.
    let work = session.step_replay(id).await?;
    let deliveries = work.iter().map(|(_, waiting)| waiting.delivery).collect();
    session.hand_over(work);
    Ok(Done { says, change: Some(change), replay: Some(id), deliveries, ..Done::default() })
}

/// Puts on record that somebody removes what ended before a time.
pub(crate) async fn note_pruning(
    session: &mut Session,
    actor: &Actor,
    before: Timestamp,
) -> Result<Done, CommandError> {
    let says = format!("what ended before {before} is removed");
    let record = Record {
        account: None,
        command: "prune",
        says: &says,
        before: Value::Null,
        after: json!({"before": before}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}

pub(crate) async fn cancel(session: &mut Session, actor: &Actor, id: ReplayId) -> Result<Done, CommandError> {
    let before = read_replay(&mut session.connection, id).await?;
    if before.state != ReplayState::Running {
        return Err(CommandError::Refused(format!("{id} has ended already: {}", before.progress())));
    }
    session.end_replay(id, ReplayState::Cancelled).await?;
    let says = format!("{id} sends nothing more: {}", before.progress());
    let record = Record {
        account: None,
        command: "cancel_replay",
        says: &says,
        before: json!({"replay": id, "sent": before.sent, "total": before.total}),
        after: Value::Null,
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), replay: Some(id), ..Done::default() })
}

impl Session {
    /// A step of each replay that runs; returns how many deliveries are on their way by it.
    pub(crate) async fn step_replays(&mut self) -> Result<u64, StoreError> {
        let running: Vec<i64> = sqlx::query_scalar("SELECT id FROM replay WHERE state = 'running' ORDER BY id")
            .fetch_all(&mut self.connection)
            .await?;
        let mut moved = 0;
        for id in running.into_iter().map(ReplayId::new) {
            match self.step_replay(id).await {
                Ok(work) => {
                    moved += work.len() as u64;
                    self.hand_over(work);
                }
                // It would be the same at each step from now on, and hold up all the others.
                Err(StoreError::Damaged(problem)) => {
                    tracing::error!(replay = %id, problem, "a bulk replay cannot go on and is ended");
                    self.end_damaged(id).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    async fn end_damaged(&mut self, id: ReplayId) -> Result<(), StoreError> {
        sqlx::query("UPDATE replay SET what = what || ' (ended: the rest of it cannot be read)' WHERE id = ?")
            .bind(id.number())
            .execute(&mut self.connection)
            .await?;
        self.end_replay(id, ReplayState::Cancelled).await
    }

    /// Lets the dispatcher know of what waits since just now.
    pub(crate) fn hand_over(&mut self, work: Vec<NewWork>) {
        self.tell(work.into_iter().map(|(destination, waiting)| (destination, News::Waits(waiting))));
    }

    /// Lets the dispatcher know of lanes; until it does, nothing is claimed there as it is stored.
    pub(crate) fn tell(&mut self, news: impl Iterator<Item = (DestinationId, News)>) {
        for (destination, news) in news {
            self.slots.waits(destination);
            self.work.push((destination, news));
        }
    }

    /// Sends as much of a replay as may be on its way now.
    async fn step_replay(&mut self, id: ReplayId) -> Result<Vec<NewWork>, StoreError> {
        // What is being cancelled may be in it, and is sent again when that is done.
        if are_ending(&mut self.connection).await? {
            return Ok(Vec::new());
        }
        let row = sqlx::query("SELECT sent + passed, total, under_way, stepped_at FROM replay WHERE id = ?")
            .bind(id.number())
            .fetch_one(&mut self.connection)
            .await?;
        let (position, total): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let stepped_at = Timestamp::from_millis(row.try_get(3)?);
        let untried = self.untried(row.try_get(2)?).await?;
        let under_way = u32::try_from(untried.len()).unwrap_or(u32::MAX);
        let count = step(under_way, self.now.since(stepped_at));
        if count == 0 {
            return Ok(Vec::new());
        }
        let items = self.next_items(id, position, count).await?;
        let work = self.send_items(&items).await?;
        let taken = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let sent = i64::try_from(work.len()).unwrap_or(i64::MAX);
        let under_way = untried.into_iter().chain(work.iter().map(|(_, waiting)| waiting.delivery.number()));
        sqlx::query(
            "UPDATE replay SET sent = sent + ?2, passed = passed + ?3, under_way = ?4, stepped_at = ?5 WHERE id = ?1",
        )
        .bind(id.number())
        .bind(sent)
        .bind(taken - sent)
        .bind(under_way.collect::<Value>().to_string())
        .bind(self.now.millis())
        .execute(&mut self.connection)
        .await?;
        if position + taken >= total {
            self.end_replay(id, ReplayState::Done).await?;
        }
        Ok(work)
    }

    /// Which of these deliveries wait for their first try still, or are in it.
    async fn untried(&mut self, ids: &str) -> Result<Vec<i64>, StoreError> {
        let statement = "SELECT delivery.id FROM json_each(?) AS one CROSS JOIN delivery ON delivery.id = one.value
             WHERE state = 'sending' OR state = 'pending' AND attempts = attempts_base";
        Ok(sqlx::query_scalar(statement).bind(ids).fetch_all(&mut self.connection).await?)
    }

    /// The items from `position` on, at most `count`, and none beyond the end of a chunk.
    async fn next_items(&mut self, id: ReplayId, position: i64, count: u32) -> Result<Vec<ReplayItem>, StoreError> {
        let position = usize::try_from(position).unwrap_or(0);
        let number = i64::try_from(position / CHUNK).unwrap_or(i64::MAX);
        // What lies before it has been sent.
        sqlx::query("DELETE FROM replay_chunk WHERE replay_id = ? AND number < ?")
            .bind(id.number())
            .bind(number)
            .execute(&mut self.connection)
            .await?;
        let chunk: Option<String> =
            sqlx::query_scalar("SELECT items FROM replay_chunk WHERE replay_id = ? AND number = ?")
                .bind(id.number())
                .bind(number)
                .fetch_optional(&mut self.connection)
                .await?;
        let damaged = || StoreError::Damaged(format!("what {id} is to send cannot be read"));
        let items: Vec<Value> = chunk.and_then(|chunk| serde_json::from_str(&chunk).ok()).ok_or_else(damaged)?;
        if items.len() <= position % CHUNK {
            return Err(damaged());
        }
        let wanted = items.iter().skip(position % CHUNK).take(count as usize);
        wanted.map(|item| read_item(item).ok_or_else(damaged)).collect()
    }

    async fn send_items(&mut self, items: &[ReplayItem]) -> Result<Vec<NewWork>, StoreError> {
        let (mut again, mut missed) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                ReplayItem::Again(delivery) => again.push(*delivery),
                ReplayItem::Missed(event, destination) => missed.push(json!([hex(*event), destination.number()])),
            }
        }
        let mut work = if again.is_empty() { Vec::new() } else { resend(self, &again).await? };
        if !missed.is_empty() {
            work.extend(self.send_missed(missed).await?);
        }
        Ok(work)
    }

    /// Makes a delivery for each pair of an event and a destination of the same account, unless there is one already.
    async fn send_missed(&mut self, pairs: Vec<Value>) -> Result<Vec<NewWork>, StoreError> {
        let rows = sqlx::query(
            "INSERT INTO delivery (event_id, destination_id, state, attempts, attempts_base, due_at, created_at, due_since,
                                   updated_at)
             SELECT event.id, destination.id, 'pending', 0, 0, ?2, ?2, ?2, ?2
             FROM json_each(?1) AS pair
             CROSS JOIN event ON event.public_id = unhex(pair.value ->> 0)
             CROSS JOIN destination ON destination.id = pair.value ->> 1 AND destination.account_id = event.account_id
             WHERE destination.removed_at IS NULL AND destination.state <> 'disabled' AND NOT EXISTS (
                SELECT 1 FROM delivery WHERE delivery.event_id = event.id AND delivery.destination_id = destination.id)
             RETURNING destination_id, id",
        )
        .bind(Value::Array(pairs).to_string())
        .bind(self.now.millis())
        .fetch_all(&mut self.connection)
        .await?;
        // These numbers were given by the database itself.
        self.numbers = None;
        rows.iter()
            .map(|row| {
                let waiting = Waiting { delivery: DeliveryId::new(row.try_get(1)?), due_at: self.now };
                Ok((DestinationId::new(row.try_get(0)?), waiting))
            })
            .collect()
    }

    async fn end_replay(&mut self, id: ReplayId, state: ReplayState) -> Result<(), StoreError> {
        sqlx::query("UPDATE replay SET state = ?, ended_at = ?, under_way = '[]' WHERE id = ?")
            .bind(state.name())
            .bind(self.now.millis())
            .bind(id.number())
            .execute(&mut self.connection)
            .await?;
        sqlx::query("DELETE FROM replay_chunk WHERE replay_id = ?")
            .bind(id.number())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}

fn write_item(item: &ReplayItem) -> Value {
    match item {
        ReplayItem::Again(delivery) => json!(delivery.number()),
        ReplayItem::Missed(event, destination) => json!([hex(*event), destination.number()]),
    }
}

fn read_item(item: &Value) -> Option<ReplayItem> {
    if let Some(number) = item.as_i64() {
        return Some(ReplayItem::Again(DeliveryId::new(number)));
    }
    let event = item.get(0)?.as_str()?;
    let destination = DestinationId::new(item.get(1)?.as_i64()?);
    Some(ReplayItem::Missed(format!("evt_{event}").parse().ok()?, destination))
}

/// The event's id as the 32 hex digits that are in its name.
fn hex(event: EventId) -> String {
    event.to_string().trim_start_matches("evt_").to_owned()
}
