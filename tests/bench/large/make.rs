//! Makes a file as it is after years: through the real migrations, and then by plain SQL, since that takes minutes.
//!
//! The first account has a tenth of all events; the others share the rest. One delivery in a hundred waits, with its next try
//! hours away; as many have failed for good. Some destinations fail and some are disabled.

use std::path::Path;
use std::time::Instant;

use bellboard::domain::channel::Channel;
use bellboard::domain::matrix::NotSent;
use bellboard::domain::time::{SharedClock, SystemClock};
use bellboard::store::{Options, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};

/// How much is in a file.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub deliveries: i64,
}

impl Size {
    pub const fn accounts(self) -> i64 {
        let accounts = self.deliveries / 100;
        if accounts < 10 { 10 } else { accounts }
    }

    pub const fn events(self) -> i64 {
        self.deliveries / 2
    }
}

/// The account with that number, from 1; the first is the one with a tenth of all events.
pub fn key(number: i64) -> String {
    format!("customer-{number:06}")
}

/// One type that came for the first account only, and long ago.
pub const RARE: &str = "account.suspended";

/// One that never came for anybody.
pub const NEVER: &str = "app.deauth";

/// Every statement, with the size and the present moment put into it. `n` counts from 1.
const FILL: [(&str, &str); 12] = [
    (
        "accounts",
        "INSERT INTO account (id, key, name, owner_email, timezone, status, created_at)
         SELECT n, printf('customer-%06d', n), printf('%s %s %d', '[\"Blue\",\"Green\",\"Grand\",\"Old\",\"Swift\",\"North\",\"Clear\"]' ->> (n % 7),
                '[\"River\",\"Harbour\",\"Forge\",\"Garden\",\"Mill\"]' ->> (n % 5), n), printf('ops@customer-%d.test', n), 'UTC',
                'active', @start FROM n LIMIT @accounts",
    ),
    (
        "destinations",
        "INSERT INTO destination (id, account_id, channel, label, fields, only_types, state, failing_since, last_failure, created_at)
         SELECT n, (n + 1) / 2, iif(n % 2, 'webhook', 'email'), printf('%s of %d', iif(n % 2, 'hooks', 'ops'), (n + 1) / 2),
                iif(n % 2, json_object('url', printf('https://hooks-%d.test/in', n)), json_object('address', printf('ops@customer-%d.test', n / 2))),
                '[]', iif(n % 200 = 13, 'disabled', 'enabled'), iif(n % 100 = 7, @now - n * 100, NULL), iif(n % 100 = 7, 'answered 500', NULL), @start
         FROM n LIMIT 2 * @accounts",
    ),
    (
        "preferences",
        "INSERT INTO preference (account_id, event_type, channel, is_on, changed_by, changed_at)
         SELECT (n + 2) / 3, '[\"job.fail\",\"process.down\",\"server.stopped\"]' ->> (n % 3), 'webhook', 1, 'jane', @start
         FROM n LIMIT 3 * @accounts",
    ),
    (
        "events",
        "INSERT INTO event (id, public_id, account_id, event_type, received_at, is_test, not_sent, data)
         SELECT n, unhex(printf('%012x7%03x8%015x', @start + n * @step, n & 4095, n)),
                iif(n <= 10 OR n % 10 = 0, 1, 2 + n * 2654435761 % (@accounts - 1)),
                iif(n <= 10, 'account.suspended', '[\"server.stopped\",\"server.backon\",\"job.fail\",\"job.backon\",\"process.down\",\"account.deploy.started\",\"account.redeploy.ok\",\"account.redeploy.fail\",\"payment.fail\",\"app.auth\"]' ->> (n / 7 % 10)),
                @start + n * @step, 0, '@not_sent',
                json_object('uid', printf('%012x', n), 'status', 0, 'server', printf('web-%d', n % 100), 'created_at', 1700000000, 'updated_at', 1700000000)
         FROM n LIMIT @events",
    ),
    (
        "names",
        "INSERT INTO idempotency (account_id, key, event_id, fingerprint)
         SELECT account_id, printf('order-%d', id), id, zeroblob(32) FROM event WHERE id % 5 = 0 ORDER BY 1, 2",
    ),
    (
        "deliveries",
        "INSERT INTO delivery (id, event_id, destination_id, state, attempts, attempts_base, due_at, status, duration_ms, reason, created_at, due_since, updated_at)
         SELECT id, event, to_id, state, CASE state WHEN 'failed' THEN 3 WHEN 'cancelled' THEN 0 ELSE 1 END, 0,
                iif(state = 'pending', @now + 21600000 + id % 3600000, NULL), CASE state WHEN 'delivered' THEN 200 WHEN 'cancelled' THEN NULL ELSE 500 END,
                40 + id % 100, CASE state WHEN 'delivered' THEN NULL WHEN 'cancelled' THEN 'the destination was disabled' ELSE 'answered 500' END, at, at, at + 100
         FROM (SELECT 2 * event.id + k AS id, event.id AS event, 2 * account_id - 1 + k AS to_id, received_at AS at,
                      CASE WHEN (2 * event.id + k) % 100 = 40 THEN 'failed' WHEN (2 * event.id + k) % 200 = 61 THEN 'cancelled'
                           WHEN (2 * event.id + k) % 20 = 7 AND event.id > @events * 8 / 10 THEN 'pending' ELSE 'delivered' END AS state
               FROM event CROSS JOIN (SELECT 0 AS k UNION ALL SELECT 1))",
    ),
    (
        "attempts",
        "INSERT INTO attempt (delivery_id, number, started_at, duration_ms, outcome, status, reason, request, answer)
         SELECT delivery.id, k, delivery.created_at + k, 40 + delivery.id % 100, iif(delivery.state = 'delivered', 'delivered', 'failed'),
                delivery.status, delivery.reason,
                json_object('method', 'POST', 'url', printf('https://hooks-%d.test/in', destination_id), 'headers',
                   json('[[\"content-type\",\"application/json\"],[\"webhook-id\",\"evt_0192f0c1a7b07d0e8a3b5c6d7e8f9a0b\"],[\"webhook-timestamp\",\"1700000000\"],[\"webhook-signature\",\"v1,hidden\"]]'),
                   'body', json('{\"payload\":1700000000}')),
                json_object('status', delivery.status, 'headers', json('[[\"content-length\",\"2\"]]'), 'body', 'ok')
         FROM delivery CROSS JOIN (SELECT 1 AS k UNION ALL SELECT 2 UNION ALL SELECT 3) WHERE k <= delivery.attempts",
    ),
    (
        "additions",
        "INSERT INTO audit (at, login, origin, account, command, says, before, after)
         SELECT @start, 'jane', 'ssh', printf('customer-%06d', n), 'add_account', 'added', 'null', '{}' FROM n LIMIT @accounts",
    ),
    (
        "changes",
        "INSERT INTO audit (at, login, origin, account, command, says, before, after)
         SELECT @start, 'jane', 'ssh', 'customer-000001', 'set_cells', 'Webhook is on for job failed', '[]',
                '[{\"event_type\":\"job.fail\",\"channel\":\"webhook\",\"to\":\"on\"}]' FROM n LIMIT @accounts / 5",
    ),
    (
        "troubles",
        "INSERT INTO trouble (account_id, event_type, subject, since)
         SELECT n, 'server.stopped', printf('web-%d', n % 100), @start FROM n LIMIT @accounts",
    ),
    (
        "replays",
        "INSERT INTO replay (what, state, total, sent, passed, under_way, stepped_at, started_by, started_at, ended_at)
         SELECT 'failed deliveries', 'done', 10, 10, 0, '[]', @start, 'jane', @start, @start FROM n LIMIT 200",
    ),
    ("mutes", "INSERT INTO mute SELECT n * 10, 'job.fail', '', @now + 3600000, 'jane', 'planned work' FROM n LIMIT @accounts / 10"),
];

const NINETY_DAYS_MS: i64 = 90 * 24 * 3_600_000;

/// Makes the file, unless it is there.
pub async fn make(path: &Path, size: Size) {
    if path.exists() {
        return println!("{} is there", path.display());
    }
    let began = Instant::now();
    let clock: SharedClock = SystemClock::shared();
    Store::open(&Options::at(path), clock.clone()).await.unwrap().close().await;
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false)
        .pragma("cache_size", "-1000000")
        .pragma("locking_mode", "EXCLUSIVE")
        .pragma("temp_store", "FILE")
        .connect()
        .await
        .unwrap();
    // Sorted once at the end, they take a tenth of the time that it takes to put each row into its place.
    let indexes = sqlx::query_as::<_, (String, String)>(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND name <> 'audit_account'",
    );
    let indexes = indexes.fetch_all(&mut connection).await.unwrap();
    for (name, _) in &indexes {
        run(&mut connection, &format!("DROP INDEX {name}")).await;
    }
    let now = clock.now().millis();
    for (what, statement) in FILL {
        let step = (NINETY_DAYS_MS / size.events()).max(1);
        let statement = statement
            .replace("@accounts", &size.accounts().to_string())
            .replace("@events", &size.events().to_string())
            .replace("@start", &(now - step * size.events() - 1000).to_string())
            .replace("@step", &step.to_string())
            .replace("@now", &now.to_string())
            .replace("@not_sent", &not_sent());
        let (head, body) = statement.split_once("SELECT").unwrap();
        let counted = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n)";
        let counted = if statement.contains("FROM n LIMIT") { counted } else { "" };
        let rows = run(&mut connection, &format!("{head} {counted} SELECT {body}")).await;
        println!("{rows:>10} {what:<14} after {:>4.0} s", began.elapsed().as_secs_f64());
    }
    for (_, sql) in &indexes {
        run(&mut connection, sql).await;
    }
    run(&mut connection, "PRAGMA journal_mode = WAL").await;
    sqlx::Connection::close(connection).await.unwrap();
    let bytes = std::fs::metadata(path).unwrap().len();
    println!("{} MB with its indexes after {:.0} s", bytes / 1_000_000, began.elapsed().as_secs_f64());
}

/// What is kept of the channels that got nothing of an event.
fn not_sent() -> String {
    let off = [Channel::Browser, Channel::Hipchat, Channel::Ios].map(|channel| (channel, NotSent::OffByDefault));
    let all: Vec<_> = off.into_iter().chain([(Channel::Slack, NotSent::NoDestination)]).collect();
    serde_json::to_string(&all).unwrap()
}

async fn run(connection: &mut SqliteConnection, statement: &str) -> u64 {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap().rows_affected()
}
