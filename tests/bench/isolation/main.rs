//! What others feel of a destination, a channel or an account that is in trouble: the time from emit to receiver of a hundred
//! destinations under a steady load, without and with each kind of trouble, side by side.
//!
//! `cargo bench --bench isolation [-- BACKLOG]`. It asserts nothing: what counts is each line beside the first.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first trouble")]

#[path = "../common/receiver.rs"]
mod receiver;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellboard::channels::form::values_from_text;
use bellboard::channels::{self, Senders, email};
use bellboard::dispatch;
use bellboard::domain::account::{AccountKey, AccountStatus, Profile};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Actor, CellChange, Command, DestinationForm};
use bellboard::domain::event::NewEvent;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::payload::Payload;
use bellboard::domain::time::SystemClock;
use bellboard::store::{Options, Store};

/// Destinations that are measured, and how often one of them gets an event.
const OTHERS: usize = 100;
const PER_SECOND: usize = 500;
const SECONDS: usize = 4;

/// What is wrong while the others are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    Hangs,
    Slow,
    Backlog(usize),
    ThousandHang,
    DeadMail,
    Flood,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let backlog = match arguments.next().as_deref() {
        Some("receive") => return receiver::run(),
        given => given.map_or(20_000, |backlog| backlog.parse().unwrap()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("{OTHERS} destinations, {PER_SECOND} events a second; emit to receiver:");
        let all = [
            Trouble::None,
            Trouble::Hangs,
            Trouble::Slow,
            Trouble::Backlog(backlog),
            Trouble::ThousandHang,
            Trouble::DeadMail,
            Trouble::Flood,
            Trouble::None,
        ];
        for trouble in all {
            let receiver = receiver::Process::start();
            let (p50, p99) = measure(&receiver, trouble).await;
            println!("{:<20} p50 {p50:>7.2} ms   p99 {p99:>7.2} ms", format!("{trouble:?}"));
        }
    });
}

fn actor() -> Actor {
    Actor { login: "bench".to_owned(), origin: "bench".to_owned() }
}

fn key(name: &str, number: usize) -> AccountKey {
    format!("{name}-{number}").parse().unwrap()
}

/// An account with one destination, which gets `server.stopped`.
async fn add(store: &Store, key: &AccountKey, channel: Channel, field: &str, value: &str) {
    let profile = Profile::new("Acme", "ops@acme.test", "UTC", AccountStatus::Active).unwrap();
    store.run(&actor(), Command::AddAccount { key: key.clone(), profile }).await.unwrap();
    let fields = values_from_text(channel, &BTreeMap::from([(field.to_owned(), value.to_owned())])).unwrap();
    let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
    store.run(&actor(), Command::AddDestination { account: key.clone(), channel, form }).await.unwrap();
    let cell = |other: Channel| CellChange {
        event_type: "server.stopped".to_owned(),
        channel: other,
        to: if other == channel { CellSetting::On } else { CellSetting::Off },
    };
    let cells = vec![cell(Channel::Webhook), cell(Channel::Email)];
    store.run(&actor(), Command::SetCells { account: key.clone(), cells }).await.unwrap();
}

fn event(account: AccountKey) -> NewEvent {
    let data = Payload::parse(&format!("{{\"emitted_us\":{}}}", receiver::micros())).unwrap();
    NewEvent { account, event_type: "server.stopped".to_owned(), data, idempotency_key: None }
}

/// An event whose way nobody measures.
fn silent(account: AccountKey) -> NewEvent {
    NewEvent { data: Payload::empty(), ..event(account) }
}

async fn emit(store: &Store, event: NewEvent) {
    store.accept(vec![event]).await.unwrap().remove(0).unwrap();
}

async fn many(store: &Store, account: &AccountKey, count: usize) {
    for batch in (0..count).collect::<Vec<_>>().chunks(500) {
        store.accept(batch.iter().map(|_| silent(account.clone())).collect()).await.unwrap();
    }
}

/// Puts the trouble into the store.
async fn prepare(store: &Store, receiver: &receiver::Process, trouble: Trouble) {
    let (hang, slow) = (receiver.url.replace("/in", "/hang"), receiver.url.replace("/in", "/slow"));
    let bad = key("bad", 0);
    match trouble {
        Trouble::None => {}
        Trouble::Hangs => add(store, &bad, Channel::Webhook, "url", &hang).await,
        Trouble::Slow => add(store, &bad, Channel::Webhook, "url", &slow).await,
        Trouble::Backlog(_) | Trouble::Flood => add(store, &bad, Channel::Webhook, "url", &receiver.url).await,
        Trouble::DeadMail => add(store, &bad, Channel::Email, "address", "ops@acme.test").await,
        Trouble::ThousandHang => {
            for number in 0..1000 {
                add(store, &key("bad", number), Channel::Webhook, "url", &hang).await;
            }
        }
    }
    match trouble {
        Trouble::None | Trouble::Flood => {}
        Trouble::Backlog(count) => many(store, &bad, count).await,
        Trouble::Hangs | Trouble::Slow | Trouble::DeadMail => many(store, &bad, 1000).await,
        Trouble::ThousandHang => {
            for number in 0..1000 {
                many(store, &key("bad", number), 8).await;
            }
        }
    }
}

/// Emits without a pause for one account until it is told to stop.
fn flood(store: &Store, stop: &Arc<AtomicBool>) -> tokio::task::JoinSet<()> {
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..512 {
        let (store, stop) = (store.clone(), stop.clone());
        callers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                emit(&store, silent(key("bad", 0))).await;
            }
        });
    }
    callers
}

async fn measure(receiver: &receiver::Process, trouble: Trouble) -> (f64, f64) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(&Options::at(folder.path().join("bellboard.db")), SystemClock::shared()).await.unwrap();
    for number in 0..OTHERS {
        add(&store, &key("acme", number), Channel::Webhook, "url", &receiver.url).await;
    }
    prepare(&store, receiver, trouble).await;
    // A mail server that takes connections and says nothing.
    let mail = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("smtp://127.0.0.1:{}", mail.local_addr().unwrap().port());
    let email = email::EmailOptions { server: Some(server), ..email::EmailOptions::default() };
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let senders = Senders::new(channels::Options { allow, email, ..channels::Options::default() }).unwrap();
    let handle = dispatch::start(
        store.clone(),
        senders,
        dispatch::Options { shutdown_max: Duration::ZERO, ..dispatch::Options::default() },
    );
    let stop = Arc::new(AtomicBool::new(false));
    let flood = if trouble == Trouble::Flood { Some(flood(&store, &stop)) } else { None };
    // Each lane is known before it is measured.
    for number in 0..OTHERS {
        emit(&store, silent(key("acme", number))).await;
    }
    receiver.reaches(OTHERS).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    receiver.forget_latencies();
    let mut interval = tokio::time::interval(Duration::from_millis(2));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..PER_SECOND * SECONDS {
        interval.tick().await;
        let store = store.clone();
        tasks.spawn(async move { emit(&store, event(key("acme", number % OTHERS))).await });
    }
    while tasks.join_next().await.is_some() {}
    tokio::time::sleep(Duration::from_secs(1)).await;
    let latencies = receiver.latencies();
    let latencies = (receiver::percentile(&latencies, 50), receiver::percentile(&latencies, 99));
    stop.store(true, Ordering::Relaxed);
    if let Some(flood) = flood {
        flood.join_all().await;
    }
    handle.stop().await;
    latencies
}
