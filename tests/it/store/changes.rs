//! What people change, and how they take it back.

use std::sync::Arc;

use bellboard::domain::account::{AccountKey, AccountStatus, Profile};
use bellboard::domain::catalogue::{EventType, Severity};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Actor, CellChange, Command, DestinationForm};
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::{DestinationState, FieldValue, FieldValues};
use bellboard::domain::matrix::{CellMark, CellSetting};
use bellboard::store::accounts::{AccountFilter, AccountOrder};
use bellboard::store::audit::ChangeFilter;
use bellboard::store::error::CommandError;

use crate::support::{TestStore, acme, actor, other, profile};

async fn mark(test: &TestStore, event_type: &str, channel: Channel) -> CellMark {
    let matrix = test.store.matrix(&acme()).await.unwrap();
    matrix.cell(matrix.catalogue.get(event_type).unwrap(), channel).mark
}

#[tokio::test]
async fn a_new_account_has_its_owners_address() {
    let test = TestStore::acme().await;
    let destinations = test.store.destinations(&acme(), None).await.unwrap();
    assert_eq!(destinations.len(), 1);
    assert_eq!((destinations[0].channel, destinations[0].label.as_str()), (Channel::Email, "ops@acme.test"));
    assert_eq!(mark(&test, "server.stopped", Channel::Email).await, CellMark::On);
    assert_eq!(mark(&test, "account.suspended", Channel::Email).await, CellMark::Off);
    assert_eq!(mark(&test, "server.stopped", Channel::Slack).await, CellMark::Off);
}

#[tokio::test]
async fn accounts_are_found_by_their_letters_and_troubles() {
    let test = TestStore::acme().await;
    for name in ["Zebra 100%", "Acorn", "Lac Me"] {
        let profile = Profile::new(name, "a@b.test", "UTC", AccountStatus::Active).unwrap();
        let key = bellboard::domain::account::AccountKey::suggest(name).unwrap();
        test.run(Command::AddAccount { key, profile }).await.unwrap();
    }
    let find = async |text: &str, trouble_only: bool| -> Vec<String> {
        let filter = AccountFilter { text: text.to_owned(), trouble_only, ..AccountFilter::default() };
        let rows = test.store.accounts(&filter).await.unwrap();
        rows.iter().map(|row| row.account.profile.name.clone()).collect()
    };
    assert_eq!(find("", false).await, ["Acme Ltd", "Acorn", "Lac Me", "Zebra 100%"]);
    assert_eq!(find("acm", false).await, ["Acme Ltd", "Lac Me"]);
    assert_eq!(find("0%", false).await, ["Zebra 100%"]);
    assert!(find("", true).await.is_empty());
    let webhook = test.webhook().await;
    let disable = Command::SetDestinationState { id: webhook, state: DestinationState::Disabled };
    test.run(disable).await.unwrap();
    assert_eq!(find("", true).await, ["Acme Ltd"]);
    let row = test.store.accounts(&AccountFilter::default()).await.unwrap().remove(0);
    assert_eq!((row.failing, row.disabled, row.waiting), (0, 1, 0));
}

#[tokio::test]
async fn accounts_are_sorted_by_name_by_trouble_and_by_their_last_event() {
    let test = TestStore::acme().await;
    for (name, bad) in [("Beta", 1), ("Calm", 0), ("Delta", 2)] {
        let key: AccountKey = name.to_lowercase().parse().unwrap();
        let profile = Profile::new(name, "a@b.test", "UTC", AccountStatus::Active).unwrap();
        test.run(Command::AddAccount { key: key.clone(), profile }).await.unwrap();
        for number in 0..bad {
            let fields =
                FieldValues::from([("url".to_owned(), FieldValue::Plain(format!("https://{name}{number}.test/")))]);
            let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
            let add = Command::AddDestination { account: key.clone(), channel: Channel::Webhook, form };
            let id = test.run(add).await.unwrap().destination.unwrap();
            test.run(Command::SetDestinationState { id, state: DestinationState::Disabled }).await.unwrap();
        }
    }
    test.emit("job.fail", "{}").await;
    let sorted = async |order, text: &str, limit| -> Vec<String> {
        let filter = AccountFilter { order, text: text.to_owned(), limit, ..AccountFilter::default() };
        let rows = test.store.accounts(&filter).await.unwrap();
        rows.iter().map(|row| row.account.key.to_string()).collect()
    };
    assert_eq!(sorted(AccountOrder::Name, "", 9).await, ["acme", "beta", "calm", "delta"]);
    assert_eq!(sorted(AccountOrder::Trouble, "", 9).await, ["delta", "beta", "acme", "calm"]);
    assert_eq!(sorted(AccountOrder::Trouble, "", 3).await, ["delta", "beta", "acme"]);
    assert_eq!(sorted(AccountOrder::Trouble, "e", 9).await, ["delta", "beta", "acme"]);
    assert_eq!(sorted(AccountOrder::Recent, "", 9).await, ["acme", "beta", "calm", "delta"]);
    assert_eq!(sorted(AccountOrder::Recent, "", 1).await, ["acme"]);
}

#[tokio::test]
async fn cells_are_set_together_and_taken_back_together() {
    let test = TestStore::acme().await;
    let cell = |event_type: &str, to| CellChange { event_type: event_type.to_owned(), channel: Channel::Slack, to };
    let cells = vec![cell("job.fail", CellSetting::On), cell("job.backon", CellSetting::On)];
    let done = test.run(Command::SetCells { account: acme(), cells: cells.clone() }).await.unwrap();
    assert_eq!(mark(&test, "job.fail", Channel::Slack).await, CellMark::Nowhere);
    let again = test.run(Command::SetCells { account: acme(), cells }).await.unwrap();
    assert_eq!(again.change, None, "nothing changed, so nothing is on the trail");
    let last = test.store.last_undoable(&actor(), Some(&acme())).await.unwrap().unwrap();
    assert_eq!(Some(last.id), done.change);
    test.run(Command::Undo { change: last.id }).await.unwrap();
    assert_eq!(mark(&test, "job.fail", Channel::Slack).await, CellMark::Off);
    assert!(matches!(test.run(Command::Undo { change: last.id }).await, Err(CommandError::Refused(_))), "once only");
    let left = test.store.last_undoable(&actor(), Some(&acme())).await.unwrap().unwrap();
    assert_eq!(left.command, "add_account", "nothing but the account itself");
    let unknown = Command::SetCells { account: acme(), cells: vec![cell("no.such", CellSetting::On)] };
    assert!(matches!(test.run(unknown).await, Err(CommandError::NotFound(_))));
}

#[tokio::test]
async fn a_cell_back_at_its_default_is_no_preference() {
    let test = TestStore::acme().await;
    let cell = async || {
        let matrix = test.store.matrix(&acme()).await.unwrap();
        let cell = matrix.cell(matrix.catalogue.get("job.fail").unwrap(), Channel::Email);
        (cell.on, cell.changed.map(|preference| preference.by))
    };
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    assert_eq!(cell().await, (false, Some("jane".to_owned())));
    test.set("job.fail", Channel::Email, CellSetting::On).await;
    assert_eq!(cell().await, (true, None));
}

#[tokio::test]
async fn an_accounts_own_event_types_come_and_go() {
    let test = TestStore::acme().await;
    let add = |name: &str| Command::AddEventType {
        account: acme(),
        name: name.to_owned(),
        title: "Disk full".to_owned(),
        group: "servers".to_owned(),
        severity: Severity::Failure,
        recovers: None,
    };
    test.run(add("disk.full")).await.unwrap();
    assert!(matches!(test.run(add("disk.full")).await, Err(CommandError::Refused(_))));
    assert!(matches!(test.run(add("Disk Full")).await, Err(CommandError::Invalid(_))));
    assert_eq!(mark(&test, "disk.full", Channel::Email).await, CellMark::On);
    let remove = |name: &str| Command::RemoveEventType { account: acme(), name: name.to_owned() };
    assert!(matches!(test.run(remove("server.stopped")).await, Err(CommandError::Refused(_))));
    let removed = test.run(remove("disk.full")).await.unwrap();
    assert!(test.store.catalogue(&acme()).await.unwrap().get("disk.full").is_none());
    test.run(Command::Undo { change: removed.change.unwrap() }).await.unwrap();
    assert!(test.store.catalogue(&acme()).await.unwrap().get("disk.full").is_some());
}

#[tokio::test]
async fn secrets_are_sealed_kept_and_restored() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let secret = async || test.store.lane(id).await.unwrap().unwrap().fields["secret"].expose().to_owned();
    let first = secret().await;
    assert!(first.starts_with("whsec_"));
    let form = |url: &str, secret: Option<&str>| {
        let mut fields = FieldValues::from([("url".to_owned(), FieldValue::Plain(url.to_owned()))]);
        if let Some(secret) = secret {
            let secret = bellboard::domain::secret::Secret::new(secret);
            fields.insert("secret".to_owned(), FieldValue::Secret(secret));
        }
        DestinationForm { label: "Hooks".to_owned(), only: vec!["jobs".to_owned()], fields }
    };
    test.run(Command::EditDestination { id, form: form("https://other.acme.test/", None), over: None }).await.unwrap();
    assert_eq!(secret().await, first, "a secret that is left out stays");
    let second = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let edit = Command::EditDestination { id, form: form("https://other.acme.test/", Some(second)), over: None };
    let edited = test.run(edit).await.unwrap();
    assert_eq!(secret().await, second);
    test.run(Command::Undo { change: edited.change.unwrap() }).await.unwrap();
    assert_eq!(secret().await, first, "taking the change back brings the old secret back");
    let shown = test.store.destination(id).await.unwrap().1;
    assert_eq!(serde_json::to_value(&shown).unwrap()["fields"]["secret"], "••••");
    let trail = serde_json::to_string(&test.store.changes(&ChangeFilter::default()).await.unwrap()).unwrap();
    let key = |secret: &str| secret.trim_start_matches("whsec_").to_owned();
    assert!(!trail.contains(&key(&first)) && !trail.contains(&key(second)), "{trail}");
    test.store.clone().close().await;
    for file in std::fs::read_dir(test.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [&key(&first), &key(second)] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "a secret lies open");
        }
    }
}

#[tokio::test]
async fn a_destination_that_cannot_be_parsed_is_refused_by_field() {
    let test = TestStore::acme().await;
    let form = DestinationForm {
        label: String::new(),
        only: Vec::new(),
        fields: FieldValues::from([("url".to_owned(), FieldValue::Plain("ftp://x".to_owned()))]),
    };
    let refused = test.run(Command::AddDestination { account: acme(), channel: Channel::Webhook, form }).await;
    let Err(CommandError::Fields(errors)) = refused else { panic!("{refused:?}") };
    assert!(errors.iter().any(|error| error.field == "url"), "{errors:?}");
}

#[tokio::test]
async fn disabling_or_removing_ends_what_waits() {
    let test = TestStore::acme().await;
    let email = test.store.destinations(&acme(), Some(Channel::Email)).await.unwrap().remove(0).id;
    let accepted = test.emit("job.fail", "{}").await;
    let delivery = accepted.deliveries[0].0;
    test.run(Command::SetDestinationState { id: email, state: DestinationState::Paused }).await.unwrap();
    assert_eq!(test.store.delivery(delivery).await.unwrap().delivery.state, DeliveryState::Pending, "pause holds");
    let done = test.run(Command::SetDestinationState { id: email, state: DestinationState::Disabled }).await.unwrap();
    assert!(done.says.contains("cancelled"), "{}", done.says);
    let row = test.store.delivery(delivery).await.unwrap().delivery;
    assert_eq!((row.state, row.next_attempt_at), (DeliveryState::Cancelled, None));
    let why = test.store.why(&test.emit("job.fail", "{}").await.id).await.unwrap();
    assert!(why.channels[1].reason.contains("disabled by jane"), "{}", why.channels[1].reason);
    let replay = Command::Replay { deliveries: vec![delivery] };
    assert!(matches!(test.run(replay.clone()).await, Err(CommandError::Refused(_))), "not to a disabled one");
    test.run(Command::SetDestinationState { id: email, state: DestinationState::Enabled }).await.unwrap();
    test.run(replay).await.unwrap();
    test.run(Command::RemoveDestination { id: email }).await.unwrap();
    let row = test.store.delivery(delivery).await.unwrap().delivery;
    assert_eq!(row.reason.as_deref(), Some("the destination was removed"));
    assert!(test.store.destination(email).await.is_err());
}

#[tokio::test]
async fn a_test_goes_to_one_destination_and_says_that_it_is_one() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let done = test.run(Command::TestDestination { id, event_type: None }).await.unwrap();
    let detail = test.store.delivery(done.deliveries[0]).await.unwrap();
    assert!(detail.event.test);
    let why = test.store.why(&detail.event.id).await.unwrap();
    assert_eq!(why.channels.iter().filter(|row| !row.deliveries.is_empty()).count(), 1);
}

#[tokio::test]
async fn a_copied_setup_is_taken_back_and_done_again_as_one() {
    let test = TestStore::acme().await;
    let webhook = test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    let own = |account: &AccountKey| Command::AddEventType {
        account: account.clone(),
        name: "disk.full".to_owned(),
        title: "Disk full".to_owned(),
        group: "servers".to_owned(),
        severity: Severity::Failure,
        recovers: None,
    };
    test.run(own(&acme())).await.unwrap();
    test.set("disk.full", Channel::Webhook, CellSetting::On).await;
    let beta = other();
    test.run(Command::AddAccount { key: beta.clone(), profile: profile() }).await.unwrap();
    let cells = vec![CellChange { event_type: "app.auth".to_owned(), channel: Channel::Slack, to: CellSetting::On }];
    test.run(Command::SetCells { account: beta.clone(), cells }).await.unwrap();
    let shown = async || {
        let view = test.store.matrix(&beta).await.unwrap();
        let row = |kind: &Arc<EventType>| (kind.name.clone(), Channel::ALL.map(|channel| view.cell(kind, channel).on));
        let rows: Vec<_> = view.catalogue.types().iter().map(row).collect();
        (rows, view.destinations.iter().map(|one| one.label.clone()).collect::<Vec<_>>())
    };
    let before = shown().await;
    let done = test.run(Command::CopySetup { from: acme(), to: beta.clone() }).await.unwrap();
    let last = test.store.last_undoable(&actor(), Some(&beta)).await.unwrap().unwrap();
    assert_eq!(Some(last.id), done.change, "the whole copy, not its last part");
    let same = async || test.store.setup_difference(&acme(), &beta).await.unwrap().is_empty();
    assert!(same().await);
    let secret = async |id| test.store.lane(id).await.unwrap().map(|lane| lane.fields["secret"].expose().to_owned());
    let copy = test.store.destinations(&beta, Some(Channel::Webhook)).await.unwrap()[0].id;
    assert_eq!(secret(copy).await, secret(webhook).await);
    let undone = test.run(Command::Undo { change: last.id }).await.unwrap();
    assert_eq!(shown().await, before, "cells, types and destinations are as they were");
    assert_eq!(secret(copy).await, None);
    let redo = test.store.last_redoable(&actor(), Some(&beta)).await.unwrap().unwrap();
    assert_eq!(Some(redo.change), undone.change);
    test.run(Command::Undo { change: redo.change }).await.unwrap();
    assert!(same().await);
    assert_eq!(secret(copy).await, secret(webhook).await, "the same destination, with its secret");
    let again = test.run(Command::CopySetup { from: acme(), to: beta.clone() }).await.unwrap();
    assert_eq!(again.change, None, "{}", again.says);
}

#[tokio::test]
async fn a_copy_that_somebody_else_changed_since_is_not_taken_back() {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.run(Command::AddAccount { key: other(), profile: profile() }).await.unwrap();
    let copied = test.run(Command::CopySetup { from: acme(), to: other() }).await.unwrap().change.unwrap();
    let cells = vec![CellChange { event_type: "job.fail".to_owned(), channel: Channel::Webhook, to: CellSetting::Off }];
    let bob = Actor { login: "bob".to_owned(), origin: "pts/7".to_owned() };
    test.store.run(&bob, Command::SetCells { account: other(), cells }).await.unwrap();
    let refused = test.run(Command::Undo { change: copied }).await;
    assert!(matches!(&refused, Err(CommandError::Refused(why)) if why.contains("bob changed it since")), "{refused:?}");
    let all = test.store.destinations(&other(), Some(Channel::Webhook)).await.unwrap();
    assert_eq!(all.len(), 1, "none of it was taken back");
}

#[tokio::test]
async fn a_new_account_is_taken_back_until_something_came_to_it() {
    let test = TestStore::acme().await;
    let last = async || test.store.last_undoable(&actor(), None).await.unwrap().map(|change| change.id);
    let added = last().await.unwrap();
    test.run(Command::Undo { change: added }).await.unwrap();
    assert!(test.store.account(&acme()).await.is_err());
    let redo = test.store.last_redoable(&actor(), None).await.unwrap().unwrap();
    test.run(Command::Undo { change: redo.change }).await.unwrap();
    assert_eq!(test.store.destinations(&acme(), None).await.unwrap().len(), 1, "with its owner's address");
    assert!(last().await.is_some());
    test.emit("job.fail", "{}").await;
    assert_eq!(last().await, None, "its events would go with it");
}

#[tokio::test]
async fn a_removed_destination_comes_back_with_its_secret() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let secret = async || test.store.lane(id).await.unwrap().map(|lane| lane.fields["secret"].expose().to_owned());
    let before = secret().await;
    let removed = test.run(Command::RemoveDestination { id }).await.unwrap().change.unwrap();
    assert_eq!(secret().await, None);
    test.run(Command::Undo { change: removed }).await.unwrap();
    assert_eq!(secret().await, before);
}

#[tokio::test]
async fn a_setup_is_copied_and_an_account_removed_whole() {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.emit("job.fail", "{}").await;
    let beta: bellboard::domain::account::AccountKey = "beta".parse().unwrap();
    let profile = Profile::new("Beta", "b@beta.test", "UTC", AccountStatus::Active).unwrap();
    test.run(Command::AddAccount { key: beta.clone(), profile }).await.unwrap();
    test.run(Command::CopySetup { from: acme(), to: beta.clone() }).await.unwrap();
    let matrix = test.store.matrix(&beta).await.unwrap();
    let cell = matrix.cell(matrix.catalogue.get("job.fail").unwrap(), Channel::Webhook);
    assert_eq!(cell.mark, CellMark::On);
    test.run(Command::CopySetup { from: acme(), to: beta.clone() }).await.unwrap();
    assert_eq!(test.store.destinations(&beta, None).await.unwrap().len(), 2, "copied once");
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
    assert!(test.store.account(&acme()).await.is_err());
    assert!(test.store.live(None, 10).await.unwrap().is_empty());
    assert!(!test.store.changes(&ChangeFilter::default()).await.unwrap().is_empty(), "the trail stays");
}

#[tokio::test]
async fn a_change_of_an_account_that_was_removed_does_nothing_to_the_next_of_that_key() {
    let test = TestStore::acme().await;
    let own = |name: &str| Command::AddEventType {
        account: acme(),
        name: name.to_owned(),
        title: name.to_owned(),
        group: "own".to_owned(),
        severity: bellboard::domain::catalogue::Severity::Info,
        recovers: None,
    };
    test.run(own("own.first")).await.unwrap();
    let removed = test.run(Command::RemoveEventType { account: acme(), name: "own.first".to_owned() }).await.unwrap();
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
    test.run(Command::AddAccount { key: acme(), profile: profile() }).await.unwrap();
    let refused = test.run(Command::Undo { change: removed.change.unwrap() }).await.unwrap_err().to_string();
    assert!(refused.contains("an account that was removed since"), "{refused}");
    let added = test.run(own("own.second")).await.unwrap();
    test.run(Command::Undo { change: added.change.unwrap() }).await.unwrap();
}
