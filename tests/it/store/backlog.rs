//! What the metrics say of what waits, and what is counted as it happens.

use std::time::Duration;

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{Exchange, Next, Reason, SendError};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::retry::Patience;
use bellboard::metrics::Intake;
use bellboard::store::queue::{Finished, Health, Kept};

use crate::support::{TestStore, event};

#[tokio::test]
async fn what_waits_is_counted_by_channel_and_has_an_age_unless_it_is_held() {
    let test = TestStore::acme().await;
    let webhook = test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    let accepted_at = test.clock_now();
    for _ in 0..3 {
        test.emit("job.fail", "{}").await;
    }
    test.clock.advance(Duration::from_mins(9));
    let backlog = test.store.backlog().await.unwrap();
    for channel in [Channel::Webhook, Channel::Email] {
        let waiting = backlog.channels[channel.index()];
        assert_eq!((waiting.deliveries, waiting.due_since), (3, Some(accepted_at)), "{channel}");
    }
    assert_eq!(backlog.channels[Channel::Slack.index()].deliveries, 0);
    assert!(!backlog.is_more);

    let state = DestinationState::Paused;
    test.run(Command::SetDestinationState { id: webhook, state }).await.unwrap();
    let waiting = test.store.backlog().await.unwrap().channels[Channel::Webhook.index()];
    assert_eq!((waiting.deliveries, waiting.due_since), (3, None), "what a person has paused has no age");
}

#[tokio::test]
async fn destinations_in_trouble_are_counted_by_channel() {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    let now = test.clock_now();
    let claimed = test.store.claim(vec![delivery], now.plus(Duration::from_secs(30))).await.unwrap().remove(0);
    let reason = Reason::new("answered 500");
    let error = SendError::Retry { reason: reason.clone(), after: None, patience: Patience::Full };
    let result = Finished {
        delivery,
        attempt: claimed.message.attempt,
        destination: claimed.destination,
        started_at: now,
        duration: Duration::from_millis(1),
        exchange: Kept::of(&Exchange { request: None, answer: None, result: Err(error) }),
        next: Next::Retry { at: now.plus(Duration::from_hours(1)), counted: true },
        decided_at: now,
        health: Some(Health::Failing { reason }),
        word: None,
    };
    test.store.finish(vec![result]).await.unwrap();
    let waiting = test.store.backlog().await.unwrap().channels[Channel::Webhook.index()];
    assert_eq!((waiting.failing, waiting.disabled), (1, 0));
    assert_eq!((waiting.deliveries, waiting.due_since), (1, None), "it waits for its retry, and is not due");
    let state = DestinationState::Disabled;
    test.run(Command::SetDestinationState { id: claimed.destination, state }).await.unwrap();
    let waiting = test.store.backlog().await.unwrap().channels[Channel::Webhook.index()];
    assert_eq!((waiting.failing, waiting.disabled), (0, 1));
}

#[tokio::test]
async fn every_event_and_commit_is_counted() {
    let test = TestStore::acme().await;
    let commits = || test.store.metrics().commit_time.read().count();
    let before = commits();
    let events =
        vec![event("job.fail", "{}", Some("a")), event("job.fail", "{}", Some("a")), event("nothing", "{}", None)];
    let answers = test.store.accept(events).await.unwrap();
    assert!(answers[1].as_ref().is_ok_and(|accepted| accepted.duplicate) && answers[2].is_err());
    let counted = Intake::ALL.map(|(intake, _)| test.store.metrics().events[intake as usize].get());
    assert_eq!(counted, [1, 1, 1], "stored, repeated, refused");
    assert_eq!(commits(), before + 1);
    assert_eq!(test.store.metrics().commit_failures.get(), 0);
}
