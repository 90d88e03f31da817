//! Watching: what fails, beside its detail, and how fast things come.

use bellboard::console::screen::Screen;
use bellboard::console::screens::missed::Missed;
use bellboard::console::theme::Marks;

use crate::console::harness::{Console, services};
use crate::support::acme;

#[tokio::test]
async fn a_list_and_its_detail_stand_side_by_side_or_one_above_the_other() {
    let mut console = Console::on_acme().await;
    let failing = console.busy().await;
    console.keys("g f |").await;
    insta::assert_snapshot!("failures-stacked_small", console.picture());
    console.keys("|").await;
    console.resize(80, 16);
    console.keys("|").await;
    assert!(console.picture().contains("enter opens it, and q comes back"), "{}", console.picture());
    console.resize(130, 20);
    console.keys("|").await;
    insta::assert_snapshot!("failures-side_by_side", console.picture());
    console.resize(80, 40);
    console.keys("down").await;
    insta::assert_snapshot!("failures-stacked", console.picture());
    console.keys("J J").await;
    assert!(!console.picture().contains("state        waits"), "scrolled: {}", console.picture());
    let kept = console.app.kept();
    console.reopen().await;
    console.app.open_again(&kept).await;
    console.resize(80, 40);
    console.reload().await;
    assert!(console.picture().contains(&format!("-- {failing}")), "kept: {}", console.picture());
    console.keys("g a enter tab |").await;
    console.resize(80, 40);
    console.reload().await;
    assert!(console.picture().contains(&format!("-- {failing}")), "also the live pane: {}", console.picture());
    console.keys("|").await;
    assert!(!console.picture().contains("J and K scroll"), "{}", console.picture());
}

#[tokio::test]
async fn the_plot_of_what_failed_shows_what_is_looked_for() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.keys("g f").await;
    assert!(console.picture().contains("2 in the last hour"), "{}", console.picture());
    console.keys("/").await;
    console.typed("account:nobody").await;
    assert!(console.picture().contains("0 in the last hour"), "{}", console.picture());
}

#[tokio::test]
async fn the_live_pane_follows_and_stands_still() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.keys("tab down").await;
    let before = console.picture();
    assert!(before.contains("standing still"), "{before}");
    for _ in 0..6 {
        console.test.emit("payment.fail", "{}").await;
    }
    console.reload().await;
    let after = console.picture();
    assert!(after.contains("standing still, 5 new above"), "one of the six is in view: {after}");
    console.keys("home").await;
    assert!(console.picture().contains("following"), "{}", console.picture());
}

#[tokio::test]
async fn what_takes_long_to_count_is_counted_beside_the_loop() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    let mut screen = Missed::new(services(&console.test, Marks::Ascii, false), acme());
    let says = |screen: &Missed| screen.status().unwrap().text;
    let items = |screen: &Missed| screen.speak().items;
    assert_eq!(items(&screen)[0], "not counted failed: send again");
    let job = screen.beside(&console.test.store).unwrap();
    assert_eq!((says(&screen).as_str(), items(&screen)[0].as_str()), ("counting...", "... failed: send again"));
    assert!(screen.beside(&console.test.store).is_none(), "once");
    screen.on_job(&job.await);
    assert_eq!(items(&screen), ["0 failed: send again", "0 never tried: send now"]);
    assert!(says(&screen).contains("the counted ones are sent"), "{}", says(&screen));
    assert!(screen.beside(&console.test.store).is_none(), "it is known");
}
