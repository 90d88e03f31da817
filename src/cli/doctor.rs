//! `doctor`: is everything in order, and if not, what to do. Each line is ok, warn or bad. It ends with exit code 6 where what is
//! bad is the database, as all else would that is started on it, and with 1 where it is something else.
//!
//! A database that cannot be read keeps nothing from being looked at that can be without it.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::cli::failure::{EXIT_FAILED, EXIT_STORE, Failure};
use crate::cli::output::Table;
use crate::cli::prune;
use crate::cli::session::{self, Session};
use crate::dispatch::lock;
use crate::domain::channel::Channel;
use crate::domain::time::{Timestamp, human_duration};
use crate::store::error::OpenError;
use crate::store::examine::Examined;
use crate::store::keys::{KeySource, is_private};
use crate::store::{Store, backup};

/// What to look at.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Read every row and every index of the database: takes long on a large one
    #[arg(long)]
    full: bool,
    /// Connect to nothing
    #[arg(long)]
    offline: bool,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Ok,
    Warn,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Line {
    grade: Grade,
    what: &'static str,
    says: String,
    /// What `doctor` ends with for want of something worse.
    #[serde(skip)]
    code: u8,
}

/// Free room on the disk below which it gets tight, and below which it is too little.
const ROOM_WARN: u64 = 1 << 30;
const ROOM_BAD: u64 = 64 << 20;

/// A write-ahead log beyond this is not being put back into the file.
const WAL_WARN: u64 = 256 << 20;

/// What is due and not paused goes out within this, unless something is wrong.
const LATE_MAX: Duration = Duration::from_mins(15);

/// A stored time may be so far ahead of the clock.
const AHEAD_MAX: Duration = Duration::from_mins(1);

fn line(grade: Grade, what: &'static str, says: impl Into<String>) -> Line {
    let code = if grade == Grade::Bad { EXIT_FAILED } else { 0 };
    Line { grade, what, says: says.into(), code }
}

/// Something that is wrong with the database itself.
fn damaged(what: &'static str, says: impl Into<String>) -> Line {
    Line { code: EXIT_STORE, ..line(Grade::Bad, what, says) }
}

impl Doctor {
    /// Looks.
    ///
    /// # Errors
    /// With code 6 when the database is bad, 1 when something else is.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut lines = Vec::new();
        let store = match session.try_open().await {
            Ok(store) => Some(store),
            Err(error) => {
                let is_whole = matches!(error, OpenError::Seal(_));
                let told = refused(error.into(), session)?;
                lines.push(if is_whole { line(Grade::Bad, told.what, told.says) } else { told });
                None
            }
        };
        match &store {
            Some(store) => self.store(&mut lines, session, store).await?,
            None => outside(&mut lines, &session.paths.database, None),
        }
        self.channels(&mut lines, session, store.as_ref()).await;
        key(&mut lines, &session.key);
        terminal(&mut lines);
        print(session, &lines)
    }

    async fn store(&self, lines: &mut Vec<Line>, session: &Session, store: &Store) -> Result<(), Failure> {
        let examined = match store.examine(self.full).await {
            Ok(examined) => Some(examined),
            Err(error) => {
                lines.push(refused(error.into(), session)?);
                None
            }
        };
        if let Some(examined) = &examined {
            self.file(lines, session, examined);
        }
        outside(lines, &session.paths.database, examined.as_ref());
        // What cannot be read there has been told once.
        if let Err(failure) = within(lines, session, store).await
            && !lines.iter().any(|line| line.code == EXIT_STORE)
        {
            lines.push(refused(failure, session)?);
        }
        if let Some(examined) = &examined {
            clock(lines, session, examined);
        }
        Ok(())
    }

    fn file(&self, lines: &mut Vec<Line>, session: &Session, examined: &Examined) {
        let depth = if self.full { "every row and index" } else { "its structure; --full reads every index too" };
        lines.push(if examined.damage.is_empty() {
            line(Grade::Ok, "file", format!("whole ({depth})"))
        } else {
            let (damage, then) = (examined.damage.join("; "), backup::advice(&session.paths.database));
            damaged("file", format!("damaged: {}; stop bellboard, {then}", damage.replace('\n', "; ")))
        });
        lines.push(match examined.dangling {
            0 => line(Grade::Ok, "references", "each row that is named is there"),
            count => damaged("references", format!("{count} rows name others that are not there; restore a backup")),
        });
        lines.push(if examined.scans.is_empty() {
            line(Grade::Ok, "indexes", "what the dispatcher asks is answered by index")
        } else {
            let what = examined.scans.join(", ");
            let do_next = "an index is not there as it should be; stop bellboard and restore a backup";
            damaged("indexes", format!("whole tables are read for {what}: {do_next}"))
        });
        lines.push(match examined.parked {
            0 => line(Grade::Ok, "parked", "no delivery is parked"),
            count => line(
                Grade::Warn,
                "parked",
                format!("{count} deliveries cannot be sent as they are; `bellboard deliveries list --state parked`"),
            ),
        });
    }

    async fn channels(&self, lines: &mut Vec<Line>, session: &Session, store: Option<&Store>) {
        let with_keys = match store {
            Some(store) => session.senders(store).await,
            None => Err(Failure::Silent(EXIT_STORE)),
        };
        let (senders, has_keys) = match with_keys {
            Ok(senders) => (Ok(senders), true),
            // What is wrong with the database is told already.
            Err(Failure::Silent(_) | Failure::Damaged(_)) => (session::senders(&session.config), false),
            // Another program holds it, or nothing can be stored in it.
            Err(Failure::Says { sentence, code: EXIT_STORE }) => {
                lines.push(damaged("file", sentence));
                (session::senders(&session.config), false)
            }
            Err(failure) => (Err(failure), false),
        };
        let senders = match senders {
            Ok(senders) => senders,
            Err(Failure::Says { sentence, .. }) => {
                lines.push(line(Grade::Bad, "channels", sentence));
                return;
            }
            Err(_) => return,
        };
        // The key that browsers know bellboard by lies in the database.
        for channel in Channel::ALL.into_iter().filter(|channel| has_keys || *channel != Channel::Browser) {
            let what = channel.title();
            lines.push(match senders.waits_for(channel) {
                Some(reason) => line(Grade::Warn, what, format!("what goes there waits: {reason}")),
                None if channel == Channel::Email && self.offline => {
                    line(Grade::Ok, what, "configured; not connected to")
                }
                None if channel == Channel::Email => match senders.check_mail().await {
                    Ok(()) => line(Grade::Ok, what, "the mail server answers and takes the log-in"),
                    Err(reason) => line(Grade::Bad, what, reason.to_string()),
                },
                None => line(Grade::Ok, what, "ready"),
            });
        }
    }
}

/// What is wrong with a file that cannot be opened or read.
fn refused(failure: Failure, session: &Session) -> Result<Line, Failure> {
    match failure.naming_backup(&session.paths.database) {
        Failure::Says { sentence, code: EXIT_STORE } => Ok(damaged("file", sentence)),
        Failure::Says { sentence, .. } => Ok(line(Grade::Bad, "file", sentence)),
        silent => Err(silent),
    }
}

/// What can be known of a database without reading it.
fn outside(lines: &mut Vec<Line>, database: &Path, examined: Option<&Examined>) {
    room(lines, database, examined);
    let process = examined.and_then(|examined| examined.deliverer.as_deref()).unwrap_or("some process");
    lines.push(if lock::is_held(database) {
        line(Grade::Ok, "deliverer", format!("{process} delivers"))
    } else {
        line(Grade::Warn, "deliverer", "nobody delivers now; run `bellboard serve`, or open `bellboard`")
    });
}

/// What the database says of the work that is to be done.
async fn within(lines: &mut Vec<Line>, session: &Session, store: &Store) -> Result<(), Failure> {
    ends(lines, store).await?;
    waits(lines, store, session.clock.now()).await
}

fn room(lines: &mut Vec<Line>, database: &Path, examined: Option<&Examined>) {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(disk) = rustix::fs::statvfs(folder) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let grade = match free {
            0..ROOM_BAD => Grade::Bad,
            ROOM_BAD..ROOM_WARN => Grade::Warn,
            _ => Grade::Ok,
        };
        let make = if grade == Grade::Ok { "" } else { "; make room, or nothing more can be taken in" };
        lines.push(line(grade, "disk", format!("{} MB are free for the database{make}", free >> 20)));
    }
    let mut wal = database.as_os_str().to_owned();
    wal.push("-wal");
    let bytes = std::fs::metadata(&wal).map_or(0, |file| file.len());
    let pages = examined.map(|examined| format!("{} pages, {} of them free; ", examined.pages, examined.free_pages));
    let says = format!("{}{} KB in the -wal file", pages.unwrap_or_default(), bytes >> 10);
    lines.push(if bytes > WAL_WARN {
        let wal = Path::new(&wal).display();
        line(Grade::Warn, "size", format!("{says}: some program reads on and on; `fuser {wal}` says which, end it"))
    } else {
        line(Grade::Ok, "size", says)
    });
}

/// Whether removals and cancellations of much go on.
async fn ends(lines: &mut Vec<Line>, store: &Store) -> Result<(), Failure> {
    let endings = store.endings().await?;
    lines.push(if endings.are_none() {
        line(Grade::Ok, "removals", "all are through")
    } else if lock::is_held(store.path()) {
        line(Grade::Ok, "removals", format!("going on, little by little: {}", prune::words(endings)))
    } else {
        let do_next = "it goes on when somebody delivers, or by `bellboard prune`";
        line(Grade::Warn, "removals", format!("left to do: {}; {do_next}", prune::words(endings)))
    });
    Ok(())
}

/// Whether what is due goes out.
async fn waits(lines: &mut Vec<Line>, store: &Store, now: Timestamp) -> Result<(), Failure> {
    let backlog = store.backlog().await?;
    let of = |channel: Channel| backlog.channels[channel.index()];
    let mut late = Vec::new();
    for channel in Channel::ALL {
        let age = of(channel).due_since.map_or(Duration::ZERO, |since| now.since(since));
        if age > LATE_MAX {
            late.push(format!("{} for {}", channel.title(), human_duration(age)));
        }
    }
    lines.push(if late.is_empty() {
        let waiting: u64 = backlog.channels.iter().map(|waiting| waiting.deliveries).sum();
        let more = if backlog.is_more { " and more" } else { "" };
        line(Grade::Ok, "queue", format!("{waiting}{more} deliveries wait, none of them late"))
    } else {
        let do_next = "see the lines of those channels below, and `bellboard deliveries list --state pending`";
        line(Grade::Warn, "queue", format!("deliveries are late ({}); {do_next}", late.join(", ")))
    });
    let (failing, disabled) = backlog
        .channels
        .iter()
        .fold((0, 0), |(failing, disabled), waiting| (failing + waiting.failing, disabled + waiting.disabled));
    lines.push(if failing + disabled == 0 {
        line(Grade::Ok, "destinations", "none fails, none is disabled")
    } else {
        let says = format!("{failing} fail, {disabled} are disabled; `D` in the console lists them with their reasons");
        line(Grade::Warn, "destinations", says)
    });
    Ok(())
}

fn clock(lines: &mut Vec<Line>, session: &Session, examined: &Examined) {
    let now = session.clock.now();
    let ahead = examined.newest.map_or(Duration::ZERO, |newest| newest.since(now));
    lines.push(if ahead > AHEAD_MAX {
        let by = human_duration(ahead);
        line(Grade::Bad, "clock", format!("it is {by} behind what was stored last; set it, and keep it in step by NTP"))
    } else {
        line(Grade::Ok, "clock", format!("{now}, and nothing is stored that is later"))
    });
    // systemd-timesyncd and chrony both tell the kernel; the file is how the former tells everybody else.
    if Path::new("/run/systemd/timesync").exists() && !Path::new("/run/systemd/timesync/synchronized").exists() {
        lines.push(line(
            Grade::Warn,
            "clock",
            "systemd-timesyncd has not reached a time server yet; see `timedatectl`",
        ));
    }
}

fn key(lines: &mut Vec<Line>, source: &KeySource) {
    let KeySource::File(path) = source else {
        lines.push(line(Grade::Ok, "key", format!("it is {source}")));
        return;
    };
    let shown = path.display();
    lines.push(match is_private(path) {
        Ok(true) => line(Grade::Ok, "key", format!("{shown} is this user's only; back it up apart from the database")),
        Ok(false) => line(Grade::Bad, "key", format!("others can read {shown}; run `chmod 600 {shown}`")),
        Err(error) => line(
            Grade::Bad,
            "key",
            format!("{shown}: {error}; no secret can be opened without it, put it back from its own backup"),
        ),
    });
}

fn terminal(lines: &mut Vec<Line>) {
    if std::env::var_os("TMUX").is_some() {
        let says =
            "tmux may keep copied text from your terminal; `set -g set-clipboard on` in ~/.tmux.conf lets it through";
        lines.push(line(Grade::Warn, "terminal", says));
    }
}

fn print(session: &Session, lines: &[Line]) -> Result<(), Failure> {
    let table = |lines: &[Line]| {
        let mut table = Table::new(["", "what", "how it is"]);
        for line in lines {
            let grade = match line.grade {
                Grade::Ok => "ok",
                Grade::Warn => "warn",
                Grade::Bad => "bad",
            };
            table.row([grade.to_owned(), line.what.to_owned(), line.says.clone()]);
        }
        table
    };
    session.out.list(lines, table, "")?;
    match lines.iter().map(|line| line.code).max() {
        None | Some(0) => Ok(()),
        Some(code) => Err(Failure::Silent(code)),
    }
}
