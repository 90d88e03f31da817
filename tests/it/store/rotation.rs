//! A signing secret gives way to a new one, and back again.

use std::time::Duration;

use bellboard::channels::signing::Signing;
use bellboard::domain::command::Command;
use bellboard::domain::destination::{FieldValue, FieldValues};
use bellboard::domain::id::DestinationId;
use bellboard::store::{Options, Store};

use crate::support::TestStore;

const DAY: Duration = Duration::from_hours(24);

async fn fields(store: &Store, id: DestinationId) -> FieldValues {
    store.lane(id).await.unwrap().unwrap().fields
}

/// How many secrets a message is signed with at present.
async fn signatures(test: &TestStore, id: DestinationId) -> usize {
    let signing = Signing::parse(&fields(&test.store, id).await).unwrap();
    signing.sign("evt_1", test.clock_now(), "{}").split(' ').count()
}

fn rotate(id: DestinationId, secret: Option<FieldValue>) -> Command {
    Command::RotateSecret { id, secret, overlap: DAY }
}

#[tokio::test]
async fn two_secrets_sign_until_the_overlap_ends() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let first = fields(&test.store, id).await["secret"].clone();
    let done = test.run(rotate(id, None)).await.unwrap();
    let second = done.secret.unwrap();
    let now = fields(&test.store, id).await;
    assert_eq!((now["secret"].expose(), &now["old_secret"]), (second.expose(), &first));
    assert_eq!(signatures(&test, id).await, 2);
    let form = bellboard::domain::command::DestinationForm {
        label: "Hooks".to_owned(),
        only: Vec::new(),
        fields: FieldValues::from([("url".to_owned(), FieldValue::Plain("https://b.acme.test/".to_owned()))]),
    };
    test.run(Command::EditDestination { id, form: form.clone(), over: None }).await.unwrap();
    assert_eq!(signatures(&test, id).await, 2, "an edit of something else changes nothing of it");
    test.clock.advance(DAY);
    assert_eq!(signatures(&test, id).await, 1, "the overlap is over");
    test.run(Command::EditDestination {
        id,
        form: bellboard::domain::command::DestinationForm { label: "Other".to_owned(), ..form },
        over: None,
    })
    .await
    .unwrap();
    assert!(!fields(&test.store, id).await.contains_key("old_secret"), "what is over is forgotten");
}

#[tokio::test]
async fn a_rotation_survives_a_restart_and_is_taken_back() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let first = fields(&test.store, id).await["secret"].clone();
    let done = test.run(rotate(id, None)).await.unwrap();
    let again = Store::open(&Options::at(test.folder.path().join("bellboard.db")), test.clock.clone()).await.unwrap();
    assert_eq!(fields(&again, id).await["old_secret"], first);
    let undone = test.run(Command::Undo { change: done.change.unwrap() }).await.unwrap();
    let now = fields(&test.store, id).await;
    assert_eq!(now["secret"], first, "the old one is back");
    assert_eq!(signatures(&test, id).await, 1);
    test.run(Command::Undo { change: undone.change.unwrap() }).await.unwrap();
    let now = fields(&test.store, id).await;
    assert_eq!((now["secret"].expose(), &now["old_secret"]), (done.secret.unwrap().expose(), &first), "and both again");
    assert_eq!(signatures(&test, id).await, 2);
}
