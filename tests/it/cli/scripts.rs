//! What the program says about itself.

use std::process::Stdio;

use crate::cli::Cli;

#[test]
fn help_version_completions_and_man_need_no_store() {
    let cli = Cli::new();
    let check = |line: &str, expected: &str| {
        let out = cli.run(line).ok();
        assert!(out.contains(expected), "{line}: {out}");
    };
    check("--help", "Exit codes");
    check("--version", "bellboard ");
    check("emit --help", "--dry-run");
    check("completions bash", "_bellboard");
    check("completions zsh", "#compdef bellboard");
    check("completions fish", "complete -c bellboard");
    check("man", ".SH \"BELLBOARD ACCOUNTS ADD\"");
    check("man receiving", ".TH \"BELLBOARD-RECEIVING\" 7");
    check("help", "  receiving ");
    check("help limits", "# Limits");
    check("help destinations add", "Usage: bellboard destinations add");
    check("config show --example", "[delivery]");
    assert!(!cli.path("bellboard.db").exists(), "none of these makes a database");
}

#[test]
fn wrong_usage_ends_with_2() {
    let cli = Cli::new();
    cli.run("help nonsense").refused(3, &["receiving"]);
    cli.run("man nonsense").refused(3, &["receiving"]);
    for line in ["nonsense", "accounts", "accounts add", "emit acme", "deliveries list --state lost", "why 17"] {
        let ran = cli.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line}: {ran:?}");
        assert!(!ran.err.is_empty(), "{line}");
    }
}

#[test]
fn a_console_is_for_a_person() {
    let cli = Cli::new();
    let no_command = cli.run_args(&[]);
    no_command.refused(2, &["terminal", "--help"]);
    cli.run("demo").refused(2, &["terminal", "--help"]);
    cli.run("--json").refused(2, &["--json", "--help"]);
    assert!(!cli.path("bellboard.db").exists());
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let cli = Cli::new();
    for line in ["event-types list", "event-types list --json", "completions bash", "man"] {
        let mut child =
            cli.command().args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()), "{line}");
    }
}
