//! Two people at the same thing: each sees what the other changed, and nothing is overwritten without a question.

use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Actor, CellChange, Command, DestinationForm};
use bellboard::domain::destination::{FieldValue, FieldValues};
use bellboard::domain::matrix::CellSetting;

use crate::console::harness::Console;
use crate::support::acme;

#[tokio::test]
async fn nothing_that_somebody_else_changed_is_overwritten_silently() {
    let mut console = Console::on_acme().await;
    let bob = Actor { login: "bob".to_owned(), origin: "pts/7".to_owned() };
    console.keys("space").await;
    let cells = vec![CellChange {
        event_type: "account.provision.ok".to_owned(),
        channel: Channel::Email,
        to: CellSetting::On,
    }];
    let command = Command::SetCells { account: acme(), cells };
    console.test.store.run(&bob, command).await.unwrap();
    console.keys("u").await;
    assert!(console.picture().contains("bob changed it since"), "{}", console.picture());
    console.keys("e").await;
    console.typed("x").await;
    let mut profile = console.test.store.account(&acme()).await.unwrap().profile;
    profile.timezone = "Europe/Vienna".to_owned();
    let command = Command::EditAccount { key: acme(), profile, over: None };
    console.test.store.run(&bob, command).await.unwrap();
    console.reload().await;
    console.keys("enter").await;
    assert!(console.picture().contains("Europe/Vienna. Save yours over it?"), "{}", console.picture());
    console.keys("n").await;
    assert_eq!(console.test.store.account(&acme()).await.unwrap().profile.name, "Acme Ltd");
}

#[tokio::test]
async fn two_in_one_destinations_form_see_what_differs_and_choose() {
    let mut console = Console::on_acme().await;
    let id = console.test.webhook().await;
    let bob = Actor { login: "bob".to_owned(), origin: "pts/7".to_owned() };
    let label = async |console: &Console| console.test.store.destination(id).await.unwrap().1.label;
    let theirs = async |console: &mut Console, label: &str| {
        console.keys("e").await;
        console.typed("/mine").await;
        let fields = without_secrets(console.test.store.destination(id).await.unwrap().1.fields);
        let form = DestinationForm { label: label.to_owned(), only: Vec::new(), fields };
        let command = Command::EditDestination { id, form, over: None };
        console.test.store.run(&bob, command).await.unwrap();
        console.reload().await;
        let says = format!("bob changed this destination while this form was open: Name is {label}");
        assert!(console.picture().contains(&says), "at once: {}", console.picture());
        console.keys("enter").await;
        assert!(console.picture().contains("save mine over theirs"), "{}", console.picture());
    };
    console.keys("right right right right enter").await;
    theirs(&mut console, "first").await;
    console.keys("n").await;
    assert_eq!(label(&console).await, "first", "nothing is saved");
    console.keys("enter t").await;
    assert!(console.picture().contains("[first"), "the form has theirs: {}", console.picture());
    console.keys("esc").await;
    theirs(&mut console, "second").await;
    console.keys("y").await;
    assert_eq!(label(&console).await, "first", "it was chosen so: {}", console.picture());
}

#[tokio::test]
async fn a_save_at_the_very_moment_of_anothers_is_refused_and_asked() {
    let mut console = Console::on_acme().await;
    let id = console.test.webhook().await;
    let bob = Actor { login: "bob".to_owned(), origin: "pts/7".to_owned() };
    console.keys("right right right right enter e").await;
    console.typed("/mine").await;
    // The console has not learned of it yet.
    let (_, before) = console.test.store.destination(id).await.unwrap();
    let fields = without_secrets(before.fields.clone());
    let form = DestinationForm { label: "theirs".to_owned(), only: Vec::new(), fields };
    console.test.store.run(&bob, Command::EditDestination { id, form, over: Some(before.revision) }).await.unwrap();
    console.keys("enter").await;
    assert!(console.picture().contains("in the meantime, so nothing was stored"), "{}", console.picture());
    let (_, now) = console.test.store.destination(id).await.unwrap();
    assert_eq!((now.label.as_str(), &now.fields), ("theirs", &before.fields));
    console.keys("enter").await;
    assert!(console.picture().contains("save mine over theirs"), "{}", console.picture());
    console.keys("y").await;
    assert_ne!(console.test.store.destination(id).await.unwrap().1.fields, before.fields);
    // An account's form likewise.
    console.keys("esc esc e").await;
    console.typed("x").await;
    let mut profile = console.test.store.account(&acme()).await.unwrap().profile;
    let over = Some(profile.clone());
    profile.timezone = "Europe/Vienna".to_owned();
    console.test.store.run(&bob, Command::EditAccount { key: acme(), profile, over }).await.unwrap();
    console.keys("enter").await;
    assert!(console.picture().contains("in the meantime, so nothing was stored"), "{}", console.picture());
    assert_eq!(console.test.store.account(&acme()).await.unwrap().profile.name, "Acme Ltd");
    console.keys("enter").await;
    assert!(console.picture().contains("Europe/Vienna. Save yours over it?"), "{}", console.picture());
}

fn without_secrets(mut fields: FieldValues) -> FieldValues {
    fields.retain(|_, value| !matches!(value, FieldValue::Secret(_)));
    fields
}
