//! What has failed and is not well again yet: so that a recovery can say for how long it was down.
//!
//! The first failure of a kind and subject ([`crate::domain::subject::failure`]) opens a trouble, more of them change nothing,
//! a recovery ends it and keeps when it began with its event. All of that is by index and in bulk, and nothing at all for
//! events of other kinds.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::catalogue::EventType;
use crate::domain::event::NewEvent;
use crate::domain::payload::Payload;
use crate::domain::subject::failure;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::writer::Session;

/// The account's row number, the failure's type, and its subject.
type Key = (i64, String, String);

/// The troubles that the events of one transaction open and end.
#[derive(Default)]
pub(crate) struct Troubles {
    /// As they stand after the events that were noted: since when, or over.
    now: HashMap<Key, Option<i64>>,
    /// The rows of those that the store knows.
    rows: HashMap<Key, i64>,
    /// The rows that the store has to forget.
    ended: Vec<i64>,
    /// Those that the store may have to learn of.
    begun: Vec<Key>,
}

impl Troubles {
    /// Takes an event into account; of a recovery, tells when its failure began, when that is known.
    pub(crate) fn note(
        &mut self,
        account: i64,
        event_type: &EventType,
        data: &Payload,
        at: Timestamp,
    ) -> Option<Timestamp> {
        let (of, subject) = failure(event_type, data)?;
        let key = (account, of.to_owned(), subject);
        if event_type.recovers.is_some() {
            let since = self.now.insert(key.clone(), None).flatten();
            self.ended.extend(self.rows.remove(&key));
            return since.map(Timestamp::from_millis);
        } else if self.now.entry(key.clone()).or_default().is_none() {
            self.now.insert(key.clone(), Some(at.millis()));
            self.begun.push(key);
        }
        None
    }
}

impl Session {
    /// The troubles that some of these events may end. The set-ups of their accounts must have been read.
    pub(crate) async fn read_troubles(
        &mut self,
        events: impl Iterator<Item = &NewEvent>,
    ) -> Result<Troubles, StoreError> {
        let mut keys = Vec::new();
        for event in events {
            let Some(Ok(Some(setup))) = self.setups.get(&event.account) else { continue };
            let recovery = setup.catalogue.get(&event.event_type).filter(|event_type| event_type.recovers.is_some());
            if let Some((of, subject)) = recovery.and_then(|event_type| failure(event_type, &event.data)) {
                keys.push(json!([setup.account.id.number(), of, subject]));
            }
        }
        let mut troubles = Troubles::default();
        if keys.is_empty() {
            return Ok(troubles);
        }
        let rows = sqlx::query(
            "SELECT trouble.account_id, trouble.event_type, trouble.subject, trouble.since, trouble.id
             FROM json_each(?) AS key
             CROSS JOIN trouble ON trouble.account_id = key.value ->> 0 AND trouble.event_type = key.value ->> 1
                               AND trouble.subject = key.value ->> 2",
        )
        .bind(Value::Array(keys).to_string())
        .fetch_all(&mut self.connection)
        .await?;
        for row in rows {
            let key: Key = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            troubles.rows.insert(key.clone(), row.try_get(4)?);
            troubles.now.insert(key, Some(row.try_get(3)?));
        }
        Ok(troubles)
    }

    /// Writes what has become of them.
    pub(crate) async fn write_troubles(&mut self, troubles: Troubles) -> Result<(), StoreError> {
        let Troubles { now, ended, begun, .. } = troubles;
        if !ended.is_empty() {
            sqlx::query("DELETE FROM trouble WHERE id IN (SELECT value FROM json_each(?))")
                .bind(json!(ended).to_string())
                .execute(&mut self.connection)
                .await?;
        }
        let open = |key: &Key| now.get(key).copied().flatten().map(|since| json!([key.0, key.1, key.2, since]));
        let begun: Vec<Value> = begun.iter().filter_map(open).collect();
        if !begun.is_empty() {
            sqlx::query(
                "INSERT INTO trouble (account_id, event_type, subject, since)
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
                 ON CONFLICT DO NOTHING",
            )
            .bind(Value::Array(begun).to_string())
            .execute(&mut self.connection)
            .await?;
        }
        Ok(())
    }
}
