//! The health of destinations: what results say about them, and the notices that their owners get.
//!
//! A notice is an event of bellboard's own with a delivery like any other. It goes to the owner's email address, unless it is email
//! that fails: then it stands in the log alone. The result of a notice says nothing about health, so none causes another.

use serde_json::json;
use sqlx::Row;

use crate::domain::channel::Channel;
use crate::domain::command::Actor;
use crate::domain::delivery::Reason;
use crate::domain::destination::{Destination, DestinationState, FieldValue};
use crate::domain::health::{Failing, Verdict};
use crate::domain::id::DestinationId;
use crate::domain::own_event::{DISABLED, FAILING, RECOVERED};
use crate::domain::time::{Timestamp, human_duration};
use crate::store::Store;
use crate::store::accounts::read_by_id;
use crate::store::commands;
use crate::store::destinations::{read_all, read_one};
use crate::store::ending::not_ended;
use crate::store::error::{CommandError, StoreError};
use crate::store::queue::Health;
use crate::store::writer::Session;

/// Of what waits when a destination is disabled, how many are looked at to know since when it has missed something.
const LOOKED_AT: u32 = 1000;

/// Who acts when nobody did.
const PROGRAM: &str = "bellboard";

impl Store {
    /// Since when a destination has missed something: since it began to fail, or was disabled, or since what waited then came.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn missing_since(&self, id: DestinationId) -> Result<Option<Timestamp>, StoreError> {
        let since: Option<i64> = sqlx::query_scalar(
            "SELECT CASE WHEN failing_since IS NULL THEN state_at
                         ELSE min(failing_since, coalesce(state_at, failing_since)) END
             FROM destination WHERE id = ? AND (state = 'disabled' OR failing_since IS NOT NULL)",
        )
        .bind(id.number())
        .fetch_optional(self.readers())
        .await?
        .flatten();
        Ok(since.map(Timestamp::from_millis))
    }
}

impl Session {
    /// When the first of those came that wait for a destination and were never tried, of the first ones that wait.
    pub(crate) async fn waiting_since(&mut self, id: DestinationId) -> Result<Option<Timestamp>, StoreError> {
        let since: Option<i64> = sqlx::query_scalar(concat!(
            "SELECT min(created_at) FROM (
                SELECT created_at, attempts FROM delivery INDEXED BY delivery_order
                WHERE state = 'pending' AND destination_id = ? AND ",
            not_ended!(),
            " ORDER BY id LIMIT ?) WHERE attempts = 0",
        ))
        .bind(id.number())
        .bind(LOOKED_AT)
        .fetch_one(&mut self.connection)
        .await?;
        Ok(since.map(Timestamp::from_millis))
    }

    pub(crate) async fn write_health(&mut self, id: DestinationId, health: &Health) -> Result<(), StoreError> {
        match health {
            Health::Recovered => self.recovered(id).await,
            Health::Failing { reason } => self.failed(id, reason).await,
            Health::Disable { reason } => self.disable(id, reason).await,
        }
    }

    async fn recovered(&mut self, id: DestinationId) -> Result<(), StoreError> {
        let told: Option<i64> = sqlx::query_scalar("SELECT failing_told FROM destination WHERE id = ?")
            .bind(id.number())
            .fetch_optional(&mut self.connection)
            .await?;
        sqlx::query(
            "UPDATE destination SET failing_since = NULL, last_failure = NULL, failing_fifths = 0, failing_told = 0
             WHERE id = ?",
        )
        .bind(id.number())
        .execute(&mut self.connection)
        .await?;
        if told.unwrap_or(0) > 0 {
            self.notice(id, RECOVERED, "it takes messages again").await?;
        }
        Ok(())
    }

    async fn failed(&mut self, id: DestinationId, reason: &Reason) -> Result<(), StoreError> {
        let row = sqlx::query("SELECT failing_since, failing_fifths, failing_told FROM destination WHERE id = ?")
            .bind(id.number())
            .fetch_optional(&mut self.connection)
            .await?;
        let Some(row) = row else { return Ok(()) };
        let since: Option<i64> = row.try_get(0)?;
        let mut failing = Failing::first(self.now);
        let mut verdict = Verdict::Note;
        if let Some(since) = since {
            failing = Failing { since: Timestamp::from_millis(since), fifths: row.try_get(1)?, told: row.try_get(2)? };
            verdict = failing.again(self.failing_max, self.now);
        }
        if verdict == Verdict::Disable {
            let lasted = human_duration(self.now.since(failing.since));
            return self.disable(id, &Reason::new(format!("it only failed for {lasted}, last: {reason}"))).await;
        }
        sqlx::query(
            "UPDATE destination SET failing_since = ?2, last_failure = ?3, failing_fifths = ?4, failing_told = ?5
             WHERE id = ?1",
        )
        .bind(id.number())
        .bind(failing.since.millis())
        .bind(reason.as_str())
        .bind(failing.fifths)
        .bind(failing.told)
        .execute(&mut self.connection)
        .await?;
        if verdict == Verdict::Warn {
            self.notice(id, FAILING, reason.as_str()).await?;
        }
        Ok(())
    }

    async fn disable(&mut self, id: DestinationId, reason: &Reason) -> Result<(), StoreError> {
        let actor = Actor { login: PROGRAM.to_owned(), origin: "dispatcher".to_owned() };
        let state = DestinationState::Disabled;
        let done = commands::destinations::set_state(self, &actor, id, state, Some(reason.as_str())).await;
        self.setups.clear();
        match done {
            Ok(done) if done.change.is_some() => self.notice(id, DISABLED, reason.as_str()).await,
            // One that was removed or disabled in the meantime needs no disabling.
            Ok(_) | Err(CommandError::Store(StoreError::NotFound(_))) => Ok(()),
            Err(CommandError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, destination = %id, "cannot disable");
                Ok(())
            }
        }
    }

    /// Tells the owner about a destination.
    async fn notice(&mut self, id: DestinationId, kind: &str, reason: &str) -> Result<(), StoreError> {
        let (destination, _) = match read_one(&mut self.connection, id).await {
            Ok(found) => found,
            Err(StoreError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let to = self.owners_address(&destination).await?;
        let since = destination.failing_since.map(|since| since.to_string());
        let data = json!({
            "channel": destination.channel.title(),
            "destination": destination.label,
            "reason": reason,
            "failing_since": since,
        });
        let account = destination.account.number();
        self.accept_own(account, kind, &data.to_string(), to, self.now).await?;
        Ok(())
    }

    /// The email destination that a notice about another goes to: the owner's, else the first that works. None for one about
    /// email itself.
    async fn owners_address(&mut self, about: &Destination) -> Result<Option<DestinationId>, StoreError> {
        if about.channel == Channel::Email {
            return Ok(None);
        }
        let account = read_by_id(&mut self.connection, about.account).await?;
        let all = read_all(&mut self.connection, account.id, Some(Channel::Email)).await?;
        let works = |one: &&Destination| one.state == DestinationState::Enabled && one.failing_since.is_none();
        let is_owners = |one: &&Destination| {
            let address = one.fields.get("address").map(FieldValue::expose);
            address.is_some_and(|address| address.eq_ignore_ascii_case(&account.profile.owner_email))
        };
        let owners = all.iter().filter(works).find(is_owners).or_else(|| all.iter().find(works));
        Ok(owners.map(|one| one.id))
    }
}
