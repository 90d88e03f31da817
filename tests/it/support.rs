//! A real store on a file that vanishes, with a clock that stands still.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellboard::channels::form::values_from_text;
use bellboard::domain::account::{AccountKey, AccountStatus, Profile};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Actor, CellChange, Command, DestinationForm, Done};
use bellboard::domain::event::{Accepted, NewEvent};
use bellboard::domain::id::DestinationId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::payload::Payload;
use bellboard::domain::time::{ManualClock, Timestamp};
use bellboard::store::error::CommandError;
use bellboard::store::{Options, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

pub struct TestStore {
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub folder: tempfile::TempDir,
}

pub fn actor() -> Actor {
    Actor { login: "jane".to_owned(), origin: "pts/1".to_owned() }
}

pub fn acme() -> AccountKey {
    "acme".parse().unwrap()
}

/// Another account's key, for tests that add it.
pub fn other() -> AccountKey {
    "other".parse().unwrap()
}

pub fn profile() -> Profile {
    Profile::new("Acme Ltd", "ops@acme.test", "UTC", AccountStatus::Active).unwrap()
}

impl TestStore {
    pub async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let store = Store::open(&Options::at(folder.path().join("bellboard.db")), clock.clone()).await.unwrap();
        Self { store, clock, folder }
    }

    /// With the account `acme`.
    pub async fn acme() -> Self {
        let test = Self::empty().await;
        test.run(Command::AddAccount { key: acme(), profile: profile() }).await.unwrap();
        test
    }

    pub async fn run(&self, command: Command) -> Result<Done, CommandError> {
        self.store.run(&actor(), command).await
    }

    pub fn clock_now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Writes past the store, as nothing of bellboard's would.
    pub async fn damage(&self, statement: &str) {
        let options = SqliteConnectOptions::new().filename(self.store.path()).foreign_keys(false);
        let mut connection = options.pragma("ignore_check_constraints", "ON").connect().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub async fn webhook(&self) -> DestinationId {
        self.webhook_at("https://hooks.acme.test/in").await
    }

    pub async fn webhook_at(&self, url: &str) -> DestinationId {
        let fields = BTreeMap::from([("url".to_owned(), url.to_owned())]);
        let form = DestinationForm {
            label: String::new(),
            only: Vec::new(),
            fields: values_from_text(Channel::Webhook, &fields).unwrap(),
        };
        let command = Command::AddDestination { account: acme(), channel: Channel::Webhook, form };
        self.run(command).await.unwrap().destination.unwrap()
    }

    pub async fn set(&self, event_type: &str, channel: Channel, to: CellSetting) -> Done {
        let cells = vec![CellChange { event_type: event_type.to_owned(), channel, to }];
        self.run(Command::SetCells { account: acme(), cells }).await.unwrap()
    }

    pub async fn emit(&self, event_type: &str, data: &str) -> Accepted {
        self.store.accept(vec![event(event_type, data, None)]).await.unwrap().remove(0).unwrap()
    }
}

pub fn event(event_type: &str, data: &str, key: Option<&str>) -> NewEvent {
    NewEvent {
        account: acme(),
        event_type: event_type.to_owned(),
        data: Payload::parse(data).unwrap(),
        idempotency_key: key.map(str::to_owned),
    }
}
