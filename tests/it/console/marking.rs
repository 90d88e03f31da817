//! Many cells as one, typing in fields, and what differs between terminals.

use bellboard::console::theme::Marks;
use bellboard::domain::channel::Channel;

use crate::console::harness::Console;
use crate::support::acme;

#[tokio::test]
async fn marked_cells_are_turned_on_and_off_as_one() {
    let mut console = Console::on_acme().await;
    console.keys("v down down right").await;
    assert!(console.picture().contains("6 cells are marked"), "{}", console.picture());
    console.keys("space").await;
    assert!(console.picture().contains("6 cells are on; u takes that back"), "{}", console.picture());
    let on = async |console: &Console| {
        let view = console.test.store.matrix(&acme()).await.unwrap();
        let types = view.catalogue.types().iter().take(4);
        types.filter(|kind| view.cell(kind, Channel::Hipchat).on).count()
    };
    assert_eq!(on(&console).await, 3);
    console.keys("u").await;
    assert_eq!(on(&console).await, 0, "one change, taken back as one");
    console.keys("v down esc").await;
    assert!(!console.picture().contains("are marked"), "esc lets go and stays: {}", console.picture());
    assert!(console.picture().contains("accounts > Acme Ltd "), "{}", console.picture());
}

#[tokio::test]
async fn an_edit_of_a_field_is_taken_back() {
    let mut console = Console::on_acme().await;
    console.keys("e").await;
    console.typed("x").await;
    console.keys("^U ^Y").await;
    assert!(console.picture().contains("[Acme Ltdx "), "{}", console.picture());
    console.keys("^Y").await;
    assert!(console.picture().contains("[Acme Ltd "), "{}", console.picture());
}

#[tokio::test]
async fn marks_are_ascii_or_unicode_and_the_help_shows_those_in_use() {
    let mut console = Console::on_acme().await;
    assert!(console.picture().is_ascii(), "{}", console.picture());
    console.marks = Marks::Unicode;
    console.reopen().await;
    console.resize(80, 60);
    console.keys("enter").await;
    let picture = console.picture();
    assert!(picture.contains('■') && picture.contains('·'), "{picture}");
    console.keys("?").await;
    assert!(console.picture().contains('□'), "{}", console.picture());
}

#[tokio::test]
async fn every_screen_is_useful_at_forty_columns_and_ten_lines() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.resize(40, 10);
    let cases = [
        ("g a", "Acme Ltd"),
        ("g f", "22:13:25 acme"),
        ("g d", "hooks.acme.t"),
        ("g a enter", "["),
        ("tab", "retry 3"),
        ("enter", "waits to be tried"),
        ("w", "Webhook"),
        ("g a H", "by jane"),
    ];
    for (keys, expected) in cases {
        console.keys(keys).await;
        assert!(console.picture().contains(expected), "after {keys}, `{expected}` is not in\n{}", console.picture());
    }
}

#[tokio::test]
async fn the_next_start_opens_what_was_open() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.keys("down down right tab /").await;
    console.typed("state:retry").await;
    console.keys("tab").await;
    let kept = console.app.kept();
    assert_eq!(kept.len(), 2, "{kept:?}");
    let before = console.picture();
    console.reopen().await;
    console.app.open_again(&kept).await;
    console.resize(80, 24);
    assert_eq!(console.picture(), before);
    console.keys("tab").await;
    assert!(console.picture().contains("HipChat is off for deploy started"), "{}", console.picture());
    console.test.run(bellboard::domain::command::Command::RemoveAccount { key: acme() }).await.unwrap();
    console.reopen().await;
    console.app.open_again(&kept).await;
    assert!(console.picture().contains("there is no account `acme`"), "{}", console.picture());
}

#[tokio::test]
async fn who_is_kept_to_the_terminal_writes_no_file_and_gets_no_shell() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.restricted = true;
    console.reopen().await;
    console.resize(80, 24);
    console.keys("enter tab E").await;
    assert!(console.picture().contains("no file can be written from here"), "{}", console.picture());
    console.keys("enter y").await;
    assert!(
        console.picture().contains("clipboard") && !console.picture().contains("to a file"),
        "{}",
        console.picture()
    );
    console.keys("q :").await;
    console.typed("back to the shell").await;
    assert_eq!(console.keys("enter").await, bellboard::console::app::Turn::On);
    assert!(console.picture().contains("there is no shell to go back to"), "{}", console.picture());
}
