//! How SQLite works off what is asked while deliveries are made and screens are drawn: never through a whole table that grows.
//!
//! The statements are taken from what really runs, so that none is forgotten: the driver tells each one's text, and only those
//! count that run on behalf of this test.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellboard::dispatch::send::release;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{DeliveryState, Exchange, Next};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::accounts::{AccountFilter, AccountOrder};
use bellboard::store::audit::ChangeFilter;
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::events::EventFilter;
use bellboard::store::failing::FailureFilter;
use bellboard::store::history::Subject;
use bellboard::store::prune::Place;
use bellboard::store::queue::{Claimed, Deliverer, Finished, Kept};
use bellboard::store::search::LiveFilter;
use bellboard::store::upkeep::Upkeep;
use sqlx::{Connection, Row, SqliteConnection};
use tracing::Instrument;

use crate::statements;
use crate::support::{TestStore, acme, actor, event, other, profile};

/// Tables that grow with what happens.
const GROWING: [&str; 7] = ["event", "delivery", "attempt", "idempotency", "audit", "audit_together", "trouble"];

const LEASE: Duration = Duration::from_secs(30);

fn delivered(claimed: &Claimed, test: &TestStore) -> Finished {
    let exchange = Kept::of(&Exchange { request: None, answer: None, result: Ok(()) });
    Finished { exchange, next: Next::Delivered, ..release(claimed, test.clock_now()) }
}

/// What the dispatcher asks.
async fn deliver(test: &TestStore) {
    let webhook = test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    for _ in 0..2 {
        let accepted = test.store.accept(vec![event("job.fail", "{}", Some("key"))]).await.unwrap();
        assert!(accepted[0].is_ok());
    }
    let delivery = test.emit("job.fail", r#"{"name":"backup"}"#).await.deliveries[0].0;
    for event_type in ["server.stopped", "server.backon"] {
        test.emit(event_type, r#"{"server":"web1"}"#).await;
    }
    let lanes = test.store.lanes(None, 0).await.unwrap();
    test.store.lane_heads(&[(webhook, false), (lanes.due[0].0, true)]).await.unwrap();
    test.store.lane(webhook).await.unwrap();
    let claimed = test.store.claim(vec![delivery], test.clock_now().plus(LEASE)).await.unwrap();
    test.store.finish(claimed.iter().map(|claimed| delivered(claimed, test)).collect::<Vec<_>>()).await.unwrap();
    test.run(Command::Replay { deliveries: vec![delivery] }).await.unwrap();
    test.run(Command::Cancel { deliveries: vec![delivery] }).await.unwrap();
    test.store.waiting_for_page(webhook).await.unwrap();
    test.store.attempts_after(0, Some(&acme()), 10).await.unwrap();
    test.store.last_attempt().await.unwrap();
    test.store.backlog().await.unwrap();
}

/// What people change as one, and take back.
async fn change(test: &TestStore) {
    test.run(Command::AddAccount { key: other(), profile: profile() }).await.unwrap();
    let copied = test.run(Command::CopySetup { from: acme(), to: other() }).await.unwrap();
    test.run(Command::Undo { change: copied.change.unwrap() }).await.unwrap();
    let redo = test.store.last_redoable(&actor(), Some(&other())).await.unwrap().unwrap();
    test.run(Command::Undo { change: redo.change }).await.unwrap();
}

/// What the screens ask.
async fn look(test: &TestStore) {
    let store = &test.store;
    let found = AccountFilter { text: "ac".to_owned(), trouble_only: true, ..AccountFilter::default() };
    for filter in [AccountFilter::default(), found] {
        for order in [AccountOrder::Name, AccountOrder::Trouble, AccountOrder::Recent] {
            store.accounts(&AccountFilter { order, ..filter.clone() }).await.unwrap();
        }
    }
    store.last_deliveries(&acme(), Channel::Webhook).await.unwrap();
    let events = store.events(&EventFilter { account: Some(acme()), ..EventFilter::default() }).await.unwrap();
    let id = events[0].id;
    store.events(&EventFilter { event_type: Some("job.fail".to_owned()), ..EventFilter::default() }).await.unwrap();
    store.events(&EventFilter { before: Some(id), ..EventFilter::default() }).await.unwrap();
    store.event(&id).await.unwrap();
    store.why(&id).await.unwrap();
    store.event_before(&id).await.unwrap();
    store.event_after(&id).await.unwrap();
    store.newest_event(&acme(), "job.fail").await.unwrap();
    for account in [None, Some(acme())] {
        store.pulse(account.as_ref()).await.unwrap();
        store.live(account.as_ref(), 20).await.unwrap();
        store.changes(&ChangeFilter { account: account.clone(), ..ChangeFilter::default() }).await.unwrap();
        store.last_undoable(&actor(), account.as_ref()).await.unwrap();
        for state in DeliveryState::ALL.map(Some).into_iter().chain([None]) {
            let filter = DeliveryFilter { account: account.clone(), state, ..DeliveryFilter::default() };
            let rows = store.deliveries(&filter).await.unwrap();
            if let Some(row) = rows.first() {
                store.delivery(row.id).await.unwrap();
                let (destination, before) = (Some(row.destination), Some(row.id));
                store.deliveries(&DeliveryFilter { destination, before, ..filter }).await.unwrap();
            }
        }
    }
    store.trouble().await.unwrap();
    let narrow = || (Some("ac".to_owned()), Some(Channel::Webhook), Some("fail".to_owned()), vec!["x".to_owned()]);
    let (account, channel, event_type, words) = narrow();
    let narrowed =
        FailureFilter { account, channel, event_type, words, since: Some(test.clock_now()), ..Default::default() };
    for filter in [FailureFilter::default(), FailureFilter { for_good: Some(true), limit: 9, ..narrowed }] {
        store.failures(&filter).await.unwrap();
    }
    store.failure_counts(60_000, 10).await.unwrap();
    let (_, channel, event_type, words) = narrow();
    let narrowed = LiveFilter { channel, event_type, words, state: None, since: Some(test.clock_now()) };
    for filter in [LiveFilter::default(), LiveFilter { state: Some("waiting".to_owned()), ..narrowed }] {
        store.live_found(&acme(), &filter, 20).await.unwrap();
    }
    let destination = store.matrix(&acme()).await.unwrap().destinations[0].id;
    store.recent_tries(destination, test.clock_now()).await.unwrap();
    store.history(&Subject::Account(acme()), 20).await.unwrap();
}

/// What goes on beside the deliveries.
async fn keep_up(test: &TestStore) {
    let store = &test.store;
    for state in [DestinationState::Disabled, DestinationState::Enabled] {
        let webhook = store.matrix(&acme()).await.unwrap().destinations.last().unwrap().id;
        test.run(Command::SetDestinationState { id: webhook, state }).await.unwrap();
    }
    for destination in [None, store.matrix(&acme()).await.unwrap().destinations.last().map(|one| one.id)] {
        for account in [None, Some(acme())] {
            let filter = DeliveryFilter { destination, account, ..DeliveryFilter::default() };
            store.plan_missed(&filter).await.unwrap();
            store.plan_again(&filter).await.unwrap();
        }
    }
    for seconds in [5, 6] {
        let (boot_id, process) = ("boot".to_owned(), "pid 1".to_owned());
        let schedule = vec![Duration::from_secs(seconds)];
        store.reclaim(Deliverer { boot_id, process, holds: [].into(), schedule }).await.unwrap();
    }
    store.keep_up(Upkeep::Ends).await.unwrap();
    store.keep_up(Upkeep::Replays).await.unwrap();
    test.clock.advance(2 * LEASE);
    let now = test.clock_now();
    store.prune(now, Place::default()).await.unwrap();
    store.keep_up(Upkeep::Prune { events: vec![1] }).await.unwrap();
    store.prune_others(now).await.unwrap();
    store.keep_up(Upkeep::PruneOthers { before: now }).await.unwrap();
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
}

#[tokio::test]
async fn nothing_that_is_asked_often_reads_a_whole_table() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let all = seen.clone();
    statements::listen("plans", move |statement| {
        all.lock().unwrap().insert(statement);
    });
    let work = async {
        let test = TestStore::acme().await;
        deliver(&test).await;
        change(&test).await;
        look(&test).await;
        keep_up(&test).await;
        test
    };
    let test = work.instrument(tracing::info_span!("plans")).await;
    let path = test.folder.path().join("bellboard.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let partial =
        sqlx::query_scalar::<_, String>("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '%WHERE%'");
    let partial = partial.fetch_all(&mut connection).await.unwrap();
    let statements: Vec<String> = seen.lock().unwrap().iter().cloned().collect();
    let asked: Vec<&String> = statements.iter().filter(|statement| is_asked(statement)).collect();
    assert!(asked.len() > 60, "only {} statements were seen", asked.len());
    let broken = scans(&mut connection, &asked, &partial).await;
    assert!(broken.is_empty(), "these read a whole table:\n{}", broken.join("\n\n"));
    // And by statistics of a file that was small when they were made.
    sqlx::query("ANALYZE").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let broken = scans(&mut connection, &asked, &partial).await;
    assert!(broken.is_empty(), "these read a whole table by statistics:\n{}", broken.join("\n\n"));
}

fn is_asked(statement: &str) -> bool {
    ["SELECT", "WITH", "UPDATE", "DELETE", "INSERT"].iter().any(|verb| statement.starts_with(verb))
}

/// The statements that go through a whole table that grows.
async fn scans(connection: &mut SqliteConnection, statements: &[&String], partial: &[String]) -> Vec<String> {
    let mut broken = Vec::new();
    for statement in statements {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(explain)).fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<(i64, String)> = rows.iter().map(|row| (row.get(1), row.get(3))).collect();
        for (level, line) in &plan {
            let table = line.strip_prefix("SCAN ").and_then(|scan| scan.split(' ').next()).unwrap_or_default();
            let small = partial.iter().any(|index| line.ends_with(&format!("INDEX {index}")));
            // From the newest row on, until enough were found: without a sort of what was found at the same level.
            let sorts = |other: &(i64, String)| other.0 == *level && other.1.contains("TEMP B-TREE FOR ORDER BY");
            let stops = statement.contains("LIMIT") && !plan.iter().any(sorts);
            // What a statement made for itself, under the name of a table.
            let made = plan.iter().any(|(_, line)| line.strip_prefix("MATERIALIZE ") == Some(table));
            if GROWING.contains(&table) && !made && !small && !stops {
                broken.push(format!("{statement}\n    {plan:#?}"));
            }
        }
    }
    broken
}
