//! The log of commits (the `-wal` file): it is worked off beside the commits, and begins anew.

use bellboard::store::accounts::AccountFilter;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::support::{TestStore, event};

/// Of each event: about the largest that is taken.
const BYTES: usize = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_grow_with_what_is_written() {
    let test = TestStore::acme().await;
    let data = format!("{{\"name\":\"{}\"}}", "x".repeat(BYTES));
    let mut largest = 0;
    let mut written = 0;
    // Less than the net beneath would let stand, so it is the task that keeps it short.
    while written < 240 * 1024 * 1024 {
        let events: Vec<_> = (0..20).map(|_| event("job.fail", &data, None)).collect();
        written += 20 * BYTES as u64;
        assert!(test.store.accept(events).await.unwrap().iter().all(Result::is_ok));
        largest = largest.max(test.store.wal_bytes());
        test.store.accounts(&AccountFilter::default()).await.unwrap();
    }
    assert!(largest < written / 2, "{largest} bytes of log after {written} were written");
}

/// Writes so many bytes, and returns how long the log got on the way.
async fn write(test: &TestStore, bytes: u64) -> u64 {
    let data = format!("{{\"name\":\"{}\"}}", "x".repeat(BYTES));
    let (mut written, mut largest) = (0, 0);
    while written < bytes {
        let events: Vec<_> = (0..20).map(|_| event("job.fail", &data, None)).collect();
        written += 20 * BYTES as u64;
        assert!(test.store.accept(events).await.unwrap().iter().all(Result::is_ok));
        largest = largest.max(test.store.wal_bytes());
    }
    largest
}

async fn run(reader: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).fetch_all(reader).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_never_closes_lets_the_log_grow_only_while_it_reads() {
    const MEGABYTE: u64 = 1024 * 1024;
    let test = TestStore::acme().await;
    let mut reader = SqliteConnectOptions::new().filename(test.store.path()).connect().await.unwrap();
    run(&mut reader, "BEGIN").await;
    run(&mut reader, "SELECT count(*) FROM event").await;
    let held = write(&test, 80 * MEGABYTE).await;
    assert!(held > 70 * MEGABYTE, "nothing can begin anew while somebody is in the middle of a read: {held}");
    run(&mut reader, "COMMIT").await;
    // It stays, and now and then it reads.
    for _ in 0..4 {
        run(&mut reader, "SELECT count(*) FROM event").await;
        let largest = write(&test, 40 * MEGABYTE).await;
        assert!(largest < 80 * MEGABYTE + held, "{largest} bytes of log");
    }
    let settled = write(&test, 20 * MEGABYTE).await;
    assert!(settled < held, "{settled} bytes of log, and {held} while it read");
}
