//! What the program says about itself.

use std::process::Stdio;

use clap::CommandFactory;

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

/// Every command with its words.
fn commands(command: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
    let members = command.get_subcommands().filter(|member| !member.is_hide_set() && member.get_name() != "help");
    members
        .flat_map(|member| {
            let words = format!("{words} {}", member.get_name());
            let below = commands(member, &words);
            std::iter::once((words, member.clone())).chain(below)
        })
        .collect()
}

#[test]
fn the_manual_and_the_completions_have_every_command_and_option() {
    let cli = Cli::new();
    let page = cli.run("man").ok().replace("\\-", "-");
    let scripts = ["bash", "zsh", "fish"].map(|shell| (shell, cli.run(&format!("completions {shell}")).ok()));
    let all = commands(&bellboard::cli::args::Arguments::command(), "bellboard");
    assert!(all.len() > 40, "{}", all.len());
    for (words, command) in all {
        let heading = format!(".SH \"{}\"\n", words.to_uppercase());
        let (_, section) = page.split_once(&heading).unwrap_or_else(|| panic!("the manual has no {heading}"));
        let section = section.split(".SH \"").next().unwrap();
        for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
            let Some(name) = option.get_long() else { continue };
            assert!(section.contains(&format!("--{name}")), "the manual has no --{name} of {words}");
            let what = option.get_help().unwrap_or_default().to_string();
            let first = what.split(['\'', '-', '`', '"']).next().unwrap().to_owned();
            assert!(section.contains(first.trim()), "the manual does not say of --{name} of {words}: {first}");
            for (shell, script) in &scripts {
                assert!(script.contains(name), "{shell} does not complete --{name} of {words}");
            }
        }
    }
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
