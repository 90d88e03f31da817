//! Several changes as one: a row of the audit trail stands for all, each of them has its own after it, and all are taken back
//! together.
//!
//! The row that stands for them is written first, since the trail is append-only; when nothing follows, it is rolled back.

use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::command::{Actor, Change, Command, Done};
use crate::domain::id::ChangeId;
use crate::store::commands::{Record, execute, undo};
use crate::store::error::{CommandError, StoreError};
use crate::store::writer::Session;

/// The name of a change that stands for several of a person's choice.
pub(crate) const NAME: &str = "together";

/// The row that stands for all.
pub(crate) struct Leader<'a> {
    pub(crate) account: Option<&'a AccountKey>,
    pub(crate) command: &'static str,
    pub(crate) says: &'a str,
    pub(crate) after: Value,
}

/// Does them all or none. Nothing of it is on the trail when none of them changed anything.
pub(crate) async fn run(
    session: &mut Session,
    actor: &Actor,
    leader: Leader<'_>,
    commands: &[Command],
) -> Result<Done, CommandError> {
    sqlx::query("SAVEPOINT together").execute(&mut session.connection).await?;
    let says = leader.says;
    let record = Record {
        account: leader.account,
        command: leader.command,
        says,
        before: Value::Null,
        after: leader.after,
        sealed: None,
    };
    let stands_for_all = session.record(actor, record).await?;
    let outer = session.trail.leader.replace(stands_for_all);
    let mut all = Done { says: says.to_owned(), ..Done::default() };
    let mut last = String::new();
    for command in commands {
        let done = Box::pin(execute(session, actor, command)).await?;
        all.change = all.change.or(done.change.map(|_| stands_for_all));
        all.destination = all.destination.or(done.destination);
        all.deliveries.extend(done.deliveries);
        last = done.says;
    }
    session.trail.leader = outer;
    if all.change.is_none() {
        sqlx::query("ROLLBACK TO together").execute(&mut session.connection).await?;
        all.says = if commands.len() == 1 { last } else { "nothing had to be changed".to_owned() };
    }
    sqlx::query("RELEASE together").execute(&mut session.connection).await?;
    Ok(all)
}

/// Takes back what a change stands for, the last first, but what was taken back already.
pub(crate) async fn take_back(session: &mut Session, actor: &Actor, change: &Change) -> Result<Done, CommandError> {
    let members = sqlx::query(
        "SELECT audit_id FROM audit_together WHERE leader = ?
         AND NOT EXISTS (SELECT 1 FROM audit AS later WHERE later.undoes = audit_id) ORDER BY audit_id DESC",
    )
    .bind(change.id.number())
    .fetch_all(&mut session.connection)
    .await?;
    if members.is_empty() {
        return Err(CommandError::Refused(format!("there is nothing left to take back of: {}", change.says)));
    }
    let says = format!("taken back: {}", change.says);
    let record = Record {
        account: change.account.as_ref(),
        command: if change.command == NAME { NAME } else { "copy_setup" },
        says: &says,
        before: change.after.clone(),
        after: json!(null),
        sealed: None,
    };
    let stands_for_all = session.record(actor, record).await?;
    let outer = session.trail.leader.replace(stands_for_all);
    for member in members {
        let id = ChangeId::new(member.try_get(0).map_err(StoreError::from)?);
        match Box::pin(undo::undo(session, actor, id)).await {
            // What was made and is gone by now needs no taking back.
            Ok(_) | Err(CommandError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    session.trail.leader = outer;
    Ok(Done { says, change: Some(stands_for_all), ..Done::default() })
}
