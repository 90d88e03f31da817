//! For how long something was down, as its recovery's message is told.

use std::time::Duration;

use bellboard::domain::catalogue::Severity;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::message::Message;
use bellboard::domain::time::Clock;

use crate::support::{TestStore, acme, event};

/// What is claimed of the newest event, whose mail is on by default.
async fn newest(test: &TestStore) -> Message {
    let row = test.store.live(Some(&acme()), 1).await.unwrap().remove(0).delivery.unwrap();
    let until = test.clock.now().plus(Duration::from_secs(30));
    test.store.claim(vec![row.id], until).await.unwrap().remove(0).message
}

async fn down_seconds(test: &TestStore, event_type: &str, data: &str) -> Option<u64> {
    test.emit(event_type, data).await;
    let message = newest(test).await;
    message.down_since.map(|since| message.received_at.since(since).as_secs())
}

#[tokio::test]
async fn a_recovery_knows_since_when_it_was_down() {
    let test = TestStore::acme().await;
    let pass = |seconds| test.clock.advance(Duration::from_secs(seconds));
    assert_eq!(down_seconds(&test, "server.backon", r#"{"server":"s1"}"#).await, None, "nothing was down");
    assert_eq!(down_seconds(&test, "server.stopped", r#"{"server":"s1"}"#).await, None);
    pass(60);
    assert_eq!(down_seconds(&test, "server.stopped", r#"{"server":"s1"}"#).await, None, "told once more");
    assert_eq!(down_seconds(&test, "server.backon", r#"{"server":"s2"}"#).await, None, "another one");
    assert_eq!(down_seconds(&test, "job.backon", r#"{"uid":"s1"}"#).await, None, "of another kind");
    pass(30);
    assert_eq!(down_seconds(&test, "server.backon", r#"{"server":{"uid":"s1"}}"#).await, Some(90), "since the first");
    assert_eq!(down_seconds(&test, "server.backon", r#"{"server":"s1"}"#).await, None, "it was over");
    test.emit("server.stopped", "{}").await;
    assert_eq!(down_seconds(&test, "server.backon", "{}").await, None, "two without a subject may be about two things");
}

#[tokio::test]
async fn events_of_one_batch_see_each_other() {
    let test = TestStore::acme().await;
    test.emit("job.fail", r#"{"uid":1}"#).await;
    test.clock.advance(Duration::from_secs(5));
    let one = |event_type| event(event_type, r#"{"uid":1}"#, None);
    let events = ["job.fail", "job.backon", "job.backon", "job.fail"].map(one).to_vec();
    let accepted = test.store.accept(events).await.unwrap();
    let ids: Vec<_> = accepted.iter().map(|one| one.as_ref().unwrap().deliveries[0].0).collect();
    let claimed = test.store.claim(ids, test.clock.now().plus(Duration::from_secs(30))).await.unwrap();
    let mut down: Vec<_> = claimed.iter().map(|one| (one.message.delivery, one.message.down_since)).collect();
    down.sort_by_key(|(id, _)| *id);
    let since = |index: usize| down[index].1.map(|since| test.clock.now().since(since).as_secs());
    assert_eq!([since(0), since(1), since(2), since(3)], [None, Some(5), None, None]);
    test.clock.advance(Duration::from_secs(7));
    assert_eq!(
        down_seconds(&test, "job.backon", r#"{"uid":1}"#).await,
        Some(7),
        "the last failure of the batch counts"
    );
}

#[tokio::test]
async fn an_event_that_is_known_already_ends_nothing() {
    let test = TestStore::acme().await;
    let again = || vec![event("server.backon", r#"{"server":"s1"}"#, Some("k"))];
    test.store.accept(again()).await.unwrap().remove(0).unwrap();
    test.emit("server.stopped", r#"{"server":"s1"}"#).await;
    assert!(test.store.accept(again()).await.unwrap().remove(0).unwrap().duplicate);
    test.clock.advance(Duration::from_secs(3));
    assert_eq!(down_seconds(&test, "server.backon", r#"{"server":"s1"}"#).await, Some(3));
}

#[tokio::test]
async fn an_accounts_own_type_recovers_what_it_says() {
    let test = TestStore::acme().await;
    let add = |name: &str, severity, recovers: Option<&str>| Command::AddEventType {
        account: acme(),
        name: name.to_owned(),
        title: name.to_owned(),
        group: "servers".to_owned(),
        severity,
        recovers: recovers.map(str::to_owned),
    };
    test.run(add("disk.full", Severity::Failure, None)).await.unwrap();
    for (severity, recovers, word) in [
        (Severity::Info, "disk.full", "is no recovery"),
        (Severity::Recovery, "disk.fall", "did you mean `disk.full`"),
        (Severity::Recovery, "server.backon", "is no failure"),
    ] {
        let error = test.run(add("disk.ok", severity, Some(recovers))).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    test.run(add("disk.ok", Severity::Recovery, Some("disk.full"))).await.unwrap();
    let gone = test.run(Command::RemoveEventType { account: acme(), name: "disk.ok".to_owned() }).await.unwrap();
    test.run(Command::Undo { change: gone.change.unwrap() }).await.unwrap();
    test.set("disk.ok", Channel::Slack, bellboard::domain::matrix::CellSetting::Off).await;
    test.emit("disk.full", r#"{"server":"s1"}"#).await;
    test.clock.advance(Duration::from_secs(8));
    assert_eq!(down_seconds(&test, "disk.ok", r#"{"server":"s1"}"#).await, Some(8));
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
}

#[tokio::test]
async fn a_test_opens_and_ends_no_trouble_and_says_who_sent_it() {
    let test = TestStore::acme().await;
    let id = test.store.destinations(&acme(), Some(Channel::Email)).await.unwrap()[0].id;
    let send = async |event_type: &str| {
        let command = Command::TestDestination { id, event_type: Some(event_type.to_owned()) };
        test.run(command).await.unwrap();
        newest(&test).await
    };
    let stopped = send("server.stopped").await;
    assert_eq!((stopped.tester.as_deref(), stopped.down_since), (Some("jane"), None));
    let back = send("server.backon").await;
    assert_eq!(back.down_since.map(|since| back.received_at.since(since)), Some(Duration::from_mins(125)));
    assert_eq!(down_seconds(&test, "server.backon", back.payload.as_str()).await, None, "a test is no failure");
}
