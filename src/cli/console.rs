//! The console on a database: opened, delivered from, shown, and given back.

use std::sync::Arc;

use crate::cli::demo;
use crate::cli::failure::{EXIT_STORE, EXIT_USAGE, Failure};
use crate::cli::logging::{self, Level};
use crate::cli::session::{Session, senders};
use crate::console::screen::FillSamples;
use crate::console::terminal::TerminalError;
use crate::console::{Context, Options, run};
use crate::store::Store;

/// Opens the console on the database of this session, and delivers while it runs.
///
/// # Errors
/// When the database or the terminal cannot be used.
pub async fn open(session: &Session) -> Result<(), Failure> {
    let store = session.open().await?;
    let ended = show(session, &store, false).await;
    store.close().await;
    ended
}

/// Shows the console on a store that is open.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn show(session: &Session, store: &Store, is_demo: bool) -> Result<(), Failure> {
    // The screen is the console's, so its log goes into a file.
    logging::to_file(session.log.unwrap_or(Level::Info), &session.paths.log)?;
    let dispatcher = if session.read_only { None } else { Some(session.deliver(store)?) };
    let fill = (!session.read_only).then(|| fill_samples(session, store));
    let color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let context = Context {
        actor: session.actor.clone(),
        options: Options { color, ..Options::default() },
        fill_samples: fill,
        senders: Some(Arc::new(senders(&session.config)?)),
        demo: is_demo,
    };
    run(store.clone(), dispatcher, context).await.map_err(|error| {
        let code = if matches!(error, TerminalError::NoTerminal) { EXIT_USAGE } else { EXIT_STORE };
        Failure::new(code, error.to_string())
    })
}

fn fill_samples(session: &Session, store: &Store) -> FillSamples {
    let (store, actor) = (store.clone(), session.actor.clone());
    Box::new(move || {
        let (store, actor) = (store.clone(), actor.clone());
        Box::pin(async move {
            demo::fill(&store, &actor).await.map_err(|error| error.to_string())?;
            Ok("sample accounts are filled in; their addresses lead nowhere".to_owned())
        })
    })
}
