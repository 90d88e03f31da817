//! The command line: one file a command family, each with its arguments and what it does.
//!
//! What the console can do, the command line can do, and both go through the store's one executor: no command here changes
//! anything by itself. It must not know SQL or how a channel sends. All writing to stdout and stderr is in [`output`], every
//! bad end is a [`failure::Failure`]. To add a command: a file with its `Args` or `Subcommand` and a `run`, and a line in
//! [`args::Command`].

pub mod args;

pub mod start;

pub mod failure;

pub mod output;

pub mod session;

pub mod actor;

pub mod log_bound;

pub mod log_file;

pub mod logging;

pub mod paths;

pub mod query;

pub mod confirm;

pub mod reach;

pub mod restricted;

pub mod show;

pub mod wait;

pub mod signals;

pub mod notify;

pub mod progress;

pub mod destinations;

pub mod console;

pub mod demo;

pub mod serve;

pub mod emit;

pub mod ingest;

pub mod watch;

pub mod why;

pub mod accounts;

pub mod event_types;

pub mod messages;

pub mod matrix;

pub mod deliveries;

pub mod replays;

pub mod events;

pub mod tokens;

pub mod audit;

pub mod config;

pub mod doctor;

pub mod backup;

pub mod keys;

pub mod memory;

pub mod threads;

pub mod prune;

pub mod forget;

pub mod scripts;

pub mod help;

use std::process::ExitCode;

use crate::cli::args::{Arguments, Command};
use crate::cli::failure::{EXIT_STORE, Failure};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::store::error::StoreError;

/// Does what was asked for and says how it ended.
pub async fn run(arguments: Arguments) -> ExitCode {
    let mut out = Output { json: arguments.globals.json, plain: arguments.globals.plain };
    let arguments = if arguments.globals.restricted {
        let asked = std::env::var("SSH_ORIGINAL_COMMAND").ok();
        restricted::arguments(arguments, asked.as_deref())
    } else {
        Ok(arguments)
    };
    let ended = match arguments {
        Ok(arguments) => {
            out = Output { json: arguments.globals.json, plain: arguments.globals.plain };
            dispatch(arguments, out).await
        }
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Silent(code)) => ExitCode::from(code),
        Err(Failure::Help(text)) => match out.raw(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(Failure::Damaged(problem)) => {
            out.aside(format!("error: {}", StoreError::Damaged(problem)));
            ExitCode::from(EXIT_STORE)
        }
        Err(Failure::Says { code, sentence }) => {
            out.aside(format!("error: {sentence}"));
            ExitCode::from(code)
        }
    }
}

async fn dispatch(arguments: Arguments, out: Output) -> Result<(), Failure> {
    let needed = arguments.reach().role;
    let Arguments { globals, command } = arguments;
    // These answer without a store, and while the config is broken.
    let command = match command {
        Some(Command::Completions(command)) => return command.run(out),
        Some(Command::Man(command)) => return command.run(out),
        Some(Command::Help(command)) => return command.run(out),
        Some(Command::Config { command }) => {
            if needed.is_some() {
                Session::start(&globals, out, needed)?;
            }
            return command.run(&globals, out);
        }
        other => other,
    };
    memory::in_small_pages();
    let session = Session::start(&globals, out, needed)?;
    let ended = match command {
        None => console::open(&session).await,
        Some(Command::Demo(command)) => command.run(&session).await,
        Some(Command::Serve(command)) => command.run(&session).await,
        Some(command) => {
            session.log_to_file_when_asked()?;
            one_shot(command, &session).await
        }
    };
    ended.map_err(|failure| failure.naming_backup(&session.paths.database))
}

async fn one_shot(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Emit(command) => command.run(session).await,
        Command::Ingest(command) => command.run(session).await,
        Command::Watch(command) => command.run(session).await,
        Command::Why(command) => command.run(session).await,
        Command::Accounts { command } => command.run(session).await,
        Command::EventTypes { command } => command.run(session).await,
        Command::Matrix { command } => command.run(session).await,
        Command::Messages { command } => command.run(session).await,
        Command::Destinations { command } => command.run(session).await,
        Command::Deliveries { command } => command.run(session).await,
        Command::Events { command } => command.run(session).await,
        Command::Tokens { command } => command.run(session).await,
        Command::Audit { command } => command.run(session).await,
        Command::Doctor(command) => command.run(session).await,
        Command::Backup(command) => command.run(session).await,
        Command::Restore(command) => command.run(session).await,
        Command::Prune(command) => command.run(session).await,
        Command::Keys { command } => command.run(session).await,
        Command::Demo(_)
        | Command::Serve(_)
        | Command::Config { .. }
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Help(_) => Ok(()),
    }
}
