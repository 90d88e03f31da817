//! How fast bellboard delivers, side by side with a bare HTTP client against the same receiver in the same run.
//!
//! `cargo bench --bench deliver [-- EVENTS]`. It asserts nothing: machines differ, and what counts is the ratio of its lines.
//! The receiver is a process of its own, so that its work is not counted as bellboard's; both share the machine's cores.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first trouble")]

#[path = "../common/receiver.rs"]
mod receiver;

mod recovery;

mod rig;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellboard::domain::payload::Payload;
use futures_util::StreamExt;
use futures_util::stream;

use crate::rig::{Bench, CONCURRENCY, DATA, event};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    match arguments.next().as_deref() {
        Some("receive") => receiver::run(),
        Some("serve") => runtime().block_on(recovery::serve(&arguments.next().unwrap())),
        events => runtime().block_on(measure(events.map_or(40_000, |events| events.parse().unwrap()))),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

async fn measure(events: usize) {
    let receiver = receiver::Process::start();
    println!(
        "{events} events, {CONCURRENCY} sends at once, {} processors",
        std::thread::available_parallelism().unwrap()
    );
    let bare = rate(events, bare_client(&receiver.url, events).await);
    line("bare client", bare, bare);
    let accepted = rate(events, accept_only(&receiver.url, events).await);
    line("accept only, durable", accepted, bare);
    let drained = rate(events, drain(&receiver, events).await);
    line("backlog drained", drained, bare);
    let both = rate(events, accept_and_deliver(&receiver, events).await);
    line("accepted and delivered", both, bare);
    let (p50, p99) = latency(&receiver, both / 2.0).await;
    println!("emit to receiver at half of that    p50 {p50:>6.2} ms   p99 {p99:>6.2} ms");
    let memory = resident_kib() / 1024;
    println!("resident {memory} MiB");
    let backlog = (events * 5 / 2).min(100_000);
    let (restart, takeover) = recovery::measure(&receiver.url, backlog).await;
    println!(
        "killed with {backlog} waiting: first send {restart:.0} ms after the new start, {takeover:.0} ms by another process"
    );
    println!(
        "{{\"events\":{events},\"bare\":{bare:.0},\"accept\":{accepted:.0},\"drain\":{drained:.0},\"both\":{both:.0},\
         \"p50_ms\":{p50:.2},\"p99_ms\":{p99:.2},\"resident_mib\":{memory},\"restart_ms\":{restart:.0},\
         \"takeover_ms\":{takeover:.0}}}"
    );
}

fn line(what: &str, rate: f64, bare: f64) {
    println!("{what:<28} {rate:>9.0} a second   {:>5.1} % of bare", 100.0 * rate / bare);
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

async fn bare_client(url: &str, count: usize) -> Duration {
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
    let began = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(CONCURRENCY, |_| {
            let request = client.post(url).header("content-type", "application/json").body(DATA);
            async move {
                assert!(request.send().await.unwrap().bytes().await.is_ok());
            }
        })
        .await;
    began.elapsed()
}

async fn accept_only(url: &str, count: usize) -> Duration {
    let bench = Bench::new(url).await;
    let began = Instant::now();
    bench.accept(count).await;
    began.elapsed()
}

async fn drain(receiver: &receiver::Process, count: usize) -> Duration {
    let bench = Bench::new(&receiver.url).await;
    bench.accept(count).await;
    let before = receiver.count();
    let began = Instant::now();
    let handle = bench.dispatch();
    receiver.reaches(before + count).await;
    let took = began.elapsed();
    handle.stop().await;
    took
}

async fn accept_and_deliver(receiver: &receiver::Process, count: usize) -> Duration {
    let bench = Bench::new(&receiver.url).await;
    let before = receiver.count();
    let handle = bench.dispatch();
    let began = Instant::now();
    bench.accept(count).await;
    receiver.reaches(before + count).await;
    let took = began.elapsed();
    handle.stop().await;
    took
}

/// Emits at a steady rate and asks the receiver how long each event was under way.
async fn latency(receiver: &receiver::Process, per_second: f64) -> (f64, f64) {
    const SECONDS: f64 = 5.0;
    let bench = Arc::new(Bench::new(&receiver.url).await);
    let handle = bench.dispatch();
    receiver.forget_latencies();
    let before = receiver.count();
    let tick = Duration::from_millis(2);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count")]
    let (each, ticks) = ((per_second * tick.as_secs_f64()).ceil() as usize, (SECONDS / tick.as_secs_f64()) as usize);
    let mut interval = tokio::time::interval(tick);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..ticks {
        interval.tick().await;
        for number in 0..each {
            let bench = bench.clone();
            tasks.spawn(async move {
                let mut event = event(number);
                event.data = Payload::parse(&format!("{{\"emitted_us\":{}}}", receiver::micros())).unwrap();
                bench.store.accept(vec![event]).await.unwrap().remove(0).unwrap();
            });
        }
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    receiver.reaches(before + each * ticks).await;
    handle.stop().await;
    let latencies = receiver.latencies();
    (receiver::percentile(&latencies, 50), receiver::percentile(&latencies, 99))
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}
