//! Ends of much: a backlog of thousands, an account with thousands of events. Over with the command, gone in steps.

use bellboard::dispatch::upkeep::Keeper;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::event::NewEvent;
use bellboard::domain::id::{DeliveryId, DestinationId};
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::replay::ReplayState;
use bellboard::domain::time::Timestamp;
use bellboard::store::accounts::AccountFilter;
use bellboard::store::audit::ChangeFilter;
use bellboard::store::deliveries::{DeliveryFilter, DeliveryRow};
use bellboard::store::events::EventFilter;
use bellboard::store::queue::{Claimed, Finished, Kept};
use bellboard::store::{Options, Store};
use sqlx::{Connection, SqliteConnection};

use crate::support::{TestStore, acme, event, other, profile};

const MANY: i64 = 1700;

/// An account with that many deliveries that wait for its one webhook.
async fn with_many() -> (TestStore, DestinationId) {
    let test = TestStore::acme().await;
    let webhook = test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    accept(&test, MANY).await;
    (test, webhook)
}

async fn accept(test: &TestStore, count: i64) {
    let events: Vec<NewEvent> = (0..count).map(|_| event("job.fail", "{}", None)).collect();
    assert!(test.store.accept(events).await.unwrap().iter().all(Result::is_ok));
}

async fn claim(test: &TestStore, numbers: impl Iterator<Item = i64>) -> Vec<Claimed> {
    let lease_ends = test.clock_now().plus(std::time::Duration::from_secs(30));
    test.store.claim(numbers.map(DeliveryId::new).collect(), lease_ends).await.unwrap()
}

async fn rows(test: &TestStore, state: DeliveryState) -> Vec<DeliveryRow> {
    let filter = DeliveryFilter { state: Some(state), limit: 100_000, ..DeliveryFilter::default() };
    test.store.deliveries(&filter).await.unwrap()
}

/// The same file, as the next process finds it.
async fn start_again(test: TestStore) -> TestStore {
    let TestStore { store, clock, folder } = test;
    store.close().await;
    let store = Store::open(&Options::at(folder.path().join("bellboard.db")), clock.clone()).await.unwrap();
    TestStore { store, clock, folder }
}

/// Makes all steps; returns how many.
async fn finish(test: &TestStore) -> usize {
    let mut keeper =
        Keeper::new(test.store.clone(), std::time::Duration::from_hours(24), std::time::Duration::from_hours(24));
    let mut steps = 0;
    while keeper.step().await.unwrap() {
        steps += 1;
    }
    steps
}

async fn count(test: &TestStore, what: &str) -> i64 {
    let url = format!("sqlite://{}", test.store.path().display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let statement = format!("SELECT count(*) FROM {what}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_long_backlog_is_over_with_the_command_that_ends_it() {
    let (test, webhook) = with_many().await;
    let disable = Command::SetDestinationState { id: webhook, state: DestinationState::Disabled };
    let says = test.run(disable).await.unwrap().says;
    assert!(says.ends_with("the 1700 deliveries that waited for it are cancelled"), "{says}");
    let waiting = rows(&test, DeliveryState::Pending).await;
    assert!(!waiting.is_empty() && waiting.len() < 1700, "the command itself cancels some, and not all");
    let explained =
        |row: &DeliveryRow| row.reason.as_deref().unwrap().starts_with("is being cancelled: the destination");
    assert!(waiting.iter().all(explained), "{:?}", waiting[0]);
    assert!(claim(&test, 1..=MANY).await.is_empty(), "none of it is sent any more");

    // Over a start, and though the destination is wanted again in the meantime.
    let test = start_again(test).await;
    test.run(Command::SetDestinationState { id: webhook, state: DestinationState::Enabled }).await.unwrap();
    test.emit("job.fail", "{}").await;
    for strict in [false, true] {
        let heads = test.store.lane_heads(&[(webhook, strict)]).await.unwrap();
        let heads: Vec<i64> = heads.iter().map(|(_, waiting)| waiting.delivery.number()).collect();
        assert_eq!(heads, [MANY + 1], "strict: {strict}");
    }
    assert!(claim(&test, 1..=MANY).await.is_empty());
    let last = vec![DeliveryId::new(MANY)];
    assert!(test.run(Command::Replay { deliveries: last.clone() }).await.is_err(), "it is being cancelled");
    assert!(test.run(Command::Cancel { deliveries: last.clone() }).await.is_err(), "it is being cancelled");

    assert!(finish(&test).await >= 3, "in steps");
    let cancelled = rows(&test, DeliveryState::Cancelled).await;
    assert_eq!(cancelled.len(), 1700);
    let reason = Some("the destination was disabled: disabled by jane".to_owned());
    assert!(cancelled.iter().all(|row| row.reason == reason), "{:?}", cancelled[0]);
    assert_eq!(claim(&test, 1..=MANY + 1).await.len(), 1, "what came after is sent");
    test.run(Command::Replay { deliveries: last }).await.unwrap();
    assert_eq!(finish(&test).await, 0, "nothing is left to end");
    assert_eq!(claim(&test, 1..=MANY + 1).await.len(), 1, "what was sent again is sent");
}

#[tokio::test]
async fn what_is_shown_of_others_lacks_nothing_while_an_account_goes() {
    let test = TestStore::acme().await;
    test.run(Command::AddAccount { key: other(), profile: profile() }).await.unwrap();
    let shown = NewEvent { account: other(), ..event("payment.fail", "{}", None) };
    let shown = test.store.accept(vec![shown]).await.unwrap().remove(0).unwrap();
    accept(&test, MANY).await;
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
    assert!(count(&test, "event").await > 1, "the newest are still there");
    let live = test.store.live(None, 20).await.unwrap();
    let lines: Vec<_> = live.iter().map(|line| (line.event.id, line.delivery.as_ref().map(|row| row.id))).collect();
    assert_eq!(lines, [(shown.id, Some(shown.deliveries[0].0))]);
}

#[tokio::test]
async fn a_replay_of_what_is_being_cancelled_holds_all_of_it_and_waits() {
    let (test, webhook) = with_many().await;
    test.run(Command::SetDestinationState { id: webhook, state: DestinationState::Disabled }).await.unwrap();
    test.run(Command::SetDestinationState { id: webhook, state: DestinationState::Enabled }).await.unwrap();
    let filter = DeliveryFilter { destination: Some(webhook), ..DeliveryFilter::default() };
    let plan = test.store.plan_missed(&filter).await.unwrap();
    assert_eq!(plan.items.len(), 1700, "what is cancelled already, and what is about to be");
    let start = Command::StartReplay { account: Some(acme()), what: "all".to_owned(), items: plan.items };
    let id = test.run(start).await.unwrap().replay.unwrap();
    assert_eq!(test.store.replay(id).await.unwrap().sent, 0, "it waits for the end of the backlog");
    let mut keeper =
        Keeper::new(test.store.clone(), std::time::Duration::from_hours(24), std::time::Duration::from_hours(24));
    for _ in 0..1000 {
        keeper.step().await.unwrap();
        let pending = rows(&test, DeliveryState::Pending).await;
        let claimed = claim(&test, pending.iter().map(|row| row.id.number())).await;
        let ends: Vec<_> = claimed.iter().map(|one| delivered(one, test.clock_now())).collect();
        test.store.finish(ends).await.unwrap();
        test.clock.advance(std::time::Duration::from_secs(1));
        if test.store.replay(id).await.unwrap().state == ReplayState::Done {
            break;
        }
    }
    let replay = test.store.replay(id).await.unwrap();
    assert_eq!((replay.state, replay.sent, replay.passed), (ReplayState::Done, 1700, 0));
}

fn delivered(claimed: &Claimed, now: Timestamp) -> Finished {
    use bellboard::domain::delivery::{Exchange, Next};
    let exchange = Kept::of(&Exchange { request: None, answer: None, result: Ok(()) });
    let released = bellboard::dispatch::send::release(claimed, now);
    Finished { exchange, next: Next::Delivered, ..released }
}

#[tokio::test]
async fn a_removed_destination_can_come_back_while_its_backlog_ends() {
    let (test, webhook) = with_many().await;
    let removed = test.run(Command::RemoveDestination { id: webhook }).await.unwrap();
    test.run(Command::Undo { change: removed.change.unwrap() }).await.unwrap();
    accept(&test, 3).await;
    assert_eq!(claim(&test, 1..=MANY + 3).await.len(), 3);
    finish(&test).await;
    assert_eq!(rows(&test, DeliveryState::Cancelled).await.len(), 1700);
    assert_eq!(rows(&test, DeliveryState::Sending).await.len(), 3);
}

#[tokio::test]
async fn a_large_account_is_gone_with_the_command_and_its_rows_in_steps() {
    let (test, webhook) = with_many().await;
    assert_eq!(claim(&test, 1..=1).await.len(), 1, "one is being sent");
    let says = test.run(Command::RemoveAccount { key: acme() }).await.unwrap().says;
    assert!(says.ends_with("little by little"), "{says}");
    assert!(count(&test, "event").await > 0);
    assert!(test.store.account(&acme()).await.is_err());
    assert!(test.store.accounts(&AccountFilter::default()).await.unwrap().is_empty());
    assert!(test.store.events(&EventFilter::default()).await.unwrap().is_empty());
    assert!(test.store.deliveries(&DeliveryFilter::default()).await.unwrap().is_empty());
    assert!(test.store.live(None, 10).await.unwrap().is_empty());
    assert!(test.store.lane(webhook).await.unwrap().is_none());
    assert!(claim(&test, 1..=MANY).await.is_empty(), "none of it is sent any more");
    assert!(test.store.accept(vec![event("job.fail", "{}", None)]).await.unwrap()[0].is_err());
    assert!(test.run(Command::Cancel { deliveries: vec![DeliveryId::new(MANY)] }).await.is_err());
    let change = test.store.changes(&ChangeFilter::default()).await.unwrap().into_iter();
    let added = change.into_iter().find(|change| change.command == "add_destination").unwrap();
    assert!(test.run(Command::Undo { change: added.id }).await.is_err(), "it has no account any more");

    // The key is free at once, and a start changes nothing.
    test.run(Command::AddAccount { key: acme(), profile: profile() }).await.unwrap();
    test.emit("payment.fail", "{}").await;
    let test = start_again(test).await;
    assert_eq!(count(&test, "pragma_foreign_key_check").await, 0);
    assert!(finish(&test).await >= 3, "in steps");
    assert_eq!(count(&test, "pragma_foreign_key_check").await, 0);
    let left = [count(&test, "account").await, count(&test, "event").await, count(&test, "delivery").await];
    assert_eq!(left, [1, 1, 1], "what the new account has");
    assert_eq!((count(&test, "destination").await, count(&test, "ending").await), (1, 0));
}

#[tokio::test]
async fn a_small_account_is_gone_at_once() {
    let test = TestStore::acme().await;
    test.emit("payment.fail", "{}").await;
    let says = test.run(Command::RemoveAccount { key: acme() }).await.unwrap().says;
    assert!(says.ends_with("with its events and deliveries"), "{says}");
    assert_eq!((count(&test, "account").await, count(&test, "event").await), (0, 0));
}
