//! Mutes: what they keep back, how they end, and how they are taken back.

use std::time::Duration;

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::mute::Scope;
use bellboard::store::history::Subject;

use crate::support::{TestStore, acme};

fn scope(event_type: Option<&str>, channel: Option<Channel>) -> Scope {
    Scope { event_type: event_type.map(str::to_owned), channel }
}

async fn mute(test: &TestStore, scope: Scope, hours: u64) -> bellboard::domain::command::Done {
    let until = test.clock_now().plus(Duration::from_hours(hours));
    test.run(Command::Mute { account: acme(), scope, until, reason: "moving\nhouse".to_owned() }).await.unwrap()
}

/// Why email got nothing of an event that comes now; nothing when it got it.
async fn email(test: &TestStore) -> Option<String> {
    let id = test.emit("server.stopped", "{}").await.id;
    let row = test.store.why(&id).await.unwrap().channels.remove(Channel::Email.index());
    row.deliveries.is_empty().then_some(row.reason)
}

#[tokio::test]
async fn it_ends_by_itself_and_keeps_its_reason() {
    let test = TestStore::acme().await;
    mute(&test, scope(None, None), 4).await;
    let reason = "muted by jane until 15 Nov 2023 02:13 UTC: moving house";
    assert_eq!(email(&test).await.as_deref(), Some(reason));
    test.clock.advance(Duration::from_hours(4) - Duration::from_millis(1));
    assert_eq!(email(&test).await.as_deref(), Some(reason));
    test.clock.advance(Duration::from_millis(1));
    assert_eq!(email(&test).await, None);
}

#[tokio::test]
async fn each_scope_holds_its_cells_only() {
    let test = TestStore::acme().await;
    mute(&test, scope(Some("job.fail"), None), 4).await;
    mute(&test, scope(None, Some(Channel::Slack)), 4).await;
    assert_eq!(email(&test).await, None);
    mute(&test, scope(Some("server.stopped"), Some(Channel::Email)), 1).await;
    assert!(email(&test).await.is_some());
}

#[tokio::test]
async fn it_is_taken_back_to_what_was_muted_before() {
    let test = TestStore::acme().await;
    let whole = scope(None, None);
    let first = mute(&test, whole.clone(), 4).await.change.unwrap();
    let longer = mute(&test, whole.clone(), 8).await.change.unwrap();
    test.run(Command::Undo { change: longer }).await.unwrap();
    let matrix = test.store.matrix(&acme()).await.unwrap();
    let until = matrix.preferences.mutes(test.clock_now()).next().unwrap().until;
    assert_eq!(until, test.clock_now().plus(Duration::from_hours(4)));
    let ended = test.run(Command::Unmute { account: acme(), scope: whole }).await.unwrap().change.unwrap();
    assert_eq!(email(&test).await, None);
    test.run(Command::Undo { change: ended }).await.unwrap();
    assert!(email(&test).await.is_some());
    assert!(test.run(Command::Undo { change: first }).await.is_ok());
    assert_eq!(email(&test).await, None);
    let gone = mute(&test, scope(None, None), 1).await.change.unwrap();
    test.clock.advance(Duration::from_hours(2));
    assert!(test.run(Command::Undo { change: gone }).await.is_err(), "it has ended by itself");
}

#[tokio::test]
async fn an_account_goes_with_its_mutes() {
    let test = TestStore::acme().await;
    mute(&test, scope(None, None), 4).await;
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
}

#[tokio::test]
async fn a_cells_history_tells_of_what_muted_it() {
    let test = TestStore::acme().await;
    let changes = [
        mute(&test, scope(Some("server.stopped"), Some(Channel::Email)), 1).await,
        mute(&test, scope(Some("server.stopped"), None), 2).await,
        mute(&test, scope(None, Some(Channel::Email)), 3).await,
        mute(&test, scope(None, None), 4).await,
    ];
    let ended = test.run(Command::Unmute { account: acme(), scope: scope(None, None) }).await.unwrap();
    let expected: Vec<_> = [ended].iter().chain(changes.iter().rev()).map(|done| done.change.unwrap()).collect();
    mute(&test, scope(Some("job.fail"), Some(Channel::Email)), 4).await;
    mute(&test, scope(None, Some(Channel::Slack)), 4).await;
    let cell = Subject::Cell { account: acme(), event_type: "server.stopped".to_owned(), channel: Channel::Email };
    let history = test.store.history(&cell, 20).await.unwrap();
    assert_eq!(history.iter().map(|row| row.change.id).collect::<Vec<_>>(), expected);
    assert!(history.iter().all(|row| row.can_undo), "and each is taken back from there");
}
