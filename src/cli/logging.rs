//! Where log lines go: into a file in the state folder, or to stderr when the process runs without a person before it. Never
//! onto a screen.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::cli::failure::{EXIT_REFUSED, Failure};
use crate::cli::log_bound::Bounded;

/// A log file that has grown beyond this is put aside at the next start, in place of the one put aside before.
const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Nothing
    Off,
    /// What went wrong here
    Error,
    /// And what may need somebody
    Warn,
    /// And what was done
    Info,
    /// And how
    Debug,
    /// And every step
    Trace,
}

impl Level {
    /// This program at the level, the libraries below it from warnings on.
    fn filter(self) -> EnvFilter {
        let name = match self {
            Self::Off => return EnvFilter::new("off"),
            Self::Error => return EnvFilter::new("error"),
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        };
        EnvFilter::new(format!("warn,bellboard={name}"))
    }
}

/// Logs to stderr from now on.
pub fn to_stderr(level: Level) {
    // A second subscriber is refused; the first then stays, which is what is wanted.
    let stderr = Mutex::new(Bounded::new(io::stderr()));
    let _ = tracing_subscriber::fmt().with_env_filter(level.filter()).with_ansi(false).with_writer(stderr).try_init();
}

/// Logs to the end of a file from now on. Its folder is made when it is not there; both are for this user only.
///
/// # Errors
/// When the file cannot be written.
pub fn to_file(level: Level, path: &Path) -> Result<(), Failure> {
    let file = open(path).map_err(|error| {
        let path = path.display();
        Failure::new(EXIT_REFUSED, format!("the log file {path} cannot be written: {error}; make its folder writable"))
    })?;
    let _ = tracing_subscriber::fmt()
        .with_env_filter(level.filter())
        .with_ansi(false)
        .with_writer(Mutex::new(Bounded::new(file)))
        .try_init();
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    if fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > FILE_BYTES_MAX) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        fs::rename(path, aside)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_log_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/bellboard.log");
        drop(open(&path).unwrap());
        File::options().write(true).open(&path).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        drop(open(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(fs::metadata(folder.path().join("state/bellboard.log.1")).unwrap().len(), FILE_BYTES_MAX + 1);
    }
}
