//! The door before the writer: nobody fills the line in which all wait.
//!
//! The writer takes requests as they come. An account that sends more than can be written would fill its line, and everybody
//! else would wait behind. So each account has a part of the line at most, and what it sends beyond that waits outside, in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::account::AccountKey;
use crate::domain::event::NewEvent;
use crate::store::writer::WAITING_MAX;

/// Requests of one account that may wait in the writer's line.
const OF_ACCOUNT_MAX: usize = WAITING_MAX / 8;

/// Accounts that are remembered although nothing of them waits.
const IDLE_MAX: usize = 1024;

/// One line for each account that sends.
#[derive(Default)]
pub(crate) struct Door {
    accounts: Mutex<HashMap<AccountKey, Weak<Semaphore>>>,
}

impl Door {
    /// Waits for the account's turn. Requests for several accounts pass: whoever makes them waits for one before the next.
    pub(crate) async fn pass(&self, events: &[NewEvent]) -> Option<OwnedSemaphorePermit> {
        let (first, rest) = events.split_first()?;
        if rest.iter().any(|event| event.account != first.account) {
            return None;
        }
        // It is never closed.
        self.line(&first.account).acquire_owned().await.ok()
    }

    fn line(&self, account: &AccountKey) -> Arc<Semaphore> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = accounts.get(account).and_then(Weak::upgrade) {
            return line;
        }
        if accounts.len() >= IDLE_MAX {
            accounts.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::new(Semaphore::new(OF_ACCOUNT_MAX));
        accounts.insert(account.clone(), Arc::downgrade(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payload::Payload;
    use futures_util::FutureExt;

    fn event(account: &str) -> NewEvent {
        NewEvent {
            account: account.parse().unwrap(),
            event_type: "job.fail".to_owned(),
            data: Payload::empty(),
            idempotency_key: None,
        }
    }

    #[test]
    fn a_flood_of_one_account_keeps_nobody_else_out() {
        let door = Door::default();
        let flood: Vec<_> = (0..OF_ACCOUNT_MAX).map(|_| door.pass(&[event("acme")]).now_or_never().flatten()).collect();
        assert!(flood.iter().all(Option::is_some));
        assert!(door.pass(&[event("acme")]).now_or_never().is_none(), "its part of the line is full");
        assert!(door.pass(&[event("other")]).now_or_never().flatten().is_some());
        drop(flood);
        assert!(door.pass(&[event("acme")]).now_or_never().flatten().is_some());
    }

    #[test]
    fn accounts_that_send_no_more_are_forgotten() {
        let door = Door::default();
        for number in 0..3 * IDLE_MAX {
            drop(door.pass(&[event(&format!("acme-{number}"))]).now_or_never());
        }
        assert!(door.accounts.lock().unwrap().len() <= IDLE_MAX);
    }
}
