//! Looking after the database itself: `doctor`, `backup`, `restore`, `prune`.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::cli::Cli;

fn grade(lines: &serde_json::Value, what: &str) -> String {
    let found = lines.as_array().unwrap().iter().find(|line| line["what"] == what);
    found.map_or("none", |line| line["grade"].as_str().unwrap()).to_owned()
}

#[test]
fn doctor_says_what_is_wrong_and_ends_accordingly() {
    let cli = Cli::acme();
    let lines = cli.run("doctor --offline --json").json();
    for what in ["file", "references", "indexes", "parked", "clock", "key", "Webhook"] {
        assert_eq!(grade(&lines, what), "ok", "{what}: {lines}");
    }
    assert_eq!(grade(&lines, "deliverer"), "warn");
    assert_eq!(grade(&lines, "Email"), "warn", "no mail server is configured");
    assert!(cli.run("doctor --offline --full").ok().contains("every row and index"));

    std::fs::create_dir_all(cli.path(".config/bellboard")).unwrap();
    let config = "[network]\nallow = [\"127.0.0.0/8\"]\n[email]\nserver = \"smtp://127.0.0.1:1?tls=none\"\n";
    std::fs::write(cli.path(".config/bellboard/config.toml"), config).unwrap();
    let ran = cli.run("doctor --json");
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((grade(&lines, "Email"), grade(&lines, "key")), ("bad".to_owned(), "ok".to_owned()), "{lines}");

    std::fs::set_permissions(cli.path("bellboard.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = cli.run("doctor --offline --json");
    let lines: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, grade(&lines, "key"), grade(&lines, "file")),
        (1, "bad".to_owned(), "bad".to_owned()),
        "{lines}"
    );
}

#[test]
fn a_backup_comes_back() {
    let cli = Cli::acme();
    cli.run("emit acme server.stopped").ok();
    let made = cli.run("backup copy.db").ok();
    assert!(made.contains("1 accounts and 1 events") && made.contains("bellboard.key"), "{made}");
    cli.run("backup copy.db").refused(6, &["already"]);
    cli.run("restore copy.db").refused(6, &["already"]);
    let back = cli.run("--db other.db restore copy.db --json").json();
    assert_eq!((&back["accounts"], &back["events"]), (&json!(1), &json!(1)));
    assert!(cli.run("--db third.db --read-only restore copy.db").code == 4);
}

#[test]
fn prune_counts_asks_and_is_on_record() {
    let cli = Cli::acme();
    for _ in 0..3 {
        cli.run("emit acme server.stopped").ok();
    }
    cli.run("deliveries cancel --account acme --yes").ok();
    assert!(cli.run("prune --yes").ok().contains("nothing ended before"), "90 days by default");
    // A moment passes between two programs.
    let counted = cli.run("prune --older-than 1ms --dry-run --json").json();
    assert_eq!((&counted["events"], &counted["removed"]), (&json!(3), &json!(false)));
    assert!(cli.run("prune --older-than 1ms").code == 2, "without a terminal it needs --yes");
    assert!(cli.run("prune --older-than 1ms --yes").ok().contains("3 events went"));
    assert_eq!(cli.events(), 0);
    assert!(cli.run("audit list").ok().contains("is removed"));
}

#[test]
fn prune_goes_through_with_removals_that_nobody_delivers_beside() {
    let cli = Cli::acme();
    let events =
        format!("{}\n", json!({"account": "acme", "event_type": "server.stopped", "data": {"x": "y".repeat(3000)}}));
    let ingest = cli.feed("ingest -", events.repeat(1300).as_bytes());
    assert_eq!(ingest.code, 0, "{ingest:?}");
    let removals = || {
        let lines = cli.run("doctor --offline --json").json();
        let line = lines.as_array().unwrap().iter().find(|line| line["what"] == "removals").cloned().unwrap();
        (line["grade"].as_str().unwrap().to_owned(), line["says"].as_str().unwrap().to_owned())
    };
    assert_eq!(removals().0, "ok");
    let mail = cli.run("destinations list acme --json").json()[0]["id"].as_str().unwrap().to_owned();
    let disabled = cli.run(&format!("destinations disable {mail}")).ok();
    assert!(disabled.contains("the 1300 deliveries that waited for it are cancelled"), "{disabled}");
    let (grade, says) = removals();
    assert!(grade == "warn" && says.contains("1 cancelled backlog;") && says.contains("`bellboard prune`"), "{says}");
    assert!(cli.run("prune --dry-run").ok().contains("what is left of 1 cancelled backlog"));
    assert!(cli.run("prune").ok().contains("800 rows of earlier removals and cancellations are done"));
    assert_eq!(removals().0, "ok");

    assert!(cli.run("accounts remove acme --yes").ok().contains("little by little"));
    assert_eq!((removals().0, removals().1.contains("1 removal;")), ("warn".to_owned(), true));
    let bytes = std::fs::metadata(cli.path("bellboard.db")).unwrap().len();
    let pruned = cli.run("prune --json").json();
    assert_eq!((&pruned["removed"], pruned["ended"].as_u64() > Some(1000)), (&json!(false), true), "{pruned}");
    assert!(std::fs::metadata(cli.path("bellboard.db")).unwrap().len() < bytes, "room is given back");
    assert_eq!(removals().0, "ok");
}
