//! What a person's next undo and redo would do.
//!
//! Taking a change back is a change of its own, and so is taking that back. A change that was done, or done again, can be
//! undone; one that took another back can be redone, until the same person changes something else there.

use std::collections::HashMap;

use sqlx::Row;

use crate::domain::account::AccountKey;
use crate::domain::command::{Actor, Change};
use crate::domain::id::ChangeId;
use crate::domain::time::Timestamp;
use crate::store::audit::change;
use crate::store::error::StoreError;
use crate::store::{Store, commands};

/// Changes of one person that are looked at, from the newest on.
const LOOKED_AT_MAX: u32 = 200;

/// A change that took another back, and can be taken back itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redo {
    /// The change that took the other back.
    pub change: ChangeId,
    /// What the other one did, as a sentence.
    pub says: String,
    /// When it was taken back.
    pub at: Timestamp,
}

/// A change of the person's own.
struct Own {
    change: Change,
    /// 0 did something, 1 took that back, 2 did it again, and so on.
    level: u32,
    is_undone: bool,
}

impl Store {
    /// The newest change by this login, in that account or anywhere, that can be taken back and was not yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_undoable(
        &self,
        actor: &Actor,
        account: Option<&AccountKey>,
    ) -> Result<Option<Change>, StoreError> {
        let own = self.own_changes(actor, account).await?;
        Ok(own.into_iter().find(|own| own.level % 2 == 0 && !own.is_undone).map(|own| own.change))
    }

    /// What this login took back last, in that account or anywhere, unless it has changed something else since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_redoable(&self, actor: &Actor, account: Option<&AccountKey>) -> Result<Option<Redo>, StoreError> {
        let own = self.own_changes(actor, account).await?;
        let since_last_new = own.iter().take_while(|own| own.level > 0);
        let Some(found) = since_last_new.into_iter().find(|own| own.level % 2 == 1 && !own.is_undone) else {
            return Ok(None);
        };
        let original = found.change.undoes.and_then(|id| own.iter().find(|other| other.change.id == id));
        let says = original.map_or(&found.change.says, |original| &original.change.says).clone();
        Ok(Some(Redo { change: found.change.id, says, at: found.change.at }))
    }

    /// The person's newest changes that can be taken back, the newest first.
    async fn own_changes(&self, actor: &Actor, account: Option<&AccountKey>) -> Result<Vec<Own>, StoreError> {
        // What another change of the same list stands for is taken back with that one.
        let is_possible = commands::undo::IS_POSSIBLE;
        let statement = format!(
            "SELECT id, at, login, origin, account, command, says, before, after, undoes,
                    EXISTS (SELECT 1 FROM audit AS later WHERE later.undoes = one.id), {is_possible}
             FROM audit AS one WHERE login = ?1 AND (?2 IS NULL OR account = ?2)
               AND NOT EXISTS (SELECT 1 FROM audit_together JOIN audit AS leader ON leader.id = audit_together.leader
                               WHERE audit_id = one.id AND (?2 IS NULL OR leader.account = ?2))
             ORDER BY id DESC LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(&actor.login)
            .bind(account.map(AccountKey::as_str))
            .bind(LOOKED_AT_MAX)
            .fetch_all(self.readers())
            .await?;
        let mut levels: HashMap<ChangeId, u32> = HashMap::new();
        let mut own = Vec::new();
        for row in rows.iter().rev() {
            let change = change(row)?;
            // Of a change that somebody else made, only the way back is one's own.
            let level = change.undoes.map_or(0, |id| levels.get(&id).copied().unwrap_or(0) + 1);
            levels.insert(change.id, level);
            if commands::undo::can_undo(&change.command) && row.try_get(11)? {
                own.push(Own { change, level, is_undone: row.try_get(10)? });
            }
        }
        own.reverse();
        Ok(own)
    }
}
