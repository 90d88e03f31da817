//! What is wrong at present, who changed what, and the way among events.

use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Actor, Command};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::failing::FailureFilter;
use bellboard::store::history::Subject;

use crate::console::harness::Console;
use crate::support::{TestStore, acme};

fn all() -> FailureFilter {
    FailureFilter { limit: 100, ..FailureFilter::default() }
}

#[tokio::test]
async fn what_fails_by_itself_is_worse_than_what_a_person_disabled() {
    let mut console = Console::on_acme().await;
    let quiet = console.test.webhook_at("https://quiet.acme.test/in").await;
    let state = DestinationState::Disabled;
    console.test.run(Command::SetDestinationState { id: quiet, state }).await.unwrap();
    console.busy().await;
    let rows = console.test.store.trouble().await.unwrap();
    let found: Vec<_> =
        rows.iter().map(|row| (row.destination.label.as_str(), row.account_name.as_str(), row.waiting)).collect();
    assert_eq!(found, [("hooks.acme.test", "Acme Ltd", 1), ("quiet.acme.test", "Acme Ltd", 0)]);
}

#[tokio::test]
async fn failed_tries_are_found_by_what_is_known_of_them() {
    let mut console = Console::on_acme().await;
    let delivery = console.busy().await;
    let store = &console.test.store;
    let check = async |filter: FailureFilter, expected: &[u32]| {
        let found = store.failures(&filter).await.unwrap();
        let numbers: Vec<_> = found.iter().map(|line| line.number).collect();
        assert_eq!(numbers, expected, "{filter:?}");
        assert!(found.iter().all(|line| line.delivery.id == delivery));
    };
    check(all(), &[2, 1]).await;
    check(FailureFilter { limit: 1, ..all() }, &[2]).await;
    check(FailureFilter { account: Some("amltd".to_owned()), ..all() }, &[2, 1]).await;
    check(FailureFilter { account: Some("globex".to_owned()), ..all() }, &[]).await;
    check(FailureFilter { channel: Some(Channel::Slack), ..all() }, &[]).await;
    check(FailureFilter { event_type: Some("job".to_owned()), ..all() }, &[2, 1]).await;
    check(FailureFilter { for_good: Some(true), ..all() }, &[]).await;
    check(FailureFilter { for_good: Some(false), ..all() }, &[2, 1]).await;
    check(FailureFilter { words: vec!["500".to_owned(), "hooks".to_owned()], ..all() }, &[2, 1]).await;
    check(FailureFilter { words: vec!["500".to_owned(), "%".to_owned()], ..all() }, &[]).await;
    let between = console.test.clock_now().minus(std::time::Duration::from_secs(7));
    check(FailureFilter { since: Some(between), ..all() }, &[2]).await;
    assert_eq!(store.failure_counts(5_000, 3).await.unwrap(), [1, 1, 0]);
}

#[tokio::test]
async fn a_cell_and_a_destination_have_a_history_of_their_own() {
    let test = TestStore::acme().await;
    let webhook = test.webhook().await;
    test.set("job.fail", Channel::Slack, CellSetting::On).await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    let undone = test.set("job.fail", Channel::Slack, CellSetting::Off).await.change.unwrap();
    let by = test.run(Command::Undo { change: undone }).await.unwrap().change.unwrap();
    let history = async |subject| test.store.history(&subject, 100).await.unwrap();
    assert_eq!(history(Subject::Account(acme())).await.len(), 6);
    let cell = |channel| Subject::Cell { account: acme(), event_type: "job.fail".to_owned(), channel };
    let slack = history(cell(Channel::Slack)).await;
    let found: Vec<_> = slack.iter().map(|row| (row.change.undoes, row.undone_by, row.can_undo)).collect();
    assert_eq!(found, [(Some(undone), None, true), (None, Some(by), true), (None, None, true)]);
    assert_eq!(history(cell(Channel::Webhook)).await.len(), 1);
    let of_webhook = history(Subject::Destination { account: acme(), id: webhook }).await;
    assert_eq!(of_webhook.iter().map(|row| row.change.command.as_str()).collect::<Vec<_>>(), ["add_destination"]);
}

#[tokio::test]
async fn who_removed_something_is_known() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let (webhook, account) = (Subject::Destination { account: acme(), id }, Subject::Account(acme()));
    let by = async |subject| test.store.removed_by(subject).await.unwrap();
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    assert_eq!((by(&webhook).await, by(&account).await), (None, None));
    let bob = Actor { login: "bob".to_owned(), origin: "pts/7".to_owned() };
    test.store.run(&bob, Command::RemoveDestination { id }).await.unwrap();
    assert_eq!((by(&webhook).await.as_deref(), by(&account).await), (Some("bob"), None));
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
    assert_eq!((by(&webhook).await.as_deref(), by(&account).await.as_deref()), (Some("jane"), Some("jane")));
}

#[tokio::test]
async fn events_of_a_type_are_walked_through() {
    let test = TestStore::acme().await;
    let first = test.emit("job.fail", "{}").await.id;
    test.emit("server.stopped", "{}").await;
    let last = test.emit("job.fail", "{}").await.id;
    assert_eq!(test.store.newest_event(&acme(), "job.fail").await.unwrap(), Some(last));
    assert_eq!(test.store.newest_event(&acme(), "payment.fail").await.unwrap(), None);
    assert_eq!(test.store.event_before(&last).await.unwrap(), Some(first));
    assert_eq!(test.store.event_before(&first).await.unwrap(), None);
    assert_eq!(test.store.event_after(&first).await.unwrap(), Some(last));
    assert_eq!(test.store.event_after(&last).await.unwrap(), None);
}
