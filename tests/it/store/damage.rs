//! Rows that cannot be read: parked with the reason, while others flow.

use std::time::Duration;

use crate::support::{TestStore, acme, event, other, profile};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::event::NewEvent;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::error::AcceptError;

#[tokio::test]
async fn a_row_that_cannot_be_read_is_parked_and_the_others_are_sent() {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(test.emit("job.fail", "{}").await.deliveries[0].0);
    }
    test.damage("UPDATE event SET public_id = x'0102' WHERE id = 1").await;
    test.damage("UPDATE delivery SET event_id = 999 WHERE id = 3").await;
    let ends = test.clock_now().plus(Duration::from_secs(30));
    let claimed = test.store.claim(all.clone(), ends).await.unwrap();
    let got: Vec<_> = claimed.iter().map(|claimed| claimed.message.delivery).collect();
    assert_eq!(got, [all[1], all[3]]);
    assert!(test.store.claim(vec![all[0], all[2]], ends).await.unwrap().is_empty(), "nothing cycles");
    let parked = DeliveryFilter { state: Some(DeliveryState::Parked), ..DeliveryFilter::default() };
    test.damage("UPDATE event SET public_id = randomblob(16) WHERE id = 1").await;
    let rows = test.store.deliveries(&parked).await.unwrap();
    assert_eq!(rows.len(), 1, "the other one has no event to show");
    assert!(rows[0].reason.as_deref().unwrap_or_default().contains("cannot be read"), "{rows:?}");
}

#[tokio::test]
async fn an_account_that_cannot_be_read_refuses_its_own_events_only() {
    for damage in [
        "UPDATE preference SET channel = 'fax'",
        "UPDATE mute SET channel = 'fax'",
        "UPDATE event_type SET severity = 'odd'",
        "UPDATE destination SET channel = 'fax' WHERE account_id = 1",
    ] {
        let test = TestStore::acme().await;
        test.run(Command::AddAccount { key: other(), profile: profile() }).await.unwrap();
        test.set("job.fail", Channel::Webhook, CellSetting::On).await;
        test.damage("INSERT INTO mute VALUES (1, 'app.auth', 'email', 1, 'jane', '')").await;
        test.damage("INSERT INTO event_type VALUES (1, 'own', 'Own', 'own', 'info', NULL)").await;
        test.damage(damage).await;
        let of_other = NewEvent { account: other(), ..event("job.fail", "{}", None) };
        let both = vec![event("job.fail", "{}", None), of_other.clone()];
        let answers = test.store.accept(both).await.unwrap();
        assert!(
            matches!(&answers[0], Err(AcceptError::Damaged { account, .. }) if account == acme().as_str()),
            "{answers:?}"
        );
        assert!(answers[1].is_ok(), "{damage}: {answers:?}");
        let again = test.store.accept(vec![of_other]).await.unwrap();
        assert!(again[0].is_ok());
    }
}

#[tokio::test]
async fn what_was_repaired_is_taken_again() {
    let test = TestStore::acme().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.damage("UPDATE preference SET channel = 'fax'").await;
    assert!(test.store.accept(vec![event("job.fail", "{}", None)]).await.unwrap()[0].is_err());
    test.damage("UPDATE preference SET channel = 'slack'").await;
    assert!(test.store.accept(vec![event("job.fail", "{}", None)]).await.unwrap()[0].is_ok());
}
