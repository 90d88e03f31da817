//! No command: the console on the embedded store, delivering while it runs unless another process does.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use crate::cli::demo;
use crate::cli::failure::{EXIT_FAILED, EXIT_USAGE, Failure};
use crate::cli::logging::{self, Format, Level};
use crate::cli::session::Session;
use crate::console::memory::Memory;
use crate::console::screen::FillSamples;
use crate::console::terminal::TerminalError;
use crate::console::{self, Context};
use crate::store::Store;

/// What the console logs when nothing was said.
const LEVEL: Level = Level::Warn;

/// Opens the console on the session's store.
///
/// # Errors
/// When there is no terminal, or the store cannot be opened.
pub async fn open(session: &Session) -> Result<(), Failure> {
    check_terminal(session)?;
    if session.log.is_some() {
        session.log_to_file_when_asked()?;
    } else {
        // Nobody asked for a log: a home that cannot be written must not keep the console shut.
        let _ = logging::to_file(LEVEL, Format::Text, &session.paths.log);
    }
    let store = session.open().await?;
    let ended = show(session, &store, false).await;
    store.close().await;
    ended
}

/// Shows the console on a store that is open, and delivers from it. `is_demo` is for one that is thrown away.
///
/// # Errors
/// When there is no terminal, or it cannot be used.
pub async fn show(session: &Session, store: &Store, is_demo: bool) -> Result<(), Failure> {
    let senders = Arc::new(session.senders(store).await?);
    let dispatcher = (!session.read_only).then(|| session.deliver_by(store, senders.clone()));
    let http = match session.config.http_of_console().zip(dispatcher.as_ref()) {
        Some((options, dispatcher)) => Some(session.serve_http(store, options, dispatcher).await?),
        None => None,
    };
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let context = Context {
        actor: session.actor.clone(),
        options: console::Options {
            restricted: session.restricted,
            plain: session.out.plain,
            ..session.config.console(value)
        },
        fill_samples: (!session.read_only).then(|| fill_samples(session, store)),
        senders: Some(senders),
        exports: session.paths.exports.clone(),
        memory: (!is_demo && !session.restricted)
            .then(|| Memory { file: session.paths.memory.clone(), database: store.path().to_owned() }),
        demo: is_demo,
    };
    let ended = if session.out.plain {
        console::run_plain(store.clone(), dispatcher, context).await.map_err(TerminalError::Io)
    } else {
        console::run(store.clone(), dispatcher, context).await
    };
    if let Some(http) = http {
        http.stop().await;
    }
    ended.map_err(|error| {
        let code = if matches!(error, TerminalError::NoTerminal) { EXIT_USAGE } else { EXIT_FAILED };
        Failure::new(code, error.to_string())
    })
}

/// A console is for a person at a terminal; says what to do instead.
///
/// # Errors
/// When there is none.
pub fn check_terminal(session: &Session) -> Result<(), Failure> {
    if session.out.json {
        return Err(Failure::usage(
            "the console prints no JSON; leave --json out, or name a command, see `bellboard --help`",
        ));
    }
    if session.out.plain {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::usage(
            "the console needs a terminal; name a command, see `bellboard --help`, or add --plain to have it line by line",
        ));
    }
    Ok(())
}

fn fill_samples(session: &Session, store: &Store) -> FillSamples {
    let (store, actor) = (store.clone(), session.actor.clone());
    Box::new(move || {
        let (store, actor) = (store.clone(), actor.clone());
        Box::pin(async move { demo::fill(&store, &actor).await.map_err(|error| error.to_string()) })
    })
}
