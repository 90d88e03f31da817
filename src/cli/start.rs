//! The arguments that the program was started with, and what is said when they make no sense.
//!
//! clap repeats in its errors what was typed. What was typed may be a stranger's, in a script or over SSH, and the terminal
//! somebody else's: no control character of it reaches the screen, and no line break makes a line look like the program's own.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::cli::args::Arguments;
use crate::cli::failure::EXIT_USAGE;
use crate::cli::output::Output;
use crate::domain::text::safe_line;

/// What is said when an argument is only wrong because of what cannot be shown of it.
const CANNOT_BE_SHOWN: &str = "an argument, or a variable of the environment, has control characters or line breaks where it must have \
                               none; type it anew";

/// What these words ask for, the program's name first.
///
/// # Errors
/// clap's, with nothing in it that a terminal would act on; or a help text.
pub fn parse(words: &[OsString]) -> Result<Arguments, clap::Error> {
    safely(words, &Arguments::command())
}

/// What somebody asks for from afar: the environment says nothing about it.
///
/// # Errors
/// As [`parse`].
pub fn parse_remote(words: &[OsString]) -> Result<Arguments, clap::Error> {
    safely(words, &Arguments::command().mut_args(|argument| argument.env(Resettable::Reset)))
}

fn safely(words: &[OsString], command: &clap::Command) -> Result<Arguments, clap::Error> {
    read(words, command).map_err(|error| if error.use_stderr() { shown_safely(words, command) } else { error })
}

fn read(words: &[OsString], command: &clap::Command) -> Result<Arguments, clap::Error> {
    let matches = command.clone().try_get_matches_from(words)?;
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    arguments.globals.chosen_by_environment = chosen_by_environment(&matches);
    Ok(arguments)
}

/// The error of the same words without what cannot be shown.
fn shown_safely(words: &[OsString], command: &clap::Command) -> clap::Error {
    let words: Vec<OsString> =
        words.iter().map(|word| safe_line(&word.to_string_lossy()).into_owned().into()).collect();
    let command = &command.clone().mut_args(|argument| {
        let value = argument.get_env().and_then(std::env::var_os).unwrap_or_default();
        let value = value.to_string_lossy();
        if safe_line(&value) == value { argument } else { argument.env(Resettable::Reset) }
    });
    let otherwise = || command.clone().error(clap::error::ErrorKind::InvalidValue, CANNOT_BE_SHOWN);
    read(&words, command).err().filter(clap::Error::use_stderr).unwrap_or_else(otherwise)
}

/// Whether the environment had a say in which files are used.
fn chosen_by_environment(matches: &ArgMatches) -> bool {
    ["db", "config", "log"].iter().any(|name| matches.value_source(name) == Some(ValueSource::EnvVariable))
}

/// The arguments of this process, or how it ends without them: a help text is printed, an error said.
///
/// # Errors
/// The exit code, when all has been said.
pub fn arguments() -> Result<Arguments, ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    parse(&words).map_err(|error| {
        if !error.use_stderr() {
            return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        let out = Output { json: false, plain: false };
        // Its lines are the program's own by now.
        error.to_string().trim_end().lines().for_each(|line| out.aside(line));
        ExitCode::from(EXIT_USAGE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_lines_of_its_own_only() {
        let said = |words: &[&str]| {
            let words: Vec<_> = std::iter::once("bellboard").chain(words.iter().copied()).map(OsString::from).collect();
            parse(&words).map(|_| ()).unwrap_err().to_string()
        };
        for hostile in ["x\x1b]0;owned\x07", "x\u{9b}2J", "x\nerror: all is well", "x\r\u{85}\u{2028}y", "\u{202e}x\0y"]
        {
            for words in [&[hostile][..], &["--log", hostile], &["accounts", "show", hostile], &["why", hostile]] {
                for line in said(words).lines() {
                    assert_eq!(safe_line(line), line, "{words:?}");
                    assert!(!line.starts_with("error: all"), "{words:?}");
                }
            }
        }
        assert!(said(&["acounts", "list"]).contains("accounts"), "it still says what was meant");
    }

    #[test]
    fn what_a_help_text_calls_the_program_is_not_up_to_who_starts_it() {
        let error = parse(&["/x/\x1b[2Jy".into(), "--help".into()]).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("Usage: bellboard"), "{error}");
    }
}
