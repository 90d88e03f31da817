//! The key that seals secrets: lost, wrong, and exchanged while others go on.

use std::path::PathBuf;
use std::time::Duration;

use bellboard::domain::command::Command;
use bellboard::domain::id::DestinationId;
use bellboard::domain::role::Role;
use bellboard::store::error::{CommandError, OpenError};
use bellboard::store::keys::KeySource;
use bellboard::store::seal::SealError;
use bellboard::store::{Options, Store};

use crate::support::{TestStore, actor};

fn key_file(test: &TestStore) -> PathBuf {
    test.folder.path().join("bellboard.key")
}

fn keys_in(path: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

async fn open(test: &TestStore, key: Option<KeySource>, read_only: bool) -> Result<Store, OpenError> {
    Store::open(&Options { key, read_only, ..Options::at(test.store.path()) }, test.clock.clone()).await
}

async fn opens(store: &Store, id: DestinationId) -> bool {
    store.lane(id).await.is_ok_and(|lane| lane.is_some())
}

#[tokio::test]
async fn a_lost_or_wrong_key_is_told_and_nothing_is_changed() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let file = key_file(&test);
    let right = std::fs::read(&file).unwrap();
    let wrong = "ab".repeat(32);
    for read_only in [false, true] {
        std::fs::remove_file(&file).unwrap();
        let lost = open(&test, None, read_only).await.err().unwrap();
        assert!(matches!(lost, OpenError::Seal(SealError::Lost { .. })), "{lost}");
        assert!(!file.exists(), "no other key is put in its place");
        std::fs::write(&file, &wrong).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let other = open(&test, None, read_only).await.err().unwrap();
        assert!(matches!(other, OpenError::Seal(SealError::Other { .. })), "{other}");
        assert_eq!((other.exit_code(), keys_in(&file)), (6, vec![wrong.clone()]));
        std::fs::write(&file, &right).unwrap();
    }
    assert!(opens(&open(&test, None, false).await.unwrap(), id).await);
}

#[tokio::test]
async fn where_nothing_is_sealed_a_lost_key_is_no_loss() {
    let test = TestStore::acme().await;
    std::fs::remove_file(key_file(&test)).unwrap();
    let again = open(&test, None, false).await.unwrap();
    assert_eq!(again.keys_in_use().await.unwrap().sealed, 0);
    assert!(key_file(&test).exists());
}

#[tokio::test]
async fn an_exchange_leaves_nothing_under_the_old_key_and_others_follow() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    // A change keeps the secrets from before it, so that it can be taken back.
    let rotate = Command::RotateSecret { id, secret: None, overlap: Duration::ZERO };
    let changed = test.run(rotate).await.unwrap().change.unwrap();
    test.store.key("links", || Some(vec![7; 32])).await.unwrap();
    let other = open(&test, None, false).await.unwrap();
    let old = keys_in(&key_file(&test));

    let rotated = other.rotate_key(&actor()).await.unwrap();
    assert_eq!((rotated.sealed, rotated.unopened, rotated.resumed), (3, 0, false));
    let new = keys_in(&key_file(&test));
    assert!(new.len() == 1 && new != old, "the new key alone is in the file");
    assert_eq!(rotated.kept.len(), 1);
    assert_eq!(keys_in(&rotated.kept[0]), old, "the old one is kept for backups");

    // The first one had the old key all the time.
    assert!(opens(&test.store, id).await);
    assert_eq!(test.store.key("links", || None).await.unwrap().as_slice(), [7; 32]);
    let second = test.webhook_at("https://two.acme.test/in").await;
    let third = {
        test.run(Command::Undo { change: changed }).await.unwrap();
        open(&test, None, false).await.unwrap()
    };
    let use_of_keys = third.keys_in_use().await.unwrap();
    assert_eq!((use_of_keys.key, use_of_keys.others), (Some(rotated.key), 0), "all since then is under the new key");
    assert!(opens(&third, id).await && opens(&third, second).await);
}

#[tokio::test]
async fn an_exchange_that_was_stopped_goes_on() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let file = key_file(&test);
    let old = keys_in(&file).remove(0);
    let new = "cd".repeat(32);
    // As far as the new key's being put before the old one.
    std::fs::write(&file, format!("{new}\n{old}\n")).unwrap();
    let other = open(&test, None, false).await.unwrap();
    let between = test.webhook_at("https://two.acme.test/in").await;
    let rotated = other.rotate_key(&actor()).await.unwrap();
    assert_eq!((rotated.sealed, rotated.resumed), (2, true));
    assert_eq!(keys_in(&file), [new.as_str()]);
    assert!(opens(&other, id).await && opens(&test.store, between).await);
    // Further: the database names the new key, and nothing is sealed anew yet.
    let third = "ef".repeat(32);
    std::fs::write(&file, format!("{third}\n{new}\n")).unwrap();
    let source = || Some(KeySource::File(file.clone()));
    let one = open(&test, source(), false).await.unwrap();
    one.rotate_key(&actor()).await.unwrap();
    assert_eq!(keys_in(&file), [third.as_str()]);
    assert!(opens(&one, id).await && opens(&test.store, id).await);
}

#[tokio::test]
async fn a_key_of_the_environment_is_changed_there() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let old = keys_in(&key_file(&test)).remove(0);
    let variable = |text: String| Some(KeySource::Variable { name: "BELLBOARD_KEY", text: text.into() });
    let alone = open(&test, variable(old.clone()), false).await.unwrap();
    let refused = alone.rotate_key(&actor()).await.unwrap_err();
    assert!(matches!(&refused, CommandError::Refused(says) if says.contains("BELLBOARD_KEY")), "{refused}");
    let new = "cd".repeat(32);
    let both = open(&test, variable(format!("{new},{old}")), false).await.unwrap();
    assert_eq!(both.rotate_key(&actor()).await.unwrap().sealed, 1);
    // The process without the new key can open nothing, and seals nothing that would be lost.
    assert!(!opens(&alone, id).await);
    let rotate = Command::RotateSecret { id, secret: None, overlap: Duration::ZERO };
    let error = alone.run(&actor(), rotate).await.unwrap_err();
    assert!(error.to_string().contains("put that one back"), "{error}");
    assert!(open(&test, variable(old), false).await.is_err());
    assert!(opens(&open(&test, variable(new), false).await.unwrap(), id).await);
}

#[tokio::test]
async fn only_who_administers_exchanges_it() {
    let test = TestStore::acme().await;
    let refused = test.store.limited_to(Role::Operate).rotate_key(&actor()).await;
    assert!(matches!(refused, Err(CommandError::Role { .. })));
    assert_eq!(keys_in(&key_file(&test)).len(), 1);
}
