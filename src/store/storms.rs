//! Storms: decides at the claim what is sent and what is folded into a summary, and writes the summary when it is due.
//!
//! How many were sent lately is counted in memory, by the one writer of the process that delivers, and read anew from what was
//! delivered when a destination is met for the first time. Which summary takes more, and what is in it, is in the file: a fold is
//! written in the same transaction as the claim that it takes the place of.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::channel::Channel;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::matrix::NotSent;
use crate::domain::message::Message;
use crate::domain::own_event::{self, Folded};
use crate::domain::payload::Payload;
use crate::domain::storm::{StormPolicy, Verdict, Window, family};
use crate::domain::subject;
use crate::domain::time::Timestamp;
use crate::store::destinations::read_even_removed;
use crate::store::ending::not_ended;
use crate::store::error::StoreError;
use crate::store::matrix::AccountSetup;
use crate::store::queue::{Waiting, removed_type};
use crate::store::writer::Session;

/// Destinations that are remembered.
const KNOWN_MAX: usize = 10_000;

/// How many of a destination's last deliveries are looked at when it is met for the first time.
const LOOKED_AT: u32 = 200;

/// Most that one claim folds, so that no transaction becomes long.
const FOLD_MAX: u32 = 1000;

/// Most names in a summary of what the messages are about.
const ABOUT_MAX: usize = 10;

/// How many messages of a summary are looked at for those names.
const ABOUT_LOOKED_AT: u32 = 200;

/// What was sent lately.
#[derive(Default)]
pub(crate) struct Storms {
    policy: Option<StormPolicy>,
    known: HashSet<DestinationId>,
    windows: HashMap<(DestinationId, String), Window>,
}

impl Storms {
    /// From now on this process delivers, with that policy.
    pub(crate) fn begin(&mut self, policy: StormPolicy) {
        self.forget();
        self.policy = Some(policy);
    }

    /// Forgets what may not be so; it is read again.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.windows.clear();
    }
}

impl Session {
    /// Whether a delivery that is claimed for the first time is not to be sent but folded; then all that waits and is like it is
    /// folded too.
    pub(crate) async fn fold(&mut self, setup: &AccountSetup, message: &Message) -> Result<bool, StoreError> {
        let now = self.now;
        let Some(policy) = self.storms.policy else { return Ok(false) };
        let channel = setup.targets.iter().find(|target| target.id == message.destination).map(|target| target.channel);
        if message.test || !channel.is_some_and(|channel| policy.folds(channel)) {
            return Ok(false);
        }
        if own_event::is_own(&message.event_type.name) {
            return Ok(false);
        }
        self.look_back(setup, message, policy).await?;
        let key = (message.destination, family(&message.event_type).to_owned());
        let window = self.storms.windows.entry(key.clone()).or_insert_with(|| Window::new(now));
        let Verdict::Fold(due_at) = window.take(policy, now) else { return Ok(false) };
        let summary = self.summary(setup, &key, due_at).await?;
        self.fold_all(setup, message, &key, summary).await?;
        Ok(true)
    }

    /// Counts what a destination got lately, when it is met for the first time.
    async fn look_back(
        &mut self,
        setup: &AccountSetup,
        message: &Message,
        policy: StormPolicy,
    ) -> Result<(), StoreError> {
        if self.storms.known.len() > KNOWN_MAX {
            self.storms.forget();
        }
        let destination = message.destination;
        if !self.storms.known.insert(destination) {
            return Ok(());
        }
        let rows = sqlx::query(
            "SELECT event.event_type, recent.created_at FROM (
                SELECT id, event_id, state, attempts, created_at FROM delivery WHERE destination_id = ?1
                ORDER BY id DESC LIMIT ?2) AS recent
             CROSS JOIN event ON event.id = recent.event_id
             WHERE recent.attempts > 0 AND recent.created_at > ?3 AND recent.id <> ?4 AND event.is_test = 0
             ORDER BY recent.id",
        )
        .bind(destination.number())
        .bind(LOOKED_AT)
        .bind(self.now.minus(policy.window).millis())
        .bind(message.delivery.number())
        .fetch_all(&mut self.connection)
        .await?;
        for row in &rows {
            let name: &str = row.try_get(0)?;
            let at = Timestamp::from_millis(row.try_get(1)?);
            let family = setup.catalogue.get(name).map_or(name, |event_type| family(event_type)).to_owned();
            self.storms.windows.entry((destination, family)).or_insert_with(|| Window::new(at)).sent += 1;
        }
        Ok(())
    }

    /// The summary that takes more of this family; a new one, due then, when there is none.
    async fn summary(
        &mut self,
        setup: &AccountSetup,
        key: &(DestinationId, String),
        due_at: Timestamp,
    ) -> Result<i64, StoreError> {
        let open: Option<i64> = sqlx::query_scalar(concat!(
            "SELECT delivery.id FROM storm JOIN delivery ON delivery.id = storm.summary_id
             WHERE storm.destination_id = ? AND family = ? AND state = 'pending' AND ",
            not_ended!()
        ))
        .bind(key.0.number())
        .bind(&key.1)
        .fetch_optional(&mut self.connection)
        .await?;
        if let Some(open) = open {
            return Ok(open);
        }
        let account = setup.account.id.number();
        let delivery = self.accept_own(account, own_event::SUMMARY, "{}", Some(key.0), due_at).await?;
        let id = delivery.map_or(0, DeliveryId::number);
        sqlx::query(
            "INSERT INTO storm (destination_id, family, summary_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (destination_id, family) DO UPDATE SET summary_id = ?3",
        )
        .bind(key.0.number())
        .bind(&key.1)
        .bind(id)
        .execute(&mut self.connection)
        .await?;
        Ok(id)
    }

    /// Folds the claimed delivery, and all of its family that waits behind it for its first try.
    async fn fold_all(
        &mut self,
        setup: &AccountSetup,
        message: &Message,
        key: &(DestinationId, String),
        summary: i64,
    ) -> Result<(), StoreError> {
        let types: Vec<_> = setup.catalogue.types().iter().filter(|event_type| family(event_type) == key.1).collect();
        let names: Value = types.iter().map(|event_type| event_type.name.as_str()).collect();
        sqlx::query(concat!(
            "UPDATE delivery SET state = 'folded', due_at = NULL, updated_at = ?3, folded_into = ?1, attempts = 0,
                    reason = 'many of its kind came at once; dlv_' || ?1 || ' tells of all of them'
             WHERE id = ?2 OR id IN (
                SELECT waiting.id FROM delivery AS waiting JOIN event ON event.id = waiting.event_id
                WHERE waiting.state = 'pending' AND waiting.destination_id = ?4 AND waiting.due_at <= ?3
                  AND waiting.attempts = 0 AND waiting.due_since = waiting.created_at
                  AND waiting.created_at = event.received_at AND event.is_test = 0
                  AND event.event_type IN (SELECT value FROM json_each(?5)) AND ",
            not_ended!("waiting"),
            " ORDER BY waiting.due_at LIMIT ?6)",
        ))
        .bind(summary)
        .bind(message.delivery.number())
        .bind(self.now.millis())
        .bind(key.0.number())
        .bind(names.to_string())
        .bind(FOLD_MAX)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// Writes what a summary says, at its claim; from then on it takes no more.
    pub(crate) async fn close_summary(
        &mut self,
        setup: &AccountSetup,
        delivery: DeliveryId,
    ) -> Result<Payload, StoreError> {
        let rows = sqlx::query(
            "SELECT event.event_type, count(*), min(event.received_at), max(event.received_at)
             FROM delivery JOIN event ON event.id = delivery.event_id
             WHERE delivery.folded_into = ? GROUP BY event.event_type ORDER BY 2 DESC, 1",
        )
        .bind(delivery.number())
        .fetch_all(&mut self.connection)
        .await?;
        let title =
            |name: &str| setup.catalogue.get(name).map_or_else(|| removed_type(name).title, |it| it.title.clone());
        let (mut kinds, mut first, mut last) = (Vec::new(), i64::MAX, i64::MIN);
        for row in &rows {
            kinds.push(Folded { title: title(row.try_get(0)?), count: row.try_get(1)? });
            first = first.min(row.try_get(2)?);
            last = last.max(row.try_get(3)?);
        }
        let (about, last_message) = self.about(delivery, title).await?;
        let time = |millis| Timestamp::from_millis(millis).to_string();
        let data = own_event::summary(&kinds, &about, &time(first), &time(last), &last_message).to_string();
        sqlx::query("UPDATE event SET data = ?2 WHERE id = (SELECT event_id FROM delivery WHERE id = ?1)")
            .bind(delivery.number())
            .bind(&data)
            .execute(&mut self.connection)
            .await?;
        sqlx::query("DELETE FROM storm WHERE summary_id = ?")
            .bind(delivery.number())
            .execute(&mut self.connection)
            .await?;
        Ok(Payload::trusted(data))
    }

    /// What the messages of a summary are about, the most frequent first, and the headline of the last one.
    async fn about(
        &mut self,
        delivery: DeliveryId,
        title: impl Fn(&str) -> String,
    ) -> Result<(Vec<String>, String), StoreError> {
        let rows = sqlx::query(
            "SELECT event.event_type, event.data FROM delivery JOIN event ON event.id = delivery.event_id
             WHERE delivery.folded_into = ? ORDER BY delivery.id DESC LIMIT ?",
        )
        .bind(delivery.number())
        .bind(ABOUT_LOOKED_AT)
        .fetch_all(&mut self.connection)
        .await?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut last_message = String::new();
        for row in &rows {
            let name = subject::name(&Payload::trusted(row.try_get(1)?));
            if last_message.is_empty() {
                let title = title(row.try_get(0)?);
                last_message = name.as_ref().map_or_else(|| title.clone(), |name| format!("{title}: {name}"));
            }
            if let Some(name) = name {
                *counts.entry(name).or_default() += 1;
            }
        }
        let mut counted: Vec<_> = counts.into_iter().collect();
        counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut about: Vec<_> =
            counted.iter().take(ABOUT_MAX).map(|(name, count)| format!("{name} ({count})")).collect();
        if counted.len() > ABOUT_MAX {
            about.push(format!("and {} more", counted.len() - ABOUT_MAX));
        }
        Ok((about, last_message))
    }

    /// Stores an event of bellboard's own, for one destination or, with none, only to be read in the log.
    pub(crate) async fn accept_own(
        &mut self,
        account: i64,
        event_type: &str,
        data: &str,
        to: Option<DestinationId>,
        due_at: Timestamp,
    ) -> Result<Option<DeliveryId>, StoreError> {
        let public_id = self.new_event_id()?;
        let to_channel = match to {
            Some(id) => Some(read_even_removed(&mut self.connection, id).await?.channel),
            None => None,
        };
        let others = Channel::ALL.into_iter().filter(|channel| Some(*channel) != to_channel);
        let not_sent = json!(others.map(|channel| (channel, NotSent::OwnMessage)).collect::<Vec<_>>());
        let event = sqlx::query(
            "INSERT INTO event (public_id, account_id, event_type, received_at, is_test, not_sent, data)
             VALUES (?, ?, ?, ?, 0, ?, ?)",
        )
        .bind(public_id.as_bytes().to_vec())
        .bind(account)
        .bind(event_type)
        .bind(self.now.millis())
        .bind(not_sent.to_string())
        .bind(data)
        .execute(&mut self.connection)
        .await?
        .last_insert_rowid();
        // These numbers were given by the database itself.
        self.numbers = None;
        let Some(destination) = to else { return Ok(None) };
        let delivery = sqlx::query(
            "INSERT INTO delivery (event_id, destination_id, state, attempts, attempts_base, due_at, created_at, due_since,
                                   updated_at)
             VALUES (?1, ?2, 'pending', 0, 0, ?3, ?4, ?4, ?4)",
        )
        .bind(event)
        .bind(destination.number())
        .bind(due_at.millis())
        .bind(self.now.millis())
        .execute(&mut self.connection)
        .await?
        .last_insert_rowid();
        let delivery = DeliveryId::new(delivery);
        self.hand_over(vec![(destination, Waiting { delivery, due_at })]);
        Ok(Some(delivery))
    }
}
