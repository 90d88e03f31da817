//! The lock that makes exactly one process deliver.
//!
//! It is an advisory lock on a file of its own (flock(2)): the kernel lets go of it when its holder ends, also by `kill -9`,
//! and the next one in the queue has it at once.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::sync::oneshot;

use crate::store::files;

/// Held while this process delivers.
#[derive(Debug)]
pub struct DeliveryLock {
    _file: File,
}

/// The lock's file for a database.
#[must_use]
pub fn path_for(database: &Path) -> PathBuf {
    files::beside(database, files::DELIVERER)
}

/// Whether some process delivers from this database now. Nobody can know this for longer than the answer takes.
#[must_use]
pub fn is_held(database: &Path) -> bool {
    files::is_locked(&path_for(database))
}

/// Waits until no other process delivers from this database.
///
/// # Errors
/// When the lock's file cannot be made or locked.
pub async fn wait(database: &Path) -> std::io::Result<DeliveryLock> {
    let path = path_for(database);
    let file = files::open_or_create(&path)?;
    if file.try_lock().is_ok() {
        return Ok(DeliveryLock { _file: file });
    }
    let (sender, receiver) = oneshot::channel();
    // A plain thread: the runtime would wait at its end for one of its own, and this one may wait for ever. Nobody receives
    // any more then, so a lock that comes late is let go at once.
    std::thread::Builder::new().name("bellboard-lock".to_owned()).spawn(move || {
        let _ = sender.send(file.lock().map(|()| file));
    })?;
    let file = receiver.await.map_err(|_| std::io::Error::other("the thread that waits for the lock has ended"))??;
    Ok(DeliveryLock { _file: file })
}
