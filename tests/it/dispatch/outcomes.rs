//! Every kind of answer, and what follows.

use std::time::Duration;

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::DestinationState;

use crate::dispatch::Rig;
use crate::receiver::Receiver;

#[tokio::test]
async fn a_good_receiver_gets_the_event_once_signed_and_whole() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    let detail = rig.detail(delivery).await;
    assert_eq!((detail.delivery.state, detail.delivery.status), (DeliveryState::Delivered, Some(200)));
    let requests = receiver.received();
    assert_eq!(requests.len(), 1);
    let seconds = rig.test.clock_now().seconds();
    let body = format!(r#"{{"name":"backup","timestamp":{seconds},"event_type":"job.fail"}}"#);
    assert_eq!(requests[0].body, body);
    assert_eq!(requests[0].header("webhook-id"), detail.event.id.to_string());
    assert_eq!(requests[0].header("content-type"), "application/json");
    assert!(requests[0].header("user-agent").starts_with("bellboard/"));
    assert_eq!(detail.attempts[0].request.as_ref().unwrap().body, body);
    assert_eq!(detail.attempts[0].answer.as_ref().unwrap().body, "said so");
}

#[tokio::test]
async fn two_failures_and_a_success_are_three_attempts() {
    let receiver = Receiver::answering(&[500, 500, 200]).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    let failing = rig.test.store.destination(rig.webhook).await.unwrap().1;
    assert!(failing.failing_since.is_some());
    rig.after(4).await;
    assert_eq!(receiver.received().len(), 1, "not before its time");
    rig.after(2).await;
    assert_eq!(receiver.received().len(), 2);
    rig.after(330).await;
    let detail = rig.detail(delivery).await;
    assert_eq!(detail.delivery.state, DeliveryState::Delivered);
    let statuses: Vec<_> = detail.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(500), Some(500), Some(200)]);
    let ids: Vec<_> = receiver.received().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "the same id each time");
    assert_eq!(rig.test.store.destination(rig.webhook).await.unwrap().1.failing_since, None, "recovered");
}

#[tokio::test]
async fn a_404_gets_the_first_three_retries() {
    let receiver = Receiver::answering(&[404]).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    for seconds in [6, 400, 3000, 30_000, 300_000] {
        rig.after(seconds).await;
    }
    let row = rig.detail(delivery).await.delivery;
    assert_eq!((row.state, row.attempts, receiver.received().len()), (DeliveryState::Failed, 4, 4));
    assert!(row.reason.unwrap().contains("given up after 4 tries"));
}

#[tokio::test]
async fn a_410_ends_the_delivery_and_the_destination() {
    let receiver = Receiver::answering(&[410]).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Failed);
    let destination = rig.test.store.destination(rig.webhook).await.unwrap().1;
    assert_eq!(destination.state, DestinationState::Disabled);
    assert!(rig.test.emit("job.fail", "{}").await.deliveries.is_empty());
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_receivers_wish_is_a_floor() {
    let script = |n| {
        if n == 0 { (429, "retry-after: 7\r\n".to_owned(), String::new()) } else { (200, String::new(), String::new()) }
    };
    let receiver = Receiver::start(Box::new(script)).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    let next = rig.detail(delivery).await.delivery.next_attempt_at.unwrap();
    assert!(next.since(rig.test.clock_now()) >= Duration::from_secs(7));
    rig.after(6).await;
    assert_eq!(receiver.received().len(), 1);
    rig.after(2).await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn pause_holds_and_enable_lets_go() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let id = rig.webhook;
    rig.test.run(Command::SetDestinationState { id, state: DestinationState::Paused }).await.unwrap();
    let delivery = rig.deliver().await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Pending);
    rig.test.run(Command::SetDestinationState { id, state: DestinationState::Enabled }).await.unwrap();
    rig.engine.until_idle().await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_replay_has_the_same_id_and_a_cancelled_one_is_not_sent() {
    let receiver = Receiver::answering(&[200, 500]).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    rig.test.run(Command::Replay { deliveries: vec![delivery] }).await.unwrap();
    rig.engine.until_idle().await;
    let requests = receiver.received();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    rig.test.run(Command::Cancel { deliveries: vec![delivery] }).await.unwrap();
    rig.after(100_000).await;
    assert_eq!((rig.state(delivery).await, receiver.received().len()), (DeliveryState::Cancelled, 2));
}

#[tokio::test]
async fn an_edited_destination_is_used_at_once() {
    let (old, new) = (Receiver::answering(&[200]).await, Receiver::answering(&[200]).await);
    let mut rig = Rig::new(&old).await;
    rig.deliver().await;
    let form = bellboard::domain::command::DestinationForm {
        label: String::new(),
        only: Vec::new(),
        fields: [("url".to_owned(), bellboard::domain::destination::FieldValue::Plain(new.url.clone()))].into(),
    };
    rig.test.run(Command::EditDestination { id: rig.webhook, form, over: None }).await.unwrap();
    rig.deliver().await;
    assert_eq!((old.received().len(), new.received().len()), (1, 1));
}

#[tokio::test]
async fn a_private_address_is_refused_with_the_line_to_add() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let form = bellboard::domain::command::DestinationForm {
        label: String::new(),
        only: Vec::new(),
        fields: [("url".to_owned(), bellboard::domain::destination::FieldValue::Plain("http://10.1.2.3/".to_owned()))]
            .into(),
    };
    rig.test.run(Command::EditDestination { id: rig.webhook, form, over: None }).await.unwrap();
    let delivery = rig.deliver().await;
    let reason = rig.detail(delivery).await.delivery.reason.unwrap();
    assert!(reason.contains("[network] allow = [\"10.1.2.3/32\"]"), "{reason}");
}

#[tokio::test]
async fn mail_without_a_server_waits_and_says_why() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let accepted = rig.test.emit("server.stopped", "{}").await;
    rig.after(3600).await;
    let row = rig.detail(accepted.deliveries[0].0).await.delivery;
    assert_eq!((row.channel, row.state, row.attempts), (Channel::Email, DeliveryState::Pending, 0));
    assert!(row.reason.unwrap().contains("[email] server"));
}

#[tokio::test]
async fn a_long_lane_is_drained_whole() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let events = (0..1000).map(|_| crate::support::event("job.fail", "{}", None)).collect();
    rig.test.store.accept(events).await.unwrap();
    rig.engine.until_idle().await;
    let mut ids: Vec<_> = receiver.received().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 1000);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1000, "each once");
}

#[tokio::test]
async fn a_test_says_nothing_about_the_destinations_health() {
    let receiver = Receiver::answering(&[410, 500, 200]).await;
    let mut rig = Rig::new(&receiver).await;
    let send = Command::TestDestination { id: rig.webhook, event_type: Some("job.fail".to_owned()) };
    for expected in [DeliveryState::Failed, DeliveryState::Pending] {
        let delivery = rig.test.run(send.clone()).await.unwrap().deliveries[0];
        rig.engine.until_idle().await;
        assert_eq!(rig.state(delivery).await, expected);
        let webhook = rig.test.store.destination(rig.webhook).await.unwrap().1;
        assert_eq!((webhook.state, webhook.failing_since), (DestinationState::Enabled, None), "{expected:?}");
        assert_eq!(webhook.last_failure, None);
    }
    let requests = receiver.received();
    assert!(requests.iter().all(|one| one.header("webhook-id").starts_with("test_")));
    let body: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
    for member in ["uid", "name", "type", "cron", "status", "params", "timestamp", "event_type"] {
        assert!(body.get(member).is_some(), "{member} is not in {body}");
    }
}

#[tokio::test]
async fn a_test_that_goes_well_does_not_say_that_a_failing_destination_is_well() {
    let receiver = Receiver::answering(&[500, 200]).await;
    let mut rig = Rig::new(&receiver).await;
    rig.deliver().await;
    let test = rig.test.run(Command::TestDestination { id: rig.webhook, event_type: None }).await.unwrap();
    rig.engine.until_idle().await;
    assert_eq!(rig.state(test.deliveries[0]).await, DeliveryState::Delivered);
    let webhook = rig.test.store.destination(rig.webhook).await.unwrap().1;
    assert!(webhook.failing_since.is_some(), "only what customers get counts");
}
