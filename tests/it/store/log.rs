//! The log of commits (the `-wal` file): it is worked off beside the commits, and begins anew.

use bellboard::store::accounts::AccountFilter;

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
