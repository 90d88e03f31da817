//! `audit forget`: secrets that removed destinations had, and that the trail keeps so that a removal can be taken back, go.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::cli::confirm::{DECLINED, confirm};
use crate::cli::failure::{EXIT_FAILED, Failure};
use crate::cli::session::Session;
use crate::cli::show::counted;
use crate::domain::account::AccountKey;
use crate::domain::command::Command;
use crate::domain::id::{ChangeId, DestinationId};
use crate::domain::kept_secrets::KeptSecrets;
use crate::domain::time::parse_duration;
use crate::store::forget::Wiped;

/// Which of the kept secrets to forget.
#[derive(Debug, Args)]
pub struct Forget {
    /// Only those of this account, also of one that was removed
    #[arg(long, value_name = "KEY")]
    account: Option<AccountKey>,
    /// Only those of this destination
    #[arg(long, value_name = "ID")]
    destination: Option<DestinationId>,
    /// Only those that were replaced or removed longer ago than this, as 30d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Also what an edit or a rotation replaced in a destination that is still there
    #[arg(long)]
    replaced: bool,
    /// Only count
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct ForgottenObject {
    secrets: u64,
    forgotten: bool,
    change: Option<ChangeId>,
    says: String,
}

impl Forget {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done, or when something of them may still be in the file.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        let before = session.clock.now().minus(self.older_than.unwrap_or_default());
        let which =
            KeptSecrets { account: self.account, destination: self.destination, before, replaced: self.replaced };
        let marks = store.marks_of(&which).await?;
        let secrets = counted(marks.len(), "kept secret", "kept secrets");
        let count = marks.len() as u64;
        let tell = |forgotten: bool, change: Option<ChangeId>, says: String| {
            session.out.either(&ForgottenObject { secrets: count, forgotten, change, says: says.clone() }, &says)
        };
        if self.dry_run {
            return Ok(tell(false, None, format!("{secrets} would be forgotten"))?);
        }
        if count == 0 {
            return Ok(tell(false, None, "no such secret is kept, so there is nothing to forget".to_owned())?);
        }
        let question = format!("Forget {secrets}? What replaced or removed them can never be taken back.");
        if !confirm(session.out, &question, self.yes)? {
            return Ok(tell(false, None, DECLINED.to_owned())?);
        }
        let done = session.change(&store, Command::ForgetSecrets { which }).await?;
        let rest = match store.wipe(marks).await? {
            Wiped::Clean => "nothing of them is left in the file; backups from before still have them",
            Wiped::Log => {
                return Err(Failure::new(
                    EXIT_FAILED,
                    "they are forgotten, but some process is reading, so that the -wal file still has them; it empties by itself \
                     when all have ended",
                ));
            }
            Wiped::Large => {
                return Err(Failure::new(
                    EXIT_FAILED,
                    "they are forgotten, but free room of this large file still has them; stop all processes, then `backup`, \
                     move the file away, and `restore`",
                ));
            }
        };
        Ok(tell(true, done.change, format!("{}; {rest}", done.says))?)
    }
}
