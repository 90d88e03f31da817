//! An event that is simulated: the same answer as `emit --dry-run`, and the way to what it names.

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::matrix::CellSetting;

use crate::console::harness::Console;
use crate::support::event;

#[tokio::test]
async fn it_says_who_would_get_an_event_and_who_not_and_stores_nothing() {
    let mut console = Console::on_acme().await;
    let id = console.test.webhook().await;
    console.test.set("account.provision.ok", Channel::Webhook, CellSetting::On).await;
    console.test.set("account.provision.ok", Channel::Email, CellSetting::Off).await;
    console.test.set("account.provision.ok", Channel::Slack, CellSetting::On).await;
    console.keys("S").await;
    insta::assert_snapshot!("simulate-answer", console.picture());
    let preview = console.test.store.preview(&event("account.provision.ok", "{}", None)).await.unwrap().unwrap();
    assert_eq!(preview.fan_out.to, [id]);
    for (_, because) in preview.fan_out.not_sent {
        assert!(console.picture().contains(&because.text()), "{}\n{}", because.text(), console.picture());
    }
    let state = DestinationState::Paused;
    console.test.run(Command::SetDestinationState { id, state }).await.unwrap();
    console.reload().await;
    assert!(console.picture().contains("is held    hooks.acme.test, which is paused"), "{}", console.picture());
    console.keys("right").await;
    assert!(console.picture().contains("an event of account.provision.fail"), "{}", console.picture());
    assert!(console.test.store.live(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn it_leads_to_the_cell_and_to_the_destination() {
    let mut console = Console::on_acme().await;
    console.test.webhook().await;
    console.test.set("server.stopped", Channel::Webhook, CellSetting::On).await;
    console.keys("S e").await;
    console.typed("heart stop").await;
    console.keys("enter").await;
    assert!(console.picture().contains("an event of server.stopped"), "{}", console.picture());
    console.keys("end enter").await;
    assert!(console.picture().contains("hooks.acme.test is sent to"), "{}", console.picture());
    console.keys("q up enter").await;
    let picture = console.picture();
    assert!(picture.contains("Slack is off for heartbeat stopped (the default)"), "{picture}");
    console.keys("space q").await;
    assert!(console.picture().contains("on, but no destination is set up"), "{}", console.picture());
}

#[tokio::test]
async fn data_that_is_no_object_is_named_and_the_event_type_is_chosen_from_a_list() {
    let mut console = Console::on_acme().await;
    console.keys("S d").await;
    console.typed("[1]").await;
    insta::assert_snapshot!("simulate-refused", console.picture());
    console.keys("esc").await;
    assert!(console.picture().contains("would go to 1 destination"), "{}", console.picture());
    console.keys("d").await;
    console.typed("{\"server\":\"web1\"}").await;
    console.keys("enter").await;
    assert!(console.picture().contains("with data: {\"server\":\"web1\"}"), "{}", console.picture());
    console.keys("e").await;
    insta::assert_snapshot!("pick-types", console.picture());
    console.typed("zzz").await;
    insta::assert_snapshot!("pick-none", console.picture());
    console.keys("enter").await;
    assert!(console.picture().contains("nothing is called like that"), "{}", console.picture());
}
