//! How fast events are accepted and delivered, in short rounds that take turns, so that both files have the same weather.

use std::path::{Path, PathBuf};
use std::time::Instant;

use bellboard::domain::command::Command;
use bellboard::domain::id::DeliveryId;
use bellboard::domain::time::SystemClock;
use bellboard::store::{Options, Store};
use std::time::Duration;

use crate::receiver::Process;
use crate::rig::{LANES, accept, account, actor, dispatch_from, event, set_up};

/// Rounds of each file, and events in one.
const ROUNDS: usize = 7;
const EVENTS: usize = 10_000;

/// Deliveries of a timed claim, and how many claims there are.
const CLAIM: usize = 32;
const CLAIMS: usize = 50;

/// A file that is measured.
pub struct Rates {
    path: PathBuf,
    store: Store,
    /// How long opening it took, in milliseconds.
    open: f64,
}

impl Rates {
    pub async fn open(path: &Path, receiver: &Process) -> Self {
        let began = Instant::now();
        let store = Store::open(&Options::at(path), SystemClock::shared()).await.unwrap();
        let open = millis(began);
        // Of an earlier run, whose receiver is no more.
        for key in (0..LANES).map(account) {
            if store.account(&key).await.is_ok() {
                store.run(&actor(), Command::RemoveAccount { key }).await.unwrap();
            }
        }
        set_up(&store, &receiver.url).await;
        Self { path: path.to_owned(), store, open }
    }

    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Events accepted a second, milliseconds until the first arrived, and from then on deliveries a second.
    async fn round(&self, receiver: &Process) -> [f64; 3] {
        let began = Instant::now();
        accept(&self.store, EVENTS, event).await;
        let accepted = per_second(EVENTS, began);
        // Opened anew, since a dispatcher is told by one store only once.
        let store = Store::open(&Options::at(&self.path), SystemClock::shared()).await.unwrap();
        let before = receiver.count();
        let began = Instant::now();
        let handle = dispatch_from(&store);
        receiver.reaches(before + 1).await;
        let first = millis(began);
        let began = Instant::now();
        let seen = receiver.count();
        receiver.reaches(before + EVENTS).await;
        let drained = per_second(before + EVENTS - seen, began);
        handle.stop().await;
        store.close().await;
        [accepted, first, drained]
    }

    /// Milliseconds of claims while nothing else happens, in order.
    async fn claims(&self) -> Vec<f64> {
        let mut took = Vec::new();
        for _ in 0..CLAIMS {
            let accepted = self.store.accept((0..CLAIM).map(event).collect()).await.unwrap();
            let ids: Vec<DeliveryId> = accepted.into_iter().map(|accepted| accepted.unwrap().deliveries[0].0).collect();
            let lease_ends = self.store.clock().now().plus(Duration::from_secs(1));
            let began = Instant::now();
            assert_eq!(self.store.claim(ids, lease_ends).await.unwrap().len(), CLAIM);
            took.push(millis(began));
        }
        took.sort_by(f64::total_cmp);
        took
    }
}

pub fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per_second(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub async fn side_by_side(small: &Rates, large: &Rates, receiver: &Process) {
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (file, rounds) in [small, large].into_iter().zip(&mut rounds) {
            rounds.push(file.round(receiver).await);
        }
    }
    let line = |what: &str, small: f64, large: f64| {
        println!("{what:<34} {small:>22.1} {large:>24.1}   {:>5.1} %", 100.0 * large / small);
    };
    line("opening the store, ms", small.open, large.open);
    for (index, what) in
        ["accepted a second", "first delivery after the start, ms", "from then delivered a second"].iter().enumerate()
    {
        let [small, large] = [0, 1].map(|file: usize| median(rounds[file].iter().map(|round| round[index]).collect()));
        line(what, small, large);
    }
    let claims = [small.claims().await, large.claims().await];
    line("claiming 32, p50 ms", claims[0][CLAIMS / 2], claims[1][CLAIMS / 2]);
    line("claiming 32, p98 ms", claims[0][CLAIMS - 2], claims[1][CLAIMS - 2]);
}
