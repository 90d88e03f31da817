//! The jobs that support is called for, each from the accounts list in at most six key presses. Typed text is not counted.

use std::collections::BTreeMap;

use bellboard::channels::form::values_from_text;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{CellChange, Command, DestinationForm};
use bellboard::domain::delivery::Next;
use bellboard::domain::id::DeliveryId;
use bellboard::domain::matrix::CellSetting;

use crate::console::harness::Console;
use crate::support::{TestStore, acme};

const KEYS_MAX: usize = 6;

/// A person at the console who counts.
struct Person {
    console: Console,
    keys: usize,
}

impl Person {
    /// Where many accounts are, at the accounts list.
    async fn sits_down(mut console: Console) -> Self {
        console.reopen().await;
        console.resize(80, 24);
        Self { console, keys: 0 }
    }

    async fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.keys += 1;
            assert!(self.keys <= KEYS_MAX, "more than {KEYS_MAX} keys at `{key}`:\n{}", self.console.picture());
            self.console.keys(key).await;
        }
    }

    async fn type_text(&mut self, text: &str) {
        self.console.typed(text).await;
    }

    fn sees(&self, text: &str) {
        let picture = self.console.picture();
        assert!(picture.contains(text), "`{text}` is not on the screen:\n{picture}");
    }
}

/// Acme with a busy webhook among other accounts.
async fn many_accounts() -> (Console, DeliveryId) {
    let mut console = Console::open(TestStore::acme().await).await;
    for name in ["Aardvark", "Globex", "Initech", "Zorro"] {
        console.account(name).await;
    }
    let failing = console.busy().await;
    (console, failing)
}

async fn add_webhook(test: &TestStore, account: &str, url: &str) {
    let fields = BTreeMap::from([("url".to_owned(), url.to_owned())]);
    let fields = values_from_text(Channel::Webhook, &fields).unwrap();
    let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
    let account = account.parse().unwrap();
    test.run(Command::AddDestination { account, channel: Channel::Webhook, form }).await.unwrap();
}

#[tokio::test]
async fn why_this_customer_did_not_get_that_notification() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter /").await;
    person.type_text("job failed").await;
    person.press("enter w").await;
    person.sees("job.fail, 14 Nov 2023");
    person.sees("Webhook  waiting    waits to be tried again after 2 tries: answered 500");
    person.sees("Email    not sent   turned off by jane");
    person.sees("Slack    not sent   off by default");
}

#[tokio::test]
async fn one_kind_of_event_is_turned_off_for_one_channel() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter /").await;
    person.type_text("heart stop webh").await;
    person.press("enter space").await;
    person.sees("Webhook is off for heartbeat stopped");
}

#[tokio::test]
async fn a_channel_is_set_up_and_its_test_arrives() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter s s").await;
    person.console.app.paste("https://hooks.slack.com/services/T0/B0/x\n".to_owned()).await;
    person.press("enter t").await;
    let test = person.console.test.store.live(Some(&acme()), 1).await.unwrap().remove(0).delivery.unwrap();
    person.console.deliver(test.id, 200, Next::Delivered).await;
    person.console.reload().await;
    person.sees("was delivered in 84 ms, answered 200");
}

#[tokio::test]
async fn a_webhook_is_set_up_its_secret_is_told_and_its_test_arrives() {
    let mut person = Person::sits_down(Console::open(TestStore::acme().await).await).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter s w").await;
    person.console.app.paste("https://hooks.acme.test/in".to_owned()).await;
    person.press("enter").await;
    person.sees("whsec_");
    person.press("t").await;
    person.sees("a test is on its way to hooks.acme.test");
}

#[tokio::test]
async fn one_more_webhook_is_set_up_and_its_test_arrives() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter s").await;
    person.sees("w  Webhook: the 1 that it has");
    person.press("W").await;
    person.console.app.paste("https://second.acme.test/in".to_owned()).await;
    person.press("enter t").await;
    person.sees("a test is on its way to second.acme.test");
}

#[tokio::test]
async fn the_dead_destinations_of_everyone_and_the_worst() {
    let (console, _) = many_accounts().await;
    add_webhook(&console.test, "zorro", "https://quiet.zorro.test/in").await;
    let quiet = console.test.store.destinations(&"zorro".parse().unwrap(), Some(Channel::Webhook)).await.unwrap();
    let state = bellboard::domain::destination::DestinationState::Disabled;
    console.test.run(Command::SetDestinationState { id: quiet[0].id, state }).await.unwrap();
    let mut person = Person::sits_down(console).await;
    person.press("D").await;
    person.sees("quiet.zorro.test");
    person.press("enter").await;
    person.sees("accounts > in trouble > Webhook");
    person.sees("hooks.acme.test");
    person.sees("Failing since");
}

#[tokio::test]
async fn who_changed_this_cell_and_take_it_back() {
    let (console, _) = many_accounts().await;
    let cells =
        vec![CellChange { event_type: "server.stopped".to_owned(), channel: Channel::Slack, to: CellSetting::On }];
    let bob = bellboard::domain::command::Actor { login: "bob".to_owned(), origin: "pts/7".to_owned() };
    console.test.store.run(&bob, Command::SetCells { account: acme(), cells }).await.unwrap();
    let mut person = Person::sits_down(console).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter /").await;
    person.type_text("heart stop slack").await;
    person.press("enter H").await;
    person.sees("by bob on pts/7, 14 Nov 2023 22:13:30 UTC");
    person.sees("default -> on");
    person.press("u").await;
    let view = person.console.test.store.matrix(&acme()).await.unwrap();
    assert!(!view.cell(view.catalogue.get("server.stopped").unwrap(), Channel::Slack).on);
}

#[tokio::test]
async fn failures_are_watched_and_looked_into_without_losing_the_place() {
    let (console, failing) = many_accounts().await;
    let mut person = Person::sits_down(console).await;
    person.press("f /").await;
    person.type_text("account:acme channel:web").await;
    person.press("tab down").await;
    person.sees("2 in the last hour");
    person.sees(&format!("{failing} try 1: answered 500"));
    person.press("enter").await;
    person.sees("try 2: failed 500");
    person.press("q").await;
    person.sees(&format!("{failing} try 1: answered 500"));
    person.sees("standing still");
    let failed = Next::Failed { reason: bellboard::domain::delivery::Reason::new("given up"), gone: false };
    person.console.deliver(failing, 500, failed).await;
    person.console.reload().await;
    let picture = person.console.picture();
    let count = |word: &str| picture.lines().filter(|line| line.contains(word)).count();
    assert_eq!((count("retried"), count("given up")), (2, 1), "the last try alone was the end: {picture}");
}

#[tokio::test]
async fn a_set_up_is_copied_after_a_look_at_what_changes() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter y").await;
    person.type_text("globex").await;
    person.sees("Globex would change: 4 cells, 1 destination");
    person.sees("+ Webhook hooks.acme.test");
    person.sees("Webhook for job failed: default -> on");
    person.press("enter enter").await;
    person.sees("globex has the set-up of acme: 4 cells, 1 destination; u takes that back");
    let same = person.console.test.store.setup_difference(&acme(), &"globex".parse().unwrap()).await.unwrap();
    assert!(same.is_empty(), "{same:?}");
    // What was done last is what is taken back, though it was done to another account than the one on the screen.
    person.press("u").await;
    person.sees("taken back: globex has the set-up of acme");
    person.console.keys("U").await;
    person.sees("done again: globex has the set-up of acme");
    person.console.keys("down u").await;
    assert!(
        !person.console.picture().contains("globex"),
        "later it is about this account: {}",
        person.console.picture()
    );
}

#[tokio::test]
async fn proof_of_a_delivery_is_handed_to_the_customer() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter tab enter y enter").await;
    person.sees("sent to your terminal");
    let proof = person.console.app.take_clipboard().unwrap();
    for part in [
        "2023-11-14T22:13:20.000Z",
        "> POST https://hooks.acme.test/in",
        "< 500",
        "== try 2: failed",
        "SHA-256 of the lines above the empty one (head -n -2 FILE | sha256sum): ",
    ] {
        assert!(proof.contains(part), "{part} is not in\n{proof}");
    }
    let (lines, last) = proof.rsplit_once("\nSHA-256").unwrap();
    assert!(last.contains(&bellboard::console::proof::sha256(lines)), "the hash is that of the lines");
    person.console.keys("y j").await;
    let job = person.console.jobs.recv().await.unwrap();
    person.console.app.job(&job).await;
    let files = std::fs::read_dir(person.console.test.folder.path().join("exports")).unwrap();
    let file = files.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|it| it == "json"));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file.unwrap()).unwrap()).unwrap();
    assert_eq!(json["delivery"]["account"], "acme");
}

#[tokio::test]
async fn a_new_account_gets_the_usual_set_up() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("n").await;
    person.type_text("Umbrella").await;
    person.press("tab tab").await;
    person.type_text("ops@umbrella.test").await;
    person.press("enter").await;
    person.sees("accounts > Umbrella");
    person.sees("umbrella has the set-up of acme");
    let view = person.console.test.store.matrix(&"umbrella".parse().unwrap()).await.unwrap();
    assert!(view.cell(view.catalogue.get("job.fail").unwrap(), Channel::Webhook).on);
}

#[tokio::test]
async fn what_one_customer_missed_since_this_morning_is_sent() {
    let (console, failing) = many_accounts().await;
    let failed = Next::Failed { reason: bellboard::domain::delivery::Reason::new("given up"), gone: false };
    console.deliver(failing, 500, failed).await;
    let mut person = Person::sits_down(console).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter R").await;
    person.sees("1 failed: send again");
    person.press("enter").await;
    person.sees("Send again 1 failed delivery of acme since 14 Nov 2023");
    person.sees("00:00:00 UTC? What the customer got stays there");
    person.press("y").await;
    let replays = person.console.test.store.replays().await.unwrap();
    assert_eq!((replays.len(), replays[0].total), (1, 1), "{}", person.console.picture());
}

#[tokio::test]
async fn one_kind_of_event_is_muted_for_four_hours() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter /").await;
    person.type_text("heart stop webh").await;
    person.press("enter m 4").await;
    person.sees("Webhook for heartbeat stopped is muted until 15 Nov 2023 02:13 UTC");
}

#[tokio::test]
async fn a_capital_sets_up_a_channel_that_has_nothing_yet_as_well() {
    let mut person = Person::sits_down(many_accounts().await.0).await;
    person.press("/").await;
    person.type_text("acme").await;
    person.press("enter s H").await;
    person.sees("HipChat > new");
}
