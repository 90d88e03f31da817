//! What one account's set-up would change in another, before it is copied.

use crate::domain::account::{Account, AccountKey};
use crate::domain::channel::Channel;
use crate::domain::destination::FieldValues;
use crate::domain::id::{AccountId, DestinationId};
use crate::domain::matrix::{CellSetting, Preferences};
use crate::store::Store;
use crate::store::accounts::read;
use crate::store::commands::matrix::setting;
use crate::store::commands::setup::is_copied;
use crate::store::destinations::{open_fields, read_all, read_one};
use crate::store::error::StoreError;
use crate::store::matrix::{read_catalogue, read_preferences};

/// What a copy of a set-up would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupDifference {
    /// The account that would get it.
    pub account: Account,
    /// Cells that would be set otherwise: event type in short, channel, before, after.
    pub cells: Vec<(String, Channel, CellSetting, CellSetting)>,
    /// Event types of its own that it would get.
    pub types: Vec<String>,
    /// Destinations that it would get: what they speak and what they are called.
    pub destinations: Vec<(Channel, String)>,
}

impl SetupDifference {
    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.types.is_empty() && self.destinations.is_empty()
    }

    /// What would change, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        summary([self.cells.len(), self.types.len(), self.destinations.len()])
    }
}

/// So many cells, event types and destinations, in a few words.
#[must_use]
pub fn summary(counts: [usize; 3]) -> String {
    let counted = |(count, what): (usize, &str)| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        count => Some(format!("{count} {what}s")),
    };
    let parts: Vec<_> = counts.into_iter().zip(["cell", "event type", "destination"]).filter_map(counted).collect();
    if parts.is_empty() { "the same already".to_owned() } else { parts.join(", ") }
}

impl Store {
    /// What copying the set-up of `from` would change in `to`.
    ///
    /// # Errors
    /// When one of them is not there, or the store cannot be read.
    pub async fn setup_difference(&self, from: &AccountKey, to: &AccountKey) -> Result<SetupDifference, StoreError> {
        let mut transaction = self.readers().begin().await?;
        let source = read(&mut transaction, from).await?;
        let account = read(&mut transaction, to).await?;
        let types_of_source = read_catalogue(&mut transaction, source.id).await?;
        let types_of_target = read_catalogue(&mut transaction, account.id).await?;
        let wanted: Preferences = read_preferences(&mut transaction, source.id).await?;
        let present: Preferences = read_preferences(&mut transaction, account.id).await?;
        let is_new = |name: &str| types_of_target.get(name).is_none();
        let new: Vec<_> = types_of_source.types().iter().filter(|kind| is_new(&kind.name)).collect();
        let mut cells = Vec::new();
        for kind in types_of_target.types().iter().chain(new.iter().copied()) {
            for channel in Channel::ALL {
                let before = setting(&present, &kind.name, channel);
                let after = setting(&wanted, &kind.name, channel);
                if before != after {
                    cells.push((kind.short.clone(), channel, before, after));
                }
            }
        }
        let there: Vec<_> = self.addresses(&mut transaction, account.id).await?;
        let all = self.addresses(&mut transaction, source.id).await?;
        let has = |channel: Channel, fields: &FieldValues| there.iter().any(|one| one.0 == channel && one.2 == *fields);
        let destinations = all
            .into_iter()
            .filter(|(channel, _, fields)| is_copied(*channel) && !has(*channel, fields))
            .map(|(channel, label, _)| (channel, label))
            .collect();
        let types = new.iter().map(|kind| kind.name.clone()).collect();
        Ok(SetupDifference { account, cells, types, destinations })
    }

    /// What each destination of an account speaks, is called and has as its fields, with their secrets.
    async fn addresses(
        &self,
        connection: &mut sqlx::SqliteConnection,
        account: AccountId,
    ) -> Result<Vec<(Channel, String, FieldValues)>, StoreError> {
        let ids: Vec<DestinationId> = read_all(connection, account, None).await?.iter().map(|one| one.id).collect();
        let mut all = Vec::new();
        for id in ids {
            let (one, sealed) = read_one(connection, id).await?;
            let fields = open_fields(&one.fields, sealed.as_deref(), &self.inner.sealer, id)?;
            all.push((one.channel, one.label, fields));
        }
        Ok(all)
    }
}
