//! What others feel of retention: the time from emit to receiver while old events are removed and while they are not, in short
//! rounds that take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bellboard::dispatch::upkeep::Keeper;
use bellboard::domain::payload::Payload;
use bellboard::domain::time::SystemClock;
use bellboard::store::{Options, Store};

use crate::rates::Rates;
use crate::receiver::{Process, micros, percentile};
use crate::rig::{dispatch_from, event};

const ROUNDS: usize = 6;
const SECONDS: u64 = 3;
const TICK: Duration = Duration::from_millis(2);

/// Events older than that go: of ninety days, the first fifty.
const KEEP: Duration = Duration::from_hours(40 * 24);

pub async fn side_by_side(large: &Rates, receiver: &Process) {
    let store = Store::open(&Options::at(large.store().path()), SystemClock::shared()).await.unwrap();
    let handle = dispatch_from(&store);
    let mut waited = [Vec::new(), Vec::new()];
    let removed = Arc::new(AtomicU64::new(0));
    let bytes = store.bytes().await.unwrap();
    let mut pruning = Duration::ZERO;
    steady(&store, receiver).await;
    for _ in 0..ROUNDS {
        for (pruned, waited) in [false, true].into_iter().zip(&mut waited) {
            let stop = Arc::new(AtomicBool::new(false));
            let began = Instant::now();
            let keeper = pruned.then(|| tokio::spawn(keep(store.clone(), stop.clone(), removed.clone())));
            waited.extend(steady(&store, receiver).await);
            stop.store(true, Ordering::Relaxed);
            if let Some(keeper) = keeper {
                keeper.await.unwrap();
                pruning += began.elapsed();
            }
        }
    }
    handle.stop().await;
    for (what, mut waited) in ["emit to receiver", "emit to receiver, while pruning"].into_iter().zip(waited) {
        waited.sort_by(f64::total_cmp);
        let (p50, p99) = (percentile(&waited, 50), percentile(&waited, 99));
        println!("{what:<34} p50 {p50:>6.2} ms   p99 {p99:>6.2} ms");
    }
    let removed = removed.load(Ordering::Relaxed);
    let after = store.bytes().await.unwrap();
    println!(
        "{removed} events went in {:.0} s; the file has {} MB, before it had {}",
        pruning.as_secs_f64(),
        after / 1_000_000,
        bytes / 1_000_000
    );
}

/// Removes as the process that delivers does.
async fn keep(store: Store, stop: Arc<AtomicBool>, removed: Arc<AtomicU64>) {
    let mut keeper = Keeper::new(store, KEEP, KEEP);
    keeper.begin_pruning();
    let before = removed.load(Ordering::Relaxed);
    while !stop.load(Ordering::Relaxed) {
        if !keeper.step().await.unwrap() {
            return;
        }
        removed.store(before + keeper.removed(), Ordering::Relaxed);
        tokio::time::sleep(bellboard::dispatch::upkeep::REST).await;
    }
}

/// Emits at a steady pace; how long each was under way, in milliseconds.
async fn steady(store: &Store, receiver: &Process) -> Vec<f64> {
    receiver.forget_latencies();
    let before = receiver.count();
    let mut interval = tokio::time::interval(TICK);
    let mut tasks = tokio::task::JoinSet::new();
    let mut sent = 0;
    let until = Instant::now() + Duration::from_secs(SECONDS);
    while Instant::now() < until {
        interval.tick().await;
        let (store, mut event) = (store.clone(), event(sent));
        sent += 1;
        event.data = Payload::parse(&format!("{{\"emitted_us\":{}}}", micros())).unwrap();
        tasks.spawn(async move { store.accept(vec![event]).await.unwrap().remove(0).unwrap() });
    }
    while tasks.join_next().await.is_some() {}
    receiver.reaches(before + sent).await;
    receiver.latencies()
}
