//! Bad input: one sentence that says what to do, the exit code of the design, nothing half done.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use sqlx::{ConnectOptions, Connection};

use crate::cli::{Cli, Ran};

#[test]
fn names_that_are_not_there() {
    let cli = Cli::acme();
    let check = |line: &str, words: &[&str]| cli.run(line).refused(3, words);
    let event = "evt_01a20d92c4687ebfaa9bb9028feb0576";
    check("emit acmee server.stopped", &["`acmee`", "accounts list"]);
    check("emit acme server.stoped", &["`server.stoped`", "`server.stopped`", "event-types list acme"]);
    check("emit acme server.stoped --dry-run", &["`server.stopped`"]);
    check("accounts show acmee", &["`acmee`"]);
    check("matrix show acmee", &["`acmee`"]);
    check("matrix set acme server.stoped slack on", &["`server.stopped`", "event-types list acme"]);
    check("event-types list acmee", &["`acmee`"]);
    check("deliveries show dlv_99", &["dlv_99"]);
    check("deliveries list --account acmee", &["`acmee`"]);
    check("events list --account acmee", &["`acmee`"]);
    check(&format!("events show {event}"), &[event]);
    check(&format!("why {event}"), &[event]);
    check("watch --account acmee", &["`acmee`"]);
    assert_eq!(cli.events(), 0);
}

#[test]
fn payloads_that_are_none() {
    let cli = Cli::acme();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000_000));
    fs::write(cli.path("large.json"), &large).unwrap();
    fs::write(cli.path("latin1.json"), b"{\"a\":\"\xe9\"}").unwrap();
    let check = |data: &str, words: &[&str]| {
        cli.run_args(&["emit", "acme", "server.stopped", "--data", data]).refused(2, words);
    };
    check("[1]", &["one JSON object"]);
    check("{\"a\":", &["one JSON object", "EOF"]);
    check("web1", &["one JSON object"]);
    check("@large.json", &["large.json", "262144 bytes"]);
    check("@latin1.json", &["UTF-8"]);
    check("@none.json", &["none.json", "cannot be read"]);
    cli.feed("emit acme server.stopped --data -", large.as_bytes()).refused(2, &["stdin", "262144 bytes"]);
    assert_eq!(cli.events(), 0);
}

#[test]
fn settings_that_cannot_be() {
    let cli = Cli::acme();
    let check = |args: &[&str], words: &[&str]| cli.run_args(args).refused(2, words);
    check(&["accounts", "add", "b", "--name", "B", "--email", "nobody"], &["`nobody`", "email address"]);
    check(&["accounts", "add", "b", "--name", " ", "--email", "b@b.test"], &["name"]);
    check(&["accounts", "add", "b", "--name", "B", "--email", "b@b.test", "--timezone", "Mars"], &["`Mars`"]);
    check(&["accounts", "edit", "acme", "--email", "x"], &["`x`"]);
    check(&["event-types", "add", "acme", "Disk Full"], &["Disk Full"]);
    check(&["deliveries", "replay"], &["--state failed"]);
    check(&["accounts", "remove", "acme"], &["--yes"]);
    assert_eq!(cli.run("accounts list --json").json().as_array().unwrap().len(), 1);
}

#[test]
fn databases_that_are_none_of_ours() {
    let cli = Cli::new();
    fs::write(cli.path("bellboard.db"), "this is a shopping list\n").unwrap();
    cli.run("emit acme server.stopped").refused(6, &["no bellboard database", "--db"]);
    assert_eq!(fs::read_to_string(cli.path("bellboard.db")).unwrap(), "this is a shopping list\n");
    fs::create_dir(cli.path("folder.db")).unwrap();
    cli.run("accounts list --db folder.db").refused(6, &["folder.db"]);
    cli.run("accounts list --db none.db --read-only").refused(6, &["none.db", "--read-only"]);
    assert!(!cli.path("none.db").exists());
}

#[tokio::test]
async fn a_database_of_a_newer_version() {
    let cli = Cli::acme();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(cli.path("bellboard.db"));
    let mut connection = options.connect().await.unwrap();
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::query(later).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    cli.run("emit acme server.stopped").refused(6, &["newer bellboard"]);
    cli.run("accounts list --read-only").refused(6, &["newer bellboard"]);
}

#[test]
fn a_change_under_read_only_is_refused() {
    let cli = Cli::acme();
    for line in [
        "emit acme server.stopped --read-only",
        "--read-only accounts add b --name B --email b@b.test",
        "matrix set acme all all on --read-only",
        "accounts remove acme --yes --read-only",
    ] {
        cli.run(line).refused(4, &["read-only"]);
    }
    assert_eq!(cli.events(), 0);
    assert_eq!(cli.run("accounts list --json --read-only").json().as_array().unwrap().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_written() {
    const NOBODY: u32 = 65534;
    let cli = Cli::new();
    fs::create_dir(cli.path("shut")).unwrap();
    fs::set_permissions(cli.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(cli.path("shut"), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = cli.command();
    command.args(["accounts", "list", "--db", "shut/b.db"]).stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // For root nothing is shut; the program must then run as somebody else.
        command.uid(NOBODY).gid(NOBODY);
    }
    Ran::from(command.output().unwrap()).refused(6, &["shut/b.db", "writable"]);
    assert_eq!(fs::read_dir(cli.path("shut")).unwrap().count(), 0);
}
