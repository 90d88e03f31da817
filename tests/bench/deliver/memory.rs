//! How much memory `bellboard serve` has by itself: the built program in a process of its own, which takes events over HTTP and
//! delivers them, and then delivers what another process put into its database.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use crate::receiver;
use crate::rig::{Bench, CONCURRENCY, DATA, account};

/// Resident memory of the program, in MiB.
#[derive(Debug)]
pub struct Resident {
    /// Before the first event.
    pub idle: u64,
    /// The most there was until all were accepted by HTTP and delivered.
    pub by_http: u64,
    /// The most there was until as many again were delivered that `bellboard ingest` had stored.
    pub by_ingest: u64,
    /// At the end, with nothing left to do.
    pub after: u64,
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(database: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = bellboard(database)
            .arg("serve")
            .env("BELLBOARD_HTTP_LISTEN", free.to_string())
            .env("BELLBOARD_NETWORK_ALLOW", "127.0.0.0/8")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, url: format!("http://{free}") }
    }

    async fn is_ready(&self, client: &reqwest::Client) {
        let url = format!("{}/readyz", self.url);
        while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A line of what the system says of the process, in MiB.
    fn mib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bellboard(database: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellboard"));
    command.arg("--db").arg(database).env_remove("BELLBOARD_CONFIG").env("XDG_CONFIG_HOME", database.parent().unwrap());
    command
}

/// Serves, and hands it so many events in each way.
pub async fn measure(receiver: &receiver::Process, events: usize) -> Resident {
    let bench = Bench::new(&receiver.url).await;
    bench.store.close().await;
    let database = bench.folder.path().join("bellboard.db");
    let made = bellboard(&database).args(["--json", "tokens", "create", "bench", "--scope", "emit"]).output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
    let server = Server::start(&database);
    server.is_ready(&client).await;
    let idle = server.mib("VmRSS:");
    let before = receiver.count();
    hand_in(&client, &server.url, made["token"].as_str().unwrap(), events).await;
    receiver.reaches(before + events).await;
    let by_http = server.mib("VmHWM:");
    ingest(&database, events);
    receiver.reaches(before + 2 * events).await;
    Resident { idle, by_http, by_ingest: server.mib("VmHWM:"), after: server.mib("VmRSS:") }
}

/// One event a request, as many at once as it sends.
async fn hand_in(client: &reqwest::Client, server: &str, token: &str, events: usize) {
    let body = format!(r#"{{"event_type":"server.stopped","data":{DATA}}}"#);
    stream::iter(0..events)
        .for_each_concurrent(2 * CONCURRENCY, |number| {
            let url = format!("{server}/v1/accounts/{}/events", account(number));
            let request = client.post(url).bearer_auth(token).header("content-type", "application/json");
            let request = request.body(body.clone());
            async move {
                let answer = request.send().await.unwrap();
                assert!(answer.status().is_success(), "{answer:?}");
            }
        })
        .await;
}

fn ingest(database: &Path, events: usize) {
    let mut child =
        bellboard(database).args(["ingest", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = std::io::BufWriter::new(child.stdin.take().unwrap());
    for number in 0..events {
        let account = account(number);
        writeln!(input, r#"{{"account":"{account}","event_type":"server.stopped","data":{DATA}}}"#).unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}
