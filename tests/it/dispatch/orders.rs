//! Any order of what can happen to deliveries, over the real store and a receiver that is scripted, checked against rules that
//! hold for every order.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use bellboard::dispatch::engine::Engine;
use bellboard::dispatch::send::release;
use bellboard::dispatch::{Options, Status};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::{DeliveryId, DestinationId, EventId};
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::time::Clock;
use bellboard::store::queue::Claimed;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::dispatch::senders;
use crate::receiver::Receiver;
use crate::support::{TestStore, event};

/// Cases in a run, and steps in a case.
const CASES: u32 = 48;
const STEPS_MAX: usize = 24;

#[derive(Clone, Debug)]
enum Step {
    Accept(usize),
    /// Lets the engine work until nothing is due.
    Work,
    /// Claims some whose results do not come before what follows.
    Claim(usize),
    /// The oldest of those results comes, perhaps too late: it was no try.
    Late,
    /// The process ends without writing what it knows, and another begins.
    Restart,
    Cancel(usize),
    Replay(usize),
    State(DestinationState),
    Remove,
    Forward(u64),
    Back(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop_oneof![
        3 => Just(DestinationState::Enabled),
        1 => Just(DestinationState::Paused),
        1 => Just(DestinationState::Disabled)
    ];
    prop_oneof![
        6 => (1..6_usize).prop_map(Step::Accept),
        6 => Just(Step::Work),
        4 => (1..4_usize).prop_map(Step::Claim),
        2 => Just(Step::Late),
        3 => Just(Step::Restart),
        2 => (0..64_usize).prop_map(Step::Cancel),
        3 => (0..64_usize).prop_map(Step::Replay),
        4 => state.prop_map(Step::State),
        1 => Just(Step::Remove),
        4 => prop_oneof![Just(1), Just(6), Just(400), Just(40_000)].prop_map(Step::Forward),
        2 => prop_oneof![Just(1), Just(3600), Just(86_400)].prop_map(Step::Back),
    ]
}

struct World {
    test: TestStore,
    receiver: Receiver,
    engine: Engine,
    webhook: DestinationId,
    /// What was acknowledged.
    ledger: Vec<(DeliveryId, EventId)>,
    /// How often each was replayed: it may arrive once, and once more for each.
    replays: HashMap<EventId, usize>,
    under_way: VecDeque<Claimed>,
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
        let webhook = test.webhook_at(&receiver.url).await;
        test.set("job.fail", Channel::Webhook, CellSetting::On).await;
        test.set("job.fail", Channel::Email, CellSetting::Off).await;
        let engine = engine_of(&test).await;
        Self {
            test,
            receiver,
            engine,
            webhook,
            ledger: Vec::new(),
            replays: HashMap::new(),
            under_way: VecDeque::new(),
        }
    }

    async fn state(&self, delivery: DeliveryId) -> DeliveryState {
        self.test.store.delivery(delivery).await.unwrap().delivery.state
    }

    fn one(&self, index: usize) -> Option<(DeliveryId, EventId)> {
        self.ledger.get(index % self.ledger.len().max(1)).copied()
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Accept(count) => {
                let events = (0..*count).map(|_| event("job.fail", "{}", None)).collect();
                for accepted in self.test.store.accept(events).await.unwrap() {
                    let accepted = accepted.unwrap();
                    self.ledger.extend(accepted.deliveries.iter().map(|(delivery, _)| (*delivery, accepted.id)));
                }
            }
            Step::Work => self.engine.until_idle().await,
            Step::Claim(count) => {
                let ids = self.ledger.iter().rev().take(*count).map(|(delivery, _)| *delivery).collect();
                let ends = self.test.clock_now().plus(Duration::from_mins(1));
                self.under_way.extend(self.test.store.claim(ids, ends).await.unwrap());
            }
            Step::Late => {
                if let Some(claimed) = self.under_way.pop_front() {
                    let result = release(&claimed, self.test.clock_now());
                    self.test.store.finish(vec![result]).await.unwrap();
                }
            }
            Step::Restart => self.engine = engine_of(&self.test).await,
            Step::Cancel(index) => {
                if let Some((delivery, _)) = self.one(*index) {
                    let _ = self.test.run(Command::Cancel { deliveries: vec![delivery] }).await;
                }
            }
            Step::Replay(index) => {
                if let Some((delivery, id)) = self.one(*index)
                    && self.test.run(Command::Replay { deliveries: vec![delivery] }).await.is_ok()
                {
                    *self.replays.entry(id).or_default() += 1;
                }
            }
            Step::State(state) => {
                let command = Command::SetDestinationState { id: self.webhook, state: *state };
                let _ = self.test.run(command).await;
            }
            Step::Remove => {
                self.test.run(Command::RemoveDestination { id: self.webhook }).await.unwrap();
                self.webhook = self.test.webhook_at(&self.receiver.url).await;
            }
            Step::Forward(seconds) => self.test.clock.advance(Duration::from_secs(*seconds)),
            Step::Back(seconds) => {
                let to = self.test.clock.now().minus(Duration::from_secs(*seconds));
                self.test.clock.set(to);
            }
        }
    }

    /// What holds after every step.
    async fn check(&self, ended: &mut HashMap<DeliveryId, (DeliveryState, u32, usize)>) {
        for (delivery, id) in &self.ledger {
            let row = self.test.store.delivery(*delivery).await.unwrap().delivery;
            assert!(row.state != DeliveryState::Pending || row.next_attempt_at.is_some(), "{row:?} has no time");
            let replays = self.replays.get(id).copied().unwrap_or_default();
            if let Some((state, attempts, replays_then)) = ended.get(delivery)
                && *replays_then == replays
            {
                assert_eq!(
                    (row.state, row.attempts),
                    (*state, *attempts),
                    "{delivery} had ended, and nobody replayed it"
                );
            }
            if row.state.is_end() {
                ended.insert(*delivery, (row.state, row.attempts, replays));
            }
        }
    }

    /// Lets all end that can: enabled, and with all the time in the world.
    async fn settle(&mut self) {
        self.engine = engine_of(&self.test).await;
        let command = Command::SetDestinationState { id: self.webhook, state: DestinationState::Enabled };
        let _ = self.test.run(command).await;
        for _ in 0..16 {
            self.engine.until_idle().await;
            self.test.clock.advance(Duration::from_hours(30));
        }
        self.engine.until_idle().await;
    }
}

async fn run(statuses: Vec<u16>, steps: Vec<Step>) {
    let mut world = World::new(&statuses).await;
    let mut ended = HashMap::new();
    for step in &steps {
        world.take(step).await;
        world.check(&mut ended).await;
    }
    world.settle().await;
    world.check(&mut ended).await;
    let mut got: HashMap<String, usize> = HashMap::new();
    for (number, request) in world.receiver.received().iter().enumerate() {
        if statuses[number.min(statuses.len() - 1)] == 200 {
            *got.entry(request.header("webhook-id").to_owned()).or_default() += 1;
        }
    }
    let known: HashSet<String> = world.ledger.iter().map(|(_, id)| id.to_string()).collect();
    assert!(got.keys().all(|id| known.contains(id)), "something arrived that was never acknowledged");
    for (delivery, id) in &world.ledger {
        let state = world.state(*delivery).await;
        assert!(state.is_end(), "{delivery} is {state:?} for ever");
        let arrived = got.get(&id.to_string()).copied().unwrap_or_default();
        assert!(state != DeliveryState::Delivered || arrived > 0, "{delivery} is delivered, and never arrived");
        let replays = world.replays.get(id).copied().unwrap_or_default();
        assert!(arrived <= 1 + replays, "{delivery} arrived {arrived} times with {replays} replays");
    }
}

#[test]
fn whatever_the_order_nothing_is_lost_stuck_or_sent_twice() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let statuses = proptest::collection::vec(
        prop_oneof![4 => Just(200_u16), 2 => Just(500), 1 => Just(404), 1 => Just(429)],
        1..12,
    )
    .prop_map(|mut statuses| {
        statuses.push(200);
        statuses
    });
    let steps = proptest::collection::vec(step(), 1..STEPS_MAX);
    let seed: u64 = std::env::var("BELLBOARD_ORDERS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let cases = std::env::var("BELLBOARD_ORDERS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&(statuses, steps), |(statuses, steps)| {
        runtime.block_on(async {
            let run = tokio::time::timeout(Duration::from_mins(1), run(statuses, steps));
            run.await.expect("a case ends");
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
}
