//! What the console keeps from one start to the next: which screens were open, and what was looked for in them.
//!
//! A small file of a person's own. One that is broken, too large or of another database is not heeded.

use std::io::Read;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::console::proof::write_private;
use crate::console::screen::{Screen, Shared};
use crate::console::screens::account::AccountScreen;
use crate::console::screens::accounts::Accounts;
use crate::console::screens::dead::Dead;
use crate::console::screens::delivery::DeliveryScreen;
use crate::console::screens::destinations::Destinations;
use crate::console::screens::destinations::sorted::Order;
use crate::console::screens::event::EventScreen;
use crate::console::screens::failures::Failures;
use crate::console::screens::history::History;
use crate::domain::channel::Channel;
use crate::store::accounts::AccountOrder;

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// Most screens that are opened again.
const SCREENS_MAX: usize = 8;

/// A screen as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "screen", rename_all = "snake_case")]
pub enum Kept {
    /// The accounts.
    Accounts {
        /// What was looked for.
        find: String,
        /// Whether only those in trouble were shown.
        trouble_only: bool,
        /// The account under the cursor.
        at: Option<String>,
        /// In which order they stood.
        #[serde(default)]
        order: AccountOrder,
    },
    /// The destinations of a channel.
    Destinations {
        /// Whose.
        account: String,
        /// Of which channel.
        channel: String,
        /// The destination under the cursor.
        at: Option<String>,
        /// In which order they stood.
        order: Order,
    },
    /// A delivery.
    Delivery {
        /// Its id.
        id: String,
    },
    /// An event.
    Event {
        /// Its id.
        id: String,
    },
    /// The history of an account, a cell or a destination.
    History {
        /// Whose.
        account: String,
        /// The row, of a cell's.
        event_type: Option<String>,
        /// The column, of a cell's.
        channel: Option<String>,
        /// The destination, of a destination's.
        destination: Option<String>,
        /// What people call it.
        name: String,
        /// What was looked for.
        find: String,
    },
    /// An account.
    Account {
        /// Its key.
        key: String,
        /// The row under the cursor.
        event_type: Option<String>,
        /// The column under the cursor.
        channel: String,
        /// Whether the live pane had the keys.
        in_live: bool,
        /// What was looked for in it.
        find: String,
    },
    /// The failures.
    Failures {
        /// What was looked for.
        find: String,
        /// Whether the delivery under the cursor was shown beside the list.
        #[serde(default)]
        split: bool,
    },
    /// The destinations in trouble.
    Dead {
        /// What was looked for.
        find: String,
    },
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct File {
    /// The database that it is about.
    database: PathBuf,
    screens: Vec<Kept>,
}

/// Where it is kept, and of which database.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The file.
    pub file: PathBuf,
    /// The database.
    pub database: PathBuf,
}

impl Memory {
    /// The screens that were open; none when nothing fit is kept.
    #[must_use]
    pub fn read(&self) -> Vec<Kept> {
        let mut text = String::new();
        let read = std::fs::File::open(&self.file)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
            .ok()
            .and_then(|_| serde_json::from_str::<File>(&text).ok());
        let mut screens =
            read.filter(|kept| kept.database == self.database).map(|kept| kept.screens).unwrap_or_default();
        screens.truncate(SCREENS_MAX);
        screens
    }

    /// Keeps the screens that are open. That it cannot be written is no reason to trouble anybody at the end.
    pub fn write(&self, screens: Vec<Kept>) {
        let file = File { database: self.database.clone(), screens };
        if let Ok(text) = serde_json::to_string(&file) {
            let _ = write_private(&self.file, &text);
        }
    }
}

/// Opens the screens anew; the accounts are beneath them in any case.
#[must_use]
pub fn open(services: &Shared, kept: &[Kept]) -> Vec<Box<dyn Screen>> {
    let mut screens: Vec<Box<dyn Screen>> = Vec::new();
    for one in kept {
        let services = services.clone();
        match one {
            Kept::Accounts { find, trouble_only, at, order } if screens.is_empty() => {
                let again = Accounts::again(services, find, *trouble_only, at.as_deref());
                screens.push(Box::new(again.sorted(*order)));
            }
            Kept::Destinations { account, channel, at, order } => {
                let (Ok(account), Ok(channel)) = (account.parse(), channel.parse::<Channel>()) else { break };
                let again = match at.as_deref().and_then(|id| id.parse().ok()) {
                    Some(id) => Destinations::at(services, account, channel, id),
                    None => Destinations::new(services, account, channel),
                };
                screens.push(Box::new(again.sorted(*order)));
            }
            Kept::Delivery { id } => {
                let Ok(id) = id.parse() else { break };
                screens.push(Box::new(DeliveryScreen::new(services, id)));
            }
            Kept::Event { id } => {
                let Ok(id) = id.parse() else { break };
                screens.push(Box::new(EventScreen::new(services, id)));
            }
            Kept::History { .. } => {
                let Some(history) = History::again(services, one) else { break };
                screens.push(Box::new(history));
            }
            Kept::Account { key, event_type, channel, in_live, find } => {
                let (Ok(key), Ok(channel)) = (key.parse(), channel.parse::<Channel>()) else { break };
                let again = AccountScreen::again(services, key, event_type.as_deref(), channel);
                screens.push(Box::new(again.with_live(*in_live, find)));
            }
            Kept::Failures { find, split } => screens.push(Box::new(Failures::again(services, find, *split))),
            Kept::Dead { find } => screens.push(Box::new(Dead::again(services, find))),
            Kept::Accounts { .. } => break,
        }
    }
    if !matches!(kept.first(), Some(Kept::Accounts { .. })) {
        screens.insert(0, Box::new(Accounts::new(services.clone())));
    }
    screens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_or_of_another_database_is_not_heeded() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { file: folder.path().join("a/console.json"), database: "x.db".into() };
        assert_eq!(memory.read(), []);
        let kept = vec![Kept::Failures { find: "since:2h".to_owned(), split: true }];
        memory.write(kept.clone());
        assert_eq!(memory.read(), kept);
        assert_eq!(Memory { database: "y.db".into(), ..memory.clone() }.read(), []);
        for broken in ["{", "", &"x".repeat(20_000)] {
            std::fs::write(&memory.file, broken).unwrap();
            assert_eq!(memory.read(), []);
        }
    }
}
