//! The commands that deliver, or show it: `emit --wait`, `destinations test --wait`, `serve`, `watch`, `demo --watch`.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cli::{Cli, Ran};
use crate::receiver::Receiver;

/// With the account `acme`, whose `server.stopped` goes to this receiver only.
fn acme(receiver: &Receiver) -> Cli {
    let cli = Cli::acme();
    std::fs::create_dir_all(cli.path(".config/bellboard")).unwrap();
    let config = "[network]\nallow = [\"127.0.0.0/8\"]\n[delivery]\nretry = [\"1h\"]\n";
    std::fs::write(cli.path(".config/bellboard/config.toml"), config).unwrap();
    cli.run(&format!("destinations add acme webhook --url {}", receiver.url)).ok();
    cli.run("matrix set acme server.stopped email off").ok();
    cli.run("matrix set acme server.stopped webhook on").ok();
    cli
}

fn spawn(cli: &Cli, line: &str) -> (Child, BufReader<ChildStdout>) {
    let mut command = cli.command();
    command.args(line.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.env("TMPDIR", cli.folder.path()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// Sends the signal and returns the exit code.
fn end(mut child: Child, signal: Signal) -> Option<i32> {
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap().code()
}

fn read_json(out: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

const EMIT: [&str; 7] = ["emit", "acme", "server.stopped", "--data", "{\"n\":1.50}", "--wait", "--json"];

#[tokio::test(flavor = "multi_thread")]
async fn emit_delivers_itself_when_nobody_else_does() {
    let receiver = Receiver::answering(&[200]).await;
    let cli = acme(&receiver);
    let outcome = cli.run_args(&EMIT).json();
    let delivery = &outcome["deliveries"][0];
    assert_eq!(
        (&delivery["state"], &delivery["status"], &delivery["attempts"]),
        (&json!("delivered"), &json!(200), &json!(1))
    );
    let requests = receiver.received();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].body.starts_with("{\"n\":1.50,\"timestamp\":"), "{}", requests[0].body);
    assert_eq!(requests[0].header("webhook-id"), outcome["event"]["id"].as_str().unwrap());

    let id = delivery["id"].as_str().unwrap();
    let shown = cli.run(&format!("deliveries show {id} --json")).json();
    let attempt = &shown["attempt_log"][0];
    assert_eq!((&attempt["outcome"], &attempt["request"]["method"]), (&json!("delivered"), &json!("POST")));
    assert_eq!((&attempt["response"]["status"], &attempt["response"]["body"]), (&json!(200), &json!("said so")));
    assert!(cli.run(&format!("deliveries show {id}")).ok().contains("< 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_the_wait_is_the_exit_code() {
    let receiver = Receiver::answering(&[410]).await;
    let cli = acme(&receiver);
    let gone = cli.run_args(&EMIT);
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.out.contains("\"failed\"") && gone.err.contains("bellboard why evt_"), "{gone:?}");
    assert_eq!(cli.run("destinations show dst_2 --json").json()["state"], "disabled");
    assert!(cli.run("emit acme server.stopped --wait").ok().contains("goes to nobody"));

    let receiver = Receiver::answering(&[500]).await;
    let cli = acme(&receiver);
    let late = cli.run("emit acme server.stopped --wait=1");
    assert_eq!(late.code, 5, "{late:?}");
    assert!(late.out.contains("500") && late.err.contains("--wait=SECS"), "{late:?}");

    cli.run("matrix set acme server.stopped webhook off").ok();
    cli.run("matrix set acme server.stopped email on").ok();
    let held = cli.run("emit acme server.stopped --wait=600");
    assert_eq!(held.code, 5, "{held:?}");
    assert!(held.err.contains("no mail server"), "{held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_can_be_waited_for() {
    let receiver = Receiver::answering(&[200]).await;
    let cli = acme(&receiver);
    let outcome = cli.run("destinations test dst_2 --wait --json").json();
    assert_eq!(outcome["deliveries"][0]["state"], "delivered");
    assert_eq!(outcome["event"]["test"], true);
    assert!(receiver.received()[0].header("webhook-id").starts_with("test_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_delivers_and_watch_tells_until_a_signal_comes() {
    let receiver = Receiver::answering(&[200]).await;
    let cli = acme(&receiver);
    assert!(cli.run("emit acme server.stopped").ok().contains("nobody delivers"));
    let (watch, mut lines) = spawn(&cli, "watch --account acme --json");
    let (mut serve, _) = spawn(&cli, "serve");
    let mut log = BufReader::new(serve.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("delivering from")), "serve says when it delivers");
    // Nothing says when `watch` has begun, so there is something to see again and again.
    let (seen, is_seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || seen.send(read_json(&mut lines)).unwrap());
    assert!(!cli.run("emit acme server.stopped").ok().contains("nobody delivers"));
    while !reader.is_finished() {
        cli.run("emit acme server.stopped --wait").ok();
    }
    let line = is_seen.recv().unwrap();
    assert_eq!((&line["account"], &line["event_type"]), (&json!("acme"), &json!("server.stopped")));
    assert_eq!((&line["attempt"]["outcome"], &line["attempt"]["number"]), (&json!("delivered"), &json!(1)));
    assert_eq!(end(watch, Signal::INT), Some(0));
    assert_eq!(end(serve, Signal::TERM), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_ends_when_its_reader_leaves() {
    let cli = Cli::acme();
    let (mut watch, lines) = spawn(&cli, "watch");
    drop(lines);
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn serve_needs_to_write() {
    Cli::acme().run("serve --read-only").refused(4, &["--read-only"]);
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let cli = Cli::new();
    let (demo, mut lines) = spawn(&cli, "demo --watch --json");
    let line = read_json(&mut lines);
    assert_eq!(line["attempt"]["outcome"], "delivered", "{line}");
    assert_eq!(end(demo, Signal::TERM), Some(0));
    let left: Vec<_> = std::fs::read_dir(cli.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
    cli.run("demo --watch --read-only").refused(4, &["--read-only"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_one_kind_of_message_parks_it_and_stops_no_other() {
    let receiver = Receiver::answering(&[200]).await;
    let cli = acme(&receiver);
    let config = "[network]\nallow = [\"127.0.0.0/8\"]\n[delivery]\nretry = [\"1s\"]\n";
    std::fs::write(cli.path(".config/bellboard/config.toml"), config).unwrap();
    cli.run("matrix set acme job.fail email off").ok();
    cli.run("matrix set acme job.fail webhook on").ok();
    let mut command = cli.command();
    command.env("BELLBOARD_FAILPOINT_FAULT", "server.stopped").args(EMIT);
    let faulty: Ran = command.output().unwrap().into();
    assert_eq!(faulty.code, 1, "{faulty:?}");
    let listed = cli.run("deliveries list --state parked --json").json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed[0]["event_type"], &listed[0]["attempts"]), (&json!("server.stopped"), &json!(2)));
    let reason = listed[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("bellboard failed at this message"), "{reason}");
    assert!(receiver.received().is_empty());
    let mut command = cli.command();
    command.env("BELLBOARD_FAILPOINT_FAULT", "server.stopped").args(["emit", "acme", "job.fail", "--wait"]);
    let other: Ran = command.output().unwrap().into();
    assert_eq!(other.code, 0, "{other:?}");
    assert_eq!(receiver.received().len(), 1);
}
