//! A webhook with `ordered`: what arrives, arrives in the order of acceptance, whatever fails or ends in between.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bellboard::channels::LaneRules;
use bellboard::channels::form::values_from_text;
use bellboard::dispatch::engine::Engine;
use bellboard::dispatch::lane::Lane;
use bellboard::dispatch::setup::Setup;
use bellboard::dispatch::want::Want;
use bellboard::dispatch::{Options, Status};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Command, DestinationForm};
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::{DeliveryId, DestinationId, EventId};
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::time::{Clock, Timestamp};
use bellboard::store::queue::Waiting;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::dispatch::senders;
use crate::receiver::Receiver;
use crate::support::{TestStore, acme, event};

const CASES: u32 = 32;
const STEPS_MAX: usize = 24;

struct World {
    test: TestStore,
    receiver: Receiver,
    engine: Engine,
    webhook: DestinationId,
    accepted: Vec<(DeliveryId, EventId)>,
}

async fn engine_of(test: &TestStore) -> Engine {
    let (status, _) = tokio::sync::watch::channel(Status::Standby);
    let mut engine = Engine::new(test.store.clone(), senders().into(), Options::default(), status);
    engine.begin().await.unwrap();
    engine
}

impl World {
    async fn new(statuses: &[u16]) -> Self {
        let receiver = Receiver::answering(statuses).await;
        let test = TestStore::acme().await;
        let typed = [("url", receiver.url.as_str()), ("ordered", "yes")];
        let typed: BTreeMap<_, _> = typed.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let fields = values_from_text(Channel::Webhook, &typed).unwrap();
        let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
        let add = Command::AddDestination { account: acme(), channel: Channel::Webhook, form };
        let webhook = test.run(add).await.unwrap().destination.unwrap();
        test.set("job.fail", Channel::Webhook, CellSetting::On).await;
        test.set("job.fail", Channel::Email, CellSetting::Off).await;
        let engine = engine_of(&test).await;
        Self { test, receiver, engine, webhook, accepted: Vec::new() }
    }

    async fn accept(&mut self, count: usize) {
        let events = (0..count).map(|_| event("job.fail", "{}", None)).collect();
        for accepted in self.test.store.accept(events).await.unwrap() {
            let accepted = accepted.unwrap();
            self.accepted.push((accepted.deliveries[0].0, accepted.id));
        }
    }

    async fn work(&mut self) {
        self.engine.until_idle().await;
    }

    async fn forward(&mut self, seconds: u64) {
        self.test.clock.advance(Duration::from_secs(seconds));
        self.work().await;
    }

    async fn states(&self) -> Vec<DeliveryState> {
        let mut states = Vec::new();
        for (delivery, _) in &self.accepted {
            states.push(self.test.store.delivery(*delivery).await.unwrap().delivery.state);
        }
        states
    }

    /// What arrived, as indexes into what was accepted; 99 for a test.
    fn arrived(&self) -> Vec<usize> {
        let index: HashMap<String, usize> =
            self.accepted.iter().enumerate().map(|(index, (_, id))| (id.to_string(), index)).collect();
        let requests = self.receiver.received();
        requests.iter().map(|request| index.get(request.header("webhook-id")).copied().unwrap_or(99)).collect()
    }
}

#[tokio::test]
async fn an_earlier_one_that_waits_for_its_retry_holds_the_later_ones() {
    let mut world = World::new(&[200, 500, 500, 200]).await;
    world.accept(5).await;
    world.work().await;
    assert_eq!(world.arrived(), [0, 1]);
    let second = world.accepted[1].0;
    let third = world.test.store.delivery(world.accepted[2].0).await.unwrap().delivery;
    assert_eq!(third.explanation(), format!("waits: an earlier one, {second}, goes first"));
    world.engine = engine_of(&world.test).await;
    world.forward(6).await;
    assert_eq!(world.arrived(), [0, 1, 1], "tried again, alone");
    world.forward(400).await;
    assert_eq!(world.arrived(), [0, 1, 1, 1, 2, 3, 4]);
    assert_eq!(world.states().await, [DeliveryState::Delivered; 5]);
}

#[tokio::test]
async fn a_test_passes_and_a_cancel_lets_the_later_ones_go() {
    let mut world = World::new(&[500, 200]).await;
    world.accept(3).await;
    world.work().await;
    assert_eq!(world.arrived(), [0]);
    let test = Command::TestDestination { id: world.webhook, event_type: None };
    let test = world.test.run(test).await.unwrap().deliveries[0];
    world.work().await;
    assert_eq!(world.arrived(), [0, 99], "a test waits for nobody");
    assert_eq!(world.test.store.delivery(test).await.unwrap().delivery.state, DeliveryState::Delivered);
    let first = world.accepted[0].0;
    world.test.run(Command::Cancel { deliveries: vec![first] }).await.unwrap();
    world.work().await;
    assert_eq!(world.arrived(), [0, 99, 1, 2]);
    world.test.run(Command::Replay { deliveries: vec![first] }).await.unwrap();
    world.work().await;
    assert_eq!(world.arrived(), [0, 99, 1, 2, 0]);
}

#[tokio::test]
async fn a_test_that_fails_holds_nobody() {
    let mut world = World::new(&[500, 200]).await;
    let test = Command::TestDestination { id: world.webhook, event_type: None };
    world.test.run(test).await.unwrap();
    world.work().await;
    world.accept(2).await;
    world.work().await;
    assert_eq!(world.arrived(), [99, 0, 1]);
}

#[test]
fn a_strict_lane_reads_who_is_first_before_each_send() {
    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    let mut lane = Lane::default();
    assert_eq!(lane.want(NOW, NOW, false, None), Want::Setup);
    lane.set_up(Setup {
        revision: Some(0),
        channel: Channel::Webhook,
        account: None,
        settings: Err("never sent in this test".to_owned()),
        rules: LaneRules { concurrency: 1, rate: None, gate: None },
        state: DestinationState::Enabled,
        failing_since: None,
        held: false,
        strict: true,
    });
    let first = |due_at| [Waiting { delivery: DeliveryId::new(1), due_at }].into_iter();
    let later = NOW.plus(Duration::from_secs(5));
    assert_eq!(lane.want(NOW, NOW, false, None), Want::Head(true));
    lane.set_head(first(later));
    assert_eq!(lane.want(NOW, NOW, false, None), Want::At(later), "all others wait for it");
    lane.push(Waiting { delivery: DeliveryId::new(10), due_at: NOW });
    assert_eq!(lane.want(NOW, NOW, false, None), Want::Head(true), "a test, perhaps");
    lane.set_head(first(later));
    assert_eq!(lane.want(later, NOW, false, None), Want::Claim(vec![DeliveryId::new(1)]));
    assert_eq!(lane.want(later, NOW, false, None), Want::Nothing);
    lane.ended(DeliveryId::new(1));
    assert_eq!(lane.want(later, NOW, false, None), Want::Head(true));
}

#[derive(Clone, Debug)]
enum Step {
    Accept(usize),
    Work,
    /// The process ends as soon as so many more requests have arrived, and another begins.
    Crash(usize),
    Cancel(usize),
    Test,
    Forward(u64),
    Back(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..6_usize).prop_map(Step::Accept),
        4 => Just(Step::Work),
        4 => (1..4_usize).prop_map(Step::Crash),
        1 => (0..64_usize).prop_map(Step::Cancel),
        1 => Just(Step::Test),
        5 => prop_oneof![Just(6_u64), Just(400), Just(2000), Just(40_000)].prop_map(Step::Forward),
        1 => prop_oneof![Just(1_u64), Just(3600)].prop_map(Step::Back),
    ]
}

async fn take(world: &mut World, step: &Step) {
    match step {
        Step::Accept(count) => world.accept(*count).await,
        Step::Work => world.work().await,
        Step::Crash(count) => {
            let wanted = world.receiver.received().len() + count;
            let receiver = &world.receiver;
            let reached = async {
                while receiver.received().len() < wanted {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                () = reached => {}
                () = world.engine.until_idle() => {}
            }
            world.engine = engine_of(&world.test).await;
        }
        Step::Cancel(index) => {
            if let Some((delivery, _)) = world.accepted.get(index % world.accepted.len().max(1)) {
                let _ = world.test.run(Command::Cancel { deliveries: vec![*delivery] }).await;
            }
        }
        Step::Test => {
            let _ = world.test.run(Command::TestDestination { id: world.webhook, event_type: None }).await;
        }
        Step::Forward(seconds) => world.forward(*seconds).await,
        Step::Back(seconds) => {
            let to = world.test.clock.now().minus(Duration::from_secs(*seconds));
            world.test.clock.set(to);
        }
    }
}

async fn run(statuses: Vec<u16>, steps: Vec<Step>) {
    let mut world = World::new(&statuses).await;
    for step in &steps {
        take(&mut world, step).await;
    }
    for _ in 0..16 {
        world.forward(30 * 3600).await;
    }
    let states = world.states().await;
    assert!(states.iter().all(|state| state.is_end()), "all end: {states:?}");
    let arrived = world.arrived();
    let answered = |number: usize| statuses[number.min(statuses.len() - 1)];
    for (number, &index) in arrived.iter().enumerate().filter(|(_, index)| **index != 99) {
        if arrived[..number].contains(&index) {
            continue;
        }
        for (earlier, state) in states.iter().enumerate().take(index) {
            let came = (0..number).any(|before| arrived[before] == earlier && answered(before) == 200);
            let over = *state != DeliveryState::Delivered;
            assert!(came || over, "{index} overtook {earlier}: {arrived:?} answered by {statuses:?}");
        }
    }
}

#[test]
fn the_order_of_receipt_is_the_order_of_acceptance() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let status = prop_oneof![4 => Just(200_u16), 2 => Just(500), 1 => Just(404), 1 => Just(429)];
    let statuses = proptest::collection::vec(status, 1..12).prop_map(|mut statuses| {
        statuses.push(200);
        statuses
    });
    let steps = proptest::collection::vec(step(), 1..STEPS_MAX);
    let config = Config { cases: CASES, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let outcome = runner.run(&(statuses, steps), |(statuses, steps)| {
        runtime.block_on(async {
            let run = tokio::time::timeout(Duration::from_mins(1), run(statuses, steps));
            run.await.expect("a case ends");
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
