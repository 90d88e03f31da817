//! The real binary in a pseudo terminal, with an emulator that looks at what it draws.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What ends each frame.
const FRAME_END: &[u8] = b"\x1b[?2026l";

pub const WIDTH: u16 = 80;
pub const HEIGHT: u16 = 24;

/// A console, its terminal, and what is seen there.
pub struct Console {
    child: Child,
    master: File,
    screen: vt100::Parser,
    tail: Vec<u8>,
    /// Bytes that came.
    pub bytes: usize,
    /// What came, for a look at it.
    pub raw: Vec<u8>,
    /// Most bytes a second that the terminal takes, when it is slow.
    pub rate: Option<usize>,
    pub started: Instant,
}

impl Console {
    pub fn start(database: &Path, state: &Path) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: HEIGHT, ws_col: WIDTH, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_bellboard"))
            .env("BELLBOARD_DB", database)
            .env("XDG_STATE_HOME", state)
            .env("XDG_CONFIG_HOME", state)
            .env("XDG_DATA_HOME", state)
            .env("BELLBOARD_NETWORK_ALLOW", "127.0.0.0/8")
            .env("TERM", "xterm-256color")
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let size = |side| NonZeroU16::new(side).unwrap();
        let screen = vt100::Parser::new(size(HEIGHT), size(WIDTH), 0);
        let (tail, raw) = (Vec::new(), Vec::new());
        Self { child, master: File::from(master), screen, tail, bytes: 0, raw, rate: None, started }
    }

    pub fn send(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Takes what comes within so long. Says whether anything did.
    pub fn take(&mut self, wait: Duration) -> bool {
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        let ready = poll(&mut fds, Timespec::try_from(wait).ok().as_ref());
        if ready != Ok(1) || !fds[0].revents().contains(PollFlags::IN) {
            return false;
        }
        let mut buffer = [0; 8 * 1024];
        let room = self.rate.map_or(buffer.len(), |rate| rate / 100);
        let count = self.master.read(&mut buffer[..room]).unwrap_or(0);
        self.screen.process(&buffer[..count]);
        self.bytes += count;
        self.raw.extend_from_slice(&buffer[..count]);
        self.tail.extend_from_slice(&buffer[..count]);
        let surplus = self.tail.len().saturating_sub(FRAME_END.len());
        self.tail.drain(..surplus);
        if self.rate.is_some() {
            std::thread::sleep(Duration::from_millis(10));
        }
        count > 0
    }

    /// How long it takes until a whole frame shows what is wanted.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> Duration {
        self.until_since(Instant::now(), what, wanted)
    }

    /// The same for a key, from before it is sent.
    pub fn press(&mut self, keys: &str, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> Duration {
        let begun = Instant::now();
        self.send(keys);
        self.until_since(begun, what, wanted)
    }

    fn until_since(&mut self, begun: Instant, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> Duration {
        while !(self.tail == FRAME_END && wanted(self.screen.screen())) {
            assert!(begun.elapsed() < Duration::from_secs(30), "no {what}:\n{}", self.screen.screen().contents());
            self.take(Duration::from_millis(100));
        }
        begun.elapsed()
    }

    pub fn until_text(&mut self, text: &str) -> Duration {
        self.until(text, |screen| screen.contents().contains(text))
    }

    /// Takes all that comes for so long.
    pub fn rest(&mut self, long: Duration) {
        let end = Instant::now() + long;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.take(left);
        }
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// Processor time of all its threads, in nanoseconds.
    pub fn processor(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |task: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.filter_map(of).sum()
    }

    /// Resident memory in megabytes: now, and the most so far.
    pub fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
