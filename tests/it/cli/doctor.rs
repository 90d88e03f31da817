//! `doctor`, with things broken one by one: each is found, and the line says what to do next.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::cli::Cli;

/// What `doctor` says of something: its grade and its words, with the exit code of the whole.
fn says(cli: &Cli, what: &str) -> (i32, String, String) {
    let ran = cli.run("doctor --offline --json");
    let lines: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let line = lines.as_array().unwrap().iter().find(|line| line["what"] == what);
    let line = line.unwrap_or_else(|| panic!("nothing about {what}: {lines}"));
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    (ran.code, text("grade"), text("says"))
}

fn check(cli: &Cli, what: &str, grade: &str, do_next: &str) {
    let (code, found, words) = says(cli, what);
    assert_eq!(found, grade, "{what}: {words}");
    assert!(words.contains(do_next), "{what} should say `{do_next}`: {words}");
    // As all else ends that is started on such a database.
    let bad = if ["file", "references", "indexes"].contains(&what) { 6 } else { 1 };
    assert_eq!(code, if grade == "bad" { bad } else { 0 }, "{what}: {words}");
}

fn sql(cli: &Cli, statements: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::{Connection, SqliteConnection};
        let path = format!("sqlite://{}", cli.path("bellboard.db").display());
        let mut connection = SqliteConnection::connect(&path).await.unwrap();
        let statements = sqlx::AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn a_key_that_others_read_or_that_is_gone() {
    let cli = Cli::acme();
    let key = cli.path("bellboard.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    check(&cli, "key", "bad", "chmod 600");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    check(&cli, "key", "ok", "back it up");
    fs::rename(&key, cli.path("moved.key")).unwrap();
    let ran = cli.run("doctor --offline --read-only --json");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("put it back from its own backup"), "{ran:?}");
}

#[test]
fn a_file_that_is_damaged_or_none_of_ours() {
    let cli = Cli::acme();
    let file = File::options().write(true).open(cli.path("bellboard.db")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0x5a; 8192], 4096).unwrap();
    let (code, grade, words) = says(&cli, "file");
    assert_eq!((code, grade.as_str()), (6, "bad"), "{words}");
    for what in ["disk", "size", "deliverer", "Email", "Slack", "Webhook", "key"] {
        assert_ne!(says(&cli, what).1, "bad", "the file keeps nothing else from being looked at: {what}");
    }
    fs::write(cli.path("bellboard.db"), "not a database at all, but long enough").unwrap();
    let (code, grade, words) = says(&cli, "file");
    assert_eq!((code, grade.as_str()), (6, "bad"), "{words}");
    assert!(words.contains("damaged") && words.contains("restore"), "it was one of ours: {words}");
    for name in ["bellboard.db-turns", "bellboard.db-deliverer", "bellboard.db-wal"] {
        let _ = fs::remove_file(cli.path(name));
    }
    let (_, _, words) = says(&cli, "file");
    assert!(words.contains("name another file with --db"), "nothing says that it ever was: {words}");
}

#[test]
fn a_database_of_a_newer_version() {
    let cli = Cli::acme();
    sql(
        &cli,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'', 0);",
    );
    check(&cli, "file", "bad", "newer bellboard");
    // The worse of two decides.
    fs::set_permissions(cli.path("bellboard.key"), Permissions::from_mode(0o644)).unwrap();
    check(&cli, "file", "bad", "newer bellboard");
    assert_eq!(says(&cli, "key").1, "bad");
}

#[test]
fn rows_that_name_none_and_indexes_that_are_gone() {
    let cli = Cli::acme();
    sql(&cli, "PRAGMA foreign_keys = OFF; DELETE FROM account;");
    check(&cli, "references", "bad", "restore a backup");
    let cli = Cli::acme();
    sql(&cli, "DROP INDEX delivery_event;");
    check(&cli, "indexes", "bad", "restore a backup");
}

#[test]
fn a_clock_that_is_behind() {
    let cli = Cli::acme();
    cli.run("emit acme server.stopped").ok();
    sql(&cli, "UPDATE event SET received_at = received_at + 86400000;");
    check(&cli, "clock", "bad", "set it");
}

#[test]
fn what_is_late_and_destinations_that_fail() {
    let cli = Cli::acme();
    check(&cli, "queue", "ok", "none of them late");
    check(&cli, "destinations", "ok", "none fails");
    cli.run("emit acme server.stopped").ok();
    sql(
        &cli,
        "UPDATE delivery SET due_at = due_at - 7200000 WHERE state = 'pending';
         UPDATE destination SET failing_since = 1;",
    );
    check(&cli, "queue", "warn", "deliveries list --state pending");
    check(&cli, "destinations", "warn", "`D` in the console");
}

#[test]
fn a_machine_that_trusts_no_authority() {
    let cli = Cli::acme();
    fs::write(cli.path("none.pem"), "").unwrap();
    let ran = cli.command().args(["doctor", "--offline"]).env("SSL_CERT_FILE", cli.path("none.pem")).output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    let line = out.lines().find(|line| line.contains("channels")).unwrap_or_else(|| panic!("{out}"));
    assert!(line.starts_with("bad") && line.contains("install ca-certificates"), "{line}");
    assert!(!line.contains("builder error"), "{line}");
    assert_eq!(ran.status.code(), Some(1), "{out}");
}

#[test]
fn a_channel_whose_server_is_unset_or_whose_setting_cannot_be_read() {
    let cli = Cli::acme();
    check(&cli, "Email", "warn", "set [email] server");
    check(&cli, "iOS", "warn", "under [apns]");
    fs::create_dir_all(cli.path(".config/bellboard")).unwrap();
    let config = cli.path(".config/bellboard/config.toml");
    fs::write(&config, "[email]\nserver = \"smtp://jane@127.0.0.1\"\npassword_file = \"/nowhere\"\n").unwrap();
    check(&cli, "channels", "bad", "first line");
    fs::write(&config, "[email]\nsrever = 1\n").unwrap();
    cli.run("doctor --offline").refused(2, &["config.toml:2", "email.server"]);
    cli.run("config check").refused(2, &["config.toml:2", "email.server"]);
}
