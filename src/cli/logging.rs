//! Where log lines go: into a file in the state folder, or to stderr when the process runs without a person before it, and as the
//! journal wants them where that is what stderr is. Never onto a screen.

use std::io;
use std::path::Path;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::failure::{EXIT_REFUSED, Failure};
use crate::cli::log_bound::{Bounded, Style};
use crate::cli::log_file::LogFile;

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

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for people
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

impl Format {
    const fn style(self) -> Style {
        match self {
            Self::Text => Style::Text,
            Self::Json => Style::Json,
        }
    }
}

/// Logs to stderr from now on. Where that is the journal, each line begins with its priority and leaves the time to the journal.
pub fn to_stderr(level: Level, format: Format) {
    if is_journal() {
        let style = Style::Journal { json: format == Format::Json };
        start(level, format, false, Bounded::new(io::stderr(), style));
    } else {
        start(level, format, true, Bounded::new(io::stderr(), format.style()));
    }
}

/// Logs to the end of a file from now on. Its folder is made when it is not there; both are for this user only.
///
/// # Errors
/// When the file cannot be written.
pub fn to_file(level: Level, format: Format, path: &Path) -> Result<(), Failure> {
    let file = LogFile::open(path).map_err(|error| {
        let path = path.display();
        Failure::new(EXIT_REFUSED, format!("the log file {path} cannot be written: {error}; make its folder writable"))
    })?;
    start(level, format, true, Bounded::new(file, format.style()));
    Ok(())
}

/// A second subscriber is refused; the first then stays, which is what is wanted. A line that cannot be written is lost: said on
/// stderr, it could stand on a screen.
fn start<W>(level: Level, format: Format, with_time: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let plain = tracing_subscriber::fmt()
        .with_env_filter(level.filter())
        .with_ansi(false)
        .with_writer(writer)
        .log_internal_errors(false);
    let _ = match (format, with_time) {
        (Format::Text, true) => plain.try_init(),
        (Format::Text, false) => plain.without_time().with_level(false).try_init(),
        (Format::Json, true) => plain.json().flatten_event(true).try_init(),
        (Format::Json, false) => plain.json().flatten_event(true).without_time().try_init(),
    };
}

/// Whether stderr is the journal's: systemd names the device and number of the file that it gave (systemd.exec(5)).
fn is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let found = rustix::fs::fstat(io::stderr()).map(|file| format!("{}:{}", file.st_dev, file.st_ino));
    found.is_ok_and(|found| found == named)
}
