//! Turns between the processes that write one database.
//!
//! Who finds SQLite's write lock taken asks again after 1, 2, 5 and up to 100 ms, and beside a process that writes without end it
//! asks at bad moments for half a second. So a writer first takes its turn: two locks on the first two bytes of a file of their
//! own, of which it waits for the first and then, holding that, for the second. Whoever has just written finds the first taken
//! and comes after who waits. The locks are the kernel's (fcntl(2), open file descriptions), so they end with their holder.
//!
//! A turn is a courtesy: SQLite's lock alone decides. Whoever does not get it in time, because its holder was stopped or the
//! file system has no such locks, goes on without, and asks for none for a while.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use tokio::time::{Instant, sleep};

use crate::store::files;

/// How long to wait for a turn: longer than any transaction should take.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// How often to ask for it.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// For how long turns are passed over after one that did not come.
const WITHOUT: Duration = Duration::from_secs(10);

/// The two locks, by the bytes that they are on.
const NEXT: libc::off_t = 0;
const NOW: libc::off_t = 1;

/// This process's place among those that write.
pub(crate) struct Turns {
    path: PathBuf,
    file: Option<Arc<File>>,
    /// Until when there are none.
    without_until: Option<Instant>,
}

/// A turn, until it is dropped.
pub(crate) struct Turn(Option<Arc<File>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            lock(file, NOW, libc::F_UNLCK);
        }
    }
}

impl Turns {
    /// Turns on that database.
    pub(crate) fn on(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-turns");
        Self { path: path.into(), file: None, without_until: None }
    }

    /// Waits for this process's turn, or until it has waited long enough.
    pub(crate) async fn take(&mut self) -> Turn {
        if self.without_until.is_some_and(|until| Instant::now() < until) {
            return Turn(None);
        }
        if self.file.is_none() {
            self.file = files::open_or_create(&self.path).ok().map(Arc::new);
        }
        let Some(file) = self.file.clone() else { return Turn(None) };
        let end = Instant::now() + WAIT_MAX;
        let came = wait(&file, NEXT, end).await && {
            let came = wait(&file, NOW, end).await;
            lock(&file, NEXT, libc::F_UNLCK);
            came
        };
        self.without_until = (!came).then(|| Instant::now() + WITHOUT);
        Turn(came.then_some(file))
    }
}

async fn wait(file: &File, byte: libc::off_t, end: Instant) -> bool {
    while !lock(file, byte, libc::F_WRLCK) {
        if Instant::now() >= end {
            return false;
        }
        sleep(ASK_EVERY).await;
    }
    true
}

/// Takes a lock, or lets go of it; says whether that could be done at once.
fn lock(file: &File, byte: libc::off_t, kind: libc::c_int) -> bool {
    let (Ok(l_type), Ok(l_whence)) = (kind.try_into(), libc::SEEK_SET.try_into()) else { return false };
    let range = libc::flock { l_type, l_whence, l_start: byte, l_len: 1, l_pid: 0 };
    fcntl(file, FcntlArg::F_OFD_SETLK(&range)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn two() -> (tempfile::TempDir, Turns, Turns) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bellboard.db");
        (folder, Turns::on(&path), Turns::on(&path))
    }

    #[tokio::test]
    async fn who_waits_comes_before_who_has_just_written() {
        let (_folder, mut busy, mut other) = two();
        let turn = busy.take().await;
        let mut waiting = Box::pin(other.take());
        assert!(waiting.as_mut().now_or_never().is_none(), "the turn is taken");
        drop(turn);
        let mut again = Box::pin(busy.take());
        assert!(again.as_mut().now_or_never().is_none(), "somebody waited");
        let turn = waiting.await;
        assert!(turn.0.is_some());
        drop(turn);
        assert!(again.await.0.is_some());
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_is_passed_over() {
        let (_folder, mut stopped, mut other) = two();
        let turn = stopped.take().await;
        assert!(other.take().await.0.is_none());
        drop(turn);
        assert!(other.take().now_or_never().is_some_and(|turn| turn.0.is_none()), "and for a while none is asked for");
    }
}
