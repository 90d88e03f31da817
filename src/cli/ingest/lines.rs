//! Lines of a stream that may be endless, wrong, or slow: bounded in memory, numbered, in batches that end when the stream
//! pauses.

use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::account::AccountKey;
use crate::domain::event::NewEvent;
use crate::domain::payload::{BYTES_MAX, Payload};

/// Longest line, in bytes: the largest payload and room for the rest. A longer one is skipped and not held.
pub const LINE_BYTES_MAX: usize = BYTES_MAX + 16 * 1024;

/// Most events that go to the store in one request.
pub const BATCH_EVENTS_MAX: usize = 512;

/// Most bytes of events that go to the store in one request.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;

/// What came on some lines that followed each other.
#[derive(Debug, Default)]
pub struct Batch {
    /// The events, each with the number of its line.
    pub events: Vec<(u64, NewEvent)>,
    /// The lines that are none, each with what is wrong.
    pub refused: Vec<(u64, String)>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.refused.is_empty()
    }
}

/// Reads batches from a stream.
pub struct Lines<R> {
    input: BufReader<R>,
    number: u64,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// From the beginning.
    pub fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(READ_BYTES, input), number: 0, line: Vec::new() }
    }

    /// The next batch; nothing at the end of the stream. It waits for one line, and then takes what is there already.
    ///
    /// # Errors
    /// When the stream cannot be read; the lines before were given.
    pub fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while let Some(length) = self.next_line()? {
            self.number += 1;
            bytes += length;
            match self.parse(length) {
                Ok(None) => {}
                Ok(Some(event)) => batch.events.push((self.number, event)),
                Err(problem) => batch.refused.push((self.number, problem)),
            }
            let is_full = batch.events.len() >= BATCH_EVENTS_MAX || bytes >= BATCH_BYTES_MAX;
            let more_is_here = self.input.buffer().contains(&b'\n');
            if is_full || batch.refused.len() >= BATCH_EVENTS_MAX || (!more_is_here && !batch.is_empty()) {
                return Ok(Some(batch));
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// Reads a line without its break into `self.line`, as far as it may be long. Its whole length; nothing at the end.
    fn next_line(&mut self) -> io::Result<Option<usize>> {
        self.line.clear();
        let mut length = 0;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                return Ok((length > 0).then_some(length));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            length += piece.len();
            let used = piece.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(length));
            }
        }
    }

    /// The event on the line that was just read; nothing for an empty one.
    fn parse(&self, length: usize) -> Result<Option<NewEvent>, String> {
        if length > LINE_BYTES_MAX {
            return Err(format!("the line has {length} bytes; at most {LINE_BYTES_MAX} are taken"));
        }
        let text = std::str::from_utf8(&self.line).map_err(|_| "the line is no UTF-8 text".to_owned())?.trim();
        // Some programs begin a file with a byte-order mark.
        let text = if self.number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if text.is_empty() {
            return Ok(None);
        }
        let line: Line<'_> = serde_json::from_str(text).map_err(|error| readable(&error))?;
        let account: AccountKey = line.account.parse().map_err(|error| format!("{error}"))?;
        let data = match line.data {
            None => Payload::empty(),
            Some(data) => Payload::parse(data.get()).map_err(|error| error.to_string())?,
        };
        Ok(Some(NewEvent { account, event_type: line.event_type, data, idempotency_key: line.id }))
    }
}

/// A line as it is written. An unknown member is refused: a misspelled `id` would silently store events twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    account: String,
    event_type: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    id: Option<String>,
}

/// The parser's words, with the column only: its line is always 1.
fn readable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or(&text);
    let example = "{\"account\": \"acme\", \"event_type\": \"server.stopped\", \"data\": {}}";
    format!("{problem} in column {}; a line is one object like {example}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the lines with an event, and those refused with why.
    fn read(input: &[u8]) -> (Vec<u64>, Vec<(u64, String)>) {
        let mut lines = Lines::new(input);
        let (mut events, mut refused) = (Vec::new(), Vec::new());
        while let Some(batch) = lines.next_batch().unwrap() {
            events.extend(batch.events.into_iter().map(|(number, _)| number));
            refused.extend(batch.refused);
        }
        (events, refused)
    }

    const GOOD: &str = r#"{"account":"acme","event_type":"server.stopped","data":{"n":1}}"#;

    #[test]
    fn good_lines_go_in_and_bad_ones_are_named() {
        let check = |text: &str, events: &[u64], refused: &[(u64, &str)]| {
            let (got_events, got_refused) = read(text.as_bytes());
            assert_eq!(got_events, events, "{text}");
            assert_eq!(got_refused.len(), refused.len(), "{text}: {got_refused:?}");
            for ((number, problem), (expected_number, expected)) in got_refused.iter().zip(refused) {
                assert_eq!(number, expected_number, "{text}");
                assert!(problem.contains(expected), "{text}: {problem}");
            }
        };
        check("", &[], &[]);
        check("\n\n", &[], &[]);
        check(&format!("{GOOD}\n{GOOD}"), &[1, 2], &[]);
        check(&format!("\u{feff}{GOOD}\r\n\n{GOOD}\r\n"), &[1, 3], &[]);
        check(&format!("{GOOD}\n{}", &GOOD[..20]), &[1], &[(2, "EOF while parsing")]);
        check(&format!("nonsense\n{GOOD}"), &[2], &[(1, "column 2")]);
        check(r#"{"account":"acme","event_type":"x","ide":"1"}"#, &[], &[(1, "unknown field `ide`")]);
        check(r#"{"account":"acme"}"#, &[], &[(1, "missing field `event_type`")]);
        check(r#"{"account":"a b","event_type":"x"}"#, &[], &[(1, "no account key")]);
        check(r#"{"account":"acme","event_type":"x","data":[1]}"#, &[], &[(1, "one JSON object")]);
    }

    #[test]
    fn a_long_line_is_refused_without_being_held() {
        let mut text = vec![b'x'; 10 * LINE_BYTES_MAX];
        text.push(b'\n');
        text.extend_from_slice(GOOD.as_bytes());
        let mut lines = Lines::new(text.as_slice());
        let batch = lines.next_batch().unwrap().unwrap();
        assert_eq!(batch.refused.first().map(|(number, _)| *number), Some(1));
        assert!(lines.line.capacity() <= 2 * LINE_BYTES_MAX, "{} bytes were held", lines.line.capacity());
    }

    #[test]
    fn a_batch_ends_where_the_stream_pauses() {
        /// Gives one piece at each read.
        struct Pieces(Vec<Vec<u8>>);
        impl Read for Pieces {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let Some(piece) = self.0.pop() else { return Ok(0) };
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
        }
        let two = format!("{GOOD}\n{GOOD}\n{}", &GOOD[..5]);
        let rest = format!("{}\n", &GOOD[5..]);
        let mut lines = Lines::new(Pieces(vec![rest.into_bytes(), two.into_bytes()]));
        let counts: Vec<usize> = std::iter::from_fn(|| lines.next_batch().unwrap()).map(|b| b.events.len()).collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn a_batch_is_bounded() {
        let text = format!("{GOOD}\n").repeat(BATCH_EVENTS_MAX + 1);
        let mut lines = Lines::new(text.as_bytes());
        assert_eq!(lines.next_batch().unwrap().unwrap().events.len(), BATCH_EVENTS_MAX);
        assert_eq!(lines.next_batch().unwrap().unwrap().events.len(), 1);
        assert!(lines.next_batch().unwrap().is_none());
    }
}
