//! The health of destinations: warnings, the end, what the owner is told, and what enabling sends after it.

use std::time::Duration;

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{DeliveryState, Exchange, Next, Reason, SendError};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::{DeliveryId, DestinationId};
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::retry::Patience;
use bellboard::store::deliveries::{DeliveryFilter, DeliveryRow};
use bellboard::store::queue::{Finished, Health, Kept};

use crate::support::{TestStore, acme};

/// A store whose `job.fail` goes to a webhook only.
async fn store() -> (TestStore, DestinationId) {
    let test = TestStore::acme().await;
    let webhook = test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    (test, webhook)
}

/// Claims a delivery and lets it end like that.
async fn end(test: &TestStore, delivery: DeliveryId, health: Option<Health>) {
    let now = test.clock_now();
    let claimed = test.store.claim(vec![delivery], now.plus(Duration::from_secs(30))).await.unwrap().remove(0);
    let reason = Reason::new("answered 500");
    let is_good = matches!(health, None | Some(Health::Recovered));
    let error = SendError::Retry { reason: reason.clone(), after: None, patience: Patience::Full };
    let result = Finished {
        delivery,
        attempt: claimed.message.attempt,
        destination: claimed.destination,
        started_at: now,
        duration: Duration::from_millis(1),
        exchange: Kept::of(&Exchange {
            request: None,
            answer: None,
            result: if is_good { Ok(()) } else { Err(error) },
        }),
        next: if is_good { Next::Delivered } else { Next::Failed { reason, gone: false } },
        decided_at: now,
        health,
        word: None,
    };
    test.store.finish(vec![result]).await.unwrap();
}

fn failing() -> Health {
    Health::Failing { reason: Reason::new("answered 500") }
}

/// One event that the webhook does not take, after so many hours.
async fn fail(test: &TestStore, hours: u64) {
    test.clock.advance(Duration::from_hours(hours));
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    end(test, delivery, Some(failing())).await;
}

async fn state(test: &TestStore, id: DestinationId) -> DestinationState {
    test.store.destination(id).await.unwrap().1.state
}

/// The notices, the first one first: type, and where each went to.
async fn notices(test: &TestStore) -> Vec<(String, Vec<DeliveryRow>)> {
    let mut all = Vec::new();
    let filter = bellboard::store::events::EventFilter::default();
    for event in test.store.events(&filter).await.unwrap().into_iter().rev() {
        if event.event_type.starts_with("bellboard.") {
            let of = DeliveryFilter { event: Some(event.id), ..DeliveryFilter::default() };
            all.push((event.event_type, test.store.deliveries(&of).await.unwrap()));
        }
    }
    all
}

#[tokio::test]
async fn it_is_warned_about_by_email_and_disabled_after_days() {
    let (test, webhook) = store().await;
    fail(&test, 0).await;
    for _ in 0..9 {
        fail(&test, 12).await;
    }
    assert_eq!(state(&test, webhook).await, DestinationState::Enabled);
    let told = notices(&test).await;
    assert_eq!(told.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["bellboard.destination.failing"; 2]);
    assert_eq!((told[0].1.len(), told[0].1[0].channel), (1, Channel::Email));
    let waiting = test.emit("job.fail", "{}").await.deliveries[0].0;
    fail(&test, 12).await;
    assert_eq!(state(&test, webhook).await, DestinationState::Disabled);
    assert_eq!(notices(&test).await[2].0, "bellboard.destination.disabled");
    let claimed = test.store.claim(vec![notices(&test).await[2].1[0].id], test.clock_now()).await.unwrap();
    assert_eq!(claimed[0].message.headline(), "Webhook hooks.acme.test was disabled");
    assert!(claimed[0].message.details().iter().any(|(_, value)| value.contains("only failed for 5d")), "{claimed:?}");

    let since = test.store.missing_since(webhook).await.unwrap().unwrap();
    test.emit("job.fail", "{}").await;
    test.run(Command::SetDestinationState { id: webhook, state: DestinationState::Enabled }).await.unwrap();
    assert_eq!(test.store.missing_since(webhook).await.unwrap(), None);
    let filter = DeliveryFilter { destination: Some(webhook), since: Some(since), ..DeliveryFilter::default() };
    let missed = test.store.plan_missed(&filter).await.unwrap().items;
    assert_eq!(missed.len(), 2, "{waiting} was cancelled before its first try, and one was not sent at all");
    fail(&test, 1).await;
    assert_eq!(notices(&test).await.len(), 3, "it begins anew");
}

#[tokio::test]
async fn two_failures_days_apart_say_nothing() {
    let (test, webhook) = store().await;
    for _ in 0..6 {
        fail(&test, 121).await;
    }
    assert_eq!(state(&test, webhook).await, DestinationState::Enabled);
    assert!(notices(&test).await.is_empty());
}

#[tokio::test]
async fn what_was_warned_about_is_told_to_be_well_again() {
    let (test, webhook) = store().await;
    fail(&test, 0).await;
    let good = test.emit("job.fail", "{}").await.deliveries[0].0;
    end(&test, good, Some(Health::Recovered)).await;
    assert!(notices(&test).await.is_empty(), "nobody was told that it failed");
    fail(&test, 0).await;
    fail(&test, 25).await;
    let good = test.emit("job.fail", "{}").await.deliveries[0].0;
    end(&test, good, Some(Health::Recovered)).await;
    let kinds: Vec<_> = notices(&test).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["bellboard.destination.failing", "bellboard.destination.recovered"]);
    assert_eq!(test.store.destination(webhook).await.unwrap().1.failing_since, None);
}

#[tokio::test]
async fn gone_is_told_at_once_and_email_never_by_email() {
    let (test, webhook) = store().await;
    let gone = || Some(Health::Disable { reason: Reason::new("answered 410") });
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    end(&test, delivery, gone()).await;
    assert_eq!(state(&test, webhook).await, DestinationState::Disabled);
    let told = notices(&test).await;
    assert_eq!((told.len(), told[0].1.len()), (1, 1));
    let notice = told[0].1[0].clone();
    end(&test, notice.id, gone()).await;
    let told = notices(&test).await;
    assert_eq!((told.len(), told[1].1.len()), (2, 0), "to read in the console only");
    let newest = test.store.events(&bellboard::store::events::EventFilter::default()).await.unwrap()[0].id;
    let why = test.store.why(&newest).await.unwrap();
    assert!(why.channels.iter().all(|row| row.reason.contains("bellboard's own")), "{why:?}");
    let name = "bellboard.mine".to_owned();
    let own = Command::AddEventType {
        account: acme(),
        name,
        title: "Mine".to_owned(),
        group: "mine".to_owned(),
        severity: bellboard::domain::catalogue::Severity::Info,
        recovers: None,
    };
    assert!(test.run(own).await.is_err());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_up_no_result() {
    let (test, webhook) = store().await;
    let mail = test.store.destinations(&acme(), None).await.unwrap().into_iter().find(|one| one.id != webhook).unwrap();
    let gone = Health::Disable { reason: Reason::new("answered 410") };
    test.damage(&format!("UPDATE destination SET only_types = '{{}}' WHERE id = {}", mail.id.number())).await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    end(&test, delivery, Some(gone)).await;
    test.damage("UPDATE destination SET only_types = '[]'").await;
    let (delivery, webhook) =
        (test.store.delivery(delivery).await.unwrap(), test.store.destination(webhook).await.unwrap().1);
    assert_eq!((delivery.delivery.state, webhook.state), (DeliveryState::Failed, DestinationState::Disabled));
}

#[tokio::test]
async fn the_end_of_a_long_backlog_by_the_program_is_told_like_a_persons() {
    let (test, _) = store().await;
    let events = (0..1200).map(|_| crate::support::event("job.fail", "{}", None)).collect();
    let first = test.store.accept(events).await.unwrap().remove(0).unwrap().deliveries[0].0;
    let before = test.store.revision().borrow().lanes;
    end(&test, first, Some(failing())).await;
    assert_eq!(test.store.revision().borrow().lanes, before, "nothing that anybody would have to look at");
    let second = DeliveryId::new(first.number() + 1);
    end(&test, second, Some(Health::Disable { reason: Reason::new("answered 410") })).await;
    assert!(!test.store.endings().await.unwrap().are_none());
    assert!(test.store.revision().borrow().lanes > before, "steps are to be made, and whoever makes them sleeps");
}

#[tokio::test]
async fn what_waited_when_it_was_disabled_was_missed_too() {
    let (test, webhook) = store().await;
    let set = |state| Command::SetDestinationState { id: webhook, state };
    test.run(set(DestinationState::Paused)).await.unwrap();
    let first = test.clock_now();
    for _ in 0..3 {
        test.emit("job.fail", "{}").await;
        test.clock.advance(Duration::from_hours(1));
    }
    test.run(set(DestinationState::Disabled)).await.unwrap();
    assert_eq!(test.store.missing_since(webhook).await.unwrap(), Some(first));
    test.run(set(DestinationState::Enabled)).await.unwrap();
    assert_eq!(test.store.missing_since(webhook).await.unwrap(), None, "it was offered once");
    test.clock.advance(Duration::from_hours(1));
    test.run(set(DestinationState::Disabled)).await.unwrap();
    assert_eq!(test.store.missing_since(webhook).await.unwrap(), Some(test.clock_now()), "and is not offered again");
}
