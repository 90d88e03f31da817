//! The receiver: an HTTP/1.1 server in a process of its own that counts, and notes how long each event was under way. What is
//! sent to `/hang` is never answered, and to `/slow` only after two seconds; neither is noted.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any send.
const HANG: Duration = Duration::from_hours(1);

const SLOW: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Seen {
    count: AtomicUsize,
    latencies_us: Mutex<Vec<u64>>,
}

/// Microseconds of the machine's monotonic clock, the same for all processes.
pub fn micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// The receiver's own process: prints its port, then answers each line that it is asked.
pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = Arc::new(Seen::default());
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let counter = seen.clone();
    std::thread::spawn(move || answer_questions(&counter));
    runtime.block_on(async {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream, seen.clone()));
        }
    });
}

fn answer_questions(seen: &Seen) {
    for question in std::io::stdin().lines().map_while(Result::ok) {
        match question.as_str() {
            "count" => println!("{}", seen.count.load(Ordering::SeqCst)),
            "forget" => {
                seen.latencies_us.lock().unwrap().clear();
                println!("ok");
            }
            _ => {
                let all = seen.latencies_us.lock().unwrap().clone();
                println!("{}", all.iter().map(u64::to_string).collect::<Vec<_>>().join(" "));
            }
        }
        let _ = std::io::stdout().flush();
    }
    // Whoever asked is gone.
    std::process::abort();
}

async fn serve(stream: TcpStream, seen: Arc<Seen>) -> Option<()> {
    let mut stream = tokio::io::BufReader::new(stream);
    let mut line = String::new();
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        let mut trouble = None;
        loop {
            line.clear();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(path) = line.strip_prefix("POST ") {
                trouble = if path.starts_with("/hang") {
                    Some(HANG)
                } else if path.starts_with("/slow") {
                    Some(SLOW)
                } else {
                    None
                };
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await.ok()?;
        match trouble {
            Some(time) => tokio::time::sleep(time).await,
            None => note(&seen, &body),
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.ok()?;
    }
}

fn note(seen: &Seen, body: &[u8]) {
    const MARK: &str = "{\"emitted_us\":";
    let text = std::str::from_utf8(body).unwrap_or_default();
    let digits: String = text.strip_prefix(MARK).unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    if let Ok(emitted) = digits.parse::<u64>() {
        seen.latencies_us.lock().unwrap().push(micros().saturating_sub(emitted));
    }
    seen.count.fetch_add(1, Ordering::SeqCst);
}

/// The bench's hold on that process; it ends when this is dropped.
pub struct Process {
    pub url: String,
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Process {
    pub fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child =
            Command::new(program).arg("receive").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        output.read_line(&mut port).unwrap();
        let pipes = Mutex::new((child.stdin.take().unwrap(), output));
        Self { url: format!("http://127.0.0.1:{}/in", port.trim()), child, pipes }
    }

    fn ask(&self, question: &str) -> String {
        let mut pipes = self.pipes.lock().unwrap();
        writeln!(pipes.0, "{question}").unwrap();
        pipes.0.flush().unwrap();
        let mut answer = String::new();
        pipes.1.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }

    pub fn count(&self) -> usize {
        self.ask("count").parse().unwrap()
    }

    pub async fn reaches(&self, count: usize) {
        while self.count() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn forget_latencies(&self) {
        self.ask("forget");
    }

    /// How long each event was under way, in milliseconds and in order.
    #[expect(clippy::cast_precision_loss, reason = "microseconds far below 2^52")]
    pub fn latencies(&self) -> Vec<f64> {
        let answer = self.ask("latencies");
        let mut all: Vec<f64> =
            answer.split_whitespace().map(|number| number.parse::<u64>().unwrap() as f64 / 1000.0).collect();
        all.sort_by(f64::total_cmp);
        all
    }
}

/// The value that so many hundredths are not above.
pub fn percentile(sorted: &[f64], part: usize) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) * part / 100).copied().unwrap_or(0.0)
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
