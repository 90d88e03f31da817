//! Takes events in: event, deliveries and reasons in one transaction, with a handful of statements for any number of them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::{digest, rand};
use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::catalogue::EventType;
use crate::domain::event::{Accepted, IDEMPOTENCY_KEY_BYTES_MAX, NewEvent};
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::matrix::{FanOut, fan_out};
use crate::domain::time::Timestamp;
use crate::store::error::{AcceptError, StoreError};
use crate::store::events::event_id;
use crate::store::matrix::{AccountSetup, read_setup};
use crate::store::queue::Waiting;
use crate::store::trouble::Troubles;
use crate::store::writer::{Incoming, Numbers, Session};

type Answer = Result<Accepted, AcceptError>;

/// The account's row number and the caller's name for the event.
type Named = (i64, String);

/// What was stored under a caller's name for an event.
struct Known {
    id: EventId,
    fingerprint: Vec<u8>,
}

/// Rows of one transaction, on their way into bulk statements.
#[derive(Default)]
struct Rows {
    events: Vec<Value>,
    deliveries: Vec<Value>,
    names: Vec<Value>,
}

/// What the message of a test says besides its sample.
pub(crate) struct Tester<'a> {
    /// Who sends it.
    pub(crate) login: &'a str,
    /// Of a recovery: when its made-up failure began.
    pub(crate) down_since: Option<Timestamp>,
}

/// Whether an event can be accepted, and as which type.
pub(crate) fn check<'a>(
    setup: Option<&'a AccountSetup>,
    event: &NewEvent,
) -> Result<(&'a AccountSetup, &'a EventType), AcceptError> {
    let setup = setup.ok_or_else(|| AcceptError::UnknownAccount(event.account.to_string()))?;
    if event.idempotency_key.as_ref().is_some_and(|key| !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())) {
        return Err(AcceptError::BadKey);
    }
    let event_type = setup.catalogue.get(&event.event_type).ok_or_else(|| AcceptError::UnknownEventType {
        account: event.account.to_string(),
        given: event.event_type.clone(),
        nearest: setup.catalogue.nearest(&event.event_type).map(|nearest| nearest.name.clone()),
    })?;
    Ok((setup, event_type))
}

impl Session {
    /// Stores the events of all callers; one list of answers for each.
    pub(crate) async fn accept(&mut self, callers: &[Incoming]) -> Result<Vec<Vec<Answer>>, StoreError> {
        self.read_setups(callers.iter().flat_map(|(events, _)| events)).await?;
        let mut known = self.read_known(callers.iter().flat_map(|(events, _)| events)).await?;
        let mut troubles = self.read_troubles(callers.iter().flat_map(|(events, _)| events)).await?;
        let mut numbers = self.numbers().await?;
        let mut rows = Rows::default();
        let mut answers = Vec::with_capacity(callers.len());
        for (events, _) in callers {
            let mut of_caller = Vec::with_capacity(events.len());
            for event in events {
                of_caller.push(self.accept_one(event, &mut known, &mut troubles, &mut numbers, &mut rows)?);
            }
            answers.push(of_caller);
        }
        self.insert(rows).await?;
        self.write_troubles(troubles).await?;
        self.numbers = Some(numbers);
        Ok(answers)
    }

    fn accept_one(
        &mut self,
        event: &NewEvent,
        known: &mut HashMap<Named, Known>,
        troubles: &mut Troubles,
        numbers: &mut Numbers,
        rows: &mut Rows,
    ) -> Result<Answer, StoreError> {
        let setup = self.setups.get(&event.account).cloned().flatten();
        let (setup, event_type) = match check(setup.as_deref(), event) {
            Ok(checked) => checked,
            Err(error) => return Ok(Err(error)),
        };
        let account = setup.account.id.number();
        let name = event.idempotency_key.as_ref().map(|key| (account, key.clone()));
        let fingerprint = name.as_ref().map(|_| fingerprint(&event_type.name, event.data.as_str()));
        if let Some((name, fingerprint)) = name.as_ref().zip(fingerprint.as_ref())
            && let Some(known) = known.get(name)
        {
            return Ok(if known.fingerprint == *fingerprint {
                Ok(Accepted { id: known.id, duplicate: true, deliveries: Vec::new() })
            } else {
                Err(AcceptError::KeyReused(name.1.clone()))
            });
        }
        let to = fan_out(setup.account.profile.status, event_type, &setup.preferences, &setup.targets);
        let id = self.new_event_id()?;
        let deliveries = self.queue(id, account, &event_type.name, event.data.as_str(), false, &to, numbers, rows);
        troubles.note(account, event_type, &event.data, numbers.event, self.now);
        if let Some((name, fingerprint)) = name.zip(fingerprint) {
            rows.names.push(json!([name.0, name.1, numbers.event, hex(&fingerprint)]));
            known.insert(name, Known { id, fingerprint });
        }
        Ok(Ok(Accepted { id, duplicate: false, deliveries }))
    }

    /// Stores one event outside of the bulk: a test that a person sends.
    pub(crate) async fn accept_test(
        &mut self,
        account: i64,
        event_type: &str,
        data: &str,
        tester: Tester<'_>,
        to: &FanOut,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let mut numbers = self.numbers().await?;
        let mut rows = Rows::default();
        let id = self.new_event_id()?;
        let deliveries = self.queue(id, account, event_type, data, true, to, &mut numbers, &mut rows);
        self.insert(rows).await?;
        sqlx::query("UPDATE event SET tester = ?, down_since = ? WHERE id = ?")
            .bind(tester.login)
            .bind(tester.down_since.map(Timestamp::millis))
            .bind(numbers.event)
            .execute(&mut self.connection)
            .await?;
        self.numbers = Some(numbers);
        Ok(deliveries.into_iter().map(|(delivery, _)| delivery).collect())
    }

    #[expect(clippy::too_many_arguments, reason = "a row's columns, and where to put them")]
    fn queue(
        &mut self,
        id: EventId,
        account: i64,
        event_type: &str,
        data: &str,
        is_test: bool,
        to: &FanOut,
        numbers: &mut Numbers,
        rows: &mut Rows,
    ) -> Vec<(DeliveryId, crate::domain::id::DestinationId)> {
        let now = self.now.millis();
        numbers.event += 1;
        let not_sent = serde_json::to_string(&to.not_sent).unwrap_or_else(|_| "[]".to_owned());
        let public_id = hex(id.as_bytes());
        rows.events.push(json!([
            numbers.event,
            public_id,
            account,
            event_type,
            now,
            u8::from(is_test),
            not_sent,
            data
        ]));
        let mut deliveries = Vec::with_capacity(to.to.len());
        for &destination in &to.to {
            numbers.delivery += 1;
            rows.deliveries.push(json!([numbers.delivery, numbers.event, destination.number(), now]));
            let waiting = Waiting { delivery: DeliveryId::new(numbers.delivery), due_at: self.now };
            self.work.push((destination, waiting));
            deliveries.push((DeliveryId::new(numbers.delivery), destination));
        }
        deliveries
    }

    fn new_event_id(&self) -> Result<EventId, StoreError> {
        let mut random = [0; 10];
        rand::fill(&mut random).map_err(|_| StoreError::Io("the system gives no random bytes".to_owned()))?;
        Ok(EventId::new(self.now, random))
    }

    async fn read_setups(&mut self, events: impl Iterator<Item = &NewEvent>) -> Result<(), StoreError> {
        for event in events {
            if !self.setups.contains_key(&event.account) {
                let setup = read_setup(&mut self.connection, &event.account).await?;
                self.setups.insert(event.account.clone(), setup.map(Arc::new));
            }
        }
        Ok(())
    }

    /// What was stored before under the names that these events bring.
    async fn read_known(
        &mut self,
        events: impl Iterator<Item = &NewEvent>,
    ) -> Result<HashMap<Named, Known>, StoreError> {
        let mut names = Vec::new();
        for event in events {
            if let (Some(key), Some(Some(setup))) = (&event.idempotency_key, self.setups.get(&event.account)) {
                names.push(json!([setup.account.id.number(), key]));
            }
        }
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = sqlx::query(
            "SELECT idempotency.account_id, idempotency.key, event.public_id, idempotency.fingerprint
             FROM json_each(?) AS name
             CROSS JOIN idempotency ON idempotency.account_id = name.value ->> 0 AND idempotency.key = name.value ->> 1
             CROSS JOIN event ON event.id = idempotency.event_id",
        )
        .bind(Value::Array(names).to_string())
        .fetch_all(&mut self.connection)
        .await?;
        rows.iter()
            .map(|row| {
                let known = Known { id: event_id(row.try_get(2)?)?, fingerprint: row.try_get(3)? };
                Ok(((row.try_get(0)?, row.try_get(1)?), known))
            })
            .collect()
    }

    async fn numbers(&mut self) -> Result<Numbers, StoreError> {
        if let Some(numbers) = self.numbers {
            return Ok(numbers);
        }
        // Not the largest that is there: that one's successor may have been removed while its delivery was being sent.
        let row = sqlx::query(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),
                    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'delivery'), 0)",
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok(Numbers { event: row.try_get(0)?, delivery: row.try_get(1)? })
    }

    async fn insert(&mut self, rows: Rows) -> Result<(), StoreError> {
        if !rows.events.is_empty() {
            sqlx::query(
                "INSERT INTO event (id, public_id, account_id, event_type, received_at, is_test, not_sent, data)
                 SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                        value ->> 7 FROM json_each(?)",
            )
            .bind(Value::Array(rows.events).to_string())
            .execute(&mut self.connection)
            .await?;
        }
        if !rows.deliveries.is_empty() {
            sqlx::query(
                "INSERT INTO delivery (id, event_id, destination_id, state, attempts, attempts_base, due_at, created_at,
                                       due_since, updated_at)
                 SELECT value ->> 0, value ->> 1, value ->> 2, 'pending', 0, 0, value ->> 3, value ->> 3, value ->> 3,
                        value ->> 3 FROM json_each(?)",
            )
            .bind(Value::Array(rows.deliveries).to_string())
            .execute(&mut self.connection)
            .await?;
        }
        if !rows.names.is_empty() {
            sqlx::query(
                "INSERT INTO idempotency (account_id, key, event_id, fingerprint)
                 SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3) FROM json_each(?)",
            )
            .bind(Value::Array(rows.names).to_string())
            .execute(&mut self.connection)
            .await?;
        }
        Ok(())
    }
}

fn fingerprint(event_type: &str, data: &str) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(event_type.as_bytes());
    context.update(b"\n");
    context.update(data.as_bytes());
    context.finish().as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}
