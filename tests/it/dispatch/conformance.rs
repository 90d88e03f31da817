//! The conformance table once more, through the dispatcher: what is stored of each delivery and of its destination.

use std::time::Duration;

use bellboard::channels::form::values_from_text;
use bellboard::channels::webhook::PAUSE;
use bellboard::channels::{Options as ChannelOptions, Senders};
use bellboard::dispatch::engine::Engine;
use bellboard::dispatch::{Options, Status};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Command, DestinationForm};
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::{DeliveryId, DestinationId};
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::time::Timestamp;

use crate::channels::conformance::{OVER_HTTP, SECRETS, TABLE, senders_to, typed as typed_at};
use crate::channels::far_end::{Does, start};
use crate::channels::{mail, options};
use crate::support::{TestStore, acme};

/// Adds a destination of a channel, and turns the channel on for `job.fail`.
async fn add(test: &TestStore, channel: Channel, fields: &[(&'static str, String)]) -> DestinationId {
    let typed = fields.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    let form =
        DestinationForm { label: String::new(), only: Vec::new(), fields: values_from_text(channel, &typed).unwrap() };
    test.set("job.fail", channel, CellSetting::On).await;
    let done = test.run(Command::AddDestination { account: acme(), channel, form }).await.unwrap();
    done.destination.unwrap()
}

/// Emits one event and lets it be tried once, everywhere.
async fn deliver(test: &TestStore, senders: Senders) -> Vec<DeliveryId> {
    let (status, _) = tokio::sync::watch::channel(Status::Standby);
    let mut engine = Engine::new(test.store.clone(), senders.into(), Options::default(), status);
    engine.begin().await.unwrap();
    let accepted = test.emit("job.fail", r#"{"name":"backup"}"#).await;
    engine.until_idle().await;
    accepted.deliveries.into_iter().map(|(id, ..)| id).collect()
}

/// Checks what is stored of a try that came to `outcome`.
async fn check(test: &TestStore, delivery: DeliveryId, outcome: &str, secrets: &[&str], what: &str) {
    let detail = test.store.delivery(delivery).await.unwrap();
    let row = &detail.delivery;
    let after = row.next_attempt_at.map(|at: Timestamp| at.since(test.clock_now()));
    let expected = match outcome {
        "ok" => (DeliveryState::Delivered, 1),
        "reject" | "gone" => (DeliveryState::Failed, 1),
        "wait" => (DeliveryState::Pending, 0),
        _ => (DeliveryState::Pending, 1),
    };
    assert_eq!((row.state, row.attempts), expected, "{what}: {row:?}");
    match outcome {
        "retry" | "short" => {
            let after = after.unwrap_or_default();
            // A webhook that asks for a slower pace and does not say until when.
            let least = if row.channel == Channel::Webhook && row.status == Some(429) { PAUSE.as_secs() } else { 5 };
            let schedule = Duration::from_secs(least)..Duration::from_millis(least * 1100 + 1);
            assert!(schedule.contains(&after), "{what}: the next try comes in {after:?}");
        }
        "wait" => assert!(after.unwrap_or_default() >= Duration::from_secs(1), "{what}: {after:?}"),
        _ => assert_eq!(after, None, "{what}"),
    }
    let state = test.store.destination(row.destination).await.unwrap().1.state;
    let gone = if outcome == "gone" { DestinationState::Disabled } else { DestinationState::Enabled };
    assert_eq!(state, gone, "{what}");
    let why = test.store.why(&detail.event.id).await.unwrap();
    let kept = format!("{} {}", serde_json::to_string(&detail).unwrap(), serde_json::to_string(&why).unwrap());
    for secret in secrets {
        assert!(!kept.contains(secret), "{what}: `{secret}` is kept: {kept}");
    }
    if outcome != "ok" {
        let reason = row.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(' ') && !reason.contains("http://"), "{what}: `{reason}` is no reason for people");
    }
}

#[tokio::test]
async fn what_another_end_does_is_stored_as_what_it_is() {
    for (does, outcomes) in TABLE {
        let address = start(does).await;
        let test = TestStore::acme().await;
        test.set("job.fail", Channel::Email, CellSetting::Off).await;
        let mut ids = Vec::new();
        for channel in OVER_HTTP {
            ids.push(add(&test, channel, &typed_at(channel, &address).unwrap()).await);
        }
        let hangs = matches!(does, Does::Hangs | Does::Drips);
        let deliveries = deliver(&test, senders_to(options(hangs), &address)).await;
        assert_eq!(deliveries.len(), OVER_HTTP.len());
        for delivery in deliveries {
            let to = test.store.delivery(delivery).await.unwrap().delivery.destination;
            let column = ids.iter().position(|id| *id == to).unwrap();
            let what = format!("{} when the other end does {does:?}", OVER_HTTP[column]);
            check(&test, delivery, outcomes[column], &SECRETS, &what).await;
        }
    }
}

#[tokio::test]
async fn what_a_mail_server_says_is_stored_as_what_it_is() {
    for (script, outcome, status) in mail::TABLE {
        let port = mail::start(script).await;
        let test = TestStore::acme().await;
        let senders = Senders::new(ChannelOptions { email: mail::to(port), ..options(script.1 == "…") }).unwrap();
        let deliveries = deliver(&test, senders).await;
        assert_eq!(deliveries.len(), 1);
        let what = format!("email when the server says {script:?}");
        check(&test, deliveries[0], outcome, &[mail::PASSWORD], &what).await;
        let row = test.store.delivery(deliveries[0]).await.unwrap().delivery;
        assert_eq!(row.status, status, "{what}");
    }
}
