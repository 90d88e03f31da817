//! A picture of every screen.

use bellboard::domain::channel::Channel;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::{Options, Store};

use crate::console::harness::Console;
use crate::support::TestStore;

/// The files of `src/console/screens` that are screens, each with its pictures' common beginning.
pub const PICTURES: [&str; 18] = [
    "simulate",
    "pick",
    "mute",
    "missed",
    "copy",
    "palette",
    "accounts",
    "account",
    "account_form",
    "destinations",
    "destination_form",
    "delivery",
    "event",
    "dead",
    "failures",
    "history",
    "preview",
    "help",
];

/// Files beside them that are none.
const HELPERS: [&str; 6] = ["split", "account_words", "export", "account_find", "history_words", "test_watch"];

#[test]
fn every_screen_has_a_picture() {
    let root = env!("CARGO_MANIFEST_DIR");
    let names = |folder: &str| -> Vec<String> {
        let files = std::fs::read_dir(format!("{root}/{folder}")).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    let pictures = names("tests/it/console/snapshots");
    for file in names("src/console/screens") {
        let name = file.strip_suffix(".rs").unwrap_or(&file);
        if name == "mod" || HELPERS.contains(&name) {
            continue;
        }
        assert!(PICTURES.contains(&name), "the screen {name} is not in the list here");
        let wanted = format!("__{name}-");
        assert!(pictures.iter().any(|picture| picture.contains(&wanted)), "the screen {name} has no picture");
    }
}

#[tokio::test]
async fn accounts() {
    let mut console = Console::open(TestStore::empty().await).await;
    insta::assert_snapshot!("accounts-empty", console.picture());
    console.keys("d").await;
    let job = console.jobs.recv().await.unwrap();
    console.app.job(&job).await;
    assert!(console.picture().contains("samples are there"));
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.keys("q").await;
    insta::assert_snapshot!("accounts-list", console.picture());
    console.keys("/").await;
    console.typed("zzz").await;
    insta::assert_snapshot!("accounts-filter", console.picture());
    console.resize(40, 12);
    console.keys("esc").await;
    insta::assert_snapshot!("accounts-small", console.picture());
}

#[tokio::test]
async fn account() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.test.set("job.fail", Channel::Slack, CellSetting::On).await;
    console.reload().await;
    insta::assert_snapshot!("account-busy", console.picture());
    console.keys("tab").await;
    insta::assert_snapshot!("account-live", console.picture());
    console.keys("z").await;
    insta::assert_snapshot!("account-zoomed", console.picture());
    console.keys("tab").await;
    console.resize(40, 12);
    insta::assert_snapshot!("account-small", console.picture());
    console.resize(120, 40);
    insta::assert_snapshot!("account-large", console.picture());
}

#[tokio::test]
async fn account_form() {
    let mut console = Console::open(TestStore::empty().await).await;
    console.keys("n").await;
    console.typed("Acme Ltd").await;
    console.keys("tab tab").await;
    console.typed("ops").await;
    console.keys("enter").await;
    insta::assert_snapshot!("account_form-wrong", console.picture());
}

#[tokio::test]
async fn destinations() {
    let mut console = Console::on_acme().await;
    console.keys("right right right enter").await;
    insta::assert_snapshot!("destinations-empty", console.picture());
    console.keys("q right enter").await;
    console.busy().await;
    insta::assert_snapshot!("destinations-failing", console.picture());
    console.keys("d").await;
    insta::assert_snapshot!("destinations-question", console.picture());
    console.resize(40, 12);
    insta::assert_snapshot!("destinations-small", console.picture());
}

#[tokio::test]
async fn destination_form() {
    let mut console = Console::on_acme().await;
    console.keys("right right right right enter a").await;
    console.typed("ftp://hooks").await;
    console.keys("tab").await;
    console.typed("whsec_secret").await;
    insta::assert_snapshot!("destination_form-webhook", console.picture());
    console.resize(40, 12);
    insta::assert_snapshot!("destination_form-small", console.picture());
    let mut console = Console::on_acme().await;
    console.keys("right enter a tab").await;
    insta::assert_snapshot!("destination_form-hipchat", console.picture());
}

#[tokio::test]
async fn delivery() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.keys("tab enter").await;
    insta::assert_snapshot!("delivery-retried", console.picture());
    console.keys("pgdn").await;
    insta::assert_snapshot!("delivery-scrolled", console.picture());
    console.resize(40, 12);
    insta::assert_snapshot!("delivery-small", console.picture());
}

#[tokio::test]
async fn event() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.keys("tab w").await;
    insta::assert_snapshot!("event-why", console.picture());
    console.resize(40, 12);
    insta::assert_snapshot!("event-small", console.picture());
}

#[tokio::test]
async fn dead() {
    let mut console = Console::on_acme().await;
    console.keys("q D").await;
    assert!(console.picture().contains("nothing is in trouble"), "{}", console.picture());
    console.keys("q").await;
    console.busy().await;
    console.keys("D").await;
    insta::assert_snapshot!("dead-worst", console.picture());
    console.keys("/").await;
    console.typed("channel:slack").await;
    console.resize(40, 12);
    insta::assert_snapshot!("dead-small", console.picture());
}

#[tokio::test]
async fn failures() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.keys("q f").await;
    insta::assert_snapshot!("failures-following", console.picture());
    console.keys("down /").await;
    console.typed("since:soon").await;
    console.resize(40, 12);
    insta::assert_snapshot!("failures-small", console.picture());
}

#[tokio::test]
async fn history() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.test.set("job.fail", Channel::Slack, CellSetting::On).await;
    console.keys("q H").await;
    insta::assert_snapshot!("history-account", console.picture());
    console.keys("u down").await;
    insta::assert_snapshot!("history-taken_back", console.picture());
    console.resize(40, 12);
    insta::assert_snapshot!("history-small", console.picture());
}

#[tokio::test]
async fn copy() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.account("Globex").await;
    console.keys("q y").await;
    console.typed("glo").await;
    insta::assert_snapshot!("copy-difference", console.picture());
    console.keys("tab space").await;
    console.resize(40, 12);
    insta::assert_snapshot!("copy-small", console.picture());
}

#[tokio::test]
async fn missed() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.test.emit("payment.fail", "{}").await;
    console.test.set("payment.fail", Channel::Webhook, CellSetting::On).await;
    console.keys("R").await;
    insta::assert_snapshot!("missed-counted", console.picture());
    console.keys("/").await;
    console.typed(" since:soon").await;
    console.resize(40, 12);
    insta::assert_snapshot!("missed-small", console.picture());
}

#[tokio::test]
async fn palette() {
    let mut console = Console::on_acme().await;
    console.keys(":").await;
    insta::assert_snapshot!("palette-matrix", console.picture());
    console.typed("undo").await;
    console.resize(40, 12);
    insta::assert_snapshot!("palette-small", console.picture());
}

#[tokio::test]
async fn preview() {
    let mut console = Console::on_acme().await;
    console.keys("down down down down down down down P").await;
    insta::assert_snapshot!("preview-email", console.picture());
    console.keys("right").await;
    insta::assert_snapshot!("preview-hipchat", console.picture());
    console.keys("right right").await;
    insta::assert_snapshot!("preview-slack", console.picture());
    console.keys("right pgdn").await;
    assert!(console.picture().contains("over Webhook"), "{}", console.picture());
    console.resize(40, 12);
    console.keys("left left end").await;
    insta::assert_snapshot!("preview-small", console.picture());
}

#[tokio::test]
async fn help() {
    let mut console = Console::on_acme().await;
    console.keys("?").await;
    insta::assert_snapshot!("help-matrix", console.picture());
    console.resize(40, 12);
    insta::assert_snapshot!("help-small", console.picture());
}

#[tokio::test]
async fn a_store_that_is_read_only_says_so_and_refuses() {
    let mut test = TestStore::acme().await;
    let options = Options { read_only: true, ..Options::at(test.folder.path().join("bellboard.db")) };
    test.store = Store::open(&options, test.clock.clone()).await.unwrap();
    let mut console = Console::open(test).await;
    console.keys("enter space").await;
    insta::assert_snapshot!("account-read-only", console.picture());
}

#[tokio::test]
async fn mute() {
    let mut console = Console::on_acme().await;
    console.keys("m").await;
    insta::assert_snapshot!("mute-question", console.picture());
    console.keys("4").await;
    insta::assert_snapshot!("mute-cell", console.picture());
    console.keys("m o").await;
    console.typed("soon").await;
    console.keys("enter").await;
    insta::assert_snapshot!("mute-form", console.picture());
    console.keys("backspace backspace backspace backspace 2 d enter").await;
    assert!(console.picture().contains("is muted until 16 Nov 2023 22:13 UTC"), "{}", console.picture());
    console.keys("m a").await;
    assert!(!console.picture().contains('~'), "{}", console.picture());
    console.keys("u").await;
    assert!(console.picture().contains('~'), "{}", console.picture());
    console.test.clock.advance(std::time::Duration::from_hours(49));
    console.reload().await;
    assert!(!console.picture().contains('~'), "it ends by itself: {}", console.picture());
}
