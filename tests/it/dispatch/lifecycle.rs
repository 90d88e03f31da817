//! The store's bulk statements against the pure life of a delivery, in every order of what can happen to some of them.

use std::collections::BTreeMap;
use std::time::Duration;

use bellboard::dispatch::pace::AHEAD_MAX;
use bellboard::dispatch::send::{lease, release};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{DeliveryState, Next, Reason};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::{DeliveryId, DestinationId};
use bellboard::domain::lifecycle::{Happening, Life};
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::time::Clock;
use bellboard::store::queue::{Claimed, Deliverer, Health};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::dispatch::senders;
use crate::support::{TestStore, event};

const CASES: u32 = 48;
const STEPS_MAX: usize = 32;

#[derive(Clone, Debug)]
enum Ending {
    Delivered,
    Retry { seconds: u64, counted: bool },
    Failed,
    Gone,
    Parked,
}

#[derive(Clone, Debug)]
enum Step {
    Accept(usize),
    /// Those from the oldest of an index on, whatever their state.
    Claim(usize),
    /// The result of any claim that has brought none yet, also of one that is no longer in force.
    Result(usize, Ending),
    /// The process ends, and the next one reclaims.
    Restart,
    Cancel(usize),
    Replay(usize),
    State(DestinationState),
    Remove,
    Clock(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![
        4 => Just(Ending::Delivered),
        4 => (0..100_000_u64, any::<bool>()).prop_map(|(seconds, counted)| Ending::Retry { seconds, counted }),
        2 => Just(Ending::Failed),
        1 => Just(Ending::Parked),
        1 => Just(Ending::Gone),
    ];
    let state = prop_oneof![
        3 => Just(DestinationState::Enabled),
        1 => Just(DestinationState::Paused),
        2 => Just(DestinationState::Disabled)
    ];
    prop_oneof![
        4 => (1..5_usize).prop_map(Step::Accept),
        6 => (0..16_usize).prop_map(Step::Claim),
        8 => (0..64_usize, ending).prop_map(|(index, ending)| Step::Result(index, ending)),
        3 => Just(Step::Restart),
        2 => (0..64_usize).prop_map(Step::Cancel),
        4 => (0..64_usize).prop_map(Step::Replay),
        4 => state.prop_map(Step::State),
        1 => Just(Step::Remove),
        3 => (-90_000..200_000_i64).prop_map(Step::Clock),
    ]
}

struct World {
    test: TestStore,
    webhook: DestinationId,
    /// What each delivery must be, and where it goes.
    lives: BTreeMap<DeliveryId, (Life, DestinationId)>,
    states: BTreeMap<DestinationId, Option<DestinationState>>,
    claims: Vec<Claimed>,
}

impl World {
    async fn new() -> Self {
        let test = TestStore::acme().await;
        let webhook = test.webhook().await;
        test.set("job.fail", Channel::Webhook, CellSetting::On).await;
        test.set("job.fail", Channel::Email, CellSetting::Off).await;
        let states = BTreeMap::from([(webhook, Some(DestinationState::Enabled))]);
        Self { test, webhook, lives: BTreeMap::new(), states, claims: Vec::new() }
    }

    fn is_open(&self, id: DestinationId) -> bool {
        self.states[&id].is_some_and(|state| state != DestinationState::Disabled)
    }

    fn at(&self, index: usize) -> Option<DeliveryId> {
        self.lives.keys().nth(index % self.lives.len().max(1)).copied()
    }

    fn happens(&mut self, delivery: DeliveryId, happening: &Happening) {
        let now = self.test.clock.now();
        let (life, _) = self.lives.get_mut(&delivery).unwrap();
        *life = life.after(happening, now);
    }

    fn closes(&mut self, id: DestinationId) {
        let there: Vec<_> = self.lives.iter().filter(|(_, (_, to))| *to == id).map(|(delivery, _)| *delivery).collect();
        for delivery in there {
            self.happens(delivery, &Happening::Closed);
        }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Accept(count) => self.accept(*count).await,
            Step::Claim(from) => self.claim(*from).await,
            Step::Result(index, ending) => self.result(*index, ending).await,
            Step::Restart => self.restart().await,
            Step::Cancel(index) => {
                if let Some(delivery) = self.at(*index) {
                    let _ = self.test.run(Command::Cancel { deliveries: vec![delivery] }).await;
                    self.happens(delivery, &Happening::Cancelled);
                }
            }
            Step::Replay(index) => {
                if let Some(delivery) = self.at(*index) {
                    let _ = self.test.run(Command::Replay { deliveries: vec![delivery] }).await;
                    let open = self.is_open(self.lives[&delivery].1);
                    self.happens(delivery, &Happening::Replayed { open });
                }
            }
            Step::State(state) => self.set_state(*state).await,
            Step::Remove => {
                self.test.run(Command::RemoveDestination { id: self.webhook }).await.unwrap();
                self.states.insert(self.webhook, None);
                self.closes(self.webhook);
                self.webhook = self.test.webhook().await;
                self.states.insert(self.webhook, Some(DestinationState::Enabled));
            }
            Step::Clock(seconds) => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                let now = self.test.clock.now();
                self.test.clock.set(if *seconds < 0 { now.minus(by) } else { now.plus(by) });
            }
        }
    }

    async fn accept(&mut self, count: usize) {
        let events = (0..count).map(|_| event("job.fail", "{}", None)).collect();
        for accepted in self.test.store.accept(events).await.unwrap() {
            for (delivery, destination) in accepted.unwrap().deliveries {
                self.lives.insert(delivery, (Life::new(self.test.clock.now()), destination));
            }
        }
    }

    async fn claim(&mut self, from: usize) {
        let ids: Vec<_> = self.lives.keys().skip(from).take(3).copied().collect();
        let lease_ends = self.test.clock.now().plus(lease(&senders(), AHEAD_MAX));
        let claimed = self.test.store.claim(ids.clone(), lease_ends).await.unwrap();
        let may: Vec<_> = ids.iter().filter(|id| self.lives[id].0.state == DeliveryState::Pending).copied().collect();
        for id in ids {
            self.happens(id, &Happening::Claimed { lease_ends });
        }
        let mut got: Vec<_> = claimed.iter().map(|claimed| claimed.message.delivery).collect();
        got.sort_unstable();
        assert_eq!(got, may, "what is pending can be claimed, and nothing else");
        for claimed in claimed {
            let life = self.lives[&claimed.message.delivery].0;
            let brought = (claimed.message.attempt, claimed.tries, claimed.due_since);
            assert_eq!(brought, (life.attempts, life.tries(), life.due_since), "{life:?}");
            self.claims.push(claimed);
        }
    }

    async fn result(&mut self, index: usize, ending: &Ending) {
        if self.claims.is_empty() {
            return;
        }
        let claimed = self.claims.remove(index % self.claims.len());
        let now = self.test.clock.now();
        let (delivery, attempt) = (claimed.message.delivery, claimed.message.attempt);
        let reason = Reason::new("it said no");
        let next = match ending {
            Ending::Delivered => Next::Delivered,
            Ending::Retry { seconds, counted } => {
                Next::Retry { at: now.plus(Duration::from_secs(*seconds)), counted: *counted }
            }
            Ending::Failed => Next::Failed { reason: reason.clone(), gone: false },
            Ending::Gone => Next::Failed { reason: reason.clone(), gone: true },
            Ending::Parked => Next::Parked { reason: reason.clone() },
        };
        let mut finished = release(&claimed, now);
        finished.next = next.clone();
        if matches!(ending, Ending::Gone) {
            finished.health = Some(Health::Disable { reason });
        }
        self.test.store.finish(vec![finished]).await.unwrap();
        let open = self.is_open(claimed.destination);
        let life = self.lives[&delivery].0;
        let in_force = life.state == DeliveryState::Sending && life.attempts == attempt;
        self.happens(delivery, &Happening::Sent { attempt, next, open });
        if in_force && matches!(ending, Ending::Gone) && self.states[&claimed.destination].is_some() {
            self.states.insert(claimed.destination, Some(DestinationState::Disabled));
            self.closes(claimed.destination);
        }
    }

    async fn restart(&mut self) {
        let name = || "another".to_owned();
        let deliverer = Deliverer { boot_id: name(), process: name(), holds: BTreeMap::new(), schedule: Vec::new() };
        self.test.store.reclaim(deliverer).await.unwrap();
        for delivery in self.lives.keys().copied().collect::<Vec<_>>() {
            let open = self.is_open(self.lives[&delivery].1);
            self.happens(delivery, &Happening::Interrupted { open });
        }
    }

    async fn set_state(&mut self, state: DestinationState) {
        self.test.run(Command::SetDestinationState { id: self.webhook, state }).await.unwrap();
        self.states.insert(self.webhook, Some(state));
        if state == DestinationState::Disabled {
            self.closes(self.webhook);
        }
    }

    async fn compare(&self, after: &Step) {
        for (delivery, (life, _)) in &self.lives {
            let row = self.test.store.delivery(*delivery).await.unwrap().delivery;
            let due_at = life.due_at.filter(|_| life.state == DeliveryState::Pending);
            let expected = (life.state, life.attempts, due_at);
            assert_eq!((row.state, row.attempts, row.next_attempt_at), expected, "{delivery} after {after:?}");
        }
    }
}

#[test]
fn the_store_does_what_the_pure_life_says_in_every_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let seed: u64 = std::env::var("BELLBOARD_ORDERS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(11);
    let cases = std::env::var("BELLBOARD_ORDERS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&proptest::collection::vec(step(), 1..STEPS_MAX), |steps| {
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world.take(step).await;
                world.compare(step).await;
            }
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
}

#[test]
fn no_lease_ends_before_the_send_that_holds_it() {
    let senders = senders();
    for before in 0..=AHEAD_MAX {
        let all = senders.timeout() * (before + 1);
        assert!(lease(&senders, before) > all, "a send that waits for {before} others");
    }
}
