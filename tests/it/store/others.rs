//! Two handles on one file, as two processes have them.

use std::time::Duration;

use bellboard::domain::channel::Channel;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::{Options, Store};

use crate::support::{TestStore, acme, actor, event};

#[tokio::test]
async fn each_sees_what_the_other_wrote_and_gives_no_number_twice() {
    let one = TestStore::acme().await;
    let other = Store::open(&Options::at(one.store.path()), one.clock.clone()).await.unwrap();
    let mut revision = other.revision();
    revision.mark_unchanged();
    one.emit("job.fail", "{}").await;
    tokio::time::timeout(Duration::from_secs(10), revision.changed()).await.unwrap().unwrap();
    assert_eq!(other.live(Some(&acme()), 10).await.unwrap().len(), 1);
    for round in 0..20 {
        other.accept(vec![event("job.fail", "{}", None)]).await.unwrap().remove(0).unwrap();
        one.emit("job.fail", "{}").await;
        assert_eq!(one.store.live(None, 100).await.unwrap().len(), 3 + 2 * round);
    }
}

#[tokio::test]
async fn a_cell_that_another_process_turned_off_is_off_at_once() {
    let one = TestStore::acme().await;
    let other = Store::open(&Options::at(one.store.path()), one.clock.clone()).await.unwrap();
    assert_eq!(one.emit("job.fail", "{}").await.deliveries.len(), 1);
    let cells = vec![bellboard::domain::command::CellChange {
        event_type: "job.fail".to_owned(),
        channel: Channel::Email,
        to: CellSetting::Off,
    }];
    let command = bellboard::domain::command::Command::SetCells { account: acme(), cells };
    other.run(&actor(), command).await.unwrap();
    assert!(one.emit("job.fail", "{}").await.deliveries.is_empty());
}
