//! Notices that another process has committed.
//!
//! Every commit is appended to the `-wal` file, and the kernel tells who watches that file (inotify(7)); a slow poll is the
//! net beneath, for file systems that tell nothing. Whether a commit was another's is for SQLite to say: `PRAGMA
//! data_version` changes on a connection only by others' commits, so the writer is asked to look at its own.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use sqlx::{Row, SqliteConnection};
use tokio::sync::{mpsc, watch};

use crate::store::Revision;
use crate::store::request::Request;

/// How often to look although nothing was heard.
const POLL: Duration = Duration::from_secs(1);

/// How long after a change to look again: the kernel tells of the frames as they are written, and the commit can be seen
/// only when they have been synced.
const AGAIN: [Duration; 3] = [Duration::from_millis(5), Duration::from_millis(20), Duration::from_millis(100)];

/// Changes heard within this time are one: a busy writer is looked at 200 times a second at most.
const QUIET: Duration = Duration::from_millis(5);

/// Asks the writer to look whenever the file changes, until the store is closed.
pub(crate) async fn tell(path: PathBuf, requests: mpsc::WeakSender<Request>) {
    let mut changes = changes_of(&path);
    while changes.recv().await.is_some() {
        let Some(requests) = requests.upgrade() else { return };
        // A full queue means that a transaction is about to begin, and that looks by itself.
        let _ = requests.try_send(Request::Look);
    }
}

/// The same for a store that has no writer, on a connection of its own.
pub(crate) async fn observe(path: PathBuf, mut connection: SqliteConnection, revision: watch::Sender<Revision>) {
    let mut changes = changes_of(&path);
    let mut seen = -1;
    while !revision.is_closed() {
        let version = sqlx::query("PRAGMA data_version").fetch_one(&mut connection).await;
        if let Ok(version) = version.and_then(|row| row.try_get::<i64, _>(0))
            && version != seen
        {
            seen = version;
            revision.send_modify(|revision| revision.number += 1);
        }
        if changes.recv().await.is_none() {
            return;
        }
    }
}

/// Something to receive whenever the database's `-wal` file has changed, or the poll's time has passed. A thread of its own
/// waits, since tokio can wait for a foreign descriptor only by an unsafe call.
fn changes_of(database: &Path) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    let mut wal = OsString::from(database);
    wal.push("-wal");
    let wal = PathBuf::from(wal);
    let wait = move || {
        let mut queue = None;
        let mut again = AGAIN.iter();
        while !sender.is_closed() {
            if queue.is_none() || !wal.exists() {
                queue = subscribe(&wal).ok();
            }
            if wait_for(queue.as_ref(), again.next().copied().unwrap_or(POLL)) {
                again = AGAIN.iter();
            }
            let _ = sender.try_send(());
            std::thread::sleep(QUIET);
        }
    };
    let started = std::thread::Builder::new().name("bellboard-wal".to_owned()).spawn(wait);
    if let Err(error) = started {
        tracing::error!(%error, "other processes' changes are not noticed: no thread could be started");
    }
    receiver
}

fn subscribe(wal: &Path) -> std::io::Result<OwnedFd> {
    let queue = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&queue, wal, inotify::WatchFlags::MODIFY | inotify::WatchFlags::DELETE_SELF)?;
    Ok(queue)
}

/// Waits for a change, at most for so long; says whether there was one.
fn wait_for(queue: Option<&OwnedFd>, at_most: Duration) -> bool {
    let Some(queue) = queue else {
        std::thread::sleep(at_most);
        return false;
    };
    let timeout = Timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(at_most.subsec_nanos()),
    };
    let _ = poll(&mut [PollFd::new(queue, PollFlags::IN)], Some(&timeout));
    let mut buffer = [0_u8; 4096];
    let mut heard = false;
    while rustix::io::read(queue, &mut buffer).is_ok_and(|count| count > 0) {
        heard = true;
    }
    heard
}
