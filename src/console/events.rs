//! The loop between the terminal and the app. It waits for keys, commits, the dispatcher, jobs and signals, draws when
//! something changed, and does nothing else.

use std::io::stdin;
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::kill_current_process_group;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::console::app::{App, Turn, is_press};
use crate::console::screen::JobDone;
use crate::console::terminal::{Terminal, TerminalError, restore};
use crate::dispatch::Status;
use crate::store::Revision;

/// Shortest time between two frames that commits cause: at most 20 a second, however fast events come.
const RELOAD_EVERY: Duration = Duration::from_millis(50);

/// How long after the last commit the rate of events is read anew, until it is none.
const AGES_AFTER: Duration = Duration::from_secs(20);

/// Keys that wait to be handled at most; a terminal that sends faster waits.
const INPUTS_MAX: usize = 1024;

/// How long to wait for `fg` to have come where a process cannot be stopped.
const SUSPEND_MAX: Duration = Duration::from_millis(300);

/// What the terminal says.
enum Input {
    Event(Event),
    Gone,
}

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
    let mut inputs = read_inputs();
    let mut signals = Signals::listen()?;
    let mut reload_at: Option<Instant> = None;
    let mut reloaded = Instant::now();
    if let Some(status) = &dispatcher {
        app.set_deliverer(status.borrow().clone());
    }
    loop {
        if let Some(text) = app.take_clipboard() {
            terminal.copy(&text)?;
        }
        terminal.draw(Terminal::area(), |buffer| app.draw(buffer))?;
        let due = reload_at.or_else(|| app.ages().then(|| reloaded + AGES_AFTER));
        let turn = tokio::select! {
            biased;
            _ = signals.term.recv() => Turn::Quit,
            _ = signals.hup.recv() => Turn::Quit,
            _ = signals.int.recv() => Turn::Quit,
            input = inputs.recv() => match input {
                Some(Input::Event(event)) => on_event(app, event).await,
                Some(Input::Gone) | None => Turn::Quit,
            },
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
                reload_at = Some(reloaded + RELOAD_EVERY);
                Turn::On
            }
            () = sleep_until(due.unwrap_or(reloaded)), if due.is_some() => {
                revision.mark_unchanged();
                reload_at = None;
                app.load().await;
                reloaded = Instant::now();
                Turn::On
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

async fn come_back(terminal: &mut Terminal, app: &mut App) -> Result<(), TerminalError> {
    terminal.enter()?;
    app.resize(Terminal::area());
    app.load().await;
    Ok(())
}

async fn on_event(app: &mut App, event: Event) -> Turn {
    match event {
        Event::Key(key) if is_press(&key) => app.key(&key).await,
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

/// Reads keys on a thread of its own. It looks whether the terminal is still there before it asks crossterm for anything,
/// since crossterm 0.29 never returns from reading a terminal that is gone.
fn read_inputs() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(INPUTS_MAX);
    std::thread::spawn(move || {
        loop {
            let stdin = stdin();
            let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
            let polled = poll(&mut fds, None);
            let flags = fds[0].revents();
            let is_gone = flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
            if is_gone || matches!(polled, Err(error) if error != rustix::io::Errno::INTR) {
                let _ = sender.blocking_send(Input::Gone);
                return;
            }
            if !flags.contains(PollFlags::IN) {
                continue;
            }
            while matches!(event::poll(Duration::ZERO), Ok(true)) {
                let Ok(event) = event::read() else { break };
                if sender.blocking_send(Input::Event(event)).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}
