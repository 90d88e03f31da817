//! `matrix`: which kinds of events go to which channels.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::cli::failure::{EXIT_NOT_FOUND, Failure};
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show::{self, DoneObject};
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::{CellChange, Command};
use crate::domain::matrix::{Cell, CellMark, CellSetting};
use crate::domain::mute::Scope;
use crate::domain::time::{Timestamp, parse_duration};
use crate::store::matrix::{CellRow, MatrixView};

/// What to do with the matrix.
#[derive(Debug, Subcommand)]
pub enum Matrix {
    /// Show an account's matrix
    Show {
        /// Whose
        account: AccountKey,
    },
    /// Turn a cell, a row or a column on or off, or back to its default
    Set(Set),
    /// Let a cell, a row, a column or the whole account get nothing until a time
    Mute(Mute),
    /// End a mute before its time
    Unmute(Muted),
}

/// What is muted.
#[derive(Debug, Args)]
pub struct Muted {
    /// Whose
    account: AccountKey,
    /// The event type, or all
    #[arg(default_value = ALL)]
    event_type: String,
    /// The channel, or all
    #[arg(value_parser = parse_channels, default_value = ALL)]
    channel: Channels,
}

/// What to mute, and until when.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("end").required(true)))]
pub struct Mute {
    #[command(flatten)]
    what: Muted,
    /// For so long, as 4h
    #[arg(long = "for", value_name = "TIME", group = "end", value_parser = parse_duration)]
    long: Option<Duration>,
    /// Until then, as 2026-05-04T10:00:00Z
    #[arg(long, value_name = "WHEN", group = "end", value_parser = Timestamp::parse)]
    until: Option<Timestamp>,
    /// What for; `bellboard why` shows it
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

impl Muted {
    fn scope(&self) -> Scope {
        let event_type = Some(&self.event_type).filter(|name| *name != ALL).cloned();
        Scope { event_type, channel: self.channel }
    }
}

/// What to set.
#[derive(Debug, Args)]
pub struct Set {
    /// Whose
    account: AccountKey,
    /// The event type, a group of them as servers, or all
    event_type: String,
    /// The channel, or all
    #[arg(value_parser = parse_channels)]
    channel: Channels,
    /// What to
    to: Setting,
}

/// One channel or all.
type Channels = Option<Channel>;

/// What a cell can be set to.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Setting {
    /// Such events go there
    On,
    /// They don't
    Off,
    /// As if nobody had said anything
    Default,
}

impl From<Setting> for CellSetting {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::On => Self::On,
            Setting::Off => Self::Off,
            Setting::Default => Self::Default,
        }
    }
}

/// The word for all rows or all columns.
const ALL: &str = "all";

fn parse_channels(text: &str) -> Result<Channels, String> {
    if text == ALL { Ok(None) } else { text.parse().map(Some).map_err(|error| format!("{error}, or all")) }
}

#[derive(Serialize)]
struct MatrixObject<'a> {
    account: &'a AccountKey,
    cells: Vec<CellRow>,
}

impl Matrix {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done; nothing has changed then.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        match self {
            Self::Show { account } => {
                let view = store.matrix(&account).await?;
                if session.out.json {
                    return Ok(session.out.document(&MatrixObject { account: &account, cells: view.cells() })?);
                }
                session.out.table(&table(&view))?;
                for mute in view.preferences.mutes(view.at) {
                    let reason = if mute.reason.is_empty() { String::new() } else { format!(": {}", mute.reason) };
                    let (words, by) = (mute.scope.words(), &mute.by);
                    session.out.line(format!("{words} is muted by {by} until {}{reason}", show::time(mute.until)))?;
                }
                Ok(session.out.line(LEGEND)?)
            }
            Self::Mute(mute) => {
                let until = match (mute.until, mute.long) {
                    (Some(until), _) => until,
                    (None, long) => session.clock.now().plus(long.unwrap_or_default()),
                };
                let (account, scope) = (mute.what.account.clone(), mute.what.scope());
                let done = session.change(&store, Command::Mute { account, scope, until, reason: mute.reason }).await?;
                Ok(session.out.either(&DoneObject::from(&done), &done.says)?)
            }
            Self::Unmute(what) => {
                let command = Command::Unmute { account: what.account.clone(), scope: what.scope() };
                let done = session.change(&store, command).await?;
                Ok(session.out.either(&DoneObject::from(&done), &done.says)?)
            }
            Self::Set(set) => {
                let rows = set.rows(&store.matrix(&set.account).await?)?;
                let cells = set.cells(&rows);
                let done = session.change(&store, Command::SetCells { account: set.account.clone(), cells }).await?;
                if !session.out.json {
                    return Ok(session.out.line(&done.says)?);
                }
                let mut cells = store.matrix(&set.account).await?.cells();
                cells.retain(|cell| {
                    rows.contains(&cell.event_type) && set.channel.is_none_or(|only| only == cell.channel)
                });
                Ok(session.out.document(&MatrixObject { account: &set.account, cells })?)
            }
        }
    }
}

impl Set {
    /// The names of the event types that are meant.
    fn rows(&self, view: &MatrixView) -> Result<Vec<String>, Failure> {
        let types = view.catalogue.types();
        if let Some(found) = view.catalogue.get(&self.event_type) {
            return Ok(vec![found.name.clone()]);
        }
        let rows: Vec<String> = types
            .iter()
            .filter(|event_type| self.event_type == ALL || event_type.group == self.event_type)
            .map(|event_type| event_type.name.clone())
            .collect();
        if rows.is_empty() {
            let given = &self.event_type;
            let nearest = view.catalogue.nearest(given).map(|near| format!(" (did you mean `{}`?)", near.name));
            let sentence = format!(
                "there is no event type or group `{given}`{}; see `bellboard event-types list {}`",
                nearest.unwrap_or_default(),
                self.account
            );
            return Err(Failure::new(EXIT_NOT_FOUND, sentence));
        }
        Ok(rows)
    }

    fn cells(&self, rows: &[String]) -> Vec<CellChange> {
        let channels = self.channel.map_or(Channel::ALL.to_vec(), |channel| vec![channel]);
        rows.iter()
            .flat_map(|event_type| {
                let to = CellSetting::from(self.to);
                channels.iter().map(move |channel| CellChange { event_type: event_type.clone(), channel: *channel, to })
            })
            .collect()
    }
}

const LEGEND: &str = "* on  . off  o on, but nowhere to go  ~ muted  = paused  ! failing  x disabled  ' changed";

fn table(view: &MatrixView) -> Table {
    let mut table = Table::new(["event type"]);
    table.head(&Channel::ALL.map(Channel::title));
    let mut group = "";
    for event_type in view.catalogue.types() {
        if event_type.group != group {
            group = &event_type.group;
            table.cells(vec![group.to_owned()]);
        }
        let mut cells = vec![format!("  {}", event_type.name)];
        cells.extend(Channel::ALL.map(|channel| mark(&view.cell(event_type, channel))));
        table.cells(cells);
    }
    table
}

fn mark(cell: &Cell) -> String {
    let mark = match cell.mark {
        CellMark::Off => ".",
        CellMark::On => "*",
        CellMark::Nowhere => "o",
        CellMark::Muted => "~",
        CellMark::Paused => "=",
        CellMark::Failing => "!",
        CellMark::Disabled => "x",
    };
    if cell.on == cell.default { mark.to_owned() } else { format!("{mark}'") }
}
