//! Many cells as one, typing in fields, and what differs between terminals.

use bellboard::console::theme::Marks;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Command, DestinationForm};
use bellboard::domain::delivery::{DeliveryState, Next, Reason};
use bellboard::domain::destination::{DestinationState, FieldValue, FieldValues};
use bellboard::domain::matrix::CellSetting;

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
async fn an_event_and_a_history_are_opened_again_where_they_exist_still() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    for (keys, title) in [("tab w", "> why"), ("q tab up H", "history of")] {
        console.keys(keys).await;
        // In the path, a screen beneath is called by its key until it is read.
        let body = |picture: &str| picture.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        let (kept, before) = (console.app.kept(), console.picture());
        assert!(before.contains(title), "{before}");
        console.reopen().await;
        console.app.open_again(&kept).await;
        console.resize(80, 24);
        assert_eq!(body(&console.picture()), body(&before), "after {keys}");
    }
    console.keys("g a enter tab w").await;
    let kept = console.app.kept();
    console.test.damage("DELETE FROM attempt; DELETE FROM delivery; DELETE FROM idempotency; DELETE FROM event").await;
    console.reopen().await;
    console.app.open_again(&kept).await;
    console.resize(80, 24);
    let picture = console.picture();
    assert!(picture.contains("there is no event"), "the nearest screen says so: {picture}");
    assert!(picture.contains("accounts > Acme Ltd"), "{picture}");
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

#[tokio::test]
async fn marked_accounts_get_a_set_up_as_one_with_the_difference_shown_first() {
    let mut console = Console::on_acme().await;
    console.test.set("job.fail", Channel::Slack, CellSetting::On).await;
    for name in ["Beta", "Gamma", "Zeta"] {
        console.account(name).await;
    }
    let is_on = async |console: &Console, key: &str| {
        let view = console.test.store.matrix(&key.parse().unwrap()).await.unwrap();
        view.cell(view.catalogue.get("job.fail").unwrap(), Channel::Slack).on
    };
    console.keys("q down v v home").await;
    insta::assert_snapshot!("accounts-marked", console.picture());
    console.keys("y").await;
    let picture = console.picture();
    assert!(picture.contains("Beta would change: 1 cell"), "{picture}");
    assert!(picture.contains("enter copies to the 2 marked: 2 cells; u takes it back"), "{picture}");
    console.keys("enter").await;
    assert!(
        console.picture().contains("2 accounts have the set-up of acme; u takes that back"),
        "{}",
        console.picture()
    );
    assert_eq!((is_on(&console, "beta").await, is_on(&console, "gamma").await), (true, true));
    assert!(!is_on(&console, "zeta").await, "it was not marked");
    console.keys("u").await;
    assert!(console.picture().contains("taken back: 2 accounts have the set-up of acme"), "{}", console.picture());
    assert_eq!((is_on(&console, "beta").await, is_on(&console, "gamma").await), (false, false));
    console.keys("U").await;
    assert_eq!((is_on(&console, "beta").await, is_on(&console, "gamma").await), (true, true));
    // The other way round: onto the one under the cursor; whose set-up was copied last is offered first.
    console.keys("end p enter").await;
    assert!(console.picture().contains("Zeta would change: 1 cell"), "{}", console.picture());
    console.keys("enter").await;
    assert!(is_on(&console, "zeta").await);
    console.keys("home p enter").await;
    assert!(console.picture().contains("that is its own set-up"), "{}", console.picture());
    // Also from an account's matrix.
    console.keys("u down enter u p").await;
    console.typed("zeta").await;
    console.keys("enter").await;
    assert!(console.picture().contains("copy set-up of zeta"), "{}", console.picture());
}

#[tokio::test]
async fn marked_destinations_are_changed_as_one() {
    let mut console = Console::on_acme().await;
    for name in ["c", "a", "b"] {
        console.test.webhook_at(&format!("https://{name}.acme.test/in")).await;
    }
    let states = async |console: &Console| -> Vec<&'static str> {
        let all = console.test.store.destinations(&acme(), Some(Channel::Webhook)).await.unwrap();
        all.iter().map(|one| one.state.name()).collect()
    };
    console.keys("right right right right enter v v").await;
    insta::assert_snapshot!("destinations-marked", console.picture());
    console.keys("space").await;
    assert_eq!(states(&console).await, ["paused", "paused", "enabled"]);
    assert!(console.picture().contains("2 destinations of acme are paused"), "{}", console.picture());
    console.keys("u").await;
    assert_eq!(states(&console).await, ["enabled", "enabled", "enabled"]);
    console.keys("home v v t").await;
    assert!(console.picture().contains("2 tests are on their way"), "{}", console.picture());
    console.keys("home v v d").await;
    assert!(console.picture().contains("Remove 2 destinations: c.acme.test, a.acme.test?"), "{}", console.picture());
    console.keys("y").await;
    assert_eq!(states(&console).await, ["enabled"]);
    console.keys("u").await;
    assert_eq!(states(&console).await, ["enabled", "enabled", "enabled"], "{}", console.picture());
    assert!(!console.picture().contains("marked:"), "{}", console.picture());
}

#[tokio::test]
async fn destinations_are_sorted_and_the_order_is_kept() {
    let mut console = Console::on_acme().await;
    for name in ["c", "a"] {
        console.test.webhook_at(&format!("https://{name}.acme.test/in")).await;
    }
    console.busy().await;
    console.keys("right right right right enter").await;
    let labels = |console: &Console| -> Vec<String> {
        let picture = console.picture();
        picture.lines().skip(2).take(3).map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    };
    assert_eq!(labels(&console), ["c.acme.test", "a.acme.test", "hooks.acme.test"]);
    console.keys("o").await;
    assert_eq!(labels(&console), ["a.acme.test", "c.acme.test", "hooks.acme.test"], "by name");
    console.keys("o").await;
    assert_eq!(labels(&console)[0], "c.acme.test", "the one that fails first: {}", console.picture());
    let kept = console.app.kept();
    console.reopen().await;
    console.app.open_again(&kept).await;
    console.resize(80, 24);
    assert_eq!(labels(&console)[0], "c.acme.test", "{}", console.picture());
    console.keys("o").await;
    assert!(console.picture().contains("last used first"), "{}", console.picture());
}

#[tokio::test]
async fn dead_destinations_of_several_accounts_are_enabled_as_one() {
    let mut console = Console::on_acme().await;
    console.account("Beta").await;
    let fields = FieldValues::from([("url".to_owned(), FieldValue::Plain("https://in.beta.test/".to_owned()))]);
    let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
    let add = Command::AddDestination { account: "beta".parse().unwrap(), channel: Channel::Webhook, form };
    let beta = console.test.run(add).await.unwrap().destination.unwrap();
    let ours = console.test.webhook().await;
    for id in [ours, beta] {
        let state = DestinationState::Disabled;
        console.test.run(Command::SetDestinationState { id, state }).await.unwrap();
    }
    let states = async |console: &Console| {
        let mut states = Vec::new();
        for id in [ours, beta] {
            states.push(console.test.store.destination(id).await.unwrap().1.state.name());
        }
        states
    };
    console.keys("g d v v").await;
    assert!(console.picture().contains("2 marked: x enables them"), "{}", console.picture());
    console.keys("x").await;
    assert_eq!(states(&console).await, ["enabled", "enabled"]);
    assert!(console.picture().contains("2 destinations are enabled; u takes that back"), "{}", console.picture());
    console.keys("u").await;
    assert_eq!(states(&console).await, ["disabled", "disabled"]);
    console.keys("x").await;
    assert_eq!(
        states(&console).await.iter().filter(|state| **state == "enabled").count(),
        1,
        "the one under the cursor"
    );
}

#[tokio::test]
async fn lists_are_sorted_and_the_order_is_kept_for_the_next_start() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    for name in ["Aardvark", "Zorro"] {
        console.account(name).await;
    }
    console.keys("q").await;
    console.reload().await;
    let first =
        |console: &Console| console.picture().lines().nth(3).unwrap().split_whitespace().next().unwrap().to_owned();
    assert_eq!(first(&console), "Aardvark");
    console.keys("o").await;
    assert_eq!(first(&console), "Acme", "the one with failures: {}", console.picture());
    assert!(console.picture().contains("sorted by failures"), "{}", console.picture());
    console.keys("o").await;
    assert_eq!(first(&console), "Acme", "the one with an event: {}", console.picture());
    let kept = console.app.kept();
    let list = |console: &Console| console.picture().lines().take(20).map(str::to_owned).collect::<Vec<_>>();
    let before = list(&console);
    console.reopen().await;
    console.app.open_again(&kept).await;
    console.resize(80, 24);
    assert_eq!(list(&console), before, "the same order again");
}

#[tokio::test]
async fn marked_failures_are_sent_again_as_one() {
    let mut console = Console::on_acme().await;
    let bad = console.busy().await;
    let other = console.test.emit("job.fail", "{}").await.deliveries[0].0;
    for delivery in [bad, other] {
        let next = Next::Failed { reason: Reason::new("answered 400"), gone: false };
        console.deliver(delivery, 400, next).await;
    }
    console.keys("g f v v").await;
    assert!(console.picture().contains("2 marked: r sends them again as one"), "{}", console.picture());
    console.keys("r").await;
    for delivery in [bad, other] {
        let state = console.test.store.delivery(delivery).await.unwrap().delivery.state;
        assert_eq!(state, DeliveryState::Pending, "{delivery}");
    }
    console.keys("home v esc").await;
    assert!(!console.picture().contains("marked"), "esc lets go: {}", console.picture());
}
