//! What is left under `--restricted`, for an SSH `ForceCommand`: the console and the commands that look after customers, with
//! no other file, program or database within reach.
//!
//! What the person asked for by `ssh HOST why evt_…` stands in `SSH_ORIGINAL_COMMAND`. It is split into words here and never
//! seen by a shell.

use std::ffi::OsString;

use crate::cli::args::{Arguments, Globals};
use crate::cli::failure::{EXIT_REFUSED, Failure};
use crate::cli::start;

/// Longest command that is looked at, in bytes.
const COMMAND_BYTES_MAX: usize = 256 * 1024;

/// The command line as the person over SSH meant it: with what `asked` says in place of the command, and with this
/// database and config.
///
/// # Errors
/// When it is none, or out of reach here.
pub fn arguments(given: Arguments, asked: Option<&str>) -> Result<Arguments, Failure> {
    check_choice(&given.globals)?;
    let asked = asked.map(str::trim).filter(|asked| !asked.is_empty());
    let (Some(asked), None) = (asked, &given.command) else {
        check_reach(&given)?;
        return Ok(given);
    };
    if asked.len() > COMMAND_BYTES_MAX {
        return Err(out_of_reach("a command of that length"));
    }
    let words = shlex::split(asked)
        .ok_or_else(|| Failure::usage("a quotation mark in the command is never closed; close it"))?;
    // An `@FILE` would be read with the rights of whoever runs bellboard.
    if words.iter().any(|word| word.starts_with('@') || word.contains("=@")) {
        return Err(out_of_reach("a file (a word that begins with @)"));
    }
    let own_name = words.first().is_some_and(|word| word.rsplit('/').next() == Some("bellboard"));
    let words = std::iter::once("bellboard".to_owned()).chain(words.into_iter().skip(usize::from(own_name)));
    let parsed = start::parse_remote(&words.map(OsString::from).collect::<Vec<_>>()).map_err(|error| {
        // A help text is an answer, an error is one of its first line.
        if error.use_stderr() {
            Failure::usage(first_line(&error.to_string()))
        } else {
            Failure::Help(error.to_string())
        }
    })?;
    let Globals { db, config, log, .. } = &parsed.globals;
    let own = |path: &Option<std::path::PathBuf>, ours: &Option<std::path::PathBuf>| path.is_none() || path == ours;
    if !own(db, &given.globals.db)
        || !own(config, &given.globals.config)
        || (log.is_some() && *log != given.globals.log)
    {
        return Err(out_of_reach("another database, config or log"));
    }
    let globals = Globals {
        json: parsed.globals.json || given.globals.json,
        plain: parsed.globals.plain || given.globals.plain,
        read_only: parsed.globals.read_only || given.globals.read_only,
        ..given.globals
    };
    let arguments = Arguments { globals, command: parsed.command };
    check_reach(&arguments)?;
    Ok(arguments)
}

/// Which database, config and log is up to who wrote the `ForceCommand`: sshd may let variables of the person's through.
fn check_choice(globals: &Globals) -> Result<(), Failure> {
    if globals.chosen_by_environment || globals.db.is_none() || globals.config.is_none() {
        let sentence = "--restricted takes --db and --config from its own command line, and nothing of them or of --log from \
                        the environment; see `bellboard help ssh`";
        return Err(Failure::usage(sentence));
    }
    Ok(())
}

fn check_reach(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.reach().when_restricted { Ok(()) } else { Err(out_of_reach("this command")) }
}

fn out_of_reach(what: &str) -> Failure {
    let rest = "is out of reach over this connection; leave the command out for the console";
    Failure::new(EXIT_REFUSED, format!("{what} {rest}"))
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHY: &str = "why evt_0192f0c1a7b07d0e8a3b5c6d7e8f9a0b";

    fn asked(text: &str) -> Result<Arguments, Failure> {
        let given = start::parse(
            &["bellboard", "--restricted", "--db", "/srv/b.db", "--config", "/srv/c.toml"].map(OsString::from),
        )
        .unwrap();
        arguments(given, Some(text))
    }

    #[test]
    fn the_words_are_bellboards_own() {
        for text in ["", "  ", WHY, &format!("bellboard {WHY}"), "/usr/bin/bellboard accounts list --json", "--help"] {
            match asked(text) {
                Ok(arguments) => {
                    assert_eq!(arguments.globals.db.as_deref(), Some(std::path::Path::new("/srv/b.db")), "{text}");
                    assert!(arguments.globals.restricted, "{text}");
                }
                Err(failure) => assert!(matches!(failure, Failure::Help(_)), "{text}: {failure:?}"),
            }
        }
        assert!(asked("accounts list --json").unwrap().globals.json);
    }

    #[test]
    fn the_environment_chooses_nothing() {
        let check = |options: &[&str], environment: bool| {
            let words: Vec<_> = ["bellboard", "--restricted"].iter().chain(options).map(OsString::from).collect();
            let mut given = start::parse(&words).unwrap();
            given.globals.chosen_by_environment = environment;
            arguments(given, Some("accounts list")).map(|_| ())
        };
        assert!(check(&["--db", "b", "--config", "c"], false).is_ok());
        assert!(check(&["--db", "b", "--config", "c"], true).is_err());
        assert!(check(&["--db", "b"], false).is_err());
        assert!(check(&["--config", "c"], false).is_err());
    }

    #[test]
    fn nothing_else_is_within_reach() {
        for text in [
            "sh",
            "sh -c id",
            &format!("{WHY}; id"),
            "why $(id)",
            "scp -t /tmp",
            "accounts list --db /tmp/other.db",
            "accounts list --config=/tmp/other.toml",
            "--log debug accounts list",
            "serve",
            "demo",
            "config show",
            "tokens list",
            "emit acme server.stopped --data @/etc/passwd",
            "emit acme server.stopped --data=@/etc/passwd",
            "why 'evt",
        ] {
            assert!(asked(text).is_err(), "`{text}` should be refused");
        }
    }
}
