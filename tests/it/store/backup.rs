//! Copies of the database.

use std::os::unix::fs::PermissionsExt;

use bellboard::store::backup::restore;
use bellboard::store::keys::KeySource;
use bellboard::store::progress::Progress;
use bellboard::store::{Options, Store};

use crate::support::{TestStore, acme};

#[tokio::test]
async fn a_copy_is_whole_private_and_never_in_the_place_of_something() {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.emit("job.fail", "{}").await;
    let copy = test.folder.path().join("copy.db");
    let copied = test.store.back_up(&copy, &Progress::default()).await.unwrap();
    assert_eq!((copied.accounts, copied.events), (1, 1));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(test.store.back_up(&copy, &Progress::default()).await.is_err(), "there is such a file");
    assert!(test.store.back_up(&test.folder.path().join("no/such/folder.db"), &Progress::default()).await.is_err());

    let place = test.folder.path().join("restored.db");
    assert_eq!(restore(&copy, &place).await.unwrap(), copied);
    assert!(restore(&copy, &place).await.is_err(), "there is a database");
    let key = Some(KeySource::File(test.folder.path().join("bellboard.key")));
    let options = Options { key, ..Options::at(&place) };
    let store = Store::open(&options, test.clock.clone()).await.unwrap();
    assert_eq!(store.destinations(&acme(), None).await.unwrap().len(), 2);
    let id = store.destinations(&acme(), None).await.unwrap()[1].id;
    assert!(store.lane(id).await.unwrap().is_some(), "its secrets open with the same key");
}

#[tokio::test]
async fn what_is_no_copy_is_not_restored() {
    let test = TestStore::acme().await;
    let copy = test.folder.path().join("copy.db");
    test.store.back_up(&copy, &Progress::default()).await.unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x55);
    let broken = test.folder.path().join("broken.db");
    std::fs::write(&broken, bytes).unwrap();
    let letter = test.folder.path().join("letter.db");
    std::fs::write(&letter, "no database at all, but long enough to be looked at as one").unwrap();
    for from in [broken, letter, test.folder.path().join("none.db")] {
        let place = test.folder.path().join("restored.db");
        assert!(restore(&from, &place).await.is_err(), "{}", from.display());
        assert!(!place.exists());
    }
}
