//! What others feel of a destination, a channel or an account that is in trouble: the time from emit to receiver of a hundred
//! destinations under a steady load, without and with each kind of trouble, in short rounds that take turns, so that both have the
//! same weather. Beside it stands how many deliveries a second what is in trouble gets itself.
//!
//! `cargo bench --bench isolation [-- BACKLOG [TROUBLE]]`: all troubles, or that one. It asserts nothing: what counts is each line's second half beside its first.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first trouble")]

#[path = "../common/receiver.rs"]
#[expect(dead_code, reason = "others wait for a count")]
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
const SECONDS: usize = 2;

/// Rounds without and with a trouble.
const ROUNDS: usize = 5;

/// Longest wait for what was emitted in a round.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is wrong while the others are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// One that hangs, one that is slow and one with a backlog, all at once.
    Three(usize),
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
    let only = arguments.next();
    let runtime = bellboard::cli::threads::runtime().unwrap();
    runtime.block_on(async {
        println!("{OTHERS} destinations, {PER_SECOND} events a second; emit to receiver, without and with:");
        let all = [
            Trouble::None,
            Trouble::Three(backlog),
            Trouble::Hangs,
            Trouble::Slow,
            Trouble::Backlog(backlog),
            Trouble::ThousandHang,
            Trouble::DeadMail,
            Trouble::Flood,
        ];
        for trouble in all {
            if only.as_ref().is_none_or(|only| format!("{trouble:?}").starts_with(only)) {
                compare(trouble).await;
            }
        }
    });
}

/// Prints what the others feel of a trouble.
async fn compare(trouble: Trouble) {
    let receiver = receiver::Process::start();
    let sides = [Side::new(&receiver, Trouble::None).await, Side::new(&receiver, trouble).await];
    let mut pooled = [Vec::new(), Vec::new()];
    let mut own = 0;
    for _ in 0..ROUNDS {
        for (side, pooled) in sides.iter().zip(&mut pooled) {
            let (latencies, of_trouble) = side.round(&receiver).await;
            pooled.extend(latencies);
            own += of_trouble;
        }
    }
    let [without, with] = pooled.map(|mut all| {
        all.sort_by(f64::total_cmp);
        [50, 99].map(|part| receiver::percentile(&all, part))
    });
    println!(
        "{:<20} p50 {:>6.2} {:>6.2} ms   p99 {:>7.2} {:>7.2} ms   {:>4.0} %   itself {:>6} a second",
        format!("{trouble:?}"),
        without[0],
        with[0],
        without[1],
        with[1],
        100.0 * with[1] / without[1],
        own / (ROUNDS * SECONDS)
    );
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
    let bad = |number| key("bad", number);
    let webhook = async |number, url: &str, waiting| {
        add(store, &bad(number), Channel::Webhook, "url", url).await;
        many(store, &bad(number), waiting).await;
    };
    match trouble {
        Trouble::None => {}
        Trouble::Three(backlog) => {
            webhook(0, &receiver.url, backlog).await;
            webhook(1, &hang, 1000).await;
            webhook(2, &slow, 1000).await;
        }
        Trouble::Hangs => webhook(0, &hang, 1000).await,
        Trouble::Slow => webhook(0, &slow, 1000).await,
        Trouble::Backlog(backlog) => webhook(0, &receiver.url, backlog).await,
        Trouble::Flood => webhook(0, &receiver.url, 0).await,
        Trouble::DeadMail => {
            add(store, &bad(0), Channel::Email, "address", "ops@acme.test").await;
            many(store, &bad(0), 1000).await;
        }
        Trouble::ThousandHang => {
            for number in 0..1000 {
                webhook(number, &hang, 8).await;
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

/// A store, and what is wrong in it.
struct Side {
    folder: tempfile::TempDir,
    trouble: Trouble,
    /// A mail server that takes connections and says nothing.
    mail: tokio::net::TcpListener,
}

impl Side {
    async fn new(receiver: &receiver::Process, trouble: Trouble) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let side = Self { folder, trouble, mail: tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap() };
        let store = side.open().await;
        for number in 0..OTHERS {
            add(&store, &key("acme", number), Channel::Webhook, "url", &receiver.url).await;
        }
        prepare(&store, receiver, trouble).await;
        store.close().await;
        side
    }

    async fn open(&self) -> Store {
        let path = self.folder.path().join("bellboard.db");
        Store::open(&Options::at(path), SystemClock::shared()).await.unwrap()
    }

    fn dispatch(&self, store: &Store) -> dispatch::Handle {
        let server = format!("smtp://127.0.0.1:{}", self.mail.local_addr().unwrap().port());
        let email = email::EmailOptions { server: Some(server), ..email::EmailOptions::default() };
        let allow = vec!["127.0.0.0/8".parse().unwrap()];
        let senders = Senders::new(channels::Options { allow, email, ..channels::Options::default() }).unwrap();
        let options = dispatch::Options { shutdown_max: Duration::ZERO, ..dispatch::Options::default() };
        dispatch::start(store.clone(), senders, options)
    }

    /// How long each event of the others was under way, in milliseconds, and how many others' deliveries arrived meanwhile.
    async fn round(&self, receiver: &receiver::Process) -> (Vec<f64>, usize) {
        let store = self.open().await;
        let handle = self.dispatch(&store);
        let stop = Arc::new(AtomicBool::new(false));
        let flood = if self.trouble == Trouble::Flood { Some(flood(&store, &stop)) } else { None };
        // Each lane is known before it is measured.
        receiver.forget_latencies();
        for number in 0..OTHERS {
            emit(&store, event(key("acme", number))).await;
        }
        arrived(receiver, OTHERS).await;
        receiver.forget_latencies();
        let before = receiver.count();
        let mut interval = tokio::time::interval(Duration::from_millis(2));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..PER_SECOND * SECONDS {
            interval.tick().await;
            let store = store.clone();
            tasks.spawn(async move { emit(&store, event(key("acme", number % OTHERS))).await });
        }
        while tasks.join_next().await.is_some() {}
        let of_trouble = (receiver.count() - before).saturating_sub(PER_SECOND * SECONDS);
        let latencies = arrived(receiver, PER_SECOND * SECONDS).await;
        stop.store(true, Ordering::Relaxed);
        if let Some(flood) = flood {
            flood.join_all().await;
        }
        handle.stop().await;
        store.close().await;
        (latencies, of_trouble)
    }
}

/// Waits until so many arrived, for a while.
async fn arrived(receiver: &receiver::Process, count: usize) -> Vec<f64> {
    let began = std::time::Instant::now();
    loop {
        let latencies = receiver.latencies();
        if latencies.len() >= count || began.elapsed() > PATIENCE {
            return latencies;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
