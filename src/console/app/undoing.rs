//! Undo and redo: of the person's own changes, across sessions.

use std::time::Duration;

use crate::console::app::App;
use crate::console::app::refusing::refused;
use crate::console::screen::{Message, Outcome};
use crate::domain::account::AccountKey;
use crate::domain::command::{Change, Command};
use crate::domain::time::human_duration;
use crate::store::error::{CommandError, StoreError};
use crate::store::undoing::Redo;

/// Age from which a change is announced before it is taken back: its maker may no longer have it in mind.
const ANNOUNCED_AFTER: Duration = Duration::from_mins(10);

impl App {
    pub(crate) async fn undo(&mut self, account: Option<&AccountKey>) -> Outcome {
        let last = match self.undoable(account).await {
            Ok(last) => last,
            Err(error) => return Outcome::Say(Message::bad(error.to_string())),
        };
        let Some(change) = last else {
            return Outcome::Say(Message::plain("nothing of yours is left to take back here"));
        };
        let ago = self.services.clock.now().since(change.at);
        // An account is more than a person expects to go by a key that takes back.
        let is_announced = ago > ANNOUNCED_AFTER || change.command == "add_account";
        if is_announced && self.announced != Some(change.id) {
            self.announced = Some(change.id);
            let when = if ago > ANNOUNCED_AFTER {
                format!(" what you did {} ago", human_duration(ago))
            } else {
                String::new()
            };
            let text = format!("u again takes back{when}: {}", change.says);
            return Outcome::Say(Message::warn(text));
        }
        self.announced = None;
        if self.services.read_only {
            return Outcome::Say(refused(&format!("take back: {}", change.says)));
        }
        let result = self.store.run(&self.services.actor, Command::Undo { change: change.id }).await;
        let message = match result {
            Ok(done) => {
                self.just_changed = done.change;
                Message::good(done.says)
            }
            Err(CommandError::Refused(why)) => Message::plain(why),
            Err(error) => Message::bad(error.to_string()),
        };
        Outcome::Say(message)
    }

    /// What the last key changed, in whatever account; else the person's last change here.
    async fn undoable(&self, account: Option<&AccountKey>) -> Result<Option<Change>, StoreError> {
        let actor = &self.services.actor;
        if self.just_changed.is_some() {
            let anywhere = self.store.last_undoable(actor, None).await?;
            if let Some(change) = anywhere.filter(|change| Some(change.id) == self.just_changed) {
                return Ok(Some(change));
            }
        }
        self.store.last_undoable(actor, account).await
    }

    /// What the last key took back, in whatever account; else what the person took back last here.
    async fn redoable(&self, account: Option<&AccountKey>) -> Result<Option<Redo>, StoreError> {
        let actor = &self.services.actor;
        if self.just_changed.is_some() {
            let anywhere = self.store.last_redoable(actor, None).await?;
            if let Some(redo) = anywhere.filter(|redo| Some(redo.change) == self.just_changed) {
                return Ok(Some(redo));
            }
        }
        self.store.last_redoable(actor, account).await
    }

    /// Does again what the person took back last, where the screen on top is about one account in that one.
    pub(crate) async fn redo(&mut self) -> Outcome {
        let account = self.stack.last().and_then(|screen| screen.account());
        let redo = match self.redoable(account.cloned().as_ref()).await {
            Ok(Some(redo)) => redo,
            Ok(None) => return Outcome::Say(Message::plain("nothing that you took back is left to do again here")),
            Err(error) => return Outcome::Say(Message::bad(error.to_string())),
        };
        let ago = self.services.clock.now().since(redo.at);
        if ago > ANNOUNCED_AFTER && self.announced != Some(redo.change) {
            self.announced = Some(redo.change);
            let text = format!("U again does what you took back {} ago: {}", human_duration(ago), redo.says);
            return Outcome::Say(Message::warn(text));
        }
        self.announced = None;
        if self.services.read_only {
            return Outcome::Say(refused(&format!("do again: {}", redo.says)));
        }
        Outcome::Say(match self.store.run(&self.services.actor, Command::Undo { change: redo.change }).await {
            Ok(done) => {
                self.just_changed = done.change;
                Message::good(format!("done again: {}", redo.says))
            }
            Err(CommandError::Refused(why)) => Message::plain(why),
            Err(error) => Message::bad(error.to_string()),
        })
    }
}
