//! Every channel against another end that does everything that another end can do.

pub mod conformance;

pub mod far_end;

pub mod mail;

mod texts;

mod tricks;

use std::collections::BTreeMap;
use std::time::Duration;

use bellboard::channels::form::values_from_text;
use bellboard::channels::{self, Options, Settings};
use bellboard::domain::catalogue::Catalogue;
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::{Exchange, SendError};
use bellboard::domain::id::{DeliveryId, DestinationId, EventId};
use bellboard::domain::message::Message;
use bellboard::domain::payload::Payload;
use bellboard::domain::retry::Patience;
use bellboard::domain::time::Timestamp;

/// For another end that hangs: short, since it is waited for.
const SHORT: Duration = Duration::from_millis(400);

/// For one that answers: so long that a busy machine does not reach it.
const LONG: Duration = Duration::from_secs(30);

pub fn options(hangs: bool) -> Options {
    Options {
        timeout: if hangs { SHORT } else { LONG },
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Options::default()
    }
}

pub fn settings(channel: Channel, fields: &[(&str, &str)]) -> Settings {
    let text: BTreeMap<String, String> =
        fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut values = values_from_text(channel, &text).unwrap();
    channels::complete(channel, &mut values).unwrap();
    channels::parse(channel, &values).unwrap()
}

pub fn message() -> Message {
    let catalogue = Catalogue::new(Vec::new());
    Message {
        delivery: DeliveryId::new(17),
        destination: DestinationId::new(1),
        event: EventId::from_bytes([7; 16]),
        attempt: 1,
        account: "acme".parse().unwrap(),
        account_name: "Acme Ltd".to_owned(),
        timezone: "UTC".to_owned(),
        event_type: catalogue.get("server.stopped").cloned().unwrap(),
        payload: Payload::parse(r#"{"name":"web <1> & \"2\"","n":1.50}"#).unwrap(),
        received_at: Timestamp::from_millis(784_111_777_000),
        sent_at: Timestamp::from_millis(784_111_777_000),
        test: false,
        tester: None,
        down_since: None,
    }
}

/// What a send came to, in a word or two.
pub fn outcome(exchange: &Exchange) -> String {
    match &exchange.result {
        Ok(()) => "ok".to_owned(),
        Err(SendError::Reject { .. }) => "reject".to_owned(),
        Err(SendError::Gone { .. }) => "gone".to_owned(),
        Err(SendError::Retry { patience: Patience::Full, .. }) => "retry".to_owned(),
        Err(SendError::Retry { patience: Patience::Short, .. }) => "short".to_owned(),
        Err(SendError::Retry { patience: Patience::NotCounted, .. }) => "wait".to_owned(),
        Err(SendError::Retry { patience: Patience::Own, .. }) => "own".to_owned(),
    }
}

/// Nothing that was planted may be in anything that is kept of an exchange, and a failure has a reason for people.
pub fn is_fit_to_keep(exchange: &Exchange, secrets: &[&str], what: &str) {
    let kept = format!(
        "{exchange:?} {} {}",
        serde_json::to_string(&exchange.request).unwrap(),
        serde_json::to_string(&exchange.answer).unwrap()
    );
    for secret in secrets {
        assert!(!kept.contains(secret), "{what}: `{secret}` is kept: {kept}");
    }
    if let Err(error) = &exchange.result {
        let reason = error.reason().as_str();
        assert!(reason.len() > 8 && reason.contains(' '), "{what}: `{reason}` is no reason");
        for machine in ["Error(", "Some(", "kind:", "http://", "{"] {
            assert!(!reason.contains(machine), "{what}: `{reason}` is not for people");
        }
    }
}
