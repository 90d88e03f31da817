//! `keys`: the key that seals secrets, and its exchange for another.

use std::fmt::Write as _;

use clap::Subcommand;

use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show::counted;
use crate::store::rekey::{KeysInUse, Rotated};

/// What to do with the key that seals secrets.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Say where the key comes from, its fingerprint, and how much is sealed with it
    Show,
    /// Seal every secret with a new key, while everything goes on; begun again, it goes on where it was stopped
    Rotate,
}

impl Keys {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done; every secret can be opened all the same then.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        match self {
            Self::Show => {
                let keys = store.keys_in_use().await?;
                if session.out.json {
                    return Ok(session.out.document(&keys)?);
                }
                Ok(session.out.table(&table(&keys))?)
            }
            Self::Rotate => {
                let rotated = store.rotate_key(&session.actor).await?;
                Ok(session.out.either(&rotated, says(&rotated))?)
            }
        }
    }
}

fn table(keys: &KeysInUse) -> Table {
    let mut table = Table::new(["key", "from", "sealed with it", "with others"]);
    let key = keys.key.map_or_else(|| "none yet".to_owned(), |key| key.to_string());
    table.row([key, keys.source.clone(), keys.sealed.to_string(), keys.others.to_string()]);
    table
}

fn says(rotated: &Rotated) -> String {
    let count = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "secret", "secrets");
    let mut says = format!("{} sealed anew, with the key {}", count(rotated.sealed), rotated.key);
    if rotated.resumed {
        says.push_str(", which an exchange that was stopped had begun to use");
    }
    if rotated.unopened > 0 {
        let left = count(rotated.unopened);
        let _ = write!(says, "; {left} stay as they are since no key at hand opens them, and no key was put aside");
    }
    for kept in &rotated.kept {
        let kept = kept.display();
        let _ = write!(says, "; the key before is in {kept}, for backups made with it: remove it when those are gone");
    }
    says
}
