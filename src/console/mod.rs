//! The console: screens over the store, drawn on a terminal.
//!
//! It meets the dispatcher only through the store and a small handle, and never calls a channel's send: a test message is a
//! delivery like any other. All it waits for is local store work; anything slow runs beside the loop. [`app`] is the state
//! and what keys do to it, without a terminal; [`events`] is the loop between the two. To add a screen, see [`screen`]; to
//! add a key, see [`keymap`].

pub mod keymap;

pub mod theme;

pub mod screen;

pub mod speech;

pub mod app;

pub mod screens;

pub mod widgets;

pub mod words;

pub mod query;

pub mod proof;

pub mod memory;

pub mod editor;

pub mod events;

pub mod terminal;

pub mod plain;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};

use crate::channels::Senders;
use crate::console::app::App;
use crate::console::keymap::remap::{self, Wishes};
use crate::console::memory::Memory;
use crate::console::screen::{FillSamples, JobDone, Services, Tone};
use crate::console::screens::accounts::Accounts;
use crate::console::terminal::{Terminal, TerminalError, restore};
use crate::console::theme::file::Depth;
use crate::console::theme::{Marks, Theme, ThemeName};
use crate::dispatch::{self, Status};
use crate::domain::account::AccountKey;
use crate::domain::command::Actor;
use crate::store::Store;

/// What a person may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// The colours.
    pub theme: ThemeName,
    /// Colours of a person's own, before those.
    pub own_theme: Option<Theme>,
    /// How many colours the terminal has.
    pub depth: Depth,
    /// Other keys than the table's.
    pub keys: Wishes,
    /// The characters of marks and small plots.
    pub marks: Marks,
    /// Whether there are any: not with `NO_COLOR` or `color = "never"`.
    pub color: bool,
    /// The zone of the times on the screen.
    pub zone: TimeZone,
    /// What the link of an enrolment code begins with; nothing while the HTTP side is off.
    pub enrolment_url: Option<String>,
    /// The account whose set-up new accounts get.
    pub template: Option<AccountKey>,
    /// Whether only the terminal and the database are within reach: no file, no other program, no shell.
    pub restricted: bool,
    /// Whether it is told as lines, which may be kept somewhere.
    pub plain: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            theme: ThemeName::Terminal,
            own_theme: None,
            depth: Depth::Many,
            keys: Wishes::new(),
            marks: Marks::Ascii,
            color: true,
            zone: TimeZone::system(),
            enrolment_url: None,
            template: None,
            restricted: false,
            plain: false,
        }
    }
}

/// What the console is started with.
pub struct Context {
    /// Who acts.
    pub actor: Actor,
    /// What a person may set.
    pub options: Options,
    /// Fills sample accounts into an empty store, where that can be done.
    pub fill_samples: Option<FillSamples>,
    /// Lists the rooms of a HipChat token, beside the loop.
    pub senders: Option<Arc<Senders>>,
    /// The folder for what is written to files.
    pub exports: PathBuf,
    /// What is kept from one start to the next; nothing in the demo.
    pub memory: Option<Memory>,
    /// Whether this is the demo.
    pub demo: bool,
}

/// Runs the console until a person ends it, a signal does, or the terminal is gone. Then it lets the dispatcher's running
/// sends end and gives the terminal back.
///
/// # Errors
/// When there is no terminal, or it cannot be used.
pub async fn run(store: Store, dispatcher: Option<dispatch::Handle>, context: Context) -> Result<(), TerminalError> {
    // What cannot be was refused when the config was read.
    if let Ok(lines) = remap::remap(&context.options.keys) {
        remap::install(lines);
    }
    let mut terminal = Terminal::set_up();
    let status = dispatcher.as_ref().map(dispatch::Handle::status);
    let result = match &mut terminal {
        Ok(terminal) => start(terminal, store, status.clone(), context).await,
        Err(_) => Ok(()),
    };
    if result.is_err() || !status.is_some_and(|status| is_sending(&status.borrow())) {
        restore();
    }
    if let Some(dispatcher) = dispatcher {
        dispatcher.stop().await;
    }
    restore();
    terminal.and(result)
}

/// Runs the console line by line, without a screen: for those who hear it, and for pipes.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn run_plain(store: Store, dispatcher: Option<dispatch::Handle>, context: Context) -> std::io::Result<()> {
    let status = dispatcher.as_ref().map(dispatch::Handle::status);
    let mut revision = store.revision();
    revision.mark_unchanged();
    let (mut app, jobs, memory) = open(store, context).await;
    let served = plain::serve(&mut app, revision, status, jobs).await;
    if let Some(memory) = memory {
        memory.write(app.kept());
    }
    if let Some(dispatcher) = dispatcher {
        dispatcher.stop().await;
    }
    served
}

/// The app on its first screens, and what comes of its jobs.
async fn open(store: Store, context: Context) -> (App, mpsc::UnboundedReceiver<JobDone>, Option<Memory>) {
    let services = Arc::new(Services {
        actor: context.actor,
        options: context.options,
        clock: store.clock().clone(),
        read_only: store.is_read_only(),
        role: store.role(),
        fill_samples: context.fill_samples,
        senders: context.senders,
        exports: context.exports,
        demo: context.demo,
    });
    let (job_sender, jobs) = mpsc::unbounded_channel();
    let first = Box::new(Accounts::new(services.clone()));
    let mut app = App::new(store, services, first, job_sender).await;
    if let Some(memory) = &context.memory {
        app.open_again(&memory.read()).await;
    }
    (app, jobs, context.memory)
}

async fn start(
    terminal: &mut Terminal,
    store: Store,
    status: Option<watch::Receiver<Status>>,
    context: Context,
) -> Result<(), TerminalError> {
    let mut revision = store.revision();
    revision.mark_unchanged();
    let (mut app, jobs, memory) = open(store, context).await;
    app.resize(Terminal::area());
    let served = events::serve(terminal, &mut app, revision, status.clone(), jobs).await;
    if let Some(memory) = &memory {
        memory.write(app.kept());
    }
    served?;
    if status.is_some_and(|status| is_sending(&status.borrow())) {
        app.set_deliverer(Status::Stopping);
        app.say("what is being sent ends first, at most a few seconds", Tone::Plain);
        // The terminal may be the reason for the end; then nobody sees this.
        let _ = terminal.draw(Terminal::area(), |buffer| app.draw(buffer));
    }
    Ok(())
}

fn is_sending(status: &Status) -> bool {
    matches!(status, Status::Delivering { sending } if *sending > 0)
}
