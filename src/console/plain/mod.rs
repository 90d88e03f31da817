//! The console without a screen, for those who hear it, and for pipes: the same screens, keys and loads, as lines.
//!
//! A line that is typed is a number (to that item), keys or their names (`3 enter`, `toggle`), or text where a field or a
//! filter takes it. What is said are whole lines of text: nothing moves a cursor, nothing is drawn over.

pub mod words;

pub mod speaker;

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::console::app::{App, Turn};
use crate::console::events::changed;
use crate::console::plain::speaker::Speaker;
use crate::console::plain::words::{Said, read};
use crate::console::screen::JobDone;
use crate::console::speech;
use crate::dispatch::Status;
use crate::domain::text::safe_line;
use crate::store::Revision;

/// Longest line that is taken, in bytes; the rest of it is dropped.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Lines that wait to be handled at most; whoever types faster waits.
const LINES_MAX: usize = 64;

/// Shortest time between two things that are said without being asked for.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// Serves the app line by line, until a person or a signal ends it, or nobody types or hears any more.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn serve(
    app: &mut App,
    mut revision: watch::Receiver<Revision>,
    mut dispatcher: Option<watch::Receiver<Status>>,
    mut jobs: mpsc::UnboundedReceiver<JobDone>,
) -> io::Result<()> {
    let mut lines = read_lines();
    let mut ends = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
    let [term, hup, int] = &mut ends;
    let (Ok(term), Ok(hup), Ok(int)) = (term, hup, int) else {
        return Err(io::Error::other("signals cannot be listened to"));
    };
    let mut speaker = Speaker::default();
    let mut said = Instant::now();
    let mut due = None;
    app.resize(speech::area());
    if let Some(status) = &dispatcher {
        app.set_deliverer(status.borrow().clone());
    }
    let mut is_heard = say(speaker.whole(app));
    while is_heard {
        let turn = tokio::select! {
            biased;
            _ = term.recv() => Turn::Quit,
            _ = hup.recv() => Turn::Quit,
            _ = int.recv() => Turn::Quit,
            line = lines.recv() => match line {
                Some(line) => {
                    let (turn, heard) = obey(app, &mut speaker, &line).await;
                    is_heard = heard;
                    turn
                }
                None => Turn::Quit,
            },
            Some(job) = jobs.recv() => {
                let turn = app.job(&job).await;
                is_heard = say(speaker.by_itself(app));
                turn
            }
            status = changed(&mut dispatcher) => {
                app.set_deliverer(status);
                Turn::On
            }
            Ok(()) = revision.changed(), if due.is_none() => {
                due = Some(said + SAY_EVERY);
                Turn::On
            }
            () = sleep_until(due.unwrap_or(said)), if due.is_some() => {
                revision.mark_unchanged();
                due = None;
                app.load().await;
                said = Instant::now();
                is_heard = say(speaker.by_itself(app));
                Turn::On
            }
        };
        if turn == Turn::Quit {
            return Ok(());
        }
    }
    Ok(())
}

/// Does what a line asks for, and says what came of it. The second is whether anybody hears it.
async fn obey(app: &mut App, speaker: &mut Speaker, line: &str) -> (Turn, bool) {
    for said in read(app.place(), app.role(), line) {
        let turn = match said {
            Said::Screen => return (Turn::On, say(speaker.whole(app))),
            Said::Keys => return (Turn::On, say(Speaker::keys(app))),
            Said::More => return (Turn::On, say(speaker.more())),
            Said::Unknown(word) => {
                let text = format!("`{word}` means nothing here; `keys` tells what does");
                return (Turn::On, say(vec![text]));
            }
            Said::Item(item) => app.go_to(item).await,
            Said::Key(key) => app.key(&key).await,
            Said::Action(action) => app.perform(action).await,
            Said::Text(text) => {
                app.key(&KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)).await;
                app.paste(text).await
            }
        };
        match turn {
            Turn::Quit => return (turn, true),
            Turn::Redraw => return (Turn::On, say(speaker.whole(app))),
            Turn::Suspend => return (Turn::On, say(vec!["your terminal's own ^Z leads to the shell".to_owned()])),
            Turn::On => {}
        }
    }
    let mut lines = speaker.after_command(app);
    if let Some(text) = app.take_clipboard() {
        lines.push("-- the text --".to_owned());
        lines.extend(text.lines().map(str::to_owned));
        lines.push("-- its end --".to_owned());
    }
    (Turn::On, say(lines))
}

/// Says lines, made safe. Whether anybody hears them.
fn say(lines: Vec<String>) -> bool {
    let mut text = String::new();
    for line in lines {
        text.push_str(safe_line(&line).trim_end());
        text.push('\n');
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// Reads lines on a thread of its own, until there are no more.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut is_rest = false;
        loop {
            let mut bytes = Vec::new();
            match stdin.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let ends = bytes.last() == Some(&b'\n');
            let line = String::from_utf8_lossy(&bytes);
            let was_rest = std::mem::replace(&mut is_rest, !ends);
            if !was_rest && sender.blocking_send(line.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}
