//! A store to measure, with a few webhooks.

use std::collections::BTreeMap;

use bellboard::channels::form::values_from_text;
use bellboard::channels::{self, Senders};
use bellboard::dispatch::{self, Handle};
use bellboard::domain::account::{AccountKey, AccountStatus, Profile};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Actor, CellChange, Command, DestinationForm};
use bellboard::domain::event::NewEvent;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::payload::Payload;
use bellboard::domain::time::SystemClock;
use bellboard::store::{Options, Store};
use futures_util::StreamExt;
use futures_util::stream;

/// Destinations, each with eight sends under way at once; together as many as the bare client has.
pub const LANES: usize = 4;
/// Sends at once.
pub const CONCURRENCY: usize = 8 * LANES;
const CALLERS: usize = 64;
/// What each event carries.
pub const DATA: &str = r#"{"uid":"5b1c1f5ae4b0","status":0,"server":"web-17","created_at":1700000000,"updated_at":1700000000,"created_at_iso":"2023-11-14T22:13:20Z","updated_at_iso":"2023-11-14T22:13:20Z"}"#;

/// A store with a few webhooks to the receiver.
pub struct Bench {
    pub store: Store,
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub async fn new(url: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Store::open(&Options::at(folder.path().join("bellboard.db")), SystemClock::shared()).await.unwrap();
        set_up(&store, url).await;
        Self { store, folder }
    }

    pub fn dispatch(&self) -> Handle {
        dispatch_from(&self.store)
    }

    pub async fn accept(&self, count: usize) {
        accept(&self.store, count, event).await;
    }
}

/// Accepts one event a call, as HTTP callers do.
pub async fn accept(store: &Store, count: usize, event: impl Fn(usize) -> NewEvent) {
    stream::iter((0..count).map(event))
        .for_each_concurrent(CALLERS, |event| async move {
            store.accept(vec![event]).await.unwrap().remove(0).unwrap();
        })
        .await;
}

pub fn actor() -> Actor {
    Actor { login: "bench".to_owned(), origin: "bench".to_owned() }
}

/// Adds the bench's accounts, each with a webhook to the receiver.
pub async fn set_up(store: &Store, url: &str) {
    let actor = actor();
    let profile = Profile::new("Acme", "ops@acme.test", "UTC", AccountStatus::Active).unwrap();
    for lane in 0..LANES {
        let account = account(lane);
        store.run(&actor, Command::AddAccount { key: account.clone(), profile: profile.clone() }).await.unwrap();
        let fields = values_from_text(Channel::Webhook, &BTreeMap::from([("url".to_owned(), url.to_owned())]));
        let form = DestinationForm { label: String::new(), only: Vec::new(), fields: fields.unwrap() };
        let add = Command::AddDestination { account: account.clone(), channel: Channel::Webhook, form };
        store.run(&actor, add).await.unwrap();
        let cell = |channel, to| CellChange { event_type: "server.stopped".to_owned(), channel, to };
        let cells = vec![cell(Channel::Webhook, CellSetting::On), cell(Channel::Email, CellSetting::Off)];
        store.run(&actor, Command::SetCells { account, cells }).await.unwrap();
    }
}

/// Delivers from the store.
pub fn dispatch_from(store: &Store) -> Handle {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let senders = Senders::new(channels::Options { allow, ..channels::Options::default() }).unwrap();
    dispatch::start(store.clone(), senders, dispatch::Options::default())
}

/// One of the bench's accounts.
pub fn account(number: usize) -> AccountKey {
    format!("acme-{}", number % LANES).parse().unwrap()
}

/// An event of one of them.
pub fn event(number: usize) -> NewEvent {
    NewEvent {
        account: account(number),
        event_type: "server.stopped".to_owned(),
        data: Payload::parse(DATA).unwrap(),
        idempotency_key: None,
    }
}
