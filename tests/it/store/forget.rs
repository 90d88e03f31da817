//! Secrets that the audit trail keeps, forgotten: nothing of them is left anywhere, what needed them says so, the chain holds.

use std::path::Path;
use std::time::Duration;

use bellboard::channels::form::values_from_text;
use bellboard::dispatch::upkeep::Keeper;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Command, DestinationForm};
use bellboard::domain::id::{ChangeId, DestinationId};
use bellboard::domain::kept_secrets::KeptSecrets;
use bellboard::store::audit::ChangeFilter;
use bellboard::store::forget::Wiped;
use sqlx::{ConnectOptions, Connection};

use crate::support::{TestStore, acme, actor, other, profile};

/// Long enough for pages of their own: header lines as many as fit.
fn headers(number: usize) -> String {
    let lines = (0..4).map(|line| format!("x-planted-{line}: {}", format!("secret {number} {line} ").repeat(60)));
    lines.collect::<Vec<_>>().join("\n")
}

async fn add(test: &TestStore, number: usize) -> DestinationId {
    let url = format!("https://hooks.acme.test/{number}");
    let fields =
        [("url", url.as_str()), ("headers", &headers(number))].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let fields = values_from_text(Channel::Webhook, &fields.into()).unwrap();
    let form = DestinationForm { label: format!("hook {number}"), only: Vec::new(), fields };
    let add = Command::AddDestination { account: acme(), channel: Channel::Webhook, form };
    test.run(add).await.unwrap().destination.unwrap()
}

fn which(test: &TestStore) -> KeptSecrets {
    KeptSecrets { replaced: false, ..KeptSecrets::all_before(test.clock_now()) }
}

fn path(test: &TestStore) -> std::path::PathBuf {
    test.store.path().to_owned()
}

/// Every sealed value of the trail and of destinations, on a connection of the test's own.
async fn sealed(path: &Path) -> Vec<Vec<u8>> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let rows = sqlx::query_scalar(
        "SELECT sealed FROM audit_secret WHERE length(sealed) > 0 UNION ALL SELECT sealed FROM destination WHERE sealed IS NOT NULL",
    );
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

/// Which of the values are in the file or its log, by what they begin with or end with.
fn found(path: &Path, values: &[Vec<u8>]) -> Vec<usize> {
    let log = format!("{}-wal", path.display());
    let bytes = [std::fs::read(path).unwrap(), std::fs::read(log).unwrap_or_default()].concat();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let number =
        |(number, value): (usize, &Vec<u8>)| (has(&value[..32]) || has(&value[value.len() - 32..])).then_some(number);
    values.iter().enumerate().filter_map(number).collect()
}

#[tokio::test]
async fn nothing_of_them_is_left_and_the_way_back_says_so() {
    let test = TestStore::acme().await;
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(add(&test, number).await);
    }
    let mut removals: Vec<ChangeId> = Vec::new();
    for id in &ids[..9] {
        removals.push(test.run(Command::RemoveDestination { id: *id }).await.unwrap().change.unwrap());
    }
    let rotated = Command::RotateSecret { id: ids[9], secret: None, overlap: Duration::ZERO };
    test.run(rotated).await.unwrap();
    assert_eq!(test.store.count_kept_secrets(&which(&test)).await.unwrap(), 9, "what was replaced is another matter");
    let all = sealed(&path(&test)).await;
    let (gone, stays) = all.split_at(9);
    assert_eq!(found(&path(&test), gone).len(), 9, "what looks for them finds them");
    let chain = test.store.verify_audit(None).await.unwrap();

    let marks = test.store.marks_of(&which(&test)).await.unwrap();
    let done = test.run(Command::ForgetSecrets { which: which(&test) }).await.unwrap();
    assert!(done.says.contains("9 kept secrets were forgotten"), "{}", done.says);
    assert_eq!(test.store.wipe(marks).await.unwrap(), Wiped::Clean);
    assert_eq!(found(&path(&test), gone), [0_usize; 0]);
    assert_eq!(found(&path(&test), stays).len(), stays.len(), "what others need is there");

    let refused = test.run(Command::Undo { change: removals[0] }).await.unwrap_err().to_string();
    assert!(refused.contains("were forgotten") && refused.contains("entered anew"), "{refused}");
    let after = test.store.verify_audit(chain.head).await.unwrap();
    assert_eq!((after.broken, after.found, after.rows), (None, true, chain.rows + 1));
    assert!(
        test.run(Command::ForgetSecrets { which: which(&test) }).await.unwrap().change.is_none(),
        "nothing is left"
    );
    // The rest of the program goes on with the empty values.
    let keys = test.store.keys_in_use().await.unwrap();
    let rotated = test.store.rotate_key(&actor()).await.unwrap();
    assert_eq!((rotated.sealed, rotated.unopened), (keys.sealed, 0));
    assert!(found(&path(&test), stays).is_empty() || test.store.wal_bytes() > 0, "what was sealed anew is wiped too");
    let last = test.store.changes(&ChangeFilter::default()).await.unwrap();
    assert!(last.iter().any(|change| change.command == "forget_secrets"));
}

#[tokio::test]
async fn a_choice_means_no_more_than_it_says() {
    let test = TestStore::acme().await;
    let (first, second, third) = (add(&test, 1).await, add(&test, 2).await, add(&test, 3).await);
    test.run(Command::RotateSecret { id: third, secret: None, overlap: Duration::ZERO }).await.unwrap();
    let before = test.clock_now();
    test.run(Command::RemoveDestination { id: first }).await.unwrap();
    test.clock.advance(Duration::from_mins(1));
    test.run(Command::RemoveDestination { id: second }).await.unwrap();
    test.run(Command::AddAccount { key: other(), profile: profile() }).await.unwrap();
    let now = test.clock_now();
    let all = KeptSecrets { account: None, destination: None, before: now, replaced: false };
    for (what, which, expected) in [
        ("what is gone", all.clone(), 2),
        ("with what was replaced", KeptSecrets { replaced: true, ..all.clone() }, 3),
        ("of one", KeptSecrets { destination: Some(first), ..all.clone() }, 1),
        ("of one that is there", KeptSecrets { destination: Some(third), ..all.clone() }, 0),
        ("of an account", KeptSecrets { account: Some(acme()), ..all.clone() }, 2),
        ("of another", KeptSecrets { account: Some(other()), ..all.clone() }, 0),
        ("older ones", KeptSecrets { before, ..all.clone() }, 1),
    ] {
        assert_eq!(test.store.count_kept_secrets(&which).await.unwrap(), expected, "{what}");
    }
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
    assert_eq!(test.store.count_kept_secrets(&all).await.unwrap(), 3, "with its account a destination is gone");
}

#[tokio::test]
async fn retention_forgets_by_itself() {
    let test = TestStore::acme().await;
    let (first, second) = (add(&test, 1).await, add(&test, 2).await);
    let removal = test.run(Command::RemoveDestination { id: first }).await.unwrap().change.unwrap();
    test.clock.advance(Duration::from_hours(24));
    let newer = test.run(Command::RemoveDestination { id: second }).await.unwrap().change.unwrap();
    let day = Duration::from_hours(24);
    let mut keeper = Keeper::new(test.store.clone(), 90 * day, 90 * day);
    keeper.begin_pruning();
    while keeper.step().await.unwrap() {}
    assert_eq!(test.store.count_kept_secrets(&which(&test)).await.unwrap(), 2);
    test.clock.advance(89 * day + Duration::from_mins(1));
    keeper.begin_pruning();
    while keeper.step().await.unwrap() {}
    assert_eq!(test.store.count_kept_secrets(&which(&test)).await.unwrap(), 1);
    assert!(test.run(Command::Undo { change: removal }).await.unwrap_err().to_string().contains("entered anew"));
    test.run(Command::Undo { change: newer }).await.unwrap();
}
