//! What cannot be sent as it is: parked after a few tries with the reason, and listed, while everything else flows.

use bellboard::domain::delivery::DeliveryState;
use bellboard::store::deliveries::DeliveryFilter;

use crate::dispatch::Rig;
use crate::receiver::Receiver;

#[tokio::test]
async fn what_goes_to_a_destination_that_cannot_be_read_is_parked_and_the_others_get_theirs() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let second = rig.test.webhook_at(&receiver.url).await;
    rig.test.damage(&format!("UPDATE destination SET only_types = '{{}}' WHERE id = {}", second.number())).await;
    let accepted = rig.test.emit("job.fail", r#"{"name":"backup"}"#).await;
    rig.engine.until_idle().await;
    let of = |id| accepted.deliveries.iter().find(|(_, to)| *to == id).unwrap().0;
    let (good, bad) = (of(rig.webhook), of(second));
    assert_eq!(rig.state(good).await, DeliveryState::Delivered);
    // Three more tries, as for a receiver that will hardly change.
    for seconds in [6, 400, 3000] {
        rig.after(seconds).await;
    }
    rig.test.damage("UPDATE destination SET only_types = '[]'").await;
    let parked = DeliveryFilter { state: Some(DeliveryState::Parked), ..DeliveryFilter::default() };
    let listed = rig.test.store.deliveries(&parked).await.unwrap();
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [bad]);
    assert_eq!(listed[0].attempts, 4);
    let reason = listed[0].reason.as_deref().unwrap_or_default();
    assert!(reason.starts_with("the destination's settings cannot be used: "), "{reason}");
    let healthy = rig.test.store.destination(second).await.unwrap().1;
    assert!(healthy.failing_since.is_none(), "it is no fault of the receiver's");
    assert_eq!(receiver.received().len(), 1);
}
