//! What becomes of deliveries that wait while something about them changes: their destination, the schedule, the receiver's
//! wish.

use std::time::Duration;

use bellboard::dispatch::engine::Engine;
use bellboard::dispatch::{Options, Status};
use bellboard::domain::command::{Command, DestinationForm};
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::{DestinationState, FieldValue};
use bellboard::domain::id::DeliveryId;
use bellboard::domain::retry::{RETRY_AFTER_MAX, RetryPolicy};
use bellboard::domain::time::Clock;

use crate::dispatch::{Rig, senders};
use crate::receiver::Receiver;
use crate::support::event;

/// More than a lane keeps in memory, several times over.
const MANY: usize = 2000;

impl Rig {
    async fn set_state(&self, state: DestinationState) {
        self.test.run(Command::SetDestinationState { id: self.webhook, state }).await.unwrap();
    }

    /// Many that wait for a destination that is paused.
    async fn many_waiting(&mut self) -> Vec<DeliveryId> {
        self.set_state(DestinationState::Paused).await;
        let events = (0..MANY).map(|_| event("job.fail", "{}", None)).collect();
        let accepted = self.test.store.accept(events).await.unwrap();
        self.engine.until_idle().await;
        accepted.into_iter().map(|accepted| accepted.unwrap().deliveries[0].0).collect()
    }

    /// What is at an end by a mark is written so.
    async fn end(&self) {
        while self.test.store.end_some().await.unwrap().is_some() {}
    }

    async fn all_are(&self, deliveries: &[DeliveryId], state: DeliveryState) {
        for delivery in deliveries.iter().step_by(37) {
            assert_eq!(self.state(*delivery).await, state, "{delivery}");
        }
    }

    /// The same store under another schedule, as after a restart with another config.
    async fn restart_with(&mut self, schedule: &[Duration]) {
        let retry = RetryPolicy { schedule: schedule.to_vec(), ..RetryPolicy::default() };
        let (status, _) = tokio::sync::watch::channel(Status::Standby);
        let options = Options { retry, ..Options::default() };
        self.engine = Engine::new(self.test.store.clone(), senders().into(), options, status);
        self.engine.begin().await.unwrap();
    }
}

fn each_once(receiver: &Receiver) {
    let mut ids: Vec<_> = receiver.received().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), MANY);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), MANY, "each once");
}

#[tokio::test]
async fn many_that_wait_go_to_the_edited_address() {
    let (old, new) = (Receiver::answering(&[200]).await, Receiver::answering(&[200]).await);
    let mut rig = Rig::new(&old).await;
    let deliveries = rig.many_waiting().await;
    let fields = [("url".to_owned(), FieldValue::Plain(new.url.clone()))].into();
    let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
    rig.test.run(Command::EditDestination { id: rig.webhook, form, over: None }).await.unwrap();
    rig.set_state(DestinationState::Enabled).await;
    rig.engine.until_idle().await;
    rig.all_are(&deliveries, DeliveryState::Delivered).await;
    each_once(&new);
    assert!(old.received().is_empty());
}

#[tokio::test]
async fn many_that_wait_end_when_their_destination_is_disabled_and_go_when_they_are_replayed() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let deliveries = rig.many_waiting().await;
    rig.set_state(DestinationState::Disabled).await;
    for delivery in [deliveries[0], deliveries[MANY - 1]] {
        let reason = rig.detail(delivery).await.delivery.reason.unwrap();
        assert!(reason.contains("disabled by jane"), "{reason}");
    }
    rig.set_state(DestinationState::Enabled).await;
    rig.after(100_000).await;
    assert!(receiver.received().is_empty(), "what was ended is not sent by itself, though not all is written yet");
    rig.end().await;
    rig.all_are(&deliveries, DeliveryState::Cancelled).await;
    rig.after(100_000).await;
    assert!(receiver.received().is_empty(), "what was ended is not sent by itself");
    rig.test.run(Command::Replay { deliveries: deliveries.clone() }).await.unwrap();
    rig.engine.until_idle().await;
    rig.all_are(&deliveries, DeliveryState::Delivered).await;
    each_once(&receiver);
}

#[tokio::test]
async fn many_that_wait_end_when_their_destination_is_removed() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let deliveries = rig.many_waiting().await;
    rig.test.run(Command::RemoveDestination { id: rig.webhook }).await.unwrap();
    rig.after(100_000).await;
    assert!(receiver.received().is_empty());
    rig.end().await;
    rig.after(100_000).await;
    rig.all_are(&deliveries, DeliveryState::Cancelled).await;
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_changed_schedule_decides_what_follows_for_what_waits() {
    let receiver = Receiver::answering(&[500]).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    rig.restart_with(&[Duration::from_secs(5)]).await;
    rig.after(6).await;
    let row = rig.detail(delivery).await.delivery;
    assert_eq!((row.state, row.attempts), (DeliveryState::Failed, 2), "the new one has one retry");
    assert!(row.reason.unwrap().contains("given up after 2 tries"));

    let delivery = rig.deliver().await;
    rig.restart_with(&[Duration::from_secs(1)]).await;
    rig.after(2).await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Failed, "it waited for as long as the new one says");

    let delivery = rig.deliver().await;
    rig.restart_with(&[Duration::from_secs(5), Duration::from_mins(1), Duration::from_secs(70)]).await;
    rig.after(6).await;
    let row = rig.detail(delivery).await.delivery;
    assert_eq!((row.state, row.attempts), (DeliveryState::Pending, 2), "this one has more");
    let wait = row.next_attempt_at.unwrap().since(rig.test.clock_now());
    assert!((60..=66).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn a_changed_schedule_decides_for_many_while_others_are_sent() {
    let receiver = Receiver::answering(&[500]).await;
    let mut rig = Rig::new(&receiver).await;
    // Two lanes, each longer than a step.
    rig.test.webhook_at(&receiver.url).await;
    let accepted = rig.test.store.accept((0..600).map(|_| event("job.fail", "{}", None)).collect()).await.unwrap();
    assert!(accepted.iter().all(Result::is_ok));
    rig.engine.until_idle().await;
    assert_eq!(receiver.received().len(), 1200);
    rig.restart_with(&[Duration::from_secs(2), Duration::from_hours(1)]).await;
    rig.engine.until_idle().await;
    // The dispatcher works beside each step, and looks at the lane anew.
    while rig.test.store.reschedule_some().await.unwrap().is_some() {
        rig.engine.until_idle().await;
    }
    assert_eq!(receiver.received().len(), 1200, "none is due yet");
    rig.after(3).await;
    assert_eq!(receiver.received().len(), 2400, "each comes when the new one says");
}

#[tokio::test]
async fn a_changed_schedule_undercuts_no_receivers_wish() {
    let receiver = Receiver::start(Box::new(|_| (503, "retry-after: 100\r\n".to_owned(), String::new()))).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    rig.restart_with(&[Duration::from_secs(1)]).await;
    rig.after(99).await;
    assert_eq!((rig.state(delivery).await, receiver.received().len()), (DeliveryState::Pending, 1));
    rig.after(12).await;
    assert_eq!((rig.state(delivery).await, receiver.received().len()), (DeliveryState::Failed, 2));
}

#[tokio::test]
async fn a_receivers_wish_in_every_form_is_a_floor_with_a_cap() {
    // The test's clock stands at Tue, 14 Nov 2023 22:13:20 GMT.
    let day = RETRY_AFTER_MAX.as_secs();
    for (wish, least) in [
        ("7", 7),
        ("0", 5),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 5),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", day),
        ("99999999999999999999", day),
        ("-7", 5),
        ("soon", 5),
        ("", 5),
    ] {
        let script = move |_| (503, format!("retry-after: {wish}\r\n"), String::new());
        let mut rig = Rig::new(&Receiver::start(Box::new(script)).await).await;
        let delivery = rig.deliver().await;
        let row = rig.detail(delivery).await.delivery;
        assert_eq!((row.state, row.attempts), (DeliveryState::Pending, 1), "`{wish}`");
        let wait = row.next_attempt_at.unwrap().since(rig.test.clock.now()).as_millis();
        let most = u128::from(least) * 1100;
        assert!((u128::from(least) * 1000..=most).contains(&wait), "`{wish}` waits {wait} ms");
    }
}
