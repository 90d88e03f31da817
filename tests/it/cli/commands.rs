//! Each command that does well: the shapes that scripts rely on, and that people read something.

use serde_json::{Value, json};

use crate::cli::Cli;

/// Has at least these members.
#[track_caller]
fn has(value: &Value, names: &[&str]) {
    for name in names {
        assert!(value.get(name).is_some(), "`{name}` in {value}");
    }
}

/// How many items a list has.
#[track_caller]
fn count(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

const ACCOUNT: [&str; 5] = ["key", "name", "owner_email", "timezone", "status"];
const EVENT: [&str; 5] = ["id", "account", "event_type", "received_at", "data"];
const DELIVERY: [&str; 12] = [
    "id",
    "event_id",
    "event_type",
    "account",
    "channel",
    "destination",
    "state",
    "attempts",
    "status",
    "reason",
    "created_at",
    "next_attempt_at",
];

#[test]
fn accounts_come_change_and_go() {
    let cli = Cli::new();
    assert!(cli.run("accounts list").ok().contains("accounts add"), "an empty list says what to do next");
    assert_eq!(cli.run("accounts list --json").json(), json!([]));
    let added = cli.run("accounts add Acme --name Acme --email ops@acme.test --timezone Europe/Vienna --json").json();
    has(&added, &ACCOUNT);
    assert_eq!((&added["key"], &added["status"]), (&json!("acme"), &json!("active")));
    cli.run("accounts add acme --name Acme --email ops@acme.test").refused(4, &["acme"]);
    let edited = cli.run("accounts edit acme --status suspended --json").json();
    assert_eq!((&edited["status"], &edited["timezone"]), (&json!("suspended"), &json!("Europe/Vienna")));
    has(&cli.run("accounts show acme --json").json(), &ACCOUNT);
    assert!(cli.run("accounts show acme").ok().contains("ops@acme.test"));
    has(&cli.run("accounts list --json").json()[0], &ACCOUNT);
    assert!(cli.run("accounts list").ok().lines().nth(1).unwrap().starts_with("acme "));
    assert_eq!(cli.run("accounts list zzz --json").json(), json!([]));
    cli.run("accounts remove acme --yes").ok();
    assert_eq!(cli.run("accounts list --json").json(), json!([]));
}

#[test]
fn the_matrix_is_shown_and_set() {
    let cli = Cli::acme();
    let matrix = cli.run("matrix show acme --json").json();
    assert_eq!(matrix["account"], "acme");
    assert_eq!(count(&matrix["cells"]), 15 * 6);
    has(&matrix["cells"][0], &["event_type", "channel", "on", "default", "destinations"]);
    let set = |line: &str| cli.run(&format!("matrix set acme {line} --json")).json()["cells"].clone();
    let one = set("account.provision.ok. slack on");
    assert_eq!(one[0]["event_type"], "account.provision.ok");
    assert_eq!((&one[0]["on"], count(&one)), (&json!(true), 1));
    assert_eq!(count(&set("servers webhook on")), 2);
    assert_eq!(count(&set("server.stopped all off")), 6);
    assert_eq!(count(&set("all hipchat on")), 15);
    assert_eq!(set("server.stopped email default")[0]["on"], true);
    let shown = cli.run("matrix show acme").ok();
    assert!(shown.contains("HipChat") && shown.contains("o'"), "{shown}");
}

#[test]
fn event_types_are_built_in_or_an_accounts_own() {
    let cli = Cli::acme();
    assert_eq!(count(&cli.run("event-types list --json").json()), 15);
    cli.run_args(&["event-types", "add", "acme", "disk.full", "--title", "Disk is full", "--group", "servers"]).ok();
    let types = cli.run("event-types list acme --json").json();
    let own = types.as_array().unwrap().iter().find(|own| own["name"] == "disk.full").unwrap();
    has(own, &["name", "title", "group", "severity"]);
    assert_eq!(own["built_in"], false);
    cli.run("emit acme disk.full").ok();
    cli.run("event-types remove acme disk.full").ok();
    assert_eq!(count(&cli.run("event-types list acme --json").json()), 15);
    assert_eq!(cli.run("event-types remove acme server.stopped").code, 4);
}

#[test]
fn an_event_is_stored_once_and_explained() {
    let cli = Cli::acme();
    let args = ["emit", "acme", "account.provision.ok.", "--data", "{\"b\":1,\"a\":1.50}", "--id", "x", "--json"];
    let emitted = cli.run_args(&args).json();
    has(&emitted["event"], &EVENT);
    assert_eq!(emitted["event"]["event_type"], "account.provision.ok");
    assert_eq!(count(&emitted["deliveries"]), 1);
    has(&emitted["deliveries"][0], &DELIVERY);
    assert_eq!(emitted["deliveries"][0]["state"], "pending");
    assert_eq!(cli.run_args(&args).json()["event"]["id"], emitted["event"]["id"], "the same id is the same event");
    cli.run("emit acme job.fail --id x").refused(4, &["`x`"]);
    assert_eq!(cli.events(), 1);

    let id = emitted["event"]["id"].as_str().unwrap();
    let raw = cli.run(&format!("events show {id} --json")).ok();
    assert!(raw.contains("1.50"), "numbers are carried as they came: {raw}");
    assert!(cli.run(&format!("events show {id}")).ok().contains("1.50"));
    has(&cli.run("events list --json").json()[0], &EVENT);
    assert!(cli.run("events list").ok().contains(id));

    let why = cli.run(&format!("why {id} --json")).json();
    assert_eq!(count(&why["channels"]), 6);
    has(&why["event"], &EVENT);
    has(&why["channels"][0], &["channel", "outcome", "reason", "deliveries"]);
    assert_eq!(cli.run("why dlv_1 --json").json(), why, "a delivery stands for its event");
    let said = cli.run(&format!("why {id}")).ok();
    assert!(said.contains("off by default") && said.contains("ops@acme.test"), "{said}");
}

#[test]
fn a_dry_run_stores_nothing() {
    let cli = Cli::acme();
    let preview = cli.run("emit acme server.stopped --dry-run --json").json();
    assert_eq!(preview["to"][0]["channel"], "email");
    assert_eq!(count(&preview["not_sent"]), 5);
    assert!(cli.run("emit acme server.stopped --dry-run").ok().contains("nobody"));
    assert_eq!(cli.events(), 0);
}

#[test]
fn payloads_come_from_files_and_pipes() {
    let cli = Cli::acme();
    std::fs::write(cli.path("p.json"), "{\"from\":\"file\"}").unwrap();
    let from = |emitted: Value| emitted["event"]["data"]["from"].as_str().unwrap_or_default().to_owned();
    assert_eq!(from(cli.run("emit acme job.fail --data @p.json --json").json()), "file");
    assert_eq!(from(cli.feed("emit acme job.fail --data - --json", b"{\"from\":\"pipe\"}").json()), "pipe");
}

#[test]
fn deliveries_are_listed_cancelled_and_replayed() {
    let cli = Cli::acme();
    for _ in 0..3 {
        cli.run("emit acme server.stopped").ok();
    }
    let listed = cli.run("deliveries list --account acme --channel email --since 1h --json").json();
    assert_eq!(count(&listed), 3);
    has(&listed[0], &DELIVERY);
    assert!(cli.run("deliveries list").ok().contains("ops@acme.test"));
    assert_eq!(cli.run("deliveries list --state failed --json").json(), json!([]));

    let detail = cli.run("deliveries show dlv_1 --json").json();
    has(&detail, &DELIVERY);
    assert_eq!(detail["attempt_log"], json!([]));
    cli.run("deliveries show dlv_1").ok();

    let nothing = cli.run("deliveries cancel --state failed").ok();
    assert!(nothing.contains("nothing was changed"), "{nothing}");
    let asked = cli.run("deliveries cancel --account acme");
    assert_eq!(asked.code, 2, "without a terminal it needs --yes: {asked:?}");
    assert!(asked.err.contains("3 deliveries") && asked.err.contains("dlv_1"), "{asked:?}");
    assert_eq!(cli.run("deliveries cancel dlv_1 --json").json()["deliveries"], json!(["dlv_1"]));
    let cancelled = cli.run("deliveries cancel --account acme --yes --json").json();
    assert_eq!(count(&cancelled["deliveries"]), 2, "one had ended: {cancelled}");
    let nothing = cli.run("deliveries replay --account acme --since today --yes").ok();
    assert!(nothing.contains("nothing is sent") && nothing.contains("send-missed"), "only what failed: {nothing}");
    let counted = cli.run("deliveries replay --state cancelled --dry-run --json").json();
    assert_eq!((&counted["count"], count(&counted["sample"])), (&json!(3), 3));
    let asked = cli.run("deliveries replay --state cancelled");
    assert!(asked.code == 2 && asked.err.contains("Send again 3 deliveries?"), "{asked:?}");
    let replayed = cli.run("deliveries replay --state cancelled --yes --json").json();
    assert_eq!((count(&replayed["deliveries"]), &replayed["replay"]["state"]), (3, &json!("done")));
    cli.run("deliveries replay --state pending --yes").refused(2, &["on its way already"]);
    cli.run("deliveries replays cancel rpl_1").refused(4, &["has ended already"]);
    cli.run("deliveries replays cancel rpl_9").refused(3, &["rpl_9"]);
    has(
        &cli.run("deliveries replays --json").json()[0],
        &["id", "what", "state", "total", "sent", "passed", "started_by"],
    );
    assert!(cli.run("deliveries replays").ok().contains("3 of 3 on their way"));
    cli.run("deliveries replay dlv_1 --account acme").refused(2, &["not both"]);
}

#[test]
fn what_was_never_tried_is_sent_apart_from_what_failed() {
    let cli = Cli::acme();
    cli.run("matrix set acme server.stopped email off").ok();
    cli.run("emit acme server.stopped").ok();
    assert!(cli.run("deliveries send-missed --account acme --yes").ok().contains("nothing was missed"));
    cli.run("matrix set acme server.stopped email on").ok();
    let counted = cli.run("deliveries send-missed --account acme --since 1h --dry-run").ok();
    assert!(counted.contains("send 1 delivery") && counted.contains("turned off by jane"), "{counted}");
    let sent = cli.run("deliveries send-missed --account acme --since 1h --yes").ok();
    assert!(sent.contains("rpl_1 is done: 1 of 1 on their way"), "{sent}");
    assert!(cli.run("why dlv_1").ok().contains("waits"));
    cli.run("deliveries send-missed").refused(2, &["say which"]);
    cli.run("deliveries send-missed --account acme --since 1h --until 2h").refused(2, &["--since is not before"]);
}

#[test]
fn changes_are_on_record_and_can_be_taken_back() {
    let cli = Cli::acme();
    cli.run("matrix set acme server.stopped slack on").ok();
    let changes = cli.run("audit list --account acme --json").json();
    assert_eq!(count(&changes), 2);
    has(&changes[0], &["id", "at", "login", "origin", "account", "command", "says", "before", "after"]);
    assert_eq!(changes[0]["login"], "jane");
    let id = changes[0]["id"].as_str().unwrap();
    cli.run(&format!("audit undo {id}")).ok();
    let shown = cli.run("matrix show acme").ok();
    assert!(!shown.contains("o'"), "{shown}");
    assert!(cli.run("audit list").ok().contains(&format!("takes back {id}")));
}

#[test]
fn a_mute_holds_until_its_time_and_says_why() {
    let cli = Cli::acme();
    let muted =
        cli.run_args(&["matrix", "mute", "acme", "server.stopped", "email", "--for", "4h", "--reason", "moving"]);
    let says = muted.ok();
    assert!(says.contains("Email for heartbeat stopped is muted until "), "{says}");
    let shown = cli.run("matrix show acme").ok();
    assert!(shown.contains('~') && shown.contains("muted by jane until") && shown.contains("moving"), "{shown}");
    let cells = cli.run("matrix show acme --json").json();
    let muted = |cell: &&Value| cell["muted_until"].is_string();
    assert_eq!(cells["cells"].as_array().unwrap().iter().filter(muted).count(), 1);
    let id = cli.run("emit acme server.stopped --json").json()["event"]["id"].as_str().unwrap().to_owned();
    let why = cli.run(&format!("why {id}")).ok();
    assert!(why.contains("muted by jane until") && why.contains("moving"), "{why}");
    assert!(cli.run("matrix unmute acme server.stopped email").ok().contains("not muted any more"));
    assert!(cli.run("matrix unmute acme").ok().contains("the whole account is not muted"));
    cli.run("matrix mute acme --until 2020-01-01").refused(2, &["passed already"]);
    cli.run("matrix mute acme --for 1000d").refused(2, &["a year at most"]);
    cli.run("matrix mute acme no.such --for 1h").refused(3, &["no.such"]);
    assert!(cli.run("deliveries send-missed --account acme --yes").ok().contains("1 of 1 on their way"));
}

#[test]
fn outside_text_is_harmless_on_a_terminal() {
    let cli = Cli::acme();
    let data = "{\"x\\u001b[2J\":\"\\u001b]0;title\\u0007\\u202egnp\"}";
    let emitted = cli.run_args(&["emit", "acme", "job.fail", "--data", data, "--json"]).json();
    let id = emitted["event"]["id"].as_str().unwrap();
    let shown = cli.run(&format!("events show {id}")).ok();
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
}

#[test]
fn the_audit_trail_is_exported_and_verified() {
    let cli = Cli::acme();
    cli.run("matrix set acme server.stopped slack on").ok();
    let verified = cli.run("audit verify --json").json();
    assert_eq!((&verified["ok"], &verified["changes"]), (&json!(true), &json!(2)));
    let head = verified["head"].as_str().unwrap();
    cli.run("matrix set acme server.stopped slack off").ok();
    assert!(cli.run(&format!("audit verify --expect {head}")).ok().contains("3 changes"));
    cli.run(&format!("audit verify --expect chg_2:{}", "0".repeat(64))).refused(1, &["chg_2", "backup"]);
    let exported = cli.run("audit export").ok();
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(head, format!("chg_2:{}", lines[1]["hash"].as_str().unwrap()));
    has(&lines[0], &["id", "at", "login", "origin", "account", "command", "says", "before", "after", "undoes"]);
}
