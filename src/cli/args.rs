//! The whole command line as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cli::logging::Level;
use crate::cli::{
    accounts, audit, backup, config, deliveries, demo, destinations, doctor, emit, event_types, events, help, ingest,
    keys, matrix, messages, prune, scripts, serve, tokens, watch, why,
};
use crate::config::Color;

/// Who is told of what, and was it delivered: a console over a durable notification dispatcher
///
/// Without a command it opens the console on the database and delivers while it runs, unless another process does.
#[derive(Debug, Parser)]
#[command(name = "bellboard", bin_name = "bellboard", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Arguments {
    /// What goes with every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do; nothing opens the console.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 tried and failed, 2 wrong usage, 3 nothing there by that name, 4 refused,
5 time ran out under --wait, 6 the database is in use, damaged, or from a newer version.

`bellboard help TOPIC` tells about start, channels, receiving, http, ssh, operating,
security, plain and limits.
New here? `bellboard demo` shows it with sample accounts; nothing leaves this machine.";

/// Options that may stand before or after any command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own on the command line")]
pub struct Globals {
    /// The database [default: bellboard/bellboard.db in the XDG data folder]
    #[arg(long, global = true, value_name = "PATH", env = "BELLBOARD_DB", hide_env_values = true)]
    pub db: Option<PathBuf>,
    /// The config file [default: bellboard/config.toml in the XDG config folder]
    #[arg(long, global = true, value_name = "FILE", env = "BELLBOARD_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Print one JSON document instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// Lines instead of a screen or a table, for screen readers and pipes: the console line by line, lists an item a line
    #[arg(long, global = true)]
    pub plain: bool,
    /// When the console uses colours: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", value_parser = Color::parse)]
    pub color: Option<Color>,
    /// Refuse every change
    #[arg(long, global = true)]
    pub read_only: bool,
    /// For an SSH `ForceCommand`: takes the command from `SSH_ORIGINAL_COMMAND` and keeps to the terminal and the database
    #[arg(long, global = true)]
    pub restricted: bool,
    /// How much to log, off, error, warn, info, debug or trace: into a file, or to stderr under `serve`
    #[arg(
        long,
        global = true,
        hide_possible_values = true,
        value_name = "LEVEL",
        env = "BELLBOARD_LOG",
        hide_env_values = true
    )]
    pub log: Option<Level>,
    /// Whether the environment said which database, config or log.
    #[arg(skip)]
    pub chosen_by_environment: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the console on a throw-away store: sample accounts, receivers on loopback, events flowing
    Demo(demo::Demo),
    /// Deliver without a screen, until SIGTERM or SIGINT
    Serve(serve::Serve),
    /// Store one event and what follows from it
    Emit(emit::Emit),
    /// Store many events, one JSON object a line
    Ingest(ingest::Ingest),
    /// Print every attempt as it happens
    Watch(watch::Watch),
    /// Say for each channel what became of an event, and why
    Why(why::Why),
    /// The customers
    Accounts {
        /// What to do with them.
        #[command(subcommand)]
        command: accounts::Accounts,
    },
    /// The rows of the matrix
    EventTypes {
        /// What to do with them.
        #[command(subcommand)]
        command: event_types::EventTypes,
    },
    /// Which kinds of events go to which channels
    Matrix {
        /// What to do with it.
        #[command(subcommand)]
        command: matrix::Matrix,
    },
    /// Where the notifications of an account go
    Destinations {
        /// What to do with them.
        #[command(subcommand)]
        command: destinations::Destinations,
    },
    /// What customers read of an event, and the templates that word it
    Messages {
        /// What to do with them.
        #[command(subcommand)]
        command: messages::Messages,
    },
    /// What was sent, what waits, what failed
    Deliveries {
        /// What to do with them.
        #[command(subcommand)]
        command: deliveries::Deliveries,
    },
    /// What happened to accounts
    Events {
        /// What to do with them.
        #[command(subcommand)]
        command: events::Events,
    },
    /// Who may speak over HTTP: bearer tokens
    Tokens {
        /// What to do with them.
        #[command(subcommand)]
        command: tokens::Tokens,
    },
    /// Who changed what, and when
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        command: audit::Audit,
    },
    /// The config: what is in force, where it comes from, whether it is right
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Look whether everything is in order, and say what to do where it is not
    Doctor(doctor::Doctor),
    /// Copy the database while it is in use
    Backup(backup::Backup),
    /// Put a copy in the place of a database that is not there
    Restore(backup::Restore),
    /// The key that seals secrets in the database
    Keys {
        /// What to do with it.
        #[command(subcommand)]
        command: keys::Keys,
    },
    /// Remove what ended long ago, as the process that delivers does every hour
    Prune(prune::Prune),
    /// Print a completion script for a shell
    Completions(scripts::Completions),
    /// Print a manual page: of the commands, or of a topic
    Man(scripts::Man),
    /// Say how a command is used, or tell about a topic
    Help(help::Help),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_for_all_stand_before_or_after_the_command() {
        for line in ["bellboard --json --db x accounts list", "bellboard accounts list --json --db x"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
            assert!(arguments.globals.json, "{line}");
            assert_eq!(arguments.globals.db, Some(PathBuf::from("x")), "{line}");
        }
    }
}
