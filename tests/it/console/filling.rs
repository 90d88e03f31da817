//! What helps to fill a form in: lists to choose from, secrets on demand, an editor of one's own.

use bellboard::domain::channel::Channel;
use bellboard::domain::role::Role;
use bellboard::store::audit::ChangeFilter;

use crate::console::harness::Console;
use crate::support::{TestStore, acme};

/// The signing secret that the store keeps.
async fn kept(console: &Console) -> String {
    let id = console.test.store.destinations(&acme(), Some(Channel::Webhook)).await.unwrap()[0].id;
    console.test.store.lane(id).await.unwrap().unwrap().fields["secret"].expose().to_owned()
}

async fn on_form(role: Role) -> Console {
    let mut test = TestStore::acme().await;
    test.webhook().await;
    test.store = test.store.limited_to(role);
    let mut console = Console::open(test).await;
    console.keys("enter right right right right enter e").await;
    console
}

#[tokio::test]
async fn a_time_zone_and_a_template_are_chosen_from_lists() {
    let mut console = Console::on_acme().await;
    console.keys("e tab tab ^F").await;
    console.typed("vienna").await;
    insta::assert_snapshot!("pick-zones", console.picture());
    console.keys("enter").await;
    assert!(console.picture().contains("[Europe/Vienna"), "{}", console.picture());
    console.keys("enter").await;
    assert_eq!(console.test.store.account(&acme()).await.unwrap().profile.timezone, "Europe/Vienna");
    console.keys("q n ^F").await;
    assert!(console.picture().contains("this field has no list"), "{}", console.picture());
    console.typed("Zeta").await;
    console.keys("tab tab tab tab tab ^F").await;
    assert!(console.picture().contains("Acme Ltd"), "{}", console.picture());
    console.keys("esc").await;
    assert!(console.picture().contains("[Zeta"), "nothing typed is lost: {}", console.picture());
}

#[tokio::test]
async fn event_types_that_a_destination_narrows_itself_to_are_marked_in_a_list() {
    let mut console = on_form(Role::Operate).await;
    console.keys("tab tab tab tab tab tab tab tab ^F tab").await;
    console.typed("job run failed").await;
    console.keys("tab").await;
    assert!(console.picture().contains("enter takes provisioning, job.fail"), "{}", console.picture());
    console.keys("enter").await;
    assert!(console.picture().contains("[provisioning, job.fail"), "{}", console.picture());
    console.keys("enter").await;
    let all = console.test.store.destinations(&acme(), Some(Channel::Webhook)).await.unwrap();
    assert_eq!(all[0].only, ["provisioning", "job.fail"]);
}

#[tokio::test]
async fn a_secret_is_shown_to_who_may_until_the_field_is_left_and_that_is_on_record() {
    let mut console = on_form(Role::Administer).await;
    let secret = kept(&console).await;
    console.keys("^R").await;
    assert!(console.picture().contains("no secret is kept in this field"), "{}", console.picture());
    console.keys("tab").await;
    assert!(!console.picture().contains(&secret), "not before it is asked for: {}", console.picture());
    console.keys("^R").await;
    assert!(console.picture().contains(&secret), "{}", console.picture());
    let filter = ChangeFilter { limit: 1, ..ChangeFilter::default() };
    let record = &console.test.store.changes(&filter).await.unwrap()[0];
    assert_eq!((record.command.as_str(), record.actor.login.as_str()), ("reveal_secret", "jane"));
    assert!(record.says.contains("the secret of hooks.acme.test was looked at"), "{record:?}");
    assert!(!format!("{record:?}").contains(&secret), "the record holds no secret");
    assert!(!format!("{:?}", console.app.speech()).contains(&secret), "nor is it ever told aloud");
    console.keys("tab").await;
    assert!(!console.picture().contains(&secret), "hidden when the field is left: {}", console.picture());
    console.keys("up").await;
    assert!(!console.picture().contains(&secret), "and not shown again by itself: {}", console.picture());
    console.keys("^R ^R").await;
    assert!(!console.picture().contains(&secret), "the key hides it too: {}", console.picture());
    console.keys("^R").await;
    console.typed("x").await;
    assert!(!console.picture().contains(&secret), "typing hides it: {}", console.picture());
}

#[tokio::test]
async fn a_secret_is_not_shown_to_who_may_not() {
    let mut console = on_form(Role::Operate).await;
    let secret = kept(&console).await;
    console.keys("tab ^R").await;
    let picture = console.picture();
    assert!(picture.contains("that takes the role administer, and yours is operate"), "{picture}");
    assert!(!picture.contains(&secret), "{picture}");
    let reveal = bellboard::domain::command::Command::RevealSecret {
        id: console.test.store.destinations(&acme(), Some(Channel::Webhook)).await.unwrap()[0].id,
        field: "secret".to_owned(),
    };
    assert!(console.test.run(reveal).await.is_err(), "the store refuses it too");
}

#[tokio::test]
async fn a_long_text_goes_to_an_editor_and_comes_back_and_a_secret_does_not() {
    let mut console = on_form(Role::Operate).await;
    console.keys("tab ^N").await;
    assert!(console.picture().contains("it is not written to a file"), "{}", console.picture());
    assert!(console.app.take_editing().is_none());
    console.keys("up ^N").await;
    let (field, text) = console.app.take_editing().unwrap();
    assert_eq!((field, text.as_str()), ("url", "https://hooks.acme.test/in"));
    console.app.edited(field, Ok("https://hooks.acme.test/other\n".to_owned())).await;
    assert!(console.picture().contains("[https://hooks.acme.test/other "), "{}", console.picture());
    console.app.edited(field, Err("`vi` ended with exit status: 1".to_owned())).await;
    assert!(console.picture().contains("`vi` ended with exit status: 1"), "{}", console.picture());
    console.restricted = true;
    console.reopen().await;
    console.resize(80, 24);
    console.keys("enter right right right right enter e ^N").await;
    assert!(console.picture().contains("no other program is started from here"), "{}", console.picture());
    assert!(console.app.take_editing().is_none());
}

#[tokio::test]
async fn nothing_typed_is_lost_without_a_question() {
    let mut console = Console::on_acme().await;
    for form in ["m o", "e"] {
        console.keys(form).await;
        console.typed("x").await;
        console.keys("esc").await;
        assert!(console.picture().contains("What you typed is not saved yet"), "{form}: {}", console.picture());
        console.keys("n ^Y esc").await;
        assert!(
            console.picture().contains("provisioned ok"),
            "taken back, there is nothing to lose: {}",
            console.picture()
        );
    }
}

#[tokio::test]
async fn what_was_looked_for_before_gives_way_to_the_first_letter() {
    let mut console = Console::open(TestStore::acme().await).await;
    console.account("Globex").await;
    console.keys("/").await;
    console.typed("acme").await;
    console.keys("enter q /").await;
    console.typed("glo").await;
    assert!(console.picture().contains("find: glo"), "{}", console.picture());
    console.keys("tab /").await;
    console.keys("backspace").await;
    console.typed("ob").await;
    assert!(console.picture().contains("find: glob"), "any other key edits it: {}", console.picture());
}

#[tokio::test]
async fn a_list_offers_marks_only_where_several_can_be_chosen() {
    let mut console = Console::on_acme().await;
    console.keys("S e").await;
    assert!(!console.picture().contains("tab mark"), "{}", console.picture());
    console.keys("^L q l l l enter a tab tab tab ^F").await;
    assert!(console.picture().contains("tab mark"), "{}", console.picture());
}

#[tokio::test]
async fn every_answer_of_a_question_is_reached_on_a_small_screen() {
    let mut console = Console::on_acme().await;
    console.resize(40, 10);
    console.keys("m").await;
    assert!(console.picture().contains("o  other: a time, reason, row, all"), "{}", console.picture());
    console.keys("4 m").await;
    console.resize(40, 9);
    assert!(console.picture().contains("more below"), "{}", console.picture());
    console.keys("down down down down").await;
    assert!(console.picture().contains("a  end it now"), "{}", console.picture());
}
