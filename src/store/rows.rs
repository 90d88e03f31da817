//! The rows of events that came in, on their way into the store: one bulk statement for each table.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::catalogue::EventType;
use crate::domain::id::{DeliveryId, DestinationId, EventId};
use crate::domain::message::Message;
use crate::domain::payload::Payload;
use crate::domain::time::Timestamp;
use crate::store::bulk::{Bulk, Values, no_texts};
use crate::store::error::StoreError;
use crate::store::writer::Session;

/// Rows of one transaction.
#[derive(Default)]
pub(crate) struct Rows<'a> {
    pub(crate) events: Vec<EventRow<'a>>,
    pub(crate) deliveries: Vec<DeliveryRow>,
    pub(crate) names: Vec<NameRow>,
}

/// The account's row number and the caller's name for the event.
pub(crate) type Named = (i64, String);

/// A caller's name for an event, the event's number, and what its type and payload hash to.
pub(crate) type NameRow = (Named, i64, Vec<u8>);

/// An event.
pub(crate) struct EventRow<'a> {
    pub(crate) id: i64,
    pub(crate) public_id: EventId,
    pub(crate) account: i64,
    pub(crate) event_type: String,
    pub(crate) received_at: Timestamp,
    /// Who sent it, when it is a test.
    pub(crate) tester: Option<&'a str>,
    pub(crate) not_sent: String,
    pub(crate) data: &'a str,
    pub(crate) down_since: Option<Timestamp>,
}

/// A delivery of it.
pub(crate) struct DeliveryRow {
    pub(crate) id: DeliveryId,
    pub(crate) event: i64,
    pub(crate) destination: DestinationId,
    pub(crate) now: Timestamp,
    /// Set when it is claimed as it is stored.
    pub(crate) lease_ends: Option<Timestamp>,
}

static INSERT_EVENTS: Bulk = Bulk {
    before: "INSERT INTO event (id, public_id, account_id, event_type, received_at, is_test, not_sent, data, tester, down_since)
             SELECT * FROM (VALUES ",
    after: ") WHERE column1 NOT NULL",
    columns: 10,
    texts: no_texts(),
};

static INSERT_DELIVERIES: Bulk = Bulk {
    before: "INSERT INTO delivery (id, event_id, destination_id, state, attempts, attempts_base, due_at, created_at,
                                   due_since, updated_at)
             SELECT column1, column2, column3, column4, column5, 0, column6, column7, column7, column7 FROM (VALUES ",
    after: ") WHERE column1 NOT NULL",
    columns: 7,
    texts: no_texts(),
};

static INSERT_NAMES: Bulk = Bulk {
    before: "INSERT INTO idempotency (account_id, key, event_id, fingerprint) SELECT * FROM (VALUES ",
    after: ") WHERE column1 NOT NULL",
    columns: 4,
    texts: no_texts(),
};

impl Session {
    pub(crate) async fn insert(&mut self, rows: Rows<'_>) -> Result<(), StoreError> {
        let put_event = |row: &EventRow<'_>, values: &mut Values| {
            let id = row.public_id.as_bytes().as_slice();
            values.put(row.id).put(id).put(row.account).put(row.event_type.as_str()).put(row.received_at.millis());
            values.put(row.tester.is_some()).put(row.not_sent.as_str()).put(row.data).put(row.tester);
            values.put(row.down_since.map(Timestamp::millis));
        };
        INSERT_EVENTS.run(&mut self.connection, &rows.events, put_event).await?;
        let put_delivery = |row: &DeliveryRow, values: &mut Values| {
            let (state, attempts, due_at) = match row.lease_ends {
                Some(ends) => ("sending", 1, ends),
                None => ("pending", 0, row.now),
            };
            values.put(row.id.number()).put(row.event).put(row.destination.number()).put(state).put(attempts);
            values.put(due_at.millis()).put(row.now.millis());
        };
        INSERT_DELIVERIES.run(&mut self.connection, &rows.deliveries, put_delivery).await?;
        let put_name = |row: &NameRow, values: &mut Values| {
            let ((account, name), event, fingerprint) = row;
            values.put(*account).put(name.as_str()).put(*event).put(fingerprint.as_slice());
        };
        INSERT_NAMES.run(&mut self.connection, &rows.names, put_name).await?;
        Ok(())
    }
}

/// What is sent at the first try of an event: the same that a claim would read from the store.
pub(crate) fn first_message(
    (delivery, destination): (DeliveryId, DestinationId),
    row: &EventRow<'_>,
    account: &Account,
    event_type: &Arc<EventType>,
    payload: &Payload,
) -> Message {
    Message {
        delivery,
        destination,
        event: row.public_id,
        attempt: 1,
        account: account.key.clone(),
        account_name: account.profile.name.clone(),
        timezone: account.profile.timezone.clone(),
        event_type: event_type.clone(),
        payload: payload.clone(),
        received_at: row.received_at,
        sent_at: row.received_at,
        test: row.tester.is_some(),
        tester: row.tester.map(str::to_owned),
        down_since: row.down_since,
    }
}
