//! The demo's receivers of HTTP: one listener on loopback whose paths behave well, badly, or like somebody's service.
//!
//! A minimal HTTP/1.1 server (RFC 9112) for one client, our own: a head, a body by its length, one answer, the next request.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::demo::samples::Receiver;

/// Most bytes of a request's head or body.
const REQUEST_BYTES_MAX: u64 = 1024 * 1024;

/// Half of the flaky receiver's cycle: so long it works, so long it fails.
const FLAKY_HALF: Duration = Duration::from_secs(40);

/// How long the slow receiver takes.
const SLOW: Duration = Duration::from_secs(4);

/// How long the silent receiver says nothing: for longer than the demo waits for an answer.
const SILENCE: Duration = Duration::from_mins(1);

/// How long the others take: the way to a receiver that is not next door.
const USUAL: Duration = Duration::from_millis(60);

/// How long each takes while the past is played.
const HURRIED: Duration = Duration::from_millis(2);

/// Receivers that listen until they are dropped.
pub struct Receivers {
    port: u16,
    scene: Arc<Scene>,
    task: tokio::task::JoinHandle<()>,
}

/// Which time it is for the receivers.
pub struct Scene {
    started: Instant,
    /// While the past is played, nobody takes their time.
    is_past: AtomicBool,
    /// Whether the flaky one fails then.
    fails: AtomicBool,
}

impl Scene {
    fn new() -> Self {
        Self { started: Instant::now(), is_past: AtomicBool::new(false), fails: AtomicBool::new(false) }
    }

    /// From now on the past is played, in which the flaky receiver fails or does not.
    pub fn past(&self, flaky_fails: bool) {
        self.fails.store(flaky_fails, Ordering::Relaxed);
        self.is_past.store(true, Ordering::Relaxed);
    }

    /// From now on all take the time that is theirs.
    pub fn present(&self) {
        self.is_past.store(false, Ordering::Relaxed);
    }

    fn moment(&self) -> Moment {
        if self.is_past.load(Ordering::Relaxed) {
            return Moment::Past { flaky_fails: self.fails.load(Ordering::Relaxed) };
        }
        Moment::Present { since_start: self.started.elapsed() }
    }
}

/// When a request comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Past { flaky_fails: bool },
    Present { since_start: Duration },
}

impl Receivers {
    /// Begins to listen, on a port that is free.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let scene = Arc::new(Scene::new());
        let played = scene.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, played.clone()));
            }
        });
        Ok(Self { port, scene, task })
    }

    /// Sets which time it is for them.
    #[must_use]
    pub fn scene(&self) -> Arc<Scene> {
        self.scene.clone()
    }

    /// The base address of a receiver.
    #[must_use]
    pub fn address(&self, receiver: Receiver) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, receiver.name())
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers requests until the other side has no more, or says something that is no request.
async fn converse(stream: TcpStream, scene: Arc<Scene>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(target)) = read_request(&mut stream).await {
        let answer = answer(&target, scene.moment());
        tokio::time::sleep(answer.after).await;
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
            answer.status,
            if answer.body.starts_with('{') { "application/json" } else { "text/plain" },
            answer.body.len()
        );
        if stream.get_mut().write_all(format!("{head}{}", answer.body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads a request to its end and returns its target; nothing when the connection ends.
async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut limited = stream.take(REQUEST_BYTES_MAX);
    let mut line = String::new();
    if limited.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut length: u64 = 0;
    loop {
        line.clear();
        if limited.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let body = length.min(REQUEST_BYTES_MAX);
    tokio::io::copy(&mut stream.take(body), &mut tokio::io::sink()).await?;
    Ok(Some(target))
}

/// What a receiver says, and when.
struct Answer {
    status: &'static str,
    body: &'static str,
    after: Duration,
}

fn answer(target: &str, moment: Moment) -> Answer {
    let path = target.split('?').next().unwrap_or(target);
    let receiver = Receiver::ALL.into_iter().find(|receiver| path.split('/').nth(1) == Some(receiver.name()));
    let usual = |status, body| Answer { status, body, after: USUAL };
    let answer = match receiver {
        Some(Receiver::Good) => usual("200 OK", RECEIVED),
        Some(Receiver::Slow) => Answer { after: SLOW, ..usual("200 OK", RECEIVED) },
        Some(Receiver::Flaky) if moment.flaky_fails() => {
            usual("503 Service Unavailable", "upstream is restarting, try again")
        }
        Some(Receiver::Flaky) => usual("202 Accepted", r#"{"queued":true}"#),
        Some(Receiver::Broken) => usual("500 Internal Server Error", r#"{"error":"no such table: notices"}"#),
        Some(Receiver::Gone) => usual("410 Gone", "this hook was switched off by its owner"),
        // What stood before it in the past had no patience.
        Some(Receiver::Silent) => Answer { after: SILENCE, ..usual("504 Gateway Time-out", "upstream did not answer") },
        Some(Receiver::Slack) => usual("200 OK", "ok"),
        Some(Receiver::Hipchat) if path.ends_with("/rooms/list") => usual("200 OK", ROOMS),
        Some(Receiver::Hipchat) => usual("200 OK", r#"{"status":"sent"}"#),
        Some(Receiver::Missing) | None => usual("404 Not Found", "no such endpoint"),
    };
    if matches!(moment, Moment::Past { .. }) { Answer { after: HURRIED, ..answer } } else { answer }
}

/// What is said by those who are content.
const RECEIVED: &str = r#"{"received":true}"#;

/// What `rooms/list` of the API v1 returns.
const ROOMS: &str = r#"{"rooms":[{"room_id":1001,"name":"Operations","topic":"What runs and what does not","last_active":0,"created":0,"owner_user_id":1,"is_archived":false,"is_private":false,"xmpp_jid":"1_ops@conf.example"},{"room_id":1002,"name":"Deploys","topic":"","last_active":0,"created":0,"owner_user_id":1,"is_archived":false,"is_private":false,"xmpp_jid":"1_deploys@conf.example"},{"room_id":1003,"name":"Night shift","topic":"","last_active":0,"created":0,"owner_user_id":1,"is_archived":false,"is_private":true,"xmpp_jid":"1_night@conf.example"}]}"#;

impl Moment {
    /// The flaky receiver works first, then fails, and so on.
    fn flaky_fails(self) -> bool {
        match self {
            Self::Past { flaky_fails } => flaky_fails,
            Self::Present { since_start } => (since_start.as_secs() / FLAKY_HALF.as_secs()) % 2 == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_receiver_answers_in_its_way() {
        let check = |target: &str, seconds: u64, status: &str| {
            let moment = Moment::Present { since_start: Duration::from_secs(seconds) };
            assert_eq!(answer(target, moment).status, status, "{target} after {seconds} s");
        };
        check("/good/x", 0, "200 OK");
        check("/slow", 0, "200 OK");
        check("/flaky", 10, "202 Accepted");
        check("/flaky", 50, "503 Service Unavailable");
        check("/flaky", 90, "202 Accepted");
        check("/missing", 0, "404 Not Found");
        check("/broken", 0, "500 Internal Server Error");
        check("/gone", 0, "410 Gone");
        check("/", 0, "404 Not Found");
        check("/slack", 0, "200 OK");
        check("/hipchat/v1/rooms/list?auth_token=x", 0, "200 OK");
        check("/hipchat/v1/rooms/message", 0, "200 OK");
        let scene = Scene::new();
        assert_eq!(answer("/silent", scene.moment()).after, SILENCE);
        scene.past(true);
        let past = ["/silent", "/slow", "/flaky"].map(|target| answer(target, scene.moment()));
        assert_eq!(past.map(|answer| (&answer.status[..3], answer.after)), ["504", "200", "503"].map(|s| (s, HURRIED)));
        scene.present();
        assert_eq!(answer("/slow", scene.moment()).after, SLOW);
    }

    #[tokio::test]
    async fn one_connection_carries_many_requests() {
        let receivers = Receivers::start().await.unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, receivers.port)).await.unwrap();
        for _ in 0..2 {
            let request = b"POST /good HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{  }";
            stream.write_all(request).await.unwrap();
            let mut answer = [0; 88];
            stream.read_exact(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("{\"received\":true}"), "{answer}");
        }
    }
}
