//! Storms: what is folded, what the summary says, and that in any order each delivery has exactly one end.

use std::time::Duration;

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{DeliveryState, Exchange, Next};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::DeliveryId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::storm::StormPolicy;
use bellboard::store::deliveries::{DeliveryFilter, DeliveryRow};
use bellboard::store::queue::{Claimed, Deliverer, Finished, Kept};
use bellboard::store::upkeep::Upkeep;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{TestStore, acme, event};

const POLICY: StormPolicy = StormPolicy { messages: 3, window: Duration::from_mins(10) };

/// Email is on for everything by default; this process delivers.
async fn store() -> TestStore {
    let test = TestStore::acme().await;
    begin(&test).await;
    test
}

async fn begin(test: &TestStore) {
    test.store.keep_up(Upkeep::Begin { storm: POLICY, failing_max: Duration::from_hours(120) }).await.unwrap();
    let deliverer =
        Deliverer { boot_id: "boot".to_owned(), process: "pid 1".to_owned(), holds: [].into(), schedule: Vec::new() };
    test.store.reclaim(deliverer).await.unwrap();
}

/// Claims the first that is due.
async fn claim(test: &TestStore) -> Result<Claimed, bool> {
    let lanes: Vec<_> = test.store.lanes(None, -1).await.unwrap().due.into_iter().map(|(id, _)| (id, false)).collect();
    let now = test.clock_now();
    let heads = test.store.lane_heads(&lanes).await.unwrap();
    let Some((_, first)) = heads.into_iter().find(|(_, waiting)| waiting.due_at <= now) else { return Err(false) };
    let ends = now.plus(Duration::from_secs(30));
    test.store.claim(vec![first.delivery], ends).await.unwrap().pop().ok_or(true)
}

async fn delivered(test: &TestStore, claimed: &Claimed) {
    let result = Finished {
        delivery: claimed.message.delivery,
        attempt: claimed.message.attempt,
        destination: claimed.destination,
        started_at: test.clock_now(),
        duration: Duration::from_millis(1),
        exchange: Kept::of(&Exchange { request: None, answer: None, result: Ok(()) }),
        next: Next::Delivered,
        decided_at: test.clock_now(),
        health: None,
        word: None,
    };
    test.store.finish(vec![result]).await.unwrap();
}

/// Sends all that is due; returns the headlines of what was sent.
async fn drain(test: &TestStore) -> Vec<String> {
    let mut sent = Vec::new();
    loop {
        match claim(test).await {
            Ok(claimed) => {
                delivered(test, &claimed).await;
                sent.push(claimed.message.headline());
            }
            Err(true) => {}
            Err(false) => return sent,
        }
    }
}

async fn emit(test: &TestStore, event_type: &str, count: usize) {
    test.store.accept(vec![event(event_type, r#"{"name":"web1"}"#, None); count]).await.unwrap();
}

async fn all(test: &TestStore) -> Vec<DeliveryRow> {
    test.store.deliveries(&DeliveryFilter { limit: 10_000, ..DeliveryFilter::default() }).await.unwrap()
}

fn in_state(rows: &[DeliveryRow], state: DeliveryState) -> usize {
    rows.iter().filter(|row| row.state == state).count()
}

#[tokio::test]
async fn the_rest_of_a_storm_is_one_summary_at_its_end() {
    let test = store().await;
    emit(&test, "job.fail", 2000).await;
    emit(&test, "payment.fail", 1).await;
    assert_eq!(drain(&test).await.len(), 4, "three of the storm, and the other that came behind it");
    let rows = all(&test).await;
    assert_eq!(in_state(&rows, DeliveryState::Folded), 1997);
    let folded = rows.iter().find(|row| row.state == DeliveryState::Folded).unwrap();
    let summary = folded.folded_into.unwrap();
    let why = test.store.why(&folded.event_id).await.unwrap();
    let email = &why.channels[Channel::Email.index()];
    assert_eq!(email.outcome, "folded");
    assert!(email.reason.contains(&summary.to_string()), "{}", email.reason);

    test.clock.advance(Duration::from_mins(9));
    emit(&test, "job.backon", 1).await;
    assert_eq!(drain(&test).await.len(), 0, "a flapping pair is one family");
    test.clock.advance(Duration::from_mins(1));
    assert_eq!(drain(&test).await, ["1998 more: 1997 Job run failed, 1 Job run succeeded (after fail)"]);
    let told = test.store.delivery(summary).await.unwrap();
    assert_eq!(told.event.event_type, "bellboard.summary");
    assert_eq!(told.event.data.text("about").as_deref(), Some("web1 (200)"));
    assert_eq!(told.event.data.text("last_message").as_deref(), Some("Job run succeeded (after fail): web1"));
    emit(&test, "job.fail", 1).await;
    assert_eq!(drain(&test).await.len(), 1, "the next window");
}

#[tokio::test]
async fn webhooks_tests_and_replays_are_never_folded() {
    let test = store().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    emit(&test, "job.fail", 6).await;
    assert_eq!(drain(&test).await.len(), 6 + 3);
    let rows = all(&test).await;
    let folded: Vec<_> = rows.iter().filter(|row| row.state == DeliveryState::Folded).map(|row| row.id).collect();
    assert_eq!(folded.len(), 3);
    test.clock.advance(Duration::from_millis(1));
    test.run(Command::Replay { deliveries: folded.clone() }).await.unwrap();
    let email = rows.iter().find(|row| row.channel == Channel::Email).unwrap().destination;
    test.run(Command::TestDestination { id: email, event_type: Some("job.fail".to_owned()) }).await.unwrap();
    assert_eq!(drain(&test).await.len(), 4, "a person wants these sent");
    assert_eq!(test.store.delivery(folded[0]).await.unwrap().delivery.folded_into, None);
}

#[tokio::test]
async fn a_restart_remembers_what_was_sent_and_which_summary_takes_more() {
    let test = store().await;
    emit(&test, "job.fail", 4).await;
    assert_eq!(drain(&test).await.len(), 3);
    begin(&test).await;
    test.clock.advance(Duration::from_mins(5));
    emit(&test, "job.fail", 2).await;
    assert_eq!(drain(&test).await.len(), 0);
    let rows = all(&test).await;
    let mut summaries: Vec<_> = rows.iter().filter_map(|row| row.folded_into).collect();
    assert_eq!(summaries.len(), 3);
    summaries.dedup();
    assert_eq!(summaries.len(), 1);
}

/// What happens in a case.
#[derive(Clone, Debug)]
enum Step {
    Emit(usize),
    Flap(usize),
    Send,
    /// Claims one whose result is lost by a restart.
    Lose,
    Restart,
    Forward(u64),
    Cancel(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..9_usize).prop_map(Step::Emit),
        2 => (1..4_usize).prop_map(Step::Flap),
        6 => Just(Step::Send),
        1 => Just(Step::Lose),
        1 => Just(Step::Restart),
        3 => prop_oneof![Just(1), Just(5), Just(11)].prop_map(Step::Forward),
        1 => (0..20_usize).prop_map(Step::Cancel),
    ]
}

async fn run(steps: Vec<Step>) {
    let test = store().await;
    for step in steps {
        match step {
            Step::Emit(count) => emit(&test, "job.fail", count).await,
            Step::Flap(count) => {
                for _ in 0..count {
                    emit(&test, "server.stopped", 1).await;
                    emit(&test, "server.backon", 1).await;
                }
            }
            Step::Send => {
                if let Ok(claimed) = claim(&test).await {
                    delivered(&test, &claimed).await;
                }
            }
            Step::Lose => {
                let _ = claim(&test).await;
                begin(&test).await;
            }
            Step::Restart => begin(&test).await,
            Step::Forward(minutes) => test.clock.advance(Duration::from_mins(minutes)),
            Step::Cancel(at) => {
                if let Some(row) = all(&test).await.get(at) {
                    let _ = test.run(Command::Cancel { deliveries: vec![row.id] }).await;
                }
            }
        }
    }
    for _ in 0..3 {
        drain(&test).await;
        test.clock.advance(Duration::from_mins(11));
    }
    check(&test, &all(&test).await).await;
}

/// Each delivery has one end, and each that was folded is told of by the one summary that it names.
async fn check(test: &TestStore, rows: &[DeliveryRow]) {
    let of = |id: DeliveryId| rows.iter().find(|row| row.id == id).unwrap();
    let mut told = std::collections::HashMap::<DeliveryId, usize>::new();
    for row in rows {
        assert!(row.state.is_end(), "{row:?}");
        assert_eq!(row.state == DeliveryState::Folded, row.folded_into.is_some(), "{row:?}");
        if let Some(summary) = row.folded_into {
            let summary = of(summary);
            assert_eq!(summary.event_type, "bellboard.summary");
            assert!(matches!(summary.state, DeliveryState::Delivered | DeliveryState::Cancelled), "{summary:?}");
            *told.entry(summary.id).or_default() += 1;
        }
    }
    for (summary, count) in told {
        let detail = test.store.delivery(summary).await.unwrap();
        if detail.delivery.state == DeliveryState::Delivered {
            assert_eq!(detail.event.data.text("count"), Some(count.to_string()));
        }
    }
}

#[test]
fn in_any_order_each_delivery_has_one_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let cases = prop::collection::vec(step(), 1..40);
    let ran = TestRunner::new_with_rng(config, random).run(&cases, |steps| {
        runtime.block_on(run(steps));
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

/// Makes all that waits for the only destination at an end by a mark, and enables that again.
async fn end_backlog(test: &TestStore) {
    let id = test.store.destinations(&acme(), None).await.unwrap()[0].id;
    for state in [DestinationState::Disabled, DestinationState::Enabled] {
        test.run(Command::SetDestinationState { id, state }).await.unwrap();
    }
    assert_eq!(test.store.endings().await.unwrap().backlogs, 1);
}

/// Claims these one after the other, of which some are folded; returns how many are sent.
async fn claim_these(test: &TestStore, numbers: std::ops::RangeInclusive<i64>) -> usize {
    let ends = test.clock_now().plus(Duration::from_secs(30));
    let mut sent = 0;
    for number in numbers {
        sent += test.store.claim(vec![DeliveryId::new(number)], ends).await.unwrap().len();
    }
    sent
}

#[tokio::test]
async fn a_summary_that_is_being_cancelled_takes_no_more() {
    let test = store().await;
    emit(&test, "payment.fail", 1200).await;
    emit(&test, "job.fail", 4).await;
    assert_eq!(claim_these(&test, 1201..=1204).await, 3, "the fourth is folded into a summary");
    end_backlog(&test).await;
    emit(&test, "job.fail", 1).await;
    assert_eq!(claim_these(&test, 1206..=1206).await, 0, "the storm goes on");
    while test.store.end_some().await.unwrap().is_some() {}
    test.clock.advance(Duration::from_mins(10));
    assert_eq!(drain(&test).await, ["1 more: 1 Job run failed"], "what came after the end is told");
}

#[tokio::test]
async fn what_is_being_cancelled_is_not_told_by_a_summary() {
    let test = store().await;
    emit(&test, "job.fail", 1200).await;
    end_backlog(&test).await;
    emit(&test, "job.fail", 5).await;
    assert_eq!(claim_these(&test, 1201..=1205).await, 3);
    while test.store.end_some().await.unwrap().is_some() {}
    let rows = all(&test).await;
    assert_eq!((in_state(&rows, DeliveryState::Cancelled), in_state(&rows, DeliveryState::Folded)), (1200, 2));
}
