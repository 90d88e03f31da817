//! `audit`: who changed what, when, from which terminal; and the way back.

use clap::{Args, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show::{self, DoneObject};
use crate::domain::account::AccountKey;
use crate::domain::command::{Change, Command};
use crate::domain::id::ChangeId;
use crate::store::audit::ChangeFilter;

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List changes, the newest first
    List(List),
    /// Take a change back
    Undo {
        /// Which, as `chg_17`
        change: ChangeId,
    },
}

/// Which changes to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only of this account
    #[arg(long, value_name = "KEY")]
    account: Option<AccountKey>,
    /// Only those before this change: the next page
    #[arg(long, value_name = "ID")]
    before: Option<ChangeId>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl Audit {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done; nothing has changed then.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        match self {
            Self::List(which) => {
                let filter = ChangeFilter { account: which.account, before: which.before, limit: which.limit };
                let changes = store.changes(&filter).await?;
                Ok(session.out.list(&changes, table, "nobody has changed anything yet")?)
            }
            Self::Undo { change } => {
                let done = session.change(&store, Command::Undo { change }).await?;
                Ok(session.out.either(&DoneObject::from(&done), &done.says)?)
            }
        }
    }
}

fn table(changes: &[Change]) -> Table {
    let mut table = Table::new(["change", "at", "who", "from", "account", "what"]);
    for change in changes {
        let undoes = change.undoes.map(|id| format!(" (takes back {id})")).unwrap_or_default();
        table.row([
            change.id.to_string(),
            show::time(change.at),
            change.actor.login.clone(),
            change.actor.origin.clone(),
            change.account.as_ref().map(ToString::to_string).unwrap_or_default(),
            format!("{}{undoes}", change.says),
        ]);
    }
    table
}
