//! `ingest`: many lines, some of them bad.

use std::fmt::Write;

use crate::cli::Cli;

fn line(number: usize) -> String {
    format!("{{\"account\":\"acme\",\"event_type\":\"job.fail\",\"data\":{{\"n\":{number}}},\"id\":\"k{number}\"}}\n")
}

#[test]
fn twenty_thousand_lines_go_in_once() {
    let cli = Cli::acme();
    let input: String = (0..20_000).map(line).collect();
    let said = cli.feed("ingest - --json", input.as_bytes()).json();
    assert_eq!((said["stored"].as_u64(), said["refused"].as_u64()), (Some(20_000), Some(0)), "{said}");
    assert_eq!(said["deliveries"], 20_000);
    let again = cli.feed("ingest - --json", input.as_bytes()).json();
    assert_eq!((again["stored"].as_u64(), again["duplicates"].as_u64()), (Some(0), Some(20_000)), "{again}");
}

#[test]
fn bad_lines_are_named_and_the_others_go_in() {
    let cli = Cli::acme();
    let mut input = line(1);
    input.push_str("{\"account\":\"acme\",\"event_type\"\n");
    input.push_str(&line(3));
    input.push_str("{\"account\":\"acmee\",\"event_type\":\"job.fail\"}\n");
    input.push_str("{\"account\":\"acme\",\"event_type\":\"job.fial\"}\n");
    writeln!(input, "{{\"data\":\"{}\"}}", "x".repeat(10_000_000)).unwrap();
    input.push_str(&line(7));
    input.push_str(&line(8)[..30]);
    let ran = cli.feed("ingest -", input.as_bytes());
    assert_eq!(ran.code, 1, "{ran:?}");
    let mut named: Vec<&str> = ran.err.lines().filter_map(|line| line.split(':').next()).collect();
    named.sort_unstable();
    assert_eq!(named, ["line 2", "line 4", "line 5", "line 6", "line 8"], "{ran:?}");
    assert!(ran.err.contains("`acmee`") && ran.err.contains("`job.fail`"), "{ran:?}");
    assert!(ran.out.starts_with("3 events stored") && ran.out.contains("5 refused"), "{ran:?}");
    assert_eq!(cli.events(), 3);
}

#[test]
fn the_input_must_be_there() {
    let cli = Cli::acme();
    cli.run("ingest none.ndjson").refused(3, &["none.ndjson", "cannot be read"]);
    assert_eq!(cli.feed("ingest - --json", b"").json()["stored"], 0);
    std::fs::write(cli.path("some.ndjson"), line(1)).unwrap();
    assert_eq!(cli.run("ingest some.ndjson --json").json()["stored"], 1);
}
