//! `audit`: who changed what, when, from which terminal; and the way back.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::failure::{EXIT_FAILED, Failure};
use crate::cli::forget::Forget;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show::{self, DoneObject};
use crate::domain::account::AccountKey;
use crate::domain::command::{Change, Command};
use crate::domain::id::ChangeId;
use crate::store::Store;
use crate::store::audit::ChangeFilter;
use crate::store::chain::Head;

/// Changes that are read at once for an export.
const EXPORT_PAGE: u32 = 500;

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List changes, the newest first
    List(List),
    /// All of it, the oldest first, one JSON object a line with its hash
    Export,
    /// Check that no change was altered or taken out since it was written
    Verify {
        /// A head that an earlier run printed, as `chg_17:9f86…`; fails when it is not in the trail any more
        #[arg(long, value_name = "HEAD")]
        expect: Option<Head>,
    },
    /// Take a change back
    Undo {
        /// Which, as `chg_17`
        change: ChangeId,
    },
    /// Forget the secrets that removed destinations had, which are kept, sealed, for taking a removal back
    Forget(Forget),
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
        if let Self::Forget(forget) = self {
            return forget.run(session).await;
        }
        let store = session.open().await?;
        match self {
            Self::Forget(_) => Ok(()),
            Self::List(which) => {
                let filter = ChangeFilter { account: which.account, before: which.before, limit: which.limit };
                let changes = store.changes(&filter).await?;
                Ok(session.out.list(&changes, table, "nobody has changed anything yet")?)
            }
            Self::Export => export(session, &store).await,
            Self::Verify { expect } => verify(session, &store, expect).await,
            Self::Undo { change } => {
                let done = session.change(&store, Command::Undo { change }).await?;
                Ok(session.out.either(&DoneObject::from(&done), &done.says)?)
            }
        }
    }
}

/// A change of the export.
#[derive(Serialize)]
struct Exported<'a> {
    #[serde(flatten)]
    change: &'a Change,
    /// Nothing in those from before there was a chain.
    hash: Option<String>,
}

async fn export(session: &Session, store: &Store) -> Result<(), Failure> {
    let mut last = None;
    loop {
        let changes = store.changes_after(last, EXPORT_PAGE).await?;
        let Some((newest, _)) = changes.last() else { return Ok(()) };
        last = Some(newest.id);
        for (change, hash) in &changes {
            session.out.ndjson(&Exported { change, hash: hash.map(|hash| hash.to_string()) })?;
        }
    }
}

/// What `audit verify --json` prints.
#[derive(Serialize)]
struct VerifiedObject {
    ok: bool,
    changes: u64,
    unchained: u64,
    head: Option<String>,
    broken: Option<ChangeId>,
    expected_found: bool,
}

async fn verify(session: &Session, store: &Store, expect: Option<Head>) -> Result<(), Failure> {
    let verified = store.verify_audit(expect).await?;
    let head = verified.head.map(|head| head.to_string());
    let ok = verified.broken.is_none() && verified.found;
    let before = match verified.unchained {
        0 => String::new(),
        some => format!(", and {some} from before there was a chain, for which nothing vouches"),
    };
    let good = match &head {
        None => format!("nobody has changed anything yet{before}"),
        Some(head) => format!(
            "{} changes are as they were written{before}. The head is {head}: keep it elsewhere, and --expect looks for it \
             later",
            verified.rows
        ),
    };
    if ok || session.out.json {
        let (changes, unchained, broken) = (verified.rows, verified.unchained, verified.broken);
        let object = VerifiedObject { ok, changes, unchained, head, broken, expected_found: verified.found };
        session.out.either(&object, &good)?;
    }
    match (verified.broken, expect) {
        (Some(broken), _) => Err(altered(&format!("{broken} is not as it was written, or one before it is missing"))),
        (None, Some(head)) if !verified.found => {
            Err(altered(&format!("{head} is not in it; its end was cut off, or all of it was written anew")))
        }
        _ => Ok(()),
    }
}

fn altered(what: &str) -> Failure {
    Failure::new(EXIT_FAILED, format!("the audit trail was altered: {what}; compare it with a backup from before"))
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
