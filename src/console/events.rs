//! The loop between the terminal and the app. It waits for keys, commits, the dispatcher, jobs and signals, draws when
//! something changed, and does nothing else.

use std::time::Duration;

use crossterm::event::Event;
use rustix::process::kill_current_process_group;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::console::app::{App, Turn, is_press};
use crate::console::editor;
use crate::console::screen::JobDone;
use crate::console::terminal::{Happened, Terminal, TerminalError, restore};
use crate::dispatch::Status;
use crate::store::Revision;

/// Shortest time between two frames that commits cause: at most 20 a second, however fast events come.
const RELOAD_EVERY: Duration = Duration::from_millis(50);

/// How long after the last commit the rate of events is read anew, until it is none.
const AGES_AFTER: Duration = Duration::from_secs(20);

/// What frames that nobody asked for may take of the line, in bytes a second: less than a line of 9,600 has, so that keys are
/// answered at once there too; enough for a few whole panes a second.
const LINE_RATE: f64 = 6_000.0;

/// Longest that what came waits to be shown, whatever keys take of the line.
const RELOAD_WAIT_MAX: Duration = Duration::from_secs(1);

/// How long to wait for `fg` to have come where a process cannot be stopped.
const SUSPEND_MAX: Duration = Duration::from_millis(300);

/// Signals that the loop listens to.
struct Signals {
    resized: Signal,
    continued: Signal,
    term: Signal,
    hup: Signal,
    int: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
            term: signal(SignalKind::terminate())?,
            hup: signal(SignalKind::hangup())?,
            int: signal(SignalKind::interrupt())?,
        })
    }
}

/// The line to the terminal, as slow as it may be anywhere: what stands between here and there is not seen, so a backlog is
/// avoided by counting.
struct Line {
    free_at: Instant,
}

impl Line {
    /// Counts what was sent.
    fn took(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.free_at = self.free_at.max(Instant::now()) + Duration::from_secs_f64(f64::from(bytes) / LINE_RATE);
    }

    /// When all that was sent has arrived even on a slow line.
    const fn free_at(&self) -> Instant {
        self.free_at
    }
}

/// Serves the app until a person or a signal ends it, or the terminal is gone.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn serve(
    terminal: &mut Terminal,
    app: &mut App,
    mut revision: watch::Receiver<Revision>,
    mut dispatcher: Option<watch::Receiver<Status>>,
    mut jobs: mpsc::UnboundedReceiver<JobDone>,
) -> Result<(), TerminalError> {
    let mut signals = Signals::listen()?;
    let mut reload_at: Option<Instant> = None;
    let mut reloaded = Instant::now();
    let mut line = Line { free_at: reloaded };
    if let Some(status) = &dispatcher {
        app.set_deliverer(status.borrow().clone());
    }
    loop {
        if let Some(text) = app.take_clipboard() {
            terminal.copy(&text)?;
        }
        if let Some((field, text)) = app.take_editing() {
            if edit(terminal, app, &mut signals, (field, &text)).await? == Turn::Quit {
                return Ok(());
            }
            continue;
        }
        terminal.set_mouse(app.mouse())?;
        if terminal.is_ready() {
            let bytes = terminal.draw(Terminal::area(), |buffer| app.draw(buffer))?;
            line.took(bytes);
        }
        // What nobody sees yet need not be read.
        let is_ready = terminal.is_ready();
        let due = reload_at.or_else(|| app.ages().then(|| reloaded + AGES_AFTER));
        let turn = tokio::select! {
            biased;
            _ = signals.term.recv() => Turn::Quit,
            _ = signals.hup.recv() => Turn::Quit,
            _ = signals.int.recv() => Turn::Quit,
            happened = terminal.happens() => on_happened(app, happened?).await,
            _ = signals.resized.recv() => {
                app.resize(Terminal::area());
                Turn::On
            }
            _ = signals.continued.recv() => {
                come_back(terminal, app).await?;
                Turn::On
            }
            Some(job) = jobs.recv() => app.job(&job).await,
            status = changed(&mut dispatcher) => {
                app.set_deliverer(status);
                Turn::On
            }
            Ok(()) = revision.changed(), if reload_at.is_none() => {
                reload_at = Some(line.free_at().clamp(reloaded + RELOAD_EVERY, reloaded + RELOAD_WAIT_MAX));
                Turn::On
            }
            () = sleep_until(due.unwrap_or(reloaded)), if due.is_some() && is_ready => {
                revision.mark_unchanged();
                read_anew(terminal, app, &mut reload_at, &mut reloaded).await?
            }
        };
        match turn {
            Turn::On => {}
            Turn::Quit => return Ok(()),
            Turn::Redraw => terminal.forget(),
            Turn::Suspend => suspend(terminal, app, &mut signals).await?,
        }
    }
}

/// Reads what is shown. What somebody does meanwhile comes first, but not for ever; then it is read again.
async fn read_anew(
    terminal: &mut Terminal,
    app: &mut App,
    reload_at: &mut Option<Instant>,
    reloaded: &mut Instant,
) -> Result<Turn, TerminalError> {
    let pressed = tokio::select! {
        biased;
        happened = terminal.happens(), if reloaded.elapsed() < RELOAD_WAIT_MAX => Some(happened?),
        () = app.load() => None,
    };
    *reload_at = pressed.as_ref().map(|_| Instant::now());
    if let Some(happened) = pressed {
        return Ok(on_happened(app, happened).await);
    }
    *reloaded = Instant::now();
    Ok(Turn::On)
}

/// Gives the terminal back and stops, as Ctrl-Z does elsewhere; returns after `fg`.
async fn suspend(terminal: &mut Terminal, app: &mut App, signals: &mut Signals) -> Result<(), TerminalError> {
    restore();
    // The whole group, so that a wrapper like sudo stops too and the shell gets its prompt.
    let _ = kill_current_process_group(rustix::process::Signal::TSTP);
    tokio::select! {
        _ = signals.continued.recv() => {}
        () = sleep(SUSPEND_MAX) => {}
    }
    come_back(terminal, app).await
}

/// Gives the terminal to the person's editor, and takes it back when that ends; nothing is read from it meanwhile.
async fn edit(
    terminal: &mut Terminal,
    app: &mut App,
    signals: &mut Signals,
    (field, text): (&'static str, &str),
) -> Result<Turn, TerminalError> {
    restore();
    let edited = tokio::select! {
        edited = editor::edit(text) => Some(edited),
        _ = signals.term.recv() => None,
        _ = signals.hup.recv() => None,
    };
    // A Ctrl-C in there was for the editor.
    tokio::select! {
        biased;
        _ = signals.int.recv() => {}
        () = std::future::ready(()) => {}
    }
    let Some(edited) = edited else { return Ok(Turn::Quit) };
    come_back(terminal, app).await?;
    Ok(app.edited(field, edited).await)
}

async fn come_back(terminal: &mut Terminal, app: &mut App) -> Result<(), TerminalError> {
    terminal.enter()?;
    app.resize(Terminal::area());
    app.load().await;
    Ok(())
}

async fn on_happened(app: &mut App, happened: Happened) -> Turn {
    match happened {
        Happened::Event(event) => on_event(app, event).await,
        Happened::Written => Turn::On,
        Happened::Gone => Turn::Quit,
    }
}

async fn on_event(app: &mut App, event: Event) -> Turn {
    match event {
        Event::Key(key) if is_press(&key) => app.key(&key).await,
        Event::Mouse(event) => app.point(&event).await,
        Event::Paste(text) => app.paste(text).await,
        Event::Resize(..) => {
            app.resize(Terminal::area());
            Turn::On
        }
        _ => Turn::On,
    }
}

/// Waits until the dispatcher does something else; for ever when there is none.
pub(crate) async fn changed(dispatcher: &mut Option<watch::Receiver<Status>>) -> Status {
    if let Some(status) = dispatcher
        && status.changed().await.is_ok()
    {
        return status.borrow_and_update().clone();
    }
    std::future::pending().await
}
