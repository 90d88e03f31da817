//! What is sealed lies in the file where a row has it, and nowhere else: whatever writes such a row anew leaves nothing behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellboard::dispatch::send::release;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Command, DestinationForm};
use bellboard::domain::delivery::{Next, Reason};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::DestinationId;
use bellboard::domain::kept_secrets::KeptSecrets;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::queue::{Finished, Health};
use sqlx::{Connection, SqliteConnection};
use tracing::Instrument;

use crate::statements;
use crate::support::{TestStore, acme, other, profile};

/// Each sealed value that some row has, and how many have it.
async fn sealed(connection: &mut SqliteConnection) -> HashMap<Vec<u8>, usize> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT sealed FROM audit_secret WHERE length(sealed) > 0 UNION ALL SELECT sealed FROM destination WHERE sealed IS NOT NULL",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    rows.into_iter().fold(HashMap::new(), |mut all, value| {
        *all.entry(value).or_default() += 1;
        all
    })
}

/// What has been sealed so far must be in the file as often as rows have it; and the log of commits is empty.
struct Look {
    connection: SqliteConnection,
    seen: HashMap<Vec<u8>, usize>,
}

impl Look {
    async fn at(test: &TestStore) -> Self {
        let url = format!("sqlite://{}", test.store.path().display());
        Self { connection: SqliteConnection::connect(&url).await.unwrap(), seen: HashMap::new() }
    }

    async fn check(&mut self, test: &TestStore, after: &str) {
        let now = sealed(&mut self.connection).await;
        self.seen.extend(now.keys().map(|value| (value.clone(), 0)));
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&mut self.connection).await.unwrap();
        let log = std::fs::read(format!("{}-wal", test.store.path().display())).unwrap();
        assert!(log.is_empty(), "{after}");
        let file = std::fs::read(test.store.path()).unwrap();
        for value in self.seen.keys() {
            let expected = now.get(value).copied().unwrap_or(0);
            let (first, last) = (&value[..20], &value[value.len() - 20..]);
            for part in [first, last] {
                let found = file.windows(part.len()).filter(|window| *window == part).count();
                assert_eq!(found, expected, "after {after}, {} bytes of {}", part.len(), value.len());
            }
        }
    }
}

/// A delivery to it ends like that.
async fn end(test: &TestStore, to: DestinationId, health: Health) {
    let deliveries = test.emit("job.fail", "{}").await.deliveries;
    let ids = deliveries.iter().map(|delivery| delivery.0).collect();
    let claimed = test.store.claim(ids, test.clock_now().plus(Duration::from_secs(30))).await.unwrap();
    let results = claimed.iter().map(|claimed| {
        let health = (claimed.destination == to).then(|| health.clone());
        let next = Next::Failed { reason: Reason::new("answered 500"), gone: false };
        Finished { next, health, ..release(claimed, test.clock_now()) }
    });
    test.store.finish(results.collect::<Vec<_>>()).await.unwrap();
}

#[tokio::test]
async fn a_row_that_is_written_anew_leaves_nothing_of_what_is_sealed_in_it() {
    let test = TestStore::acme().await;
    let mut look = Look::at(&test).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(test.webhook_at(&format!("https://hooks.acme.test/{number}")).await);
    }
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    look.check(&test, "they were added").await;
    let id = ids[1];
    for word in ["", "a reason that makes the row longer", "short"] {
        end(&test, id, Health::Failing { reason: Reason::new(word) }).await;
        look.check(&test, &format!("it failed: {word}")).await;
    }
    end(&test, id, Health::Recovered).await;
    look.check(&test, "it recovered").await;
    for state in
        [DestinationState::Paused, DestinationState::Enabled, DestinationState::Disabled, DestinationState::Enabled]
    {
        test.run(Command::SetDestinationState { id, state }).await.unwrap();
        look.check(&test, &format!("it was {}", state.name())).await;
    }
    let mut undone = None;
    for label in ["a name that is longer than what there was before", "x"] {
        let (_, before) = test.store.destination(id).await.unwrap();
        let form = DestinationForm { label: label.to_owned(), only: before.only, fields: before.fields };
        undone = test.run(Command::EditDestination { id, form, over: None }).await.unwrap().change;
        look.check(&test, &format!("it was called {label}")).await;
    }
    test.run(Command::RotateSecret { id, secret: None, overlap: Duration::from_hours(1) }).await.unwrap();
    look.check(&test, "its secret was rotated").await;
    test.run(Command::RotateSecret { id, secret: None, overlap: Duration::ZERO }).await.unwrap();
    look.check(&test, "its secret was rotated at once").await;
    test.run(Command::Undo { change: undone.unwrap() }).await.unwrap();
    look.check(&test, "an edit was taken back").await;
    let removed = test.run(Command::RemoveDestination { id: ids[2] }).await.unwrap().change.unwrap();
    look.check(&test, "one was removed").await;
    test.run(Command::Undo { change: removed }).await.unwrap();
    look.check(&test, "it is back").await;
    let changes =
        ids.iter().map(|id| Command::SetDestinationState { id: *id, state: DestinationState::Paused }).collect();
    let (account, says) = (Some(acme()), "all are paused".to_owned());
    test.run(Command::Together { account, says, changes }).await.unwrap();
    look.check(&test, "several were changed as one").await;
    let which = KeptSecrets { replaced: true, ..KeptSecrets::all_before(test.clock_now()) };
    test.run(Command::ForgetSecrets { which }).await.unwrap();
    look.check(&test, "what was replaced is forgotten").await;
    assert!(look.seen.len() > 6, "{}", look.seen.len());
}

/// Which of these changes has what becomes free overwritten.
async fn pays(span: &'static str, work: impl Future<Output = ()>, enter: impl FnOnce() -> tracing::Span) -> bool {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = seen.clone();
    statements::listen(span, move |statement| all.lock().unwrap().push(statement));
    work.instrument(enter()).await;
    let seen = seen.lock().unwrap();
    assert!(seen.iter().any(|statement| statement.starts_with("INSERT INTO audit")), "its changes were seen");
    seen.iter().any(|statement| statement.contains("secure_delete"))
}

#[tokio::test]
async fn what_has_nothing_to_do_with_secrets_does_not_pay() {
    let others = async {
        let test = TestStore::acme().await;
        test.webhook().await;
        test.set("job.fail", Channel::Webhook, CellSetting::On).await;
        test.run(Command::AddAccount { key: other(), profile: profile() }).await.unwrap();
        let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
        let claimed = test.store.claim(vec![delivery], test.clock_now().plus(Duration::from_secs(30))).await.unwrap();
        let delivered = |claimed| Finished { next: Next::Delivered, ..release(claimed, test.clock_now()) };
        test.store.finish(claimed.iter().map(delivered).collect::<Vec<_>>()).await.unwrap();
        test.run(Command::Replay { deliveries: vec![delivery] }).await.unwrap();
        test.run(Command::CopySetup { from: acme(), to: other() }).await.unwrap();
    };
    assert!(!pays("unsealed", others, || tracing::info_span!("unsealed")).await);
    let replaced = async {
        let test = TestStore::acme().await;
        let id = test.webhook().await;
        test.run(Command::RotateSecret { id, secret: None, overlap: Duration::ZERO }).await.unwrap();
    };
    assert!(pays("sealed", replaced, || tracing::info_span!("sealed")).await);
}
