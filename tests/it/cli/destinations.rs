//! `destinations`: options made from each channel's fields, and that no secret is ever printed.

use serde_json::{Value, json};

use crate::cli::Cli;

const URL: &str = "https://hooks.acme.test/in";

fn webhook(cli: &Cli, more: &str) -> Value {
    cli.run(&format!("destinations add acme webhook --url {URL} --json{more}")).json()
}

#[test]
fn every_channel_lists_its_fields() {
    let cli = Cli::new();
    let check = |channel: &str, options: &[&str]| {
        let help = cli.run(&format!("destinations add acme {channel} --help")).ok();
        for option in options.iter().chain(&["--label", "--only", "--state"]) {
            assert!(help.contains(option), "{channel} has {option}: {help}");
        }
    };
    check("webhook", &["--url", "--secret", "--headers", "--ordered"]);
    check("slack", &["--url", "--channel"]);
    check("hipchat", &["--token", "--room", "--base-url", "--from", "--notify"]);
    check("email", &["--address"]);
    check("ios", &["--device-token", "--environment", "--device"]);
}

#[test]
fn a_destination_comes_changes_and_goes() {
    let cli = Cli::acme();
    let added = webhook(&cli, " --ordered --label Hooks --only servers,payment.fail");
    assert_eq!(
        (&added["account"], &added["channel"], &added["state"]),
        (&json!("acme"), &json!("webhook"), &json!("enabled"))
    );
    assert_eq!((&added["label"], &added["only"]), (&json!("Hooks"), &json!(["servers", "payment.fail"])));
    assert_eq!(added["fields"], json!({"url": URL, "secret": "••••", "ordered": true}));
    assert!(added.get("state_reason").is_some());
    let id = added["id"].as_str().unwrap();

    let edited = cli.run(&format!("destinations edit {id} --ordered no --headers X-Key:abc --json")).json();
    assert_eq!(edited["fields"], json!({"url": URL, "secret": "••••", "headers": "••••", "ordered": false}));
    assert_eq!(edited["label"], "Hooks", "what is not named stays");
    assert_eq!(cli.run(&format!("destinations pause {id} --json")).json()["state"], "paused");
    assert_eq!(cli.run(&format!("destinations enable {id} --json")).json()["state"], "enabled");
    assert_eq!(cli.run(&format!("destinations edit {id} --state disabled --json")).json()["state"], "disabled");
    cli.run(&format!("destinations test {id}")).refused(4, &["disabled"]);
    assert!(cli.run(&format!("destinations show {id}")).ok().contains(URL));
    assert_eq!(cli.run(&format!("destinations show {id} --json")).json()["id"], id);
    assert_eq!(cli.run("destinations list acme --channel webhook --json").json()[0]["id"], id);
    cli.run(&format!("destinations remove {id} --yes")).ok();
    assert_eq!(cli.run("destinations list acme --channel webhook --json").json(), json!([]));
    assert!(cli.run("destinations list acme --channel webhook").ok().contains("destinations add acme"));
}

#[test]
fn a_test_is_a_delivery_of_its_own() {
    let cli = Cli::acme();
    let id = webhook(&cli, "")["id"].as_str().unwrap().to_owned();
    let tested = cli.run(&format!("destinations test {id} --event-type job.fail --json")).json();
    let delivery = tested["deliveries"][0].as_str().unwrap();
    let shown = cli.run(&format!("deliveries show {delivery} --json")).json();
    assert_eq!((&shown["event_type"], &shown["test"]), (&json!("job.fail"), &json!(true)));
}

#[test]
fn secrets_come_from_files_and_pipes_and_are_never_printed() {
    let cli = Cli::acme();
    let secret = "T00/B00/hush-hush-hush";
    let url = format!("https://hooks.slack.com/services/{secret}");
    std::fs::write(cli.path("url"), format!("{url}\n")).unwrap();
    let one = cli.run("destinations add acme slack --url @url --channel #ops --json").json();
    assert_eq!((&one["label"], &one["fields"]["url"]), (&json!("#ops"), &json!("••••")));
    let two = cli.feed("destinations add acme slack --url - --json", url.as_bytes()).json();
    let id = two["id"].as_str().unwrap();
    for line in [
        format!("destinations show {id}"),
        format!("destinations show {id} --json"),
        "destinations list acme".to_owned(),
        "destinations list acme --json".to_owned(),
        "audit list".to_owned(),
        "audit list --json".to_owned(),
        format!("destinations edit {id} --label x --json"),
    ] {
        let out = cli.run(&line).ok();
        assert!(!out.contains("hush"), "{line}: {out}");
    }
    let mut database = std::fs::read(cli.path("bellboard.db")).unwrap();
    database.extend(std::fs::read(cli.path("bellboard.db-wal")).unwrap_or_default());
    assert!(!database.windows(4).any(|window| window == b"hush"), "secrets are sealed in the file");
}

#[test]
fn a_secret_that_was_made_is_shown_once_and_rotated() {
    let cli = Cli::acme();
    let added = webhook(&cli, "");
    let id = added["id"].as_str().unwrap();
    let first = added["secret_shown_once"].as_str().unwrap();
    assert!(first.starts_with("whsec_"), "{added}");
    let rotated = cli.run(&format!("destinations rotate {id} --overlap 2h --json")).json();
    let second = rotated["secret_shown_once"].as_str().unwrap();
    assert!(second != first && rotated["fields"]["old_secret"] == "••••", "{rotated}");
    assert!(rotated["fields"]["old_secret_until"].is_string(), "{rotated}");
    let text = cli.run(&format!("destinations rotate {id}")).ok();
    assert!(text.contains("the one before that is over") && text.contains("shown this once: whsec_"), "{text}");
    let given = cli.run(&format!("destinations rotate {id} --secret {first} --overlap 0s --json")).json();
    assert!(given.get("secret_shown_once").is_none() && given["fields"].get("old_secret").is_none(), "{given}");
    for line in [format!("destinations show {id} --json"), "audit list --json".to_owned()] {
        let out = cli.run(&line).ok();
        assert!(!out.contains(&first[6..]) && !out.contains(&second[6..]), "{line}: {out}");
    }
    cli.run("destinations rotate dst_1").refused(4, &["only webhooks"]);
    cli.run(&format!("destinations rotate {id} --secret abc")).refused(2, &["whsec_"]);
    cli.run(&format!("destinations rotate {id} --overlap 100d")).refused(2, &["at most"]);
    assert!(webhook(&cli, &format!(" --secret {first}")).get("secret_shown_once").is_none(), "whoever gave it has it");
}

#[test]
fn an_edit_takes_secrets_away_that_it_names_empty() {
    let cli = Cli::acme();
    let added = webhook(&cli, " --headers X-Key:abc");
    let id = added["id"].as_str().unwrap();
    assert_eq!(added["fields"]["headers"], "••••");
    let edited = cli.run(&format!("destinations edit {id} --label Hooks --json")).json();
    assert_eq!(edited["fields"]["headers"], "••••", "what is left out stays");
    let edited = cli.run(&format!("destinations edit {id} --headers= --json")).json();
    assert_eq!(edited["fields"], json!({"url": URL, "secret": "••••", "ordered": false}));
    cli.run(&format!("destinations edit {id} --secret=")).refused(2, &["secret", "always signed"]);
}

#[test]
fn what_cannot_be_is_said_field_by_field() {
    let cli = Cli::acme();
    let check = |line: &str, code: i32, words: &[&str]| cli.run(line).refused(code, words);
    check("destinations add acme webhook --url nowhere", 2, &["--url", "https://"]);
    check("destinations add acme email --address nobody", 2, &["--address", "`nobody`"]);
    check("destinations add acme slack --url @none", 2, &["--url", "none", "cannot be read"]);
    check("destinations add acmee email --address a@b.test", 3, &["`acmee`"]);
    check("destinations add acme email --address a@b.test --only serverz", 3, &["`serverz`"]);
    check("destinations add acme browser", 4, &["destinations invite acme browser"]);
    check("destinations invite acme slack", 2, &["slack", "destinations add"]);
    check("destinations edit dst_1 --url https://a.test", 2, &["--url", "email has no field"]);
    check("destinations edit dst_1", 2, &["say what to change"]);
    check("destinations edit dst_99 --label x", 3, &["dst_99"]);
    check("destinations remove dst_1", 2, &["--yes"]);
    check("destinations pause dst_1 --read-only", 4, &["read-only"]);
    let missing = cli.run("destinations add acme hipchat --token x");
    assert!(missing.code == 2 && missing.err.contains("--room"), "{missing:?}");
    assert_eq!(cli.run("destinations list acme --json").json().as_array().unwrap().len(), 1);
}
