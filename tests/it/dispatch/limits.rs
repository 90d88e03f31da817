//! Receivers that ask for a slower pace: no try, a hold for all that goes there, which the next process begins with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bellboard::dispatch::engine::Engine;
use bellboard::dispatch::{Options, Status};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Command, DestinationForm};
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::{DestinationState, FieldValue};
use bellboard::domain::id::DeliveryId;
use bellboard::domain::retry::{RETRY_AFTER_MAX, WAIT_MAX};
use bellboard::domain::time::Clock;
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::holds::Kept;

use crate::dispatch::{Rig, senders};
use crate::receiver::Receiver;
use crate::support::event;

/// How many are under way at once.
const AT_ONCE: usize = 8;

/// A receiver whose answer is a 429 with this `Retry-After` as long as the switch is on it, by its number of requests so far.
async fn busy(wish: &'static str, times: u64) -> Receiver {
    let left = Arc::new(AtomicU64::new(times));
    let script = move |_| {
        let is_busy = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let wish = if wish.is_empty() { String::new() } else { format!("retry-after: {wish}\r\n") };
        if is_busy { (429, wish, String::new()) } else { (200, String::new(), String::new()) }
    };
    Receiver::start(Box::new(script)).await
}

impl Rig {
    async fn emit_many(&mut self, count: usize) -> Vec<DeliveryId> {
        let events = (0..count).map(|_| event("job.fail", "{}", None)).collect();
        let accepted = self.test.store.accept(events).await.unwrap();
        self.engine.until_idle().await;
        accepted.into_iter().map(|accepted| accepted.unwrap().deliveries[0].0).collect()
    }

    /// As another process would begin on the same file, one that knows nothing but what is stored.
    async fn begin_again(&mut self) {
        let (status, _) = tokio::sync::watch::channel(Status::Standby);
        self.engine = Engine::new(self.test.store.clone(), senders().into(), Options::default(), status);
        self.engine.begin().await.unwrap();
        self.engine.until_idle().await;
    }

    async fn kept(&self) -> Vec<Kept> {
        self.test.store.holds().await.unwrap()
    }

    async fn lead_to(&self, url: &str) {
        let fields = [("url".to_owned(), FieldValue::Plain(url.to_owned()))].into();
        let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
        self.test.run(Command::EditDestination { id: self.webhook, form, over: None }).await.unwrap();
    }

    async fn set_to(&self, state: DestinationState) {
        self.test.run(Command::SetDestinationState { id: self.webhook, state }).await.unwrap();
    }

    /// What went to the webhook; notices about it wait for a mail server that there is none of.
    async fn all(&self) -> Vec<(DeliveryState, u32)> {
        let filter = DeliveryFilter { limit: 100_000, channel: Some(Channel::Webhook), ..DeliveryFilter::default() };
        self.test.store.deliveries(&filter).await.unwrap().iter().map(|row| (row.state, row.attempts)).collect()
    }
}

fn each_once(receiver: &Receiver, refused: usize, all: usize) {
    let requests = receiver.received();
    let mut ids: Vec<_> = requests.iter().skip(refused).map(|one| one.header("webhook-id").to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((requests.len(), ids.len()), (refused + all, all), "each once, after those that were refused");
}

#[tokio::test]
async fn a_429_with_a_time_is_no_try_and_holds_all_that_goes_there() {
    let receiver = busy("600", AT_ONCE as u64).await;
    let mut rig = Rig::new(&receiver).await;
    rig.emit_many(1000).await;
    assert_eq!(receiver.received().len(), AT_ONCE, "those that were under way together");
    assert!(rig.all().await.iter().all(|row| *row == (DeliveryState::Pending, 0)));
    for _ in 0..9 {
        rig.after(60).await;
        rig.deliver().await;
    }
    assert_eq!(receiver.received().len(), AT_ONCE, "not even with what comes in meanwhile");
    rig.after(2 * 60 + 10).await;
    assert!(rig.all().await.iter().all(|row| *row == (DeliveryState::Delivered, 1)), "each at its first try");
    each_once(&receiver, AT_ONCE, 1009);
    assert!(rig.kept().await.is_empty());
}

#[tokio::test]
async fn the_next_process_begins_with_what_the_last_one_was_asked() {
    let receiver = busy("600", AT_ONCE as u64).await;
    let mut rig = Rig::new(&receiver).await;
    let deliveries = rig.emit_many(100).await;
    let held: Vec<_> = rig.kept().await;
    assert!(
        matches!(held[..], [Kept::Lane { until, .. }] if until.since(rig.test.clock.now()) >= Duration::from_mins(10))
    );
    for minute in 0..10 {
        rig.begin_again().await;
        rig.deliver().await;
        assert_eq!(receiver.received().len(), AT_ONCE, "after {minute} minutes");
        let row = rig.detail(deliveries[99]).await.delivery;
        assert!(row.explanation().contains("asked to be left alone until 2023-11-14 22:2"), "{}", row.explanation());
        assert!(row.next_attempt_at.unwrap() > rig.test.clock.now(), "{row:?}");
        rig.test.clock.advance(Duration::from_mins(1));
    }
    rig.test.clock.advance(Duration::from_mins(1));
    rig.begin_again().await;
    each_once(&receiver, AT_ONCE, 110);
    // What is over says nothing any more.
    let late = rig.deliver().await;
    assert_eq!(rig.state(late).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_hold_is_kept_as_long_as_it_was_said_by_a_clock_that_is_set_back() {
    let receiver = busy("600", AT_ONCE as u64).await;
    let mut rig = Rig::new(&receiver).await;
    rig.emit_many(20).await;
    let now = rig.test.clock.now();
    rig.test.clock.set(now.minus(Duration::from_hours(24 * 365)));
    let Kept::Lane { until, .. } = rig.kept().await[0] else { panic!("a destination") };
    let wait = until.since(rig.test.clock.now());
    assert!((600..=660).contains(&wait.as_secs()), "{wait:?}");
    rig.test.damage("UPDATE hold SET until = 9223372036854775807").await;
    let Kept::Lane { until, .. } = rig.kept().await[0] else { panic!("a destination") };
    assert!(until.since(rig.test.clock.now()) <= WAIT_MAX, "nor for longer than the longest that is heeded");
}

#[tokio::test]
async fn a_wish_of_any_form_is_heeded_within_bounds() {
    // The test's clock stands at Tue, 14 Nov 2023 22:13:20 GMT. With no wish that is one, it counts as a try.
    let day = RETRY_AFTER_MAX.as_secs();
    for (wish, least, tries) in [
        ("7", 7, 0),
        ("0", 1, 0),
        ("9999999999", day, 0),
        ("99999999999999999999", day, 0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60, 0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 1, 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 1, 0),
        ("-7", 30, 1),
        ("soon", 30, 1),
        ("", 30, 1),
    ] {
        let mut rig = Rig::new(&busy(wish, u64::MAX).await).await;
        let delivery = rig.deliver().await;
        let row = rig.detail(delivery).await.delivery;
        assert_eq!((row.state, row.attempts), (DeliveryState::Pending, tries), "`{wish}`");
        assert!(row.reason.unwrap().contains("429"), "`{wish}`");
        let wait = row.next_attempt_at.unwrap().since(rig.test.clock.now()).as_millis();
        let least = u128::from(least) * 1000;
        assert!((least..=least * 11 / 10).contains(&wait), "`{wish}` waits {wait} ms");
    }
}

/// Goes on from one time at which something may be due to the next, until nothing waits or a month is over.
async fn to_the_end(rig: &mut Rig, step: Duration) -> Duration {
    let began = rig.test.clock.now();
    while rig.all().await.iter().any(|(state, _)| !state.is_end()) {
        assert!(rig.test.clock.now().since(began) < Duration::from_hours(30 * 24), "it has no end");
        rig.test.clock.advance(step);
        rig.engine.until_idle().await;
        while rig.test.store.end_some().await.unwrap().is_some() {}
    }
    rig.test.clock.now().since(began)
}

#[tokio::test]
async fn one_that_answers_429_for_ever_comes_to_an_end() {
    for (wish, step, most) in [("1", 1800, 600), ("600", 1800, 4000), ("", 1800, 600), ("9999999999", 6 * 3600, 100)]
        .map(|(w, s, m)| (w, Duration::from_secs(s), m))
    {
        let receiver = busy(wish, u64::MAX).await;
        let mut rig = Rig::new(&receiver).await;
        let deliveries = rig.emit_many(600).await;
        let took = to_the_end(&mut rig, step).await;
        let days = took.as_secs() / 86_400;
        assert!(days <= 7, "`{wish}` after {days} days");
        let destination = rig.test.store.destination(rig.webhook).await.unwrap().1;
        assert_eq!(destination.state, DestinationState::Disabled, "`{wish}`");
        assert!(destination.state_reason.unwrap().contains("429"), "`{wish}`");
        let last = rig.detail(deliveries[599]).await.delivery;
        assert!(matches!(last.state, DeliveryState::Cancelled | DeliveryState::Failed), "`{wish}`: {last:?}");
        let tried = rig.detail(deliveries[0]).await.delivery;
        assert!(tried.reason.as_ref().is_some_and(|reason| !reason.is_empty()), "`{wish}`: {tried:?}");
        let requests = receiver.received().len();
        assert!(requests < most * AT_ONCE, "`{wish}`: it was knocked at {requests} times");
        // A clean slate for whoever enables it.
        assert!(rig.kept().await.is_empty(), "`{wish}`");
    }
}

#[tokio::test]
async fn a_limit_that_lets_some_through_fails_nothing_and_is_no_trouble() {
    // Of each nine requests the ninth is told to come again in 5 seconds.
    let script = |number: usize| match number % 9 {
        8 => (429, "retry-after: 5\r\n".to_owned(), String::new()),
        _ => (200, String::new(), String::new()),
    };
    let receiver = Receiver::start(Box::new(script)).await;
    let mut rig = Rig::new(&receiver).await;
    rig.emit_many(500).await;
    for _ in 0..200 {
        rig.after(6).await;
    }
    assert!(rig.all().await.iter().all(|row| *row == (DeliveryState::Delivered, 1)), "each at its first try");
    assert_eq!(rig.test.store.destination(rig.webhook).await.unwrap().1.failing_since, None);
}

#[tokio::test]
async fn an_edit_ends_a_hold_and_so_does_disabling_but_a_pause_does_not() {
    let (busy, free) = (busy("36000", u64::MAX).await, Receiver::answering(&[200]).await);
    let mut rig = Rig::new(&busy).await;
    rig.deliver().await;
    rig.set_to(DestinationState::Paused).await;
    rig.engine.until_idle().await;
    rig.set_to(DestinationState::Enabled).await;
    rig.after(60).await;
    rig.begin_again().await;
    assert_eq!(busy.received().len(), 1, "it was asked not to");
    let waits = rig.deliver().await;
    rig.lead_to(&free.url).await;
    rig.engine.until_idle().await;
    let row = rig.detail(waits).await.delivery;
    assert_eq!((row.state, busy.received().len()), (DeliveryState::Delivered, 1), "{row:?}");
    rig.lead_to(&busy.url).await;
    rig.engine.until_idle().await;
    rig.deliver().await;
    assert_eq!(busy.received().len(), 2);
    for again in [false, true] {
        rig.set_to(DestinationState::Disabled).await;
        if !again {
            rig.engine.until_idle().await;
        }
        rig.set_to(DestinationState::Enabled).await;
        if again {
            rig.begin_again().await;
        }
        rig.engine.until_idle().await;
        rig.deliver().await;
    }
    assert_eq!(busy.received().len(), 4, "whoever enables it wants it tried");
}

#[tokio::test]
async fn an_answer_of_the_old_address_does_not_hold_the_new_one() {
    let free = Receiver::answering(&[200]).await;
    let receiver = busy("36000", u64::MAX).await;
    let mut rig = Rig::new(&receiver).await;
    rig.deliver().await;
    rig.lead_to(&free.url).await;
    rig.begin_again().await;
    let delivery = rig.deliver().await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Delivered, "also for a process that begins after the edit");
    assert!(!rig.kept().await.iter().any(|kept| matches!(kept, Kept::Gate { .. })));
}

#[tokio::test]
async fn ten_thousand_wait_behind_a_hold_at_the_price_of_one() {
    let receiver = busy("600", AT_ONCE as u64).await;
    let mut rig = Rig::new(&receiver).await;
    for _ in 0..10 {
        rig.emit_many(1000).await;
    }
    rig.begin_again().await;
    rig.after(300).await;
    assert_eq!((receiver.received().len(), rig.kept().await.len()), (AT_ONCE, 1));
    rig.after(400).await;
    each_once(&receiver, AT_ONCE, 10_000);
}

#[tokio::test]
async fn a_503_with_a_time_holds_all_that_goes_there_and_is_a_try() {
    let script = |number: usize| match number {
        0 => (503, "retry-after: 100\r\n".to_owned(), String::new()),
        _ => (200, String::new(), String::new()),
    };
    let receiver = Receiver::start(Box::new(script)).await;
    let mut rig = Rig::new(&receiver).await;
    let first = rig.deliver().await;
    let second = rig.deliver().await;
    rig.after(99).await;
    assert_eq!(receiver.received().len(), 1, "it said when");
    rig.after(12).await;
    assert_eq!(receiver.received().len(), 3);
    assert_eq!((rig.detail(first).await.delivery.attempts, rig.detail(second).await.delivery.attempts), (2, 1));
}
