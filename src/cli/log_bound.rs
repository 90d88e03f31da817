//! The one place that bounds the log: whatever fails, and however often, so many lines a minute at most, and of one kind fewer, so that
//! a flood of one does not hide the others. What is left out is counted, and told with the first line of a later minute.
//!
//! Lines are of one kind when the same place in the program writes them.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::json;
use tracing::Metadata;
use tracing::callsite::Identifier;
use tracing_subscriber::fmt::MakeWriter;

use crate::domain::text::{safe_json, safe_line};
use crate::domain::time::{Clock, SystemClock};

/// Lines a minute, and of one kind.
const LINES_MAX: u32 = 300;
const OF_A_KIND_MAX: u32 = 60;

/// Seconds of a minute.
const MINUTE: u64 = 60;

/// How much of a line is repeated when it is told how many more there were, in characters.
const REPEATED_MAX: usize = 300;

/// How the lines are written that this module makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As text, the time first.
    Text,
    /// As JSON objects.
    Json,
    /// For the journal, which knows the time: the priority first, then this format.
    Journal {
        /// Whether what follows is a JSON object.
        json: bool,
    },
}

impl Style {
    /// One line, whatever is told in it: a path, an answer or an error may have line breaks, and what the terminal obeys of whoever
    /// reads the log.
    fn tame(self, line: &[u8]) -> String {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let safe = match self {
            Self::Text | Self::Journal { json: false } => safe_line(text),
            Self::Json | Self::Journal { json: true } => safe_json(text),
        };
        format!("{safe}\n")
    }

    /// A line of ours: how many more lines there were like that one.
    fn more(self, count: u64, like: &str) -> String {
        let said = format!("and {count} more like this were left out");
        let time = SystemClock.now();
        match self {
            Self::Text => format!("{time}  WARN {}: {said}: {like}\n", module_path!()),
            Self::Journal { json: false } => format!("{}: {said}: {like}\n", module_path!()),
            Self::Json | Self::Journal { json: true } => {
                let (time, target) = (time.to_string(), module_path!());
                format!(
                    "{}\n",
                    json!({"timestamp": time, "level": "WARN", "message": said, "like": like, "target": target})
                )
            }
        }
    }
}

/// The lines of one place in the program within the present minute.
#[derive(Debug, Default)]
struct Kind {
    lines: u32,
    left_out: u64,
    first_left_out: String,
}

#[derive(Debug)]
struct State<W, K> {
    inner: W,
    style: Style,
    minute: u64,
    lines: u32,
    kinds: HashMap<K, Kind>,
}

impl<W: Write, K: Eq + Hash> State<W, K> {
    fn new(inner: W, style: Style) -> Self {
        Self { inner, style, minute: 0, lines: 0, kinds: HashMap::new() }
    }

    /// Writes a line, or leaves it out and counts it.
    fn take(&mut self, minute: u64, kind: K, level: tracing::Level, line: &[u8]) -> io::Result<()> {
        if minute != self.minute {
            (self.minute, self.lines) = (minute, 0);
            for (_, kind) in std::mem::take(&mut self.kinds).into_iter().filter(|(_, kind)| kind.left_out > 0) {
                let more = self.style.more(kind.left_out, &kind.first_left_out);
                self.put(tracing::Level::WARN, more.as_bytes())?;
            }
        }
        let kind = self.kinds.entry(kind).or_default();
        if kind.lines >= OF_A_KIND_MAX || self.lines >= LINES_MAX {
            if kind.left_out == 0 {
                kind.first_left_out = self.style.tame(line).trim_end().chars().take(REPEATED_MAX).collect();
            }
            kind.left_out += 1;
            return Ok(());
        }
        kind.lines += 1;
        self.lines += 1;
        let line = self.style.tame(line);
        self.put(level, line.as_bytes())
    }

    fn put(&mut self, level: tracing::Level, line: &[u8]) -> io::Result<()> {
        if matches!(self.style, Style::Journal { .. }) {
            // One write a line: the journal takes it apart otherwise.
            return self.inner.write_all(&[format!("<{}>", priority(level)).as_bytes(), line].concat());
        }
        self.inner.write_all(line)
    }
}

/// As syslog(3) counts: error, warning, information, debugging.
const fn priority(level: tracing::Level) -> u8 {
    match level {
        tracing::Level::ERROR => 3,
        tracing::Level::WARN => 4,
        tracing::Level::INFO => 6,
        tracing::Level::DEBUG | tracing::Level::TRACE => 7,
    }
}

/// A place for lines that takes only so many a minute. Each write is a line, as the subscriber writes them.
#[derive(Debug)]
pub struct Bounded<W> {
    state: Mutex<State<W, Option<Identifier>>>,
    began: Instant,
}

impl<W: Write> Bounded<W> {
    /// Around that place.
    pub fn new(inner: W, style: Style) -> Self {
        Self { state: Mutex::new(State::new(inner, style)), began: Instant::now() }
    }
}

/// Writes a line of one kind.
#[derive(Debug)]
pub struct Line<'a, W> {
    bounded: &'a Bounded<W>,
    kind: Option<Identifier>,
    level: tracing::Level,
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Bounded<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Line<'a, W> {
        Line { bounded: self, kind: None, level: tracing::Level::INFO }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a, W> {
        Line { bounded: self, kind: Some(metadata.callsite()), level: *metadata.level() }
    }
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let minute = self.bounded.began.elapsed().as_secs() / MINUTE;
        let mut state = self.bounded.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.take(minute, self.kind.clone(), self.level, line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bounded.state.lock().unwrap_or_else(PoisonError::into_inner).inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn lines(state: &State<Vec<u8>, u32>) -> Vec<String> {
        String::from_utf8(state.inner.clone()).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_flood_of_one_kind_is_cut_and_told_and_hides_no_other() {
        let mut log = State::new(Vec::new(), Style::Text);
        for _ in 0..1000 {
            log.take(0, 1, Level::WARN, b"it failed\n").unwrap();
        }
        log.take(0, 2, Level::ERROR, b"another thing\n").unwrap();
        assert_eq!(lines(&log).len(), OF_A_KIND_MAX as usize + 1);
        assert_eq!(lines(&log).last().unwrap(), "another thing");
        log.take(1, 2, Level::ERROR, b"another thing\n").unwrap();
        log.take(2, 2, Level::ERROR, b"another thing\n").unwrap();
        let after = lines(&log).split_off(OF_A_KIND_MAX as usize + 1);
        assert_eq!(after.len(), 3, "told once: {after:?}");
        let told = format!("and {} more like this were left out: it failed", 1000 - OF_A_KIND_MAX);
        assert!(after[0].contains(&told), "{after:?}");
    }

    #[test]
    fn however_many_kinds_there_are_so_many_lines_are_all() {
        let mut log = State::new(Vec::new(), Style::Text);
        for kind in 0..100 {
            for _ in 0..100 {
                log.take(0, kind, Level::WARN, b"it failed\n").unwrap();
            }
        }
        assert_eq!(lines(&log).len(), LINES_MAX as usize);
    }

    #[test]
    fn whatever_is_told_a_line_is_a_line_and_does_nothing() {
        const TOLD: &str = "path=/x\n\u{1b}[2J\u{9b}1m\u{202e}y\r\u{2028}\u{7f}\n";
        let written = |style| {
            let mut log = State::new(Vec::new(), style);
            let line =
                if matches!(style, Style::Json) { format!("{}\n", json!({ "path": TOLD })) } else { TOLD.to_owned() };
            log.take(0, 1, Level::WARN, line.as_bytes()).unwrap();
            String::from_utf8(log.inner).unwrap()
        };
        assert_eq!(written(Style::Text), "path=/x ·[2J·1my  ·\n");
        assert_eq!(written(Style::Journal { json: false }), "<4>path=/x ·[2J·1my  ·\n");
        let json = written(Style::Json);
        assert!(json.trim_end().bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{json:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["path"], TOLD);
    }

    #[test]
    fn what_is_left_out_is_told_in_the_format_of_the_log() {
        for (style, prefix) in [(Style::Json, ""), (Style::Journal { json: true }, "<4>")] {
            let mut log = State::new(Vec::new(), style);
            for minute in [0; 99].into_iter().chain([1]) {
                log.take(minute, 1, Level::WARN, b"{\"message\":\"it \\\"failed\\\"\"}\n").unwrap();
            }
            for line in lines(&log) {
                let object: serde_json::Value = serde_json::from_str(line.strip_prefix(prefix).unwrap()).unwrap();
                assert!(object["message"].is_string(), "{line}");
            }
        }
        let mut log = State::new(Vec::new(), Style::Journal { json: false });
        for minute in [0; 99].into_iter().chain([1]) {
            log.take(minute, 1, Level::ERROR, b"bellboard: it failed\n").unwrap();
        }
        assert!(lines(&log).iter().all(|line| line.starts_with("<3>bellboard") || line.starts_with("<4>bellboard")));
    }
}
