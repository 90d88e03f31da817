//! Changes of deliveries: tests, replays, cancellations.

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, Done};
use crate::domain::destination::DestinationState;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::matrix::{FanOut, NotSent};
use crate::domain::sample::{SAMPLE_DOWN_FOR, sample_payload};
use crate::store::accept::Tester;
use crate::store::accounts::read_by_id;
use crate::store::commands::Record;
use crate::store::commands::matrix::unknown_type;
use crate::store::destinations::read_one;
use crate::store::ending::{are_ending, not_ended};
use crate::store::error::{CommandError, StoreError};
use crate::store::events::account_key;
use crate::store::matrix::read_catalogue;
use crate::store::queue::{NewWork, Waiting};
use crate::store::writer::Session;

/// The type of a test when none is named: every receiver is made for it.
const TEST_TYPE: &str = "server.stopped";

/// Said when nothing can be sent again, perhaps only for the moment.
const STILL_ENDING: &str = "nothing of this can be sent again now; what waited for a destination is still being cancelled, so try again in a minute";

pub(crate) async fn test(
    session: &mut Session,
    actor: &Actor,
    id: DestinationId,
    event_type: Option<&str>,
) -> Result<Done, CommandError> {
    let (destination, _) = read_one(&mut session.connection, id).await?;
    let account = read_by_id(&mut session.connection, destination.account).await?;
    if destination.state == DestinationState::Disabled {
        return Err(CommandError::Refused(format!("{} is disabled; enable it before you test it", destination.label)));
    }
    let catalogue = read_catalogue(&mut session.connection, account.id).await?;
    let name = event_type.unwrap_or(TEST_TYPE);
    let event_type = catalogue.get(name).ok_or_else(|| unknown_type(&catalogue, &account.key, name))?;
    let others = Channel::ALL.into_iter().filter(|channel| *channel != destination.channel);
    let to = FanOut { to: vec![id], not_sent: others.map(|channel| (channel, NotSent::OnlyATest)).collect() };
    let data = sample_payload(&event_type.name, session.now);
    let down_since = event_type.recovers.as_ref().map(|_| session.now.minus(SAMPLE_DOWN_FOR));
    let tester = Tester { login: &actor.login, down_since };
    let deliveries = session.accept_test(account.id.number(), &event_type.name, data.as_str(), tester, &to).await?;
    let says = format!("a test is on its way to {}", destination.label);
    let record = Record {
        account: Some(&account.key),
        command: "test_destination",
        says: &says,
        before: Value::Null,
        after: json!({"id": id, "event_type": event_type.name, "deliveries": deliveries}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), destination: Some(id), deliveries, ..Done::default() })
}

pub(crate) async fn replay(
    session: &mut Session,
    actor: &Actor,
    deliveries: &[DeliveryId],
) -> Result<Done, CommandError> {
    let moved: Vec<_> = resend(session, deliveries).await?.into_iter().map(|(_, waiting)| waiting.delivery).collect();
    if moved.is_empty() {
        if are_ending(&mut session.connection).await? {
            return Err(CommandError::Refused(STILL_ENDING.to_owned()));
        }
        return Err(nothing_moved(
            deliveries,
            "have ended, to a destination that is enabled or paused, can be sent again",
        ));
    }
    let says = match (moved.as_slice(), deliveries.len() - moved.len()) {
        ([one], 0) => format!("{one} is sent again"),
        (all, 0) => format!("{} deliveries are sent again", all.len()),
        (all, left) => format!("{} deliveries are sent again; {left} were passed over", all.len()),
    };
    finish(session, actor, "replay", says, moved).await
}

/// Makes deliveries that have ended pending again, as far as there is somewhere to send them; returns which, in order.
pub(crate) async fn resend(session: &mut Session, deliveries: &[DeliveryId]) -> Result<Vec<NewWork>, StoreError> {
    let rows = sqlx::query(concat!(
        "UPDATE delivery SET state = 'pending', attempts_base = attempts, due_at = ?2, due_since = ?2, updated_at = ?2,
                reason = NULL, status = NULL, duration_ms = NULL, folded_into = NULL
         WHERE id IN (SELECT value FROM json_each(?1)) AND state NOT IN ('pending', 'sending')
           AND EXISTS (SELECT 1 FROM destination WHERE destination.id = delivery.destination_id
                       AND destination.removed_at IS NULL AND destination.state <> 'disabled')
           AND EXISTS (SELECT 1 FROM event JOIN account ON account.id = event.account_id
                       WHERE event.id = delivery.event_id AND account.removed_at IS NULL) AND ",
        not_ended!(),
        " RETURNING destination_id, id",
    ))
    .bind(ids(deliveries))
    .bind(session.now.millis())
    .fetch_all(&mut session.connection)
    .await?;
    let mut moved = rows
        .iter()
        .map(|row| {
            let waiting = Waiting { delivery: DeliveryId::new(row.try_get(1)?), due_at: session.now };
            Ok((DestinationId::new(row.try_get(0)?), waiting))
        })
        .collect::<Result<Vec<NewWork>, StoreError>>()?;
    moved.sort_unstable_by_key(|(_, waiting)| waiting.delivery);
    Ok(moved)
}

pub(crate) async fn cancel(
    session: &mut Session,
    actor: &Actor,
    deliveries: &[DeliveryId],
) -> Result<Done, CommandError> {
    let rows = sqlx::query(concat!(
        "UPDATE delivery SET state = 'cancelled', due_at = NULL, updated_at = ?2, reason = ?3
         WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'pending' AND ",
        not_ended!(),
        " RETURNING id",
    ))
    .bind(ids(deliveries))
    .bind(session.now.millis())
    .bind(format!("cancelled by {}", actor.login))
    .fetch_all(&mut session.connection)
    .await?;
    let moved = moved(&rows)?;
    if moved.is_empty() {
        return Err(nothing_moved(deliveries, "wait can be cancelled"));
    }
    let says = match (moved.as_slice(), deliveries.len() - moved.len()) {
        ([one], 0) => format!("{one} is cancelled"),
        (all, 0) => format!("{} deliveries are cancelled", all.len()),
        (all, left) => format!("{} deliveries are cancelled; {left} were passed over", all.len()),
    };
    finish(session, actor, "cancel", says, moved).await
}

async fn finish(
    session: &mut Session,
    actor: &Actor,
    command: &'static str,
    says: String,
    moved: Vec<DeliveryId>,
) -> Result<Done, CommandError> {
    let account = account_of(session, moved[0]).await?;
    let record = Record {
        account: Some(&account),
        command,
        says: &says,
        before: Value::Null,
        after: json!({"deliveries": moved}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), deliveries: moved, ..Done::default() })
}

async fn account_of(session: &mut Session, delivery: DeliveryId) -> Result<AccountKey, StoreError> {
    let row = sqlx::query(
        "SELECT account.key FROM delivery JOIN event ON event.id = delivery.event_id
         JOIN account ON account.id = event.account_id AND account.removed_at IS NULL WHERE delivery.id = ?",
    )
    .bind(delivery.number())
    .fetch_one(&mut session.connection)
    .await?;
    account_key(row.try_get(0)?)
}

fn ids(deliveries: &[DeliveryId]) -> String {
    Value::from(deliveries.iter().map(|id| id.number()).collect::<Vec<_>>()).to_string()
}

fn moved(rows: &[sqlx::sqlite::SqliteRow]) -> Result<Vec<DeliveryId>, StoreError> {
    let mut moved =
        rows.iter().map(|row| Ok(DeliveryId::new(row.try_get(0)?))).collect::<Result<Vec<_>, StoreError>>()?;
    moved.sort_unstable();
    Ok(moved)
}

fn nothing_moved(deliveries: &[DeliveryId], only: &str) -> CommandError {
    match deliveries {
        [] => CommandError::Invalid("no delivery was named".to_owned()),
        [one] => {
            CommandError::Refused(format!("only deliveries that {only}; look at `bellboard deliveries show {one}`"))
        }
        _ => CommandError::Refused(format!("only deliveries that {only}; none of these does")),
    }
}
