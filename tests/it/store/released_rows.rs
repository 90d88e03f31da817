//! Rows for a database of any schema, as a program that used it could have written them.
//!
//! A table that is not in [`ROWS`] gets rows that are made up from its columns, so a new one is tested before anybody thinks of it.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use sqlx::{Row, SqliteConnection};

use crate::store::upgrades::{hex, sealed};

/// When all of it was written, in milliseconds.
const THEN: i64 = 1_699_999_990_000;

/// Rows as `column=literal`, those that a CHECK wants or that something depends on; the others are made up. A row that begins with a word
/// in brackets is only of schemas whose table knows that word. Parents stand before their children.
const ROWS: &[(&str, &[&str])] = &[
    (
        "account",
        &[
            "key='acme' | name='Acme Ltd' | owner_email='ops@acme.test' | timezone='Europe/Vienna' | status='active'",
            "key='other' | name='漢字 & Söhne' | owner_email='o@other.test' | timezone='UTC' | status='suspended'",
        ],
    ),
    (
        "event_type",
        &[
            "account_id=1 | name='disk.full' | title='Disk full' | group_name='servers' | severity='failure'",
            "account_id=1 | name='disk.free' | severity='recovery' | recovers='disk.full'",
        ],
    ),
    (
        "preference",
        &[
            "account_id=1 | event_type='job.fail' | channel='webhook' | is_on=1",
            "account_id=1 | event_type='job.fail' | channel='email' | is_on=0",
            "account_id=2 | event_type='disk.full' | channel='slack' | is_on=1",
        ],
    ),
    (
        "destination",
        &[
            r#"channel='email' | label='ops' | fields='{"address":"ops@acme.test"}' | only_types='[]' | state='enabled'"#,
            r#"channel='webhook' | label='hooks' | fields='{"url":"$url","secret":null}' | sealed=$sealed | only_types='[]' | state='enabled' | failing_since=1699999980000 | last_failure='answered 500' | failing_fifths=1 | failing_told=1"#,
            r#"channel='webhook' | label='later' | fields='{"url":"$url","secret":null}' | sealed=$sealed | only_types='["servers"]' | state='paused' | state_reason='paused by jane'"#,
            r#"channel='slack' | label='#ops' | fields='{"url":null}' | only_types='[]' | state='disabled' | state_reason='gone'"#,
            r#"channel='email' | label='left' | fields='{"address":"x@acme.test"}' | only_types='[]' | state='enabled' | removed_at=1699999990000"#,
        ],
    ),
    (
        "event",
        &[
            r#"public_id=$id | account_id=1 | event_type='job.fail' | is_test=0 | not_sent='[["slack",{"because":"off_by_default"}]]' | data='{"name":"backup","big":12345678901234567890.10}' | down_since=1600000000000"#,
            r"public_id=$id | account_id=1 | event_type='disk.full' | is_test=1 | not_sent='[]' | data='{}' | tester='jane'",
            r#"public_id=$id | account_id=2 | event_type='job.fail' | is_test=0 | not_sent='[]' | data='{"a":"\u001b漢"}'"#,
        ],
    ),
    ("idempotency", &["account_id=1 | key='order-17' | event_id=1 | fingerprint=zeroblob(32)"]),
    (
        "delivery",
        &[
            "event_id=1 | destination_id=1 | state='delivered' | attempts=1 | attempts_base=0 | status=250 | duration_ms=40",
            "event_id=1 | destination_id=2 | state='pending' | attempts=2 | attempts_base=0 | due_at=1699999995000 | status=500",
            "event_id=1 | destination_id=2 | state='sending' | attempts=1 | attempts_base=0 | due_at=1700003600000",
            "event_id=1 | destination_id=2 | state='failed' | attempts=3 | attempts_base=0 | status=500 | reason='answered 500'",
            "event_id=2 | destination_id=4 | state='cancelled' | attempts=0 | attempts_base=0 | reason='cancelled by jane'",
            "event_id=1 | destination_id=3 | state='pending' | attempts=0 | attempts_base=0 | due_at=1699999995000",
            "[folded] event_id=1 | destination_id=1 | state='folded' | attempts=0 | attempts_base=0 | folded_into=1",
            "[parked] event_id=1 | destination_id=1 | state='parked' | attempts=1 | attempts_base=1 | reason='it cannot be read'",
        ],
    ),
    (
        "attempt",
        &[
            r"delivery_id=1 | number=1 | duration_ms=40 | outcome='delivered' | status=250",
            r#"delivery_id=2 | number=1 | duration_ms=7 | outcome='failed' | status=500 | reason='answered 500' | answer='{"status":500,"headers":[["a","b"]],"body":"no"}'"#,
            r"delivery_id=2 | number=2 | duration_ms=7 | outcome='interrupted'",
            r"delivery_id=4 | number=3 | duration_ms=9 | outcome='rejected' | status=400 | reason='answered 400'",
        ],
    ),
    (
        "audit",
        &[
            r#"login='jane' | origin='pts/1 from 192.0.2.7' | account='acme' | command='add_destination' | says='Acme Ltd has hooks' | before='null' | after='{"id":"dst_2"}' | undoes=NULL"#,
            r#"login='joe' | origin='pts/2' | account='acme' | command='edit_destination' | says='hooks was changed' | before='{"id":"dst_2"}' | after='{"id":"dst_2"}' | sealed=$sealed | undoes=NULL | undone_by=3"#,
            r#"login='jane' | origin='pts/1' | account='acme' | command='undo' | says='hooks is as it was' | before='{"id":"dst_2"}' | after='{"id":"dst_2"}' | undoes=2"#,
        ],
    ),
    ("audit_secret", &["audit_id=2 | sealed=$sealed"]),
    ("audit_together", &["audit_id=2 | leader=1"]),
    ("deliverer", &["boot_id='gone' | process='bellboard 12' | holds='{}' | schedule='[5000,300000]'"]),
    (
        "hold",
        &[
            "destination_id=2 | gate=NULL | until=1700003600000",
            "destination_id=NULL | gate='a digest' | until=1700003600000",
        ],
    ),
    ("rescheduling", &["last_attempt=2 | destination_id=2 | delivery_id=1"]),
    (
        "token",
        &[
            "hash=randomblob(32) | name='billing' | scope='emit' | account_id=1 | last_used_at=1699999980000",
            "hash=randomblob(32) | name='old' | scope='write' | revoked_at=1699999980000",
            "[metrics] hash=randomblob(32) | name='prometheus' | scope='metrics'",
        ],
    ),
    (
        "enrolment",
        &[
            "hash=randomblob(32) | account_id=1 | channel='ios' | expires_at=1700003600000",
            "hash=randomblob(32) | account_id=1 | channel='browser' | used_at=1699999990000 | destination_id=1",
        ],
    ),
    ("access", &["destination_id=1 | hash=randomblob(32)"]),
    ("keyring", &["name='links' | sealed=$keyring"]),
    ("trouble", &["account_id=1 | event_type='job.fail' | subject='backup' | since=1699999980000"]),
    ("ending", &["destination_id=5 | last=1 | reason='the destination was removed'"]),
    (
        "replay",
        &[
            "what='what failed' | state='running' | total=1 | sent=0 | passed=0 | under_way='[]'",
            "what='what failed' | state='done' | total=1 | sent=1 | passed=0 | under_way='[]' | ended_at=1699999990000",
        ],
    ),
    ("replay_chunk", &["replay_id=1 | number=0 | items='[4]'"]),
    (
        "mute",
        &["account_id=2 | event_type='' | channel='' | until=1800000000000 | muted_by='jane' | reason='maintenance'"],
    ),
    ("storm", &["destination_id=1 | family='jobs' | summary_id=1"]),
    ("sealing", &[]),
];

/// A column of a table.
pub struct Column {
    pub name: String,
    kind: String,
    is_optional: bool,
    parent: Option<String>,
}

/// The names of the tables, and how they were made.
pub async fn tables(connection: &mut SqliteConnection) -> Vec<(String, String)> {
    let all = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_sqlx*'";
    sqlx::query_as(all).fetch_all(connection).await.unwrap()
}

/// The columns of a table.
pub async fn columns(connection: &mut SqliteConnection, table: &str) -> Vec<Column> {
    let parents: Vec<(String, String)> = sqlx::query_as("SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?)")
        .bind(table)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    let parents: BTreeMap<_, _> = parents.into_iter().collect();
    let info = "SELECT name, type, \"notnull\" = 0 AND pk = 0 OR dflt_value IS NOT NULL FROM pragma_table_info(?)";
    let info: Vec<(String, String, bool)> = sqlx::query_as(info).bind(table).fetch_all(connection).await.unwrap();
    info.into_iter()
        .map(|(name, kind, is_optional)| Column { parent: parents.get(&name).cloned(), name, kind, is_optional })
        .collect()
}

/// A value for a column that nobody has thought of.
fn made_up(column: &Column, row: i64) -> String {
    match column.kind.as_str() {
        _ if column.parent.is_some() => "1".to_owned(),
        "INTEGER" if column.name == "id" || column.name.ends_with("_id") => row.to_string(),
        "INTEGER" => THEN.to_string(),
        "TEXT" => format!("'{} {row}'", column.name),
        "BLOB" => "x'01'".to_owned(),
        other => panic!("a column of type {other}; say here what it can have"),
    }
}

async fn insert(connection: &mut SqliteConnection, table: &str, row: &str, number: i64) {
    let given: BTreeMap<&str, &str> = row.split(" | ").filter_map(|pair| pair.split_once('=')).collect();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in columns(connection, table).await {
        let value = match given.get(column.name.as_str()) {
            Some(value) => (*value).to_owned(),
            None if column.is_optional && !row.is_empty() => continue,
            None => made_up(&column, number),
        };
        names.push(column.name);
        values.push(value.replace("$id", &format!("x'0192f0c1a7b07d0e8a3b5c6d7e8f9a{number:02x}'")));
    }
    let statement = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}; say in ROWS what its rows can have"));
}

/// Rows in each table, and the trail chained where this schema has a chain.
pub async fn fill(connection: &mut SqliteConnection, url: &str) {
    let known: Vec<&str> = ROWS.iter().map(|(table, _)| *table).collect();
    let mut left = tables(connection).await;
    left.sort_by_key(|(table, _)| known.iter().position(|known| known == table).unwrap_or(known.len()));
    for (table, sql) in left {
        let rows = ROWS.iter().find(|(known, _)| *known == table).map_or(&[""][..], |(_, rows)| rows);
        for (number, row) in (1..).zip(rows.iter()) {
            let (word, row) = row.strip_prefix('[').and_then(|row| row.split_once("] ")).unwrap_or(("", row));
            if !sql.contains(word) {
                continue;
            }
            let row = row.replace("$url", url).replace("$keyring", &sealed("keyring:links"));
            // Those of a change are bound to the destination that they were of.
            let of = if table == "destination" { number } else { 2 };
            insert(connection, &table, &row.replace("$sealed", &sealed(&format!("destination:{of}"))), number).await;
        }
        if table == "audit" && sql.contains("hash") {
            chain(connection).await;
        }
    }
}

/// The hashes, as the program has written them since there is a chain: it must know its own for ever.
async fn chain(connection: &mut SqliteConnection) {
    let all = "SELECT id, at, undoes, login, origin, account, command, says, before, after FROM audit ORDER BY id";
    let mut previous = [0; 32];
    for row in sqlx::query(all).fetch_all(&mut *connection).await.unwrap() {
        let mut context = Context::new(&SHA256);
        context.update(&previous);
        for number in 0..3 {
            context.update(&row.get::<Option<i64>, _>(number).unwrap_or(0).to_be_bytes());
        }
        for text in 3..10 {
            let text: Option<&str> = row.get(text);
            context.update(&text.map_or(-1, |text| i64::try_from(text.len()).unwrap()).to_be_bytes());
            context.update(text.unwrap_or_default().as_bytes());
        }
        previous = context.finish().as_ref().try_into().unwrap();
        // As the row is written, which a trigger keeps from being changed afterwards.
        let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'audit_keeps_words'";
        let trigger: String = sqlx::query_scalar(trigger).fetch_one(&mut *connection).await.unwrap();
        let hash = hex(&previous);
        let id: i64 = row.get(0);
        let statement =
            format!("DROP TRIGGER audit_keeps_words; UPDATE audit SET hash = x'{hash}' WHERE id = {id}; {trigger}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
    }
}
