//! A changed schedule for much that waits: in steps of few rows, over starts, beside all else that goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use bellboard::dispatch::send::{broken, release};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{Exchange, Next, Reason, SendError};
use bellboard::domain::id::DeliveryId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::retry::Patience;
use bellboard::domain::time::Timestamp;
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::queue::{Claimed, Deliverer, Finished, Kept};
use bellboard::store::upkeep::Upkeep;
use bellboard::store::{Options, Store};

use crate::support::{TestStore, event};

/// Deliveries that a step looks at.
const STEP: u64 = 500;

const MANY: i64 = 1700;

const OLD: Duration = Duration::from_mins(5);
const NEW: Duration = Duration::from_secs(70);

async fn begin(test: &TestStore, schedule: &[Duration]) {
    let name = || "pid 1".to_owned();
    let deliverer = Deliverer { boot_id: name(), process: name(), holds: [].into(), schedule: schedule.to_vec() };
    test.store.reclaim(deliverer).await.unwrap();
}

async fn claim(test: &TestStore, numbers: impl IntoIterator<Item = i64>) -> Vec<Claimed> {
    let ends = test.clock_now().plus(Duration::from_secs(30));
    test.store.claim(numbers.into_iter().map(DeliveryId::new).collect(), ends).await.unwrap()
}

/// A try that failed, after which the next one comes in that time.
fn failed(test: &TestStore, claimed: &Claimed, wait: Duration) -> Finished {
    let next = Next::Retry { at: test.clock_now().plus(wait), counted: true };
    Finished { exchange: Kept::of(&broken("answered 500", Patience::Full)), next, ..release(claimed, test.clock_now()) }
}

/// It was no try, as its service asked for a rest.
fn uncounted(test: &TestStore, claimed: &Claimed, wait: Duration) -> Finished {
    let (reason, patience) = (Reason::new("asked to wait"), Patience::NotCounted);
    let exchange =
        Exchange { request: None, answer: None, result: Err(SendError::Retry { reason, after: Some(wait), patience }) };
    let next = Next::Retry { at: test.clock_now().plus(wait), counted: false };
    Finished { exchange: Kept::of(&exchange), next, ..release(claimed, test.clock_now()) }
}

/// Two destinations for which as many wait as a step looks at and more, by the old schedule.
async fn with_many() -> TestStore {
    let test = TestStore::acme().await;
    for path in ["one", "two"] {
        test.webhook_at(&format!("https://hooks.acme.test/{path}")).await;
    }
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    begin(&test, &[OLD]).await;
    let accepted = test.store.accept((0..MANY / 2).map(|_| event("job.fail", "{}", None)).collect()).await.unwrap();
    assert!(accepted.iter().all(Result::is_ok));
    for claimed in claim(&test, 1..=MANY).await.chunks(400) {
        let results: Vec<_> = claimed.iter().map(|claimed| failed(&test, claimed, OLD)).collect();
        test.store.finish(results).await.unwrap();
    }
    test.clock.advance(Duration::from_secs(1));
    test
}

/// When each that waits is due, as long after the first try.
async fn waits(test: &TestStore, tried: Timestamp) -> BTreeMap<i64, Duration> {
    let filter = DeliveryFilter { limit: 100_000, ..DeliveryFilter::default() };
    let rows = test.store.deliveries(&filter).await.unwrap();
    rows.iter().filter_map(|row| Some((row.id.number(), row.next_attempt_at?.since(tried)))).collect()
}

/// How many wait that long, and up to a tenth more, as they are spread.
fn count(waits: &BTreeMap<i64, Duration>, wait: Duration) -> u64 {
    waits.values().filter(|found| (wait..=wait.mul_f64(1.1)).contains(*found)).count() as u64
}

/// The same file, as the next process finds it.
async fn start_again(test: TestStore) -> TestStore {
    let TestStore { store, clock, folder } = test;
    store.close().await;
    let store = Store::open(&Options::at(folder.path().join("bellboard.db")), clock.clone()).await.unwrap();
    TestStore { store, clock, folder }
}

#[tokio::test]
async fn no_step_moves_many_and_the_next_process_goes_on() {
    let test = with_many().await;
    let tried = test.clock_now().minus(Duration::from_secs(1));
    begin(&test, &[NEW]).await;
    let mut moved = count(&waits(&test, tried).await, NEW);
    assert_eq!(moved, STEP, "the first step is made at the start");
    let mut test = start_again(test).await;
    let mut steps = 1;
    while let Some(step) = test.store.reschedule_some().await.unwrap() {
        let found = count(&waits(&test, tried).await, NEW);
        assert!(step <= STEP && found == moved + step, "{moved}, then {found}");
        (moved, steps) = (found, steps + 1);
        if steps == 2 {
            // By the same schedule: the steps go on, and none is made again.
            test = start_again(test).await;
            begin(&test, &[NEW]).await;
            assert_eq!(count(&waits(&test, tried).await, NEW), moved);
        }
    }
    assert_eq!((moved, steps), (MANY.unsigned_abs(), 4));
    let mut due: Vec<_> = waits(&test, tried).await.into_values().collect();
    due.sort_unstable();
    let herd = due.chunk_by(|one, other| one == other).map(<[_]>::len).max();
    assert!(herd < Some(8), "{herd:?} of {MANY} are due in the same millisecond");
    assert!(due[0] < NEW.mul_f64(1.01) && due[due.len() - 1] > NEW.mul_f64(1.09), "spread over all of a tenth");
    assert_eq!(test.store.keep_up(Upkeep::Reschedule).await.unwrap(), 0, "nothing is left");
}

#[tokio::test]
async fn a_schedule_that_changes_again_begins_anew() {
    let test = with_many().await;
    let tried = test.clock_now().minus(Duration::from_secs(1));
    begin(&test, &[NEW]).await;
    assert!(test.store.reschedule_some().await.unwrap().is_some());
    assert_eq!(count(&waits(&test, tried).await, NEW), 2 * STEP);
    let third = Duration::from_secs(90);
    begin(&test, &[third]).await;
    let found = waits(&test, tried).await;
    assert_eq!((count(&found, third), count(&found, NEW)), (STEP, STEP), "from the first one on");
    while test.store.reschedule_some().await.unwrap().is_some() {}
    assert_eq!(count(&waits(&test, tried).await, third), MANY.unsigned_abs());
}

#[tokio::test]
async fn what_has_changed_meanwhile_stays_as_it_is() {
    let test = with_many().await;
    let tried = test.clock_now().minus(Duration::from_secs(1));
    begin(&test, &[NEW, NEW]).await;
    // Of each lane some, of what the steps have been at and of what they have not.
    let of = |kind: i64| [10, 11, MANY - 10, MANY - 11].map(|number| number - 2 * kind);
    let other = Duration::from_secs(33);
    let again: Vec<_> = claim(&test, of(0)).await.iter().map(|claimed| failed(&test, claimed, other)).collect();
    test.store.finish(again).await.unwrap();
    let held: Vec<_> = claim(&test, of(1)).await.iter().map(|claimed| uncounted(&test, claimed, other)).collect();
    test.store.finish(held).await.unwrap();
    let given_back: Vec<_> =
        claim(&test, of(2)).await.iter().map(|claimed| release(claimed, test.clock_now())).collect();
    test.store.finish(given_back).await.unwrap();
    test.run(Command::Cancel { deliveries: of(3).map(DeliveryId::new).to_vec() }).await.unwrap();
    test.run(Command::Cancel { deliveries: of(4).map(DeliveryId::new).to_vec() }).await.unwrap();
    test.run(Command::Replay { deliveries: of(4).map(DeliveryId::new).to_vec() }).await.unwrap();
    let sending = claim(&test, of(0).map(|number| number + 100 * (1 - 2 * i64::from(number > 100)))).await;
    let fresh = test.emit("job.fail", "{}").await.deliveries;
    let before = test.clock_now();
    test.clock.advance(Duration::from_secs(5));

    let test = start_again(test).await;
    while test.store.reschedule_some().await.unwrap().is_some() {}
    let found = waits(&test, tried).await;
    let all = |numbers: [i64; 4], expected: Option<Duration>, what: &str| {
        assert!(numbers.iter().all(|number| found.get(number).copied() == expected), "{what}: {found:?}");
    };
    let since = before.since(tried);
    all(of(0), Some(since + other), "tried again by the new schedule");
    all(of(1), Some(since + other), "held by its service");
    all(of(2), Some(since), "given back and due at once");
    all(of(3), None, "cancelled");
    all(of(4), Some(since), "sent again by a person");
    assert!(fresh.iter().all(|(id, _)| found.get(&id.number()) == Some(&since)), "not tried yet");
    let untouched = MANY.unsigned_abs() - 5 * 4 - 4;
    assert_eq!(count(&found, NEW), untouched, "and all others wait by the new one");
    let done: Vec<_> = sending.iter().map(|claimed| failed(&test, claimed, other)).collect();
    test.store.finish(done).await.unwrap();
    let due = test.clock_now().plus(other).since(tried);
    assert_eq!(count(&waits(&test, tried).await, due), 4, "what was under way is still its claimer's");
}
