//! The one place that bounds the log: whatever fails, and however often, so many lines a minute at most, and then one that says how
//! many were left out.

use std::io::{self, Write};
use std::time::Instant;

/// Lines a minute.
const LINES_MAX: u32 = 300;

/// Seconds of a minute.
const MINUTE: u64 = 60;

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// It is written.
    Written,
    /// It is written, after a line that says how many were left out before it.
    After(u64),
    /// It is left out.
    LeftOut,
}

/// How many lines may be written in the present minute still.
#[derive(Debug, Default)]
struct Budget {
    minute: u64,
    lines: u32,
    left_out: u64,
}

impl Budget {
    fn take(&mut self, minute: u64) -> Taken {
        if minute != self.minute {
            (self.minute, self.lines) = (minute, 0);
        }
        if self.lines >= LINES_MAX {
            self.left_out += 1;
            return Taken::LeftOut;
        }
        self.lines += 1;
        match std::mem::take(&mut self.left_out) {
            0 => Taken::Written,
            count => Taken::After(count),
        }
    }
}

/// A place for lines that takes only so many a minute. Each write is a line, as the subscriber writes them.
#[derive(Debug)]
pub struct Bounded<W> {
    inner: W,
    began: Instant,
    budget: Budget,
}

impl<W: Write> Bounded<W> {
    /// Around that place.
    pub fn new(inner: W) -> Self {
        Self { inner, began: Instant::now(), budget: Budget::default() }
    }
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.budget.take(self.began.elapsed().as_secs() / MINUTE) {
            Taken::LeftOut => return Ok(line.len()),
            Taken::After(count) => writeln!(self.inner, "{count} lines were left out, more than {LINES_MAX} a minute")?,
            Taken::Written => {}
        }
        self.inner.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_told() {
        let mut budget = Budget::default();
        let first: Vec<_> = (0..1000).map(|_| budget.take(0)).collect();
        assert_eq!(first.iter().filter(|taken| **taken == Taken::Written).count(), LINES_MAX as usize);
        assert_eq!((budget.take(1), budget.take(1)), (Taken::After(1000 - u64::from(LINES_MAX)), Taken::Written));
        let mut log = Bounded::new(Vec::new());
        for _ in 0..1000 {
            log.write_all(b"it failed\n").unwrap();
        }
        assert_eq!(log.inner.split(|byte| *byte == b'\n').count(), LINES_MAX as usize + 1);
    }
}
