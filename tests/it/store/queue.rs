//! Lanes, claims and results.

use std::time::Duration;

use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::{Answer, DeliveryState, Exchange, Next, Reason, SendError, SentBody, SentRequest};
use bellboard::domain::id::DeliveryId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::retry::Patience;
use bellboard::store::queue::{Claimed, Deliverer, Finished, Health, Kept};

use crate::support::{TestStore, acme};

const LEASE: Duration = Duration::from_secs(30);

fn deliverer() -> Deliverer {
    let holds = [(Channel::Email, Reason::new("no mail server is configured"))].into();
    Deliverer { boot_id: "boot".to_owned(), process: "pid 1".to_owned(), holds, schedule: Vec::new() }
}

async fn webhook_store() -> TestStore {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    test
}

async fn claim(test: &TestStore, delivery: DeliveryId) -> Claimed {
    let ends = test.store.clock().now().plus(LEASE);
    test.store.claim(vec![delivery], ends).await.unwrap().remove(0)
}

fn finished(test: &TestStore, claimed: &Claimed, next: Next) -> Finished {
    let answer = Answer { status: 500, headers: Vec::new(), body: "oops".to_owned() };
    let result = match next {
        Next::Delivered => Ok(()),
        _ => Err(SendError::Retry { reason: Reason::new("answered 500"), after: None, patience: Patience::Full }),
    };
    Finished {
        delivery: claimed.message.delivery,
        attempt: claimed.message.attempt,
        destination: claimed.destination,
        started_at: test.store.clock().now(),
        duration: Duration::from_millis(12),
        exchange: Kept::of(&Exchange {
            request: Some(SentRequest {
                method: "POST".to_owned(),
                url: "https://hooks.acme.test/in".to_owned(),
                headers: Vec::new(),
                body: SentBody::Payload(7),
            }),
            answer: Some(answer),
            result,
        }),
        next,
        decided_at: test.store.clock().now(),
        health: None,
        word: None,
    }
}

#[tokio::test]
async fn a_delivery_is_claimed_once_and_sent_as_it_came() {
    let test = webhook_store().await;
    let delivery = test.emit("job.fail", r#"{"n":1}"#).await.deliveries[0].0;
    let lanes = test.store.lanes(None, 0).await.unwrap().due;
    assert_eq!(lanes.len(), 1);
    let heads = test.store.lane_heads(&[(lanes[0].0, false)]).await.unwrap();
    assert_eq!((heads.len(), heads[0].1.delivery), (1, delivery));
    let claimed = claim(&test, delivery).await;
    assert_eq!((claimed.message.attempt, claimed.tries), (1, 1));
    assert_eq!(claimed.message.payload.as_str(), r#"{"n":1}"#);
    assert_eq!(claimed.message.account, acme());
    let ends = test.store.clock().now().plus(LEASE);
    assert!(test.store.claim(vec![delivery], ends).await.unwrap().is_empty(), "a second claim gets nothing");
    assert!(test.store.lanes(None, 0).await.unwrap().due.is_empty());
}

#[tokio::test]
async fn results_lead_to_their_states_and_leave_attempts() {
    let test = webhook_store().await;
    let delivery = test.emit("job.fail", r#"{"n":1}"#).await.deliveries[0].0;
    let first = claim(&test, delivery).await;
    let at = test.store.clock().now().plus(Duration::from_secs(5));
    test.store.finish(vec![finished(&test, &first, Next::Retry { at, counted: true })]).await.unwrap();
    let row = test.store.delivery(delivery).await.unwrap().delivery;
    assert_eq!((row.state, row.next_attempt_at, row.attempts), (DeliveryState::Pending, Some(at), 1));
    assert_eq!(row.reason.as_deref(), Some("answered 500"));
    let second = claim(&test, delivery).await;
    test.store.finish(vec![finished(&test, &first, Next::Delivered)]).await.unwrap();
    assert_eq!(test.store.delivery(delivery).await.unwrap().delivery.state, DeliveryState::Sending, "a late result");
    test.store.finish(vec![finished(&test, &second, Next::Delivered)]).await.unwrap();
    let detail = test.store.delivery(delivery).await.unwrap();
    assert_eq!((detail.delivery.state, detail.delivery.status), (DeliveryState::Delivered, Some(500)));
    let log: Vec<_> = detail.attempts.iter().map(|attempt| (attempt.number, attempt.outcome.as_str())).collect();
    assert_eq!(log, [(1, "failed"), (2, "delivered")]);
    let body = &detail.attempts[0].request.as_ref().unwrap().body;
    assert_eq!(body, r#"{"n":1,"timestamp":7,"event_type":"job.fail"}"#);
    let lines = test.store.attempts_after(0, None, 10).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(test.store.attempts_after(lines[1].cursor, Some(&acme()), 10).await.unwrap(), []);
    assert_eq!(test.store.last_attempt().await.unwrap(), lines[1].cursor);
}

#[tokio::test]
async fn a_wait_decided_before_the_clock_was_set_back_counts_from_then() {
    let test = webhook_store().await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    let claimed = claim(&test, delivery).await;
    let wait = Duration::from_secs(5);
    let result = finished(&test, &claimed, Next::Retry { at: test.clock_now().plus(wait), counted: true });
    test.clock.set(test.clock_now().minus(Duration::from_hours(24)));
    test.store.finish(vec![result]).await.unwrap();
    let row = test.store.delivery(delivery).await.unwrap().delivery;
    assert_eq!(row.next_attempt_at, Some(test.clock_now().plus(wait)));
}

#[tokio::test]
async fn what_does_not_count_leaves_no_attempt() {
    let test = webhook_store().await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    let claimed = claim(&test, delivery).await;
    let at = test.store.clock().now();
    test.store.finish(vec![finished(&test, &claimed, Next::Retry { at, counted: false })]).await.unwrap();
    let detail = test.store.delivery(delivery).await.unwrap();
    assert_eq!((detail.delivery.attempts, detail.attempts.len()), (0, 0));
    assert_eq!(claim(&test, delivery).await.message.attempt, 1);
}

#[tokio::test]
async fn what_was_being_sent_is_reclaimed_at_once() {
    let test = webhook_store().await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    claim(&test, delivery).await;
    assert_eq!(test.store.reclaim(deliverer()).await.unwrap(), 1);
    let detail = test.store.delivery(delivery).await.unwrap();
    assert_eq!(detail.delivery.next_attempt_at, Some(test.store.clock().now()));
    assert_eq!(detail.attempts[0].outcome, "interrupted");
    let again = claim(&test, delivery).await;
    assert_eq!((again.message.attempt, again.tries), (2, 1), "an interrupted try does not use up the schedule");
    for expected in [1, 1, 2, 3] {
        test.store.reclaim(deliverer()).await.unwrap();
        assert_eq!(claim(&test, delivery).await.tries, expected, "unless it happens each time");
    }
    assert_eq!(test.store.pulse(None).await.unwrap().delivering_by.as_deref(), Some("pid 1"));
}

#[tokio::test]
async fn what_is_interrupted_again_and_again_waits_ever_longer_and_is_parked_at_last() {
    let test = webhook_store().await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    let mut waited = Vec::new();
    loop {
        claim(&test, delivery).await;
        test.store.reclaim(deliverer()).await.unwrap();
        let row = test.store.delivery(delivery).await.unwrap().delivery;
        let Some(at) = row.next_attempt_at else { break assert_eq!(row.state, DeliveryState::Parked) };
        waited.push(at.since(test.clock_now()).as_secs());
        test.clock.set(at);
    }
    assert_eq!(waited, [0, 0, 0, 5, 20, 80, 320, 1280, 5120]);
}

#[tokio::test]
async fn a_replay_begins_the_schedule_anew() {
    let test = webhook_store().await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    let claimed = claim(&test, delivery).await;
    let failed = Next::Failed { reason: Reason::new("no"), gone: false };
    test.store.finish(vec![finished(&test, &claimed, failed)]).await.unwrap();
    let replay = bellboard::domain::command::Command::Replay { deliveries: vec![delivery] };
    test.run(replay.clone()).await.unwrap();
    assert!(test.run(replay).await.is_err(), "what waits is not replayed");
    let claimed = claim(&test, delivery).await;
    assert_eq!((claimed.message.attempt, claimed.tries), (2, 1));
}

#[tokio::test]
async fn a_destination_that_is_gone_is_disabled_and_its_lane_ends() {
    let test = webhook_store().await;
    let first = test.emit("job.fail", "{}").await.deliveries[0].0;
    let second = test.emit("job.fail", "{}").await.deliveries[0].0;
    let claimed = claim(&test, first).await;
    let gone = Next::Failed { reason: Reason::new("answered 410"), gone: true };
    let mut result = finished(&test, &claimed, gone);
    result.health = Some(Health::Disable { reason: Reason::new("answered 410") });
    test.store.finish(vec![result]).await.unwrap();
    let destination = test.store.destination(claimed.destination).await.unwrap().1;
    assert_eq!(destination.state.name(), "disabled");
    assert_eq!(destination.state_reason.as_deref(), Some("answered 410"));
    assert_eq!(test.store.delivery(second).await.unwrap().delivery.state, DeliveryState::Cancelled);
    let why = test.store.why(&test.emit("job.fail", "{}").await.id).await.unwrap();
    assert_eq!(why.channels[5].outcome, "not_sent");
}

#[tokio::test]
async fn health_is_noted_and_forgotten() {
    let test = webhook_store().await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    let claimed = claim(&test, delivery).await;
    let at = test.store.clock().now();
    let mut result = finished(&test, &claimed, Next::Retry { at, counted: true });
    result.health = Some(Health::Failing { reason: Reason::new("answered 500") });
    test.store.finish(vec![result]).await.unwrap();
    let destination = async || test.store.destination(claimed.destination).await.unwrap().1;
    assert_eq!(destination().await.failing_since, Some(at));
    assert_eq!(test.store.pulse(Some(&acme())).await.unwrap().failing, 1);
    let claimed = claim(&test, delivery).await;
    let mut result = finished(&test, &claimed, Next::Delivered);
    result.health = Some(Health::Recovered);
    test.store.finish(vec![result]).await.unwrap();
    assert_eq!(destination().await.failing_since, None);
}

#[tokio::test]
async fn what_waits_for_a_channel_or_a_pause_says_so() {
    let test = TestStore::acme().await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    test.store.reclaim(deliverer()).await.unwrap();
    let row = async || test.store.delivery(delivery).await.unwrap().delivery;
    assert_eq!(row().await.reason.as_deref(), Some("no mail server is configured"));
    let id = row().await.destination;
    let state = bellboard::domain::destination::DestinationState::Paused;
    test.run(bellboard::domain::command::Command::SetDestinationState { id, state }).await.unwrap();
    assert_eq!(row().await.reason.as_deref(), Some("paused by jane"));
}

#[tokio::test]
async fn a_start_looks_first_at_what_came_last() {
    let test = webhook_store().await;
    test.emit("job.fail", "{}").await;
    // More lanes than are read at once, in each of which something waits for its next try.
    test.damage(
        "INSERT INTO destination (account_id, channel, label, fields, only_types, state, created_at, removed_at)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 1000)
         SELECT account_id, channel, label, fields, only_types, state, created_at, 1 FROM destination, n",
    )
    .await;
    test.damage(
        "INSERT INTO delivery (event_id, destination_id, state, attempts, attempts_base, due_at, created_at, due_since, updated_at)
         SELECT event_id, destination.id, 'pending', 1, 0, due_at + 60000, delivery.created_at, due_since, updated_at
         FROM destination, delivery WHERE destination.id <> delivery.destination_id",
    )
    .await;
    let last = test.webhook().await;
    test.emit("job.fail", "{}").await;
    let known = async |since| {
        let lanes = test.store.lanes(None, since).await.unwrap();
        (lanes.next.is_some(), lanes.due.iter().any(|(id, due_at)| *id == last && *due_at <= test.clock_now()))
    };
    assert_eq!(known(-1).await, (true, true), "at a start");
    assert_eq!(known(0).await, (true, false), "in its turn");
}
