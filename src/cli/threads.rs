//! The threads that everything runs on, and which of them goes first.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// How much less important a thread is that sends (nice(2)), than the first one, which draws the console, and the store's.
///
/// All that is sent waits for the store, which has one thread to write with and more for it to do than its even share of two
/// processors. With this a backlog is drained a tenth faster there; with 5 the sends have too little. To other processes it is
/// next to nothing.
const GIVES_WAY: i32 = 2;

/// A runtime whose threads give way to the one that it is made on.
///
/// # Errors
/// When the system gives no more threads or files.
pub fn runtime() -> io::Result<Runtime> {
    let give_way = || {
        // On Linux this is about the calling thread alone. Where it cannot be had, all else goes on.
        let _ = rustix::process::nice(GIVES_WAY);
    };
    Builder::new_multi_thread().on_thread_start(give_way).enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_threads_give_way_to_the_one_it_is_made_on() {
        let here = rustix::process::nice(0).unwrap();
        let runtime = runtime().unwrap();
        let there =
            runtime.block_on(async { tokio::spawn(async { rustix::process::nice(0) }).await.unwrap().unwrap() });
        assert_eq!(there, (here + GIVES_WAY).min(19));
        assert_eq!(rustix::process::nice(0).unwrap(), here);
    }
}
