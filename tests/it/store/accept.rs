//! Events that come in.

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::event::NewEvent;
use bellboard::domain::matrix::{CellSetting, NotSent};
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::error::AcceptError;
use bellboard::store::events::EventFilter;
use futures_util::FutureExt;

use crate::support::{TestStore, acme, event, other, profile};

#[tokio::test]
async fn an_event_is_stored_with_its_deliveries_and_reasons() {
    let test = TestStore::acme().await;
    let webhook = test.webhook().await;
    test.set("server.stopped", Channel::Webhook, CellSetting::On).await;
    test.set("server.stopped", Channel::Slack, CellSetting::On).await;
    let data = r#"{"b":1.50,"a":12345678901234567890,"x":{"y":[1, 2]}}"#;
    let accepted = test.emit("server.stopped", data).await;
    assert_eq!(accepted.deliveries.len(), 2);
    assert_eq!(accepted.deliveries[1].1, webhook);
    assert_eq!(test.store.event(&accepted.id).await.unwrap().data.as_str(), data);
    let why = test.store.why(&accepted.id).await.unwrap();
    let outcomes: Vec<_> = why.channels.iter().map(|row| (row.channel.name(), row.outcome.as_str())).collect();
    let not_sent = "not_sent";
    assert_eq!(
        outcomes,
        [
            ("browser", not_sent),
            ("email", "waiting"),
            ("hipchat", not_sent),
            ("ios", not_sent),
            ("slack", not_sent),
            ("webhook", "waiting")
        ]
    );
    assert_eq!(why.channels[4].reason, NotSent::NoDestination.text());
    assert_eq!(why.channels[0].reason, NotSent::OffByDefault.text());
}

#[tokio::test]
async fn the_spelling_with_the_stop_is_stored_without_it() {
    let test = TestStore::acme().await;
    let accepted = test.emit("account.provision.ok.", "{}").await;
    assert_eq!(test.store.event(&accepted.id).await.unwrap().event_type, "account.provision.ok");
}

#[tokio::test]
async fn what_cannot_be_accepted_keeps_nothing_else_out() {
    let test = TestStore::acme().await;
    let mut unknown = event("server.stopped", "{}", None);
    unknown.account = "nobody".parse().unwrap();
    let long = "k".repeat(256);
    let answers = test
        .store
        .accept(vec![
            unknown,
            event("server.stoped", "{}", None),
            event("server.stopped", "{}", Some("")),
            event("server.stopped", "{}", Some(&long)),
            event("server.stopped", "{}", None),
        ])
        .await
        .unwrap();
    assert_eq!(answers[0], Err(AcceptError::UnknownAccount("nobody".to_owned())));
    let Err(AcceptError::UnknownEventType { nearest, .. }) = &answers[1] else { panic!("{:?}", answers[1]) };
    assert_eq!(nearest.as_deref(), Some("server.stopped"));
    assert_eq!(answers[2], Err(AcceptError::BadKey));
    assert_eq!(answers[3], Err(AcceptError::BadKey));
    assert!(answers[4].is_ok());
    assert_eq!(test.store.events(&EventFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_id_is_the_same_event() {
    let test = TestStore::acme().await;
    let twice = vec![event("job.fail", r#"{"n":1}"#, Some("a")), event("job.fail", r#"{"n":1}"#, Some("a"))];
    let answers = test.store.accept(twice).await.unwrap();
    let first = answers[0].clone().unwrap();
    let second = answers[1].clone().unwrap();
    assert_eq!((first.id, first.duplicate, second.duplicate), (second.id, false, true));
    let again = test.store.accept(vec![event("job.fail", r#"{"n":1}"#, Some("a"))]).await.unwrap().remove(0).unwrap();
    assert_eq!((again.id, again.duplicate), (first.id, true));
    let other = test.store.accept(vec![event("job.fail", r#"{"n":2}"#, Some("a"))]).await.unwrap().remove(0);
    assert_eq!(other, Err(AcceptError::KeyReused("a".to_owned())));
    assert_eq!(test.store.deliveries(&DeliveryFilter::default()).await.unwrap().len(), 1, "one email, once");
}

#[tokio::test]
async fn a_preview_stores_nothing() {
    let test = TestStore::acme().await;
    let preview = test.store.preview(&event("server.stopped", "{}", None)).await.unwrap().unwrap();
    assert_eq!((preview.fan_out.to.len(), preview.fan_out.not_sent.len()), (1, 5));
    assert!(test.store.preview(&event("x.y", "{}", None)).await.unwrap().is_err());
    assert!(test.store.events(&EventFilter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn events_and_deliveries_are_listed_by_filter_and_page() {
    let test = TestStore::acme().await;
    for _ in 0..5 {
        test.emit("job.fail", "{}").await;
    }
    test.emit("server.stopped", "{}").await;
    let page = EventFilter { account: Some(acme()), limit: 4, ..EventFilter::default() };
    let first = test.store.events(&page).await.unwrap();
    let rest = EventFilter { before: Some(first[3].id), ..page.clone() };
    assert_eq!((first.len(), test.store.events(&rest).await.unwrap().len()), (4, 2));
    let jobs = EventFilter { event_type: Some("job.fail".to_owned()), ..EventFilter::default() };
    assert_eq!(test.store.events(&jobs).await.unwrap().len(), 5);
    let count = async |filter: DeliveryFilter| test.store.deliveries(&filter).await.unwrap().len();
    assert_eq!(count(DeliveryFilter { account: Some(acme()), ..DeliveryFilter::default() }).await, 6);
    assert_eq!(count(DeliveryFilter { event: Some(first[0].id), ..DeliveryFilter::default() }).await, 1);
    assert_eq!(count(DeliveryFilter { channel: Some(Channel::Slack), ..DeliveryFilter::default() }).await, 0);
    assert_eq!(count(DeliveryFilter { event_type: Some("job.fail".to_owned()), ..DeliveryFilter::default() }).await, 5);
    let live = test.store.live(Some(&acme()), 3).await.unwrap();
    assert_eq!(live.len(), 3);
    assert_eq!(live[0].event.event_type, "server.stopped");
    assert!(test.store.live(None, 100).await.unwrap().iter().all(|row| row.delivery.is_some()));
}

#[tokio::test]
async fn a_line_that_is_long_says_so() {
    let test = TestStore::acme().await;
    assert!(!test.store.is_crowded());
    // Nobody writes while this task does not wait.
    let mut waiting = Vec::new();
    for number in 0..900 {
        let event =
            NewEvent { account: format!("other-{}", number % 45).parse().unwrap(), ..event("job.fail", "{}", None) };
        let store = test.store.clone();
        let mut accept = Box::pin(tokio::task::unconstrained(async move { store.accept(vec![event]).await }));
        assert!((&mut accept).now_or_never().is_none());
        waiting.push(accept);
    }
    assert!(test.store.is_crowded());
    for accept in waiting {
        assert!(accept.await.unwrap()[0].is_err(), "there are no such accounts");
    }
    assert!(!test.store.is_crowded());
}

#[tokio::test]
async fn events_that_make_many_deliveries_let_others_in_between() {
    let test = TestStore::acme().await;
    for number in 0..3 {
        test.webhook_at(&format!("https://hooks{number}.acme.test/in")).await;
    }
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.run(Command::AddAccount { key: other(), profile: profile() }).await.unwrap();
    let mine = |count: usize| (0..count).map(|_| event("job.fail", "{}", None)).collect::<Vec<_>>();
    let many = test.store.accept(mine(3000));
    let same = test.store.accept(mine(1));
    let others = test.store.accept(vec![NewEvent { account: other(), ..event("job.fail", "{}", None) }]);
    tokio::pin!(many, same, others);
    // In this order to the writer, which has what all of them bring before it answers any.
    tokio::select! {
        biased;
        _ = &mut many => panic!("twelve thousand deliveries in one transaction"),
        _ = &mut same => panic!("an account's event went before earlier ones"),
        accepted = &mut others => assert!(accepted.unwrap()[0].is_ok()),
    }
    let (many, same) = tokio::join!(many, same);
    let numbers: Vec<i64> = many
        .unwrap()
        .into_iter()
        .chain(same.unwrap())
        .flat_map(|accepted| accepted.unwrap().deliveries)
        .map(|(delivery, _)| delivery.number())
        .collect();
    assert_eq!(numbers.len(), 4 * 3001, "three webhooks and an email address");
    assert!(numbers.is_sorted(), "in the order in which they came");
    let counted = test.store.deliveries(&DeliveryFilter { limit: 20_000, ..DeliveryFilter::default() }).await.unwrap();
    assert_eq!(counted.len(), numbers.len() + 1, "all of it is stored");
}
