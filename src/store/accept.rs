//! Takes events in: event, deliveries and reasons in one transaction, with a handful of statements for any number of them.
//! Where the dispatcher has offered it ([`crate::store::slots`]), a delivery is claimed by the very commit that stores it.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::{digest, rand};
use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::catalogue::EventType;
use crate::domain::event::{Accepted, IDEMPOTENCY_KEY_BYTES_MAX, NewEvent};
use crate::domain::id::{DeliveryId, DestinationId, EventId};
use crate::domain::matrix::{FanOut, fan_out};
use crate::domain::time::Timestamp;
use crate::store::error::{AcceptError, StoreError};
use crate::store::events::event_id;
use crate::store::matrix::{AccountSetup, read_setup};
use crate::store::portion::portions;
use crate::store::queue::{Claimed, News, Waiting};
use crate::store::request::{Answer, Incoming};
use crate::store::rows::{DeliveryRow, EventRow, Named, Rows, first_message};
use crate::store::trouble::Troubles;
use crate::store::writer::{Numbers, Session};

/// What was stored under a caller's name for an event.
struct Known {
    id: EventId,
    fingerprint: Vec<u8>,
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
) -> Result<(&'a AccountSetup, &'a Arc<EventType>), AcceptError> {
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
    /// Stores the first events of each caller, as many as one transaction takes ([`crate::store::portion`]); one list of answers
    /// for each caller, and one answer for each event that was taken.
    pub(crate) async fn accept(&mut self, callers: &[Incoming]) -> Result<Vec<Vec<Answer>>, StoreError> {
        let waiting: Vec<&NewEvent> = callers.iter().flat_map(Incoming::rest).collect();
        self.read_setups(waiting.into_iter()).await?;
        let taken = portions(callers, |event| self.deliveries_max(event));
        let now: Vec<&NewEvent> = taken.iter().flat_map(|events| events.iter()).collect();
        let mut known = self.read_known(now.iter().copied()).await?;
        let mut troubles = self.read_troubles(now.into_iter()).await?;
        let mut numbers = self.numbers().await?;
        let mut rows = Rows::default();
        let mut answers = Vec::with_capacity(callers.len());
        for events in taken {
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

    /// How many deliveries an event makes at most.
    fn deliveries_max(&self, event: &NewEvent) -> usize {
        let setup = self.setups.get(&event.account).and_then(|known| known.as_ref().ok()?.as_ref());
        setup.map_or(0, |setup| setup.targets.len())
    }

    fn accept_one<'e>(
        &mut self,
        event: &'e NewEvent,
        known: &mut HashMap<Named, Known>,
        troubles: &mut Troubles,
        numbers: &mut Numbers,
        rows: &mut Rows<'e>,
    ) -> Result<Answer, StoreError> {
        let setup = match self.setups.get(&event.account).cloned() {
            Some(Err(problem)) => return Ok(Err(AcceptError::Damaged { account: event.account.to_string(), problem })),
            known => known.and_then(Result::ok).flatten(),
        };
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
        let to = fan_out(setup.account.profile.status, event_type, &setup.preferences, &setup.targets, self.now);
        let id = self.new_event_id()?;
        numbers.event += 1;
        let row = EventRow {
            id: numbers.event,
            public_id: id,
            account,
            event_type: event_type.name.clone(),
            received_at: self.now,
            tester: None,
            not_sent: not_sent(&to),
            data: event.data.as_str(),
            down_since: troubles.note(account, event_type, &event.data, self.now),
        };
        let mut deliveries = Vec::with_capacity(to.to.len());
        for destination in to.to {
            let delivery = match if self.may_claim { self.slots.take(destination) } else { None } {
                Some(lease) => {
                    let lease_ends = Some(self.now.plus(lease));
                    let delivery = add(destination, self.now, lease_ends, numbers, rows);
                    let message = first_message((delivery, destination), &row, &setup.account, event_type, &event.data);
                    self.claimed.push(Claimed { destination, message, tries: 1, due_since: self.now });
                    delivery
                }
                None => self.wait(destination, numbers, rows),
            };
            deliveries.push((delivery, destination));
        }
        rows.events.push(row);
        if let Some((name, fingerprint)) = name.zip(fingerprint) {
            rows.names.push((name.clone(), numbers.event, fingerprint.clone()));
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
        numbers.event += 1;
        rows.events.push(EventRow {
            id: numbers.event,
            public_id: self.new_event_id()?,
            account,
            event_type: event_type.to_owned(),
            received_at: self.now,
            tester: Some(tester.login),
            not_sent: not_sent(to),
            data,
            down_since: tester.down_since,
        });
        let deliveries = to.to.iter().map(|destination| self.wait(*destination, &mut numbers, &mut rows)).collect();
        self.insert(rows).await?;
        self.numbers = Some(numbers);
        Ok(deliveries)
    }

    /// A delivery that waits for its lane.
    fn wait(&mut self, destination: DestinationId, numbers: &mut Numbers, rows: &mut Rows<'_>) -> DeliveryId {
        let delivery = add(destination, self.now, None, numbers, rows);
        self.slots.waits(destination);
        self.work.push((destination, News::Waits(Waiting { delivery, due_at: self.now })));
        delivery
    }

    pub(crate) fn new_event_id(&self) -> Result<EventId, StoreError> {
        let mut random = [0; 10];
        rand::fill(&mut random).map_err(|_| StoreError::Io("the system gives no random bytes".to_owned()))?;
        Ok(EventId::new(self.now, random))
    }

    async fn read_setups(&mut self, events: impl Iterator<Item = &NewEvent>) -> Result<(), StoreError> {
        for event in events {
            if !self.setups.contains_key(&event.account) {
                let known = match read_setup(&mut self.connection, &event.account).await {
                    Ok(setup) => Ok(setup.map(Arc::new)),
                    // A row that cannot be read refuses the events of its own account, and nobody else's.
                    Err(StoreError::Damaged(problem)) => {
                        tracing::error!(account = %event.account, problem, "the set-up of an account cannot be read");
                        Err(problem)
                    }
                    Err(error) => return Err(error),
                };
                self.setups.insert(event.account.clone(), known);
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
            if let (Some(key), Some(Ok(Some(setup)))) = (&event.idempotency_key, self.setups.get(&event.account)) {
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
}

/// The row of a delivery of the newest event, with the next number.
fn add(
    destination: DestinationId,
    now: Timestamp,
    lease_ends: Option<Timestamp>,
    numbers: &mut Numbers,
    rows: &mut Rows<'_>,
) -> DeliveryId {
    numbers.delivery += 1;
    let id = DeliveryId::new(numbers.delivery);
    rows.deliveries.push(DeliveryRow { id, event: numbers.event, destination, now, lease_ends });
    id
}

fn not_sent(to: &FanOut) -> String {
    serde_json::to_string(&to.not_sent).unwrap_or_else(|_| "[]".to_owned())
}

fn fingerprint(event_type: &str, data: &str) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(event_type.as_bytes());
    context.update(b"\n");
    context.update(data.as_bytes());
    context.finish().as_ref().to_vec()
}
