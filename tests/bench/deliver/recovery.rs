//! How soon deliveries go on after the process that made them was killed: in a new process, and in one that stood by.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use bellboard::dispatch::Status;
use bellboard::domain::time::SystemClock;
use bellboard::store::{Options, Store};

use crate::receiver::micros;
use crate::rig::{Bench, dispatch_from};

/// A process of its own that delivers from this file, and prints when its first send began.
pub async fn serve(path: &str) {
    println!("here");
    let store = Store::open(&Options::at(path), SystemClock::shared()).await.unwrap();
    let handle = dispatch_from(&store);
    let mut status = handle.status();
    status.wait_for(|status| matches!(status, Status::Delivering { sending } if *sending > 0)).await.unwrap();
    println!("{}", micros());
    std::future::pending::<()>().await;
}

struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg("serve").arg(path).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, output };
        server.line();
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// When its first send began.
    fn first_send(&mut self) -> u64 {
        self.line().parse().unwrap()
    }

    fn kill(mut self) -> u64 {
        let at = micros();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        at
    }
}

/// With so many waiting: milliseconds from the start of a new process to its first send, and from a kill to the first send of
/// the process that stood by.
#[expect(clippy::cast_precision_loss, reason = "microseconds far below 2^52")]
pub async fn measure(url: &str, waiting: usize) -> (f64, f64) {
    let bench = Bench::new(url).await;
    bench.accept(waiting).await;
    let path = bench.folder.path().join("bellboard.db");
    bench.store.close().await;
    let millis = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1000.0;
    let mut first = Server::start(&path);
    first.first_send();
    first.kill();
    let began = micros();
    let mut second = Server::start(&path);
    let restart = millis(began, second.first_send());
    let mut standby = Server::start(&path);
    // Until it has opened the store and waits for its turn.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let killed = second.kill();
    let takeover = millis(killed, standby.first_send());
    standby.kill();
    (restart, takeover)
}
