//! Moves what was committed from the `-wal` file into the database, beside the commits instead of within one of them.
//!
//! SQLite by itself does that in the commit that makes the log long enough, and all who wait for that commit wait for it as
//! well: the slowest commits in a hundred took 12 ms instead of 3. Here a connection of its own does it while commits go on
//! (`PASSIVE`, see `wal_checkpoint` on sqlite.org/pragma.html). Under constant load that never reaches the log's end, which moves
//! on meanwhile, and the log would never begin anew. So when it is long, the writer rests between two transactions for as long
//! as the last few pages take (`RESTART`).
//!
//! Nobody can begin the log anew while a reader is in the middle of a read: then it grows until that reader ends, and the log
//! says so. All of bellboard's own reads are short.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::store::error::StoreError;
use crate::store::request::Request;
use crate::store::{Revision, Store};

/// The log is left alone until it has grown to that, in bytes.
const LEFT_ALONE: u64 = 4 * 1024 * 1024;

/// Pages in the log beyond which it begins anew (16 MiB).
const PAGES_MAX: i64 = 4096;

/// Between two rounds while commits go on.
const PAUSE: Duration = Duration::from_millis(100);

/// Between two words about a reader that keeps the log from beginning anew.
const SAID_EVERY: Duration = Duration::from_mins(10);

/// Pages in the log at which the writer's connection helps itself (256 MiB): only if this task cannot.
pub(crate) const NET_PAGES: &str = "65536";

/// Ends with the store's writer.
pub(crate) async fn run(
    path: PathBuf,
    options: SqliteConnectOptions,
    requests: mpsc::WeakSender<Request>,
    mut revision: watch::Receiver<Revision>,
) {
    let wal = wal_path(&path);
    // It must not wait for others: whoever reads or writes at the moment will have ended by the next round.
    let options = options.busy_timeout(Duration::ZERO);
    let mut connection = None;
    let mut said: Option<Instant> = None;
    while revision.changed().await.is_ok() {
        if bytes(&wal) < LEFT_ALONE {
            continue;
        }
        let done = match &mut connection {
            Some(connection) => round(connection, &requests).await,
            none => match options.connect().await {
                Ok(new) => round(none.insert(new), &requests).await,
                Err(error) => Err(error.into()),
            },
        };
        match done {
            Ok(true) => said = None,
            Ok(false) if said.is_none_or(|at| at.elapsed() > SAID_EVERY) => {
                said = Some(Instant::now());
                let bytes = bytes(&wal);
                tracing::warn!(
                    bytes,
                    "a reader keeps the log of commits from beginning anew; it grows until that ends"
                );
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "the log of commits could not be worked off");
                connection = None;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Works the log off as far as it goes; whether it is of an acceptable length.
async fn round(connection: &mut SqliteConnection, requests: &mpsc::WeakSender<Request>) -> Result<bool, StoreError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut *connection).await?;
    if row.try_get::<i64, _>(1)? < PAGES_MAX {
        return Ok(true);
    }
    let Some(requests) = requests.upgrade() else { return Ok(true) };
    let (resting, rests) = oneshot::channel();
    let (go_on, until) = oneshot::channel::<()>();
    if requests.send(Request::Rest { resting, until }).await.is_err() || rests.await.is_err() {
        return Ok(true);
    }
    let row = sqlx::query("PRAGMA wal_checkpoint(RESTART)").fetch_one(&mut *connection).await;
    let _ = go_on.send(());
    Ok(row?.try_get::<i64, _>(0)? == 0)
}

fn wal_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    path.into()
}

fn bytes(wal: &Path) -> u64 {
    std::fs::metadata(wal).map_or(0, |file| file.len())
}

impl Store {
    /// The size of the log of commits (the `-wal` file), in bytes. Under load it stays at some 20 MB; more means that some
    /// process is in the middle of a read that does not end.
    #[must_use]
    pub fn wal_bytes(&self) -> u64 {
        bytes(&wal_path(self.path()))
    }
}
