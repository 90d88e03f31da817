//! What keys do.

use bellboard::console::app::Turn;
use bellboard::console::keymap;
use bellboard::console::keymap::Place;
use bellboard::console::screens::help::Help;
use bellboard::console::theme::Marks;
use bellboard::domain::access::SecretHash;
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::{DeliveryState, Next, Reason};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::role::Role;
use ratatui::style::Modifier;

use crate::console::harness::Console;
use crate::receiver::Receiver;
use crate::support::{TestStore, acme};

#[test]
fn every_key_is_in_the_help() {
    let text = Help::new(Place::Matrix, Marks::Ascii, Role::Administer).text();
    for binding in keymap::bindings() {
        assert!(text.contains(&format!("{} {}", binding.shown, binding.help)), "{binding:?}");
    }
}

#[tokio::test]
async fn space_toggles_and_u_takes_back() {
    let mut console = Console::on_acme().await;
    let on = async |console: &Console, kind: &str, channel| {
        let view = console.test.store.matrix(&acme()).await.unwrap();
        view.cell(view.catalogue.get(kind).unwrap(), channel).on
    };
    console.keys("space").await;
    assert!(!on(&console, "account.provision.ok", Channel::Email).await);
    assert!(console.picture().contains("Email is off for provisioned ok (changed by jane"), "{}", console.picture());
    console.keys("u").await;
    assert!(on(&console, "account.provision.ok", Channel::Email).await);
    assert!(console.picture().contains("taken back: Email is off for provisioned ok"), "{}", console.picture());
    console.keys("up l l l space").await;
    assert!(on(&console, "payment.fail", Channel::Slack).await, "the whole column");
    console.keys("u j r").await;
    assert!(!on(&console, "payment.fail", Channel::Slack).await);
    assert!(!on(&console, "account.provision.ok", Channel::Email).await, "the row, where there are destinations");
    console.keys("u u").await;
    let says = "u again takes back: Acme Ltd (acme) was added";
    assert!(console.picture().contains(says), "{}", console.picture());
}

#[tokio::test]
async fn the_whole_way_of_a_newcomer() {
    let mut console = Console::open(TestStore::empty().await).await;
    console.keys("n").await;
    console.typed("Acme").await;
    console.keys("tab tab").await;
    console.typed("ops@acme.test").await;
    console.keys("enter right right right right enter a").await;
    console.app.paste(" https://hooks.acme.test/in\n".to_owned()).await;
    console.keys("enter").await;
    let picture = console.picture();
    assert!(picture.contains("hooks.acme.test") && picture.contains("| whsec_"), "{picture}");
    console.keys("o").await;
    assert!(!console.picture().contains("whsec_"), "shown once: {}", console.picture());
    console.keys("t").await;
    assert!(console.picture().contains("a test is on its way to hooks.acme.test"), "{}", console.picture());
    let test = console.test.store.live(Some(&acme()), 1).await.unwrap().remove(0).delivery.unwrap();
    console.deliver(test.id, 200, Next::Delivered).await;
    console.reload().await;
    let says = "the test to hooks.acme.test was delivered in 84 ms, answered 200";
    assert!(console.picture().contains(says), "{}", console.picture());
}

#[tokio::test]
async fn a_destination_is_paused_disabled_and_removed_after_a_question() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.keys("right right right right enter").await;
    let states = async |console: &Console| -> Vec<DestinationState> {
        let all = console.test.store.destinations(&acme(), Some(Channel::Webhook)).await.unwrap();
        all.iter().map(|one| one.state).collect()
    };
    console.keys("space").await;
    assert_eq!(states(&console).await, [DestinationState::Paused]);
    console.keys("space").await;
    assert_eq!(states(&console).await, [DestinationState::Enabled]);
    console.keys("x").await;
    assert_eq!(states(&console).await, [DestinationState::Disabled]);
    console.keys("t").await;
    assert!(console.picture().contains("is disabled; enable it"), "{}", console.picture());
    console.keys("d enter").await;
    assert_eq!(states(&console).await.len(), 1, "the first answer leaves it");
    console.keys("d y").await;
    assert_eq!(states(&console).await, []);
}

#[tokio::test]
async fn an_edit_keeps_the_secret_and_asks_before_it_is_lost() {
    let mut console = Console::on_acme().await;
    console.test.webhook().await;
    console.keys("right right right right enter e").await;
    assert!(console.picture().contains("•••• is kept"), "{}", console.picture());
    console.typed("x").await;
    console.keys("esc").await;
    assert!(console.picture().contains("What you typed is not saved yet"), "{}", console.picture());
    console.keys("n").await;
    console.keys("enter").await;
    assert!(console.picture().contains("hooks.acme.test/inx"), "{}", console.picture());
}

#[tokio::test]
async fn a_new_signing_secret_is_shown_once_and_what_is_kept_can_be_cleared() {
    let mut console = Console::on_acme().await;
    console.test.webhook().await;
    console.keys("right right right right enter s").await;
    assert!(console.picture().contains("Make a new signing secret for hooks.acme.test?"), "{}", console.picture());
    console.keys("d").await;
    let picture = console.picture();
    let (_, secret) = picture.split_once("whsec_").unwrap_or_else(|| panic!("{picture}"));
    let secret: String = secret.chars().take_while(|sign| !sign.is_whitespace() && *sign != '|').collect();
    let id = console.test.store.destinations(&acme(), Some(Channel::Webhook)).await.unwrap()[0].id;
    let fields = async |console: &Console| console.test.store.lane(id).await.unwrap().unwrap().fields;
    assert_eq!(fields(&console).await["secret"].expose(), format!("whsec_{secret}"));
    console.keys("o").await;
    let picture = console.picture();
    assert!(!picture.contains(&secret) && picture.contains("Two secrets"), "{picture}");
    console.keys("e tab tab").await;
    console.typed("X-Key: abc").await;
    console.keys("enter").await;
    assert_eq!(fields(&console).await["headers"].expose(), "X-Key: abc");
    console.keys("e tab tab ^X").await;
    assert!(console.picture().contains("is cleared when this is saved"), "{}", console.picture());
    console.keys("^X").await;
    assert!(!console.picture().contains("is cleared when this is saved"), "{}", console.picture());
    console.keys("^X enter").await;
    assert!(!fields(&console).await.contains_key("headers"), "{}", console.picture());
    assert!(fields(&console).await.contains_key("old_secret"), "the rotation goes on");
}

#[tokio::test]
async fn a_delivery_is_cancelled_and_sent_again() {
    let mut console = Console::on_acme().await;
    let id = console.busy().await;
    console.keys("tab enter x").await;
    let state = async |console: &Console| console.test.store.delivery(id).await.unwrap().delivery.state;
    assert_eq!(state(&console).await, DeliveryState::Cancelled);
    console.keys("r").await;
    assert_eq!(state(&console).await, DeliveryState::Pending);
}

#[tokio::test]
async fn a_paste_outside_of_a_field_runs_nothing() {
    let mut console = Console::on_acme().await;
    console.app.paste("qqq \x03 space".to_owned()).await;
    assert!(console.picture().contains("pasted text goes into a field only"), "{}", console.picture());
    assert_eq!(console.keys("q").await, Turn::On, "still on the accounts");
    assert_eq!(console.keys("q").await, Turn::Quit);
}

#[tokio::test]
async fn what_another_console_changed_is_seen_and_what_it_removed_closes() {
    let mut console = Console::on_acme().await;
    console.test.set("account.provision.ok", Channel::Email, CellSetting::Off).await;
    console.reload().await;
    assert!(console.picture().contains("Email is off for provisioned ok"), "{}", console.picture());
    console.test.run(bellboard::domain::command::Command::RemoveAccount { key: acme() }).await.unwrap();
    console.reload().await;
    assert!(console.picture().contains("there is no account `acme`"), "{}", console.picture());
}

#[tokio::test]
async fn moving_the_cursor_changes_few_cells_and_is_seen_without_colour() {
    let mut console = Console::on_acme().await;
    let before = console.buffer();
    console.keys("down").await;
    let after = console.buffer();
    let matrix = |y: u16| y < 22;
    let changed = before.diff(&after).into_iter().filter(|(_, y, _)| matrix(*y)).count();
    assert!(changed <= 6, "{changed} cells of the matrix changed");
    console.keys("up up").await;
    let head = console.buffer();
    let reversed = (0..80).filter(|x| head[(*x, 1)].modifier.contains(Modifier::REVERSED)).count();
    assert_eq!(reversed, "Email".len());
}

#[tokio::test]
async fn the_rooms_of_a_token_are_listed_to_choose_from() {
    let answer = r#"{"rooms":[{"room_id":7,"name":"Ops"},{"room_id":8,"name":"Nights"}]}"#;
    let receiver = Receiver::start(Box::new(move |_| (200, String::new(), answer.to_owned()))).await;
    let mut console = Console::on_acme().await;
    console.keys("right enter a tab tab").await;
    console.keys("^U").await;
    console.typed(receiver.url.trim_end_matches("/in")).await;
    console.keys("up up").await;
    console.typed("a1b2c3d4").await;
    console.keys("tab").await;
    assert!(console.picture().contains("reading the rooms"), "{}", console.picture());
    let job = console.jobs.recv().await.unwrap();
    console.app.job(&job).await;
    assert!(console.picture().contains("2 rooms: enter lists them"), "{}", console.picture());
    console.keys("enter down enter").await;
    assert!(console.picture().contains("Room *      [8"), "{}", console.picture());
    console.keys("enter").await;
    let made = console.test.store.destinations(&acme(), Some(Channel::Hipchat)).await.unwrap();
    assert_eq!(made.len(), 1, "{}", console.picture());
    assert!(!console.picture().contains("a1b2c3d4"), "the token is shown to nobody");
}

#[tokio::test]
async fn where_rooms_cannot_be_listed_an_id_is_typed() {
    let receiver = Receiver::answering(&[401, 202]).await;
    let mut console = Console::on_acme().await;
    console.keys("right enter a tab tab ^U").await;
    console.typed(receiver.url.trim_end_matches("/in")).await;
    console.keys("up up").await;
    console.typed("a1b2c3d4").await;
    console.keys("tab").await;
    let job = console.jobs.recv().await.unwrap();
    console.app.job(&job).await;
    let says = "the token is good for messages, but lists no rooms; type the room's id";
    assert!(console.picture().contains(says), "{}", console.picture());
    console.typed("ops").await;
    console.keys("enter").await;
    let made = console.test.store.destinations(&acme(), Some(Channel::Hipchat)).await.unwrap();
    assert_eq!(made.len(), 1, "{}", console.picture());
}

#[tokio::test]
async fn a_token_that_the_server_does_not_know_is_called_that() {
    let receiver = Receiver::answering(&[401]).await;
    let mut console = Console::on_acme().await;
    console.keys("right enter a tab tab ^U").await;
    console.typed(receiver.url.trim_end_matches("/in")).await;
    console.keys("up up").await;
    console.typed("a1b2c3d4").await;
    console.keys("tab").await;
    let job = console.jobs.recv().await.unwrap();
    console.app.job(&job).await;
    assert!(console.picture().contains("the server does not know this token"), "{}", console.picture());
    assert_eq!(receiver.received().len(), 2, "it was asked for the list, and whether the token is one");
}

#[tokio::test]
async fn a_browser_is_invited_by_a_link_that_is_shown_once() {
    let mut console = Console::on_acme().await;
    console.keys("h enter a").await;
    let picture = console.picture();
    let (_, link) = picture.split_once("https://bells.acme.test/browser/#").unwrap_or_else(|| panic!("{picture}"));
    let code: String = link.chars().take_while(|sign| !sign.is_whitespace() && *sign != '|').collect();
    let found = console.test.store.enrolment(SecretHash::of_code(&code)).await.unwrap().unwrap();
    assert_eq!((found.channel, found.used), (Channel::Browser, false), "{code}");
    console.keys("o").await;
    assert!(!console.picture().contains(&code), "{}", console.picture());
}

#[tokio::test]
async fn everything_is_found_in_the_palette_and_done_from_there() {
    let mut console = Console::on_acme().await;
    console.keys(":").await;
    console.typed("turn the row").await;
    console.keys("enter").await;
    let view = console.test.store.matrix(&acme()).await.unwrap();
    assert!(!view.cell(view.catalogue.get("account.provision.ok").unwrap(), Channel::Email).on);
    console.keys("g f").await;
    assert!(console.picture().contains("bellboard > accounts > failures"), "{}", console.picture());
    console.keys("g d").await;
    assert!(console.picture().contains("bellboard > accounts > in trouble"), "{}", console.picture());
    console.keys("g a").await;
    assert!(console.picture().contains("/ finds an account"), "{}", console.picture());
}

#[tokio::test]
async fn what_was_taken_back_is_done_again_also_in_another_session() {
    let mut console = Console::on_acme().await;
    let is_on = async |console: &Console, channel| {
        let view = console.test.store.matrix(&acme()).await.unwrap();
        view.cell(view.catalogue.get("job.fail").unwrap(), channel).on
    };
    console.test.set("job.fail", Channel::Slack, CellSetting::On).await;
    console.test.set("job.fail", Channel::Ios, CellSetting::On).await;
    console.keys("u u").await;
    assert!(!is_on(&console, Channel::Slack).await && !is_on(&console, Channel::Ios).await);
    console.reopen().await;
    console.keys("enter U").await;
    assert!(console.picture().contains("done again: Slack is on for job failed"), "{}", console.picture());
    assert!(is_on(&console, Channel::Slack).await && !is_on(&console, Channel::Ios).await);
    console.keys("U").await;
    assert!(is_on(&console, Channel::Ios).await);
    console.keys("U").await;
    assert!(console.picture().contains("nothing that you took back is left"), "{}", console.picture());
    console.keys("u").await;
    assert!(!is_on(&console, Channel::Ios).await, "what was done again can be taken back again");
    console.keys("space U").await;
    assert!(console.picture().contains("nothing that you took back is left"), "a new change ends it");
}

#[tokio::test]
async fn an_old_change_is_announced_before_it_is_taken_back() {
    let mut console = Console::on_acme().await;
    console.keys("space").await;
    console.test.clock.advance(std::time::Duration::from_hours(3));
    console.keys("u").await;
    let says = "u again takes back what you did 3h ago: Email is off for provisioned ok";
    assert!(console.picture().contains(says), "{}", console.picture());
    console.keys("u").await;
    assert!(console.picture().contains("taken back: Email is off"), "{}", console.picture());
}

#[tokio::test]
async fn the_live_pane_is_narrowed_and_goes_to_failures() {
    let mut console = Console::on_acme().await;
    let failing = console.busy().await;
    console.test.emit("account.suspended", "{}").await;
    console.reload().await;
    console.keys("tab n").await;
    assert!(console.picture().contains(&format!("{failing}: waits to be tried again")), "{}", console.picture());
    console.keys("n").await;
    assert!(console.picture().contains("no other failure is shown that way"), "{}", console.picture());
    console.keys("/").await;
    console.typed("state:deliv type:server").await;
    let picture = console.picture();
    assert!(picture.contains("delivered 200 84 ms") && !picture.contains("retry 3"), "{picture}");
    console.keys("tab E c").await;
    let job = console.jobs.recv().await.unwrap();
    console.app.job(&job).await;
    let files = std::fs::read_dir(console.test.folder.path().join("exports")).unwrap();
    let file = files.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|it| it == "csv"));
    let csv = std::fs::read_to_string(file.unwrap()).unwrap();
    assert!(csv.starts_with("received_at,account,event_type,") && csv.lines().count() == 2, "{csv}");
    console.keys("esc").await;
    console.keys("/").await;
    console.typed("state:nowhere").await;
    assert!(console.picture().contains("not sent, w says why"), "{}", console.picture());
}

#[tokio::test]
async fn a_test_of_any_event_type_is_sent_from_a_cell_and_from_a_destination() {
    let mut console = Console::on_acme().await;
    console.test.webhook().await;
    console.reload().await;
    let newest = async |console: &Console| {
        let row = console.test.store.live(Some(&acme()), 1).await.unwrap().remove(0);
        (row.event.event_type.clone(), row.event.test, row.delivery.unwrap().id)
    };
    console.keys("right right right right V").await;
    assert!(console.picture().contains("no test was sent from here yet"), "{}", console.picture());
    console.keys("down t").await;
    let (event_type, is_test, id) = newest(&console).await;
    assert_eq!((event_type.as_str(), is_test), ("account.provision.fail", true));
    console.deliver(id, 500, Next::Failed { reason: Reason::new("answered 500"), gone: false }).await;
    console.reload().await;
    console.keys("V").await;
    assert!(console.picture().contains("account.provision.fail, a test"), "{}", console.picture());
    console.keys("q enter T").await;
    assert!(console.picture().contains("job.backon: Job run succeeded"), "{}", console.picture());
    console.keys("a").await;
    assert_eq!(newest(&console).await.0, "job.backon");
    assert!(console.picture().contains("a test is on its way to hooks.acme.test"), "{}", console.picture());
}

#[tokio::test]
async fn a_sign_that_does_nothing_says_so_and_where_it_would_work() {
    let mut console = Console::on_acme().await;
    for (key, says) in [
        ("|", "`|` works in the live pane; tab leads there"),
        ("%", "`%` does nothing here; ? shows what does"),
        ("\u{447}", "that key does nothing here; ? shows what does"),
    ] {
        console.keys(key).await;
        assert!(console.picture().contains(says), "{key}: {}", console.picture());
    }
    console.keys("tab m").await;
    assert!(console.picture().contains("`m` works in the matrix; tab leads there"), "{}", console.picture());
}
