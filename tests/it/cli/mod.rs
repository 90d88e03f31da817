//! The real binary on stores that vanish: what it prints, its exit codes, and that bad input leaves nothing half done.

mod bad_input;

mod commands;

mod care;

mod config;

mod config_wrong;

mod delivering;

mod destinations;

mod doctor;

mod ingest;

mod roles;

mod scripts;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A home folder with a store in it.
pub struct Cli {
    pub folder: tempfile::TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// What it printed, when it ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        assert_eq!(self.err, "", "{self:?}");
        self.out
    }

    /// The document that it printed, when it ended well.
    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// It ended with that code, printed nothing, and said one sentence with these words in it.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "one sentence: {self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` in {self:?}");
        }
    }
}

impl Cli {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With the account `acme`.
    pub fn acme() -> Self {
        let cli = Self::new();
        cli.run("accounts add acme --name Acme --email ops@acme.test").ok();
        cli
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program in an environment of its own.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellboard"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("BELLBOARD_DB", self.path("bellboard.db"))
            .env("USER", "jane")
            .current_dir(self.folder.path());
        command
    }

    /// Runs a line of words that have no spaces in them.
    pub fn run(&self, line: &str) -> Ran {
        self.run_args(&line.split(' ').collect::<Vec<_>>())
    }

    pub fn run_args(&self, args: &[&str]) -> Ran {
        self.command().args(args).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Runs with that on stdin.
    pub fn feed(&self, line: &str, input: &[u8]) -> Ran {
        let mut command = self.command();
        command.args(line.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // The program may end before it has read all, which is its right.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.into()
    }

    /// How many events there are.
    pub fn events(&self) -> usize {
        self.run("events list --json").json().as_array().unwrap().len()
    }
}
