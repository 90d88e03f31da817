//! Much that is sent again from the console: offered when a destination is enabled, counted, watched, ended.

use std::time::Duration;

use bellboard::dispatch::upkeep;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::DestinationId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::replay::ReplayState;

use crate::console::harness::Console;
use crate::support::event;

const MISSED: usize = 150;

/// On the list of acme's one webhook, in whose way so many waited for a month when it was disabled.
async fn disabled() -> (Console, DestinationId) {
    let mut console = Console::on_acme().await;
    let webhook = console.test.webhook().await;
    console.test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    set(&console, webhook, DestinationState::Paused).await;
    let accepted = console.test.store.accept(vec![event("job.fail", "{}", None); MISSED]).await.unwrap();
    assert!(accepted.iter().all(Result::is_ok));
    console.test.clock.advance(Duration::from_hours(30 * 24));
    set(&console, webhook, DestinationState::Disabled).await;
    console.keys("/").await;
    console.typed("job fail webh").await;
    console.keys("enter enter").await;
    sees(&console, "disabled");
    (console, webhook)
}

async fn set(console: &Console, id: DestinationId, state: DestinationState) {
    console.test.run(Command::SetDestinationState { id, state }).await.unwrap();
}

#[track_caller]
fn sees(console: &Console, text: &str) {
    let picture = console.picture();
    assert!(picture.contains(text), "`{text}` is not on the screen:\n{picture}");
}

#[tokio::test]
async fn what_a_disabled_destination_missed_is_offered_and_its_sending_is_watched_and_ended() {
    let (mut console, _) = disabled().await;
    console.keys("x").await;
    sees(&console, "Look at what it missed, and send");
    console.keys("y").await;
    sees(&console, "150 never tried: send now");
    sees(&console, "... and 145 more");
    console.keys("enter y").await;
    let running = console.test.store.replays().await.unwrap().remove(0);
    assert_eq!((running.state, running.total, running.sent), (ReplayState::Running, 150, 100));

    // Whoever comes later sees it too: from the matrix.
    console.keys("q R").await;
    sees(&console, "rpl_1: 100 of 150 on their way, by jane; x ends it");
    console.test.clock.advance(Duration::from_mins(1));
    console.keys("x n").await;
    assert!(!upkeep::once(&console.test.store).await.unwrap(), "that was the rest of it");
    console.reload().await;
    assert!(!console.picture().contains("on their way"), "{}", console.picture());
}

#[tokio::test]
async fn what_is_being_sent_again_is_ended_by_a_key() {
    let (mut console, _) = disabled().await;
    console.keys("x y enter y q R").await;
    console.keys("x").await;
    sees(&console, "It has 100 of 150 on");
    console.keys("y").await;
    sees(&console, "rpl_1 sends nothing more");
    let ended = console.test.store.replays().await.unwrap().remove(0);
    assert_eq!((ended.state, ended.sent), (ReplayState::Cancelled, 100));
    console.keys("x").await;
    sees(&console, "nothing is being sent again at present");
}

#[tokio::test]
async fn what_was_declined_is_not_offered_with_what_is_missed_later() {
    let (mut console, webhook) = disabled().await;
    console.keys("x n").await;
    console.test.clock.advance(Duration::from_hours(1));
    set(&console, webhook, DestinationState::Disabled).await;
    console.test.emit("job.fail", "{}").await;
    console.reload().await;
    console.keys("x y").await;
    sees(&console, "1 never tried: send now");
}
