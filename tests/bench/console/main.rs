//! The console as a person has it: the real binary in a pseudo terminal of 80x24, beside a process that delivers, idle and
//! under a flood of events, and over a line of 9,600 bytes a second. Prints what was measured beside what is to hold.
//!
//! `cargo bench --bench console [-- DATABASE]`; with the path of a database of the bench `large`
//! it also starts on that one. It asserts nothing.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first trouble")]
#![expect(clippy::cast_precision_loss, reason = "what is printed has three digits")]

mod pty;

#[path = "../common/receiver.rs"]
#[expect(dead_code, reason = "other benches ask it more")]
mod receiver;

#[path = "../deliver/rig.rs"]
#[expect(dead_code, reason = "other benches ask it more")]
mod rig;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bellboard::store::Store;

use crate::pty::{Console, HEIGHT};

const PER_SECOND: usize = 5_000;
const MOVES: usize = 200;
const TOGGLES: usize = 200;

const DOWN: &str = "\x1b[B";
const UP: &str = "\x1b[A";

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let database = match arguments.next().as_deref() {
        Some("receive") => return receiver::run(),
        given => given.map(str::to_owned),
    };
    let runtime = bellboard::cli::threads::runtime().unwrap();
    let receiver = receiver::Process::start();
    let bench = runtime.block_on(rig::Bench::new(&receiver.url));
    let handle = runtime.block_on(async { bench.dispatch() });
    let path = bench.folder.path().join("bellboard.db");
    println!("{:<52} {:>12}   to hold", "", "measured");
    starts("start to a useful frame, small store", &path, bench.folder.path(), "acme-3");
    if let Some(database) = &database {
        starts("start to a useful frame, the database named", Path::new(database), bench.folder.path(), "customer-");
    }
    let mut console = Console::start(&path, bench.folder.path());
    console.until_text("acme-3");
    console.send("\r");
    console.until_text("provisioned ok");
    console.rest(Duration::from_secs(1));
    moves(&mut console, "cursor key to finished screen, idle");
    toggles(&mut console, "toggle to finished screen, durable, idle");
    idle(&mut console);
    let flood = Flood::start(&runtime, &bench.store);
    console.rest(Duration::from_secs(2));
    flood.accepted.store(0, Ordering::Relaxed);
    let begun = Instant::now();
    moves(&mut console, "cursor key to finished screen, flood");
    toggles(&mut console, "toggle to finished screen, durable, flood");
    let before = console.bytes;
    console.rest(Duration::from_secs(3));
    line("bytes a second under flood", format!("{}", (console.bytes - before) / 3), "");
    slow(&mut console);
    let rate = flood.accepted.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    line("events a second meanwhile", format!("{rate:.0}"), "5000");
    flood.stop.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    while console.take(Duration::from_secs(1)) {}
    let left = begun.elapsed().saturating_sub(Duration::from_secs(1));
    line("slow line: old frames after the flood's end", millis(left), "no backlog");
    let (now, most) = console.memory();
    line("resident memory, and the most so far", format!("{now:.1}, {most:.1} MB"), "40 MB");
    runtime.block_on(handle.stop());
}

fn line(what: &str, measured: impl AsRef<str>, to_hold: &str) {
    println!("{what:<52} {:>12}   {to_hold}", measured.as_ref());
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn starts(what: &str, database: &Path, state: &Path, text: &str) {
    let mut times: Vec<Duration> = (0..7)
        .map(|_| {
            let mut console = Console::start(database, state);
            console.until_text(text);
            console.started.elapsed()
        })
        .collect();
    line(what, millis(percentile(&mut times, 50)), "50 ms");
    line("    the slowest of seven", millis(percentile(&mut times, 100)), "");
}

/// The line of the screen that the matrix's cursor is on.
fn cursor_line(screen: &vt100::Screen) -> Option<u16> {
    (0..HEIGHT).find(|row| screen.cell(*row, 0).is_some_and(|cell| cell.contents() == ">"))
}

fn cell_text(screen: &vt100::Screen) -> String {
    let row = cursor_line(screen).unwrap_or(0);
    screen.rows(0, pty::WIDTH).nth(usize::from(row)).unwrap_or_default()
}

fn moves(console: &mut Console, what: &str) {
    let (mut times, mut bytes) = (Vec::new(), Vec::new());
    for number in 0..MOVES {
        console.rest(Duration::from_millis(7 + (number as u64 * 13) % 29));
        let before = cursor_line(console.screen());
        let sent = console.bytes;
        let key = if number % 8 < 4 { DOWN } else { UP };
        times.push(console.press(key, "move of the cursor", |screen| cursor_line(screen) != before));
        bytes.push(console.bytes - sent);
    }
    line(&format!("{what}, p50"), millis(percentile(&mut times, 50)), "");
    line("    p99", millis(percentile(&mut times, 99)), "8 ms");
    bytes.sort_unstable();
    line("    bytes, the median and the most", format!("{}, {}", bytes[MOVES / 2], bytes[MOVES - 1]), "120");
}

fn toggles(console: &mut Console, what: &str) {
    let (mut times, mut bytes) = (Vec::new(), Vec::new());
    for number in 0..TOGGLES {
        console.rest(Duration::from_millis(7 + (number as u64 * 13) % 29));
        let before = cell_text(console.screen());
        let sent = console.bytes;
        times.push(console.press(" ", "toggled cell", |screen| cell_text(screen) != before));
        bytes.push(console.bytes - sent);
    }
    line(&format!("{what}, p50"), millis(percentile(&mut times, 50)), "");
    line("    p99", millis(percentile(&mut times, 99)), "16 ms");
    bytes.sort_unstable();
    line("    bytes, the median and the most", format!("{}, {}", bytes[TOGGLES / 2], bytes[TOGGLES - 1]), "200");
}

fn idle(console: &mut Console) {
    console.rest(Duration::from_secs(3));
    let (bytes, processor) = (console.bytes, console.processor());
    console.rest(Duration::from_secs(10));
    line("bytes a second, idle", format!("{}", (console.bytes - bytes) / 10), "0");
    let share = (console.processor() - processor) as f64 / 10e9 * 100.0;
    line("processor of one core, idle", format!("{share:.3} %"), "0.1 %");
}

/// Keys over a line of 9,600 bytes a second.
fn slow(console: &mut Console) {
    console.rate = Some(9_600);
    console.rest(Duration::from_secs(3));
    let mut times = Vec::new();
    for number in 0..20 {
        console.rest(Duration::from_millis(150 + number * 17));
        let before = cursor_line(console.screen());
        let key = if number % 8 < 4 { DOWN } else { UP };
        times.push(console.press(key, "move of the cursor", |screen| cursor_line(screen) != before));
    }
    line("9,600 bytes a second: key to finished screen, p50", millis(percentile(&mut times, 50)), "");
    line("    the slowest of twenty", millis(percentile(&mut times, 100)), "1000 ms");
}

/// Events without end, at a steady pace.
struct Flood {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
}

impl Flood {
    fn start(runtime: &tokio::runtime::Runtime, store: &Store) -> Self {
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (store, told, counted) = (store.clone(), stop.clone(), accepted.clone());
        runtime.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            let mut number = 0;
            while !told.load(Ordering::Relaxed) {
                pace.tick().await;
                let events: Vec<_> = (number..number + PER_SECOND / 100).map(rig::event).collect();
                number += events.len();
                counted.fetch_add(events.len(), Ordering::Relaxed);
                store.accept(events).await.unwrap();
            }
        });
        Self { stop, accepted }
    }
}
