//! The loop between the terminal and the app. It waits for keys, commits, the dispatcher, jobs and signals, draws when
//! something changed, and does nothing else.

use std::io::stdin;
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::{SignalKind, signal};
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

/// Serves the app until a person or a signal ends it, or the terminal is gone.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn serve(
    terminal: &mut Terminal,
    app: &mut App,
    mut revision: watch::Receiver<Revision>,
    mut deliverer: Option<watch::Receiver<Status>>,
    mut jobs: mpsc::UnboundedReceiver<JobDone>,
) -> Result<(), TerminalError> {
    let mut inputs = read_inputs();
    let mut resized = signal(SignalKind::window_change())?;
    let mut continued = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    let (mut term, mut hup, mut int) =
        (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?);
    let mut reload_at: Option<Instant> = None;
    let mut reloaded = Instant::now();
    if let Some(deliverer) = &deliverer {
        app.set_deliverer(deliverer.borrow().clone());
    }
    loop {
        let area = Terminal::area();
        terminal.draw(area, |buffer| app.draw(buffer))?;
        let turn = tokio::select! {
            biased;
            _ = term.recv() => Turn::Quit,
            _ = hup.recv() => Turn::Quit,
            _ = int.recv() => Turn::Quit,
            input = inputs.recv() => match input {
                Some(Input::Event(event)) => on_event(app, event).await,
                Some(Input::Gone) | None => Turn::Quit,
            },
            _ = resized.recv() => {
                app.resize(Terminal::area());
                Turn::On
            }
            _ = continued.recv() => {
                terminal.enter()?;
                app.resize(Terminal::area());
                Turn::On
            }
            Some(job) = jobs.recv() => app.job(&job).await,
            Ok(()) = changed(&mut deliverer) => {
                if let Some(deliverer) = &mut deliverer {
                    app.set_deliverer(deliverer.borrow_and_update().clone());
                }
                Turn::On
            }
            Ok(()) = revision.changed(), if reload_at.is_none() => {
                reload_at = Some((reloaded + RELOAD_EVERY).max(Instant::now()));
                continue;
            }
            () = sleep_until(reloaded + AGES_AFTER), if reload_at.is_none() && app.ages() => {
                app.load().await;
                reloaded = Instant::now();
                Turn::On
            }
            () = sleep_until(reload_at.unwrap_or(reloaded)), if reload_at.is_some() => {
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
            Turn::Suspend => {
                restore();
                let _ = kill_current_process_group(Signal::TSTP);
                tokio::select! {
                    _ = continued.recv() => {}
                    () = sleep(SUSPEND_MAX) => {}
                }
                terminal.enter()?;
                app.resize(Terminal::area());
                app.load().await;
            }
        }
    }
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

async fn changed(deliverer: &mut Option<watch::Receiver<Status>>) -> Result<(), watch::error::RecvError> {
    match deliverer {
        Some(deliverer) => match deliverer.changed().await {
            Ok(()) => Ok(()),
            // Its sender has ended; nothing will come any more.
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
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
