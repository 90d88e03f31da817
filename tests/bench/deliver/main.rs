//! How fast bellboard delivers, side by side with a bare HTTP client against the same receiver in the same run.
//!
//! `cargo bench --bench deliver [-- EVENTS]`, or `-- memory [EVENTS]` for the memory of `bellboard serve` alone. It asserts nothing:
//! machines differ, and what counts is the ratio of its lines.
//! The receiver is a process of its own, so that its work is not counted as bellboard's; both share the machine's cores.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first trouble")]

#[path = "../common/receiver.rs"]
mod receiver;

mod memory;

mod recovery;

mod rig;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellboard::domain::payload::Payload;
use futures_util::StreamExt;
use futures_util::stream;

use crate::rig::{Bench, CONCURRENCY, DATA, event};

/// All ways take turns that many times, so that each has the machine's better and worse moments.
const ROUNDS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    match arguments.next().as_deref() {
        Some("receive") => receiver::run(),
        Some("memory") => {
            let events = arguments.next().map_or(100_000, |events| events.parse().unwrap());
            runtime().block_on(memory_alone(&receiver::Process::start(), events));
        }
        Some("serve") => runtime().block_on(recovery::serve(&arguments.next().unwrap())),
        events => runtime().block_on(measure(events.map_or(40_000, |events| events.parse().unwrap()))),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    bellboard::cli::threads::runtime().unwrap()
}

async fn measure(events: usize) {
    let receiver = receiver::Process::start();
    println!(
        "{events} events, {CONCURRENCY} sends at once, {} processors; the middle one of {ROUNDS} rounds",
        std::thread::available_parallelism().unwrap()
    );
    let mut lines = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        lines[0].push(Line::new(events, bare_client(&receiver.url, events)));
        lines[1].push(Line::new(events, accept_only(&receiver.url, events).await));
        lines[2].push(Line::new(events, drain(&receiver, events).await));
        lines[3].push(Line::new(events, accept_and_deliver(&receiver, events).await));
    }
    let [bare, accepted, drained, both] = lines.map(median);
    bare.print("bare client", &bare);
    accepted.print("accept only, durable", &bare);
    drained.print("backlog drained", &bare);
    both.print("accepted and delivered", &bare);
    let (bare, accepted, drained, both) = (bare.rate, accepted.rate, drained.rate, both.rate);
    let (p50, p99) = latency(&receiver, both / 2.0).await;
    println!("emit to receiver at half of that    p50 {p50:>6.2} ms   p99 {p99:>6.2} ms");
    let memory = resident_kib() / 1024;
    println!("resident {memory} MiB, with all of the bench");
    let backlog = (events * 5 / 2).min(100_000);
    let (restart, takeover) = recovery::measure(&receiver.url, backlog).await;
    println!(
        "killed with {backlog} waiting: first send {restart:.0} ms after the new start, {takeover:.0} ms by another process"
    );
    let alone = memory_alone(&receiver, backlog).await;
    println!(
        "{{\"events\":{events},\"bare\":{bare:.0},\"accept\":{accepted:.0},\"drain\":{drained:.0},\"both\":{both:.0},\
         \"p50_ms\":{p50:.2},\"p99_ms\":{p99:.2},\"resident_mib\":{memory},\"restart_ms\":{restart:.0},\
         \"takeover_ms\":{takeover:.0},\"serve_mib\":{alone}}}"
    );
}

/// The round in the middle, by its rate.
fn median(mut rounds: Vec<Line>) -> Line {
    rounds.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    rounds[ROUNDS / 2]
}

/// Prints how much memory `bellboard serve` has by itself; returns the most that it had.
async fn memory_alone(receiver: &receiver::Process, events: usize) -> u64 {
    let memory::Resident { idle, by_http, by_ingest, after } = memory::measure(receiver, events).await;
    println!(
        "`bellboard serve` alone: resident {idle} MiB idle; at most {by_http} MiB with {events} events by HTTP, \
         {by_ingest} MiB with as many more by `ingest`; {after} MiB at the end"
    );
    by_ingest
}

/// How long something took: by the clock, and of this process's processor, which others on the machine disturb less.
struct Took {
    began: Instant,
    processor: Duration,
}

impl Took {
    fn begin() -> Self {
        Self { began: Instant::now(), processor: processor() }
    }

    fn end(self) -> (Duration, Duration) {
        (self.began.elapsed(), processor().saturating_sub(self.processor))
    }
}

fn processor() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(spent.tv_sec).unwrap(), u32::try_from(spent.tv_nsec).unwrap())
}

/// What was measured of one way.
#[derive(Clone, Copy)]
struct Line {
    /// A second.
    rate: f64,
    /// Processor of this process for each, in microseconds; the receiver's is not in it.
    each_us: f64,
}

impl Line {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn new(count: usize, (took, processor): (Duration, Duration)) -> Self {
        let count = count as f64;
        Self { rate: count / took.as_secs_f64(), each_us: 1e6 * processor.as_secs_f64() / count }
    }

    fn print(&self, what: &str, bare: &Self) {
        let percent = 100.0 * self.rate / bare.rate;
        println!("{what:<28} {:>9.0} a second   {percent:>5.1} % of bare   {:>5.1} us", self.rate, self.each_us);
    }
}

/// On a runtime as such a client has it, of which no thread gives way to another.
fn bare_client(url: &str, count: usize) -> (Duration, Duration) {
    tokio::task::block_in_place(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let took = runtime.block_on(post_all(url, count));
        runtime.shutdown_background();
        took
    })
}

async fn post_all(url: &str, count: usize) -> (Duration, Duration) {
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
    let took = Took::begin();
    stream::iter(0..count)
        .for_each_concurrent(CONCURRENCY, |_| {
            let request = client.post(url).header("content-type", "application/json").body(DATA);
            async move {
                assert!(request.send().await.unwrap().bytes().await.is_ok());
            }
        })
        .await;
    took.end()
}

async fn accept_only(url: &str, count: usize) -> (Duration, Duration) {
    let bench = Bench::new(url).await;
    let took = Took::begin();
    bench.accept(count).await;
    took.end()
}

async fn drain(receiver: &receiver::Process, count: usize) -> (Duration, Duration) {
    let bench = Bench::new(&receiver.url).await;
    bench.accept(count).await;
    let before = receiver.count();
    let took = Took::begin();
    let handle = bench.dispatch();
    receiver.reaches(before + count).await;
    let took = took.end();
    handle.stop().await;
    took
}

async fn accept_and_deliver(receiver: &receiver::Process, count: usize) -> (Duration, Duration) {
    let bench = Bench::new(&receiver.url).await;
    let before = receiver.count();
    let handle = bench.dispatch();
    let took = Took::begin();
    bench.accept(count).await;
    receiver.reaches(before + count).await;
    let took = took.end();
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
