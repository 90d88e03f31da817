//! What commands print: tables and sentences for people, or one JSON document under `--json`.
//!
//! All of the command line's writing to stdout and stderr is here, so that a closed pipe ends every command quietly and no
//! outside text reaches a terminal as it came.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::domain::text;

/// The two streams and the choice between people and scripts.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Whether `--json` was given.
    pub json: bool,
    /// Whether `--plain` was given: lists are then told an item a line, not as a table.
    pub plain: bool,
}

impl Output {
    /// Prints one JSON document and a line break.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn document(self, document: &impl Serialize) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text::safe_json(&serde_json::to_string_pretty(document)?).as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    /// Prints one JSON document as one line, at once: for streams.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn ndjson(self, document: &impl Serialize) -> io::Result<()> {
        let mut line = text::safe_json(&serde_json::to_string(document)?).into_owned();
        line.push('\n');
        let mut stdout = io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.flush()
    }

    /// Prints a line for people, made safe, at once.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn line(self, line: impl AsRef<str>) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text::safe_line(line.as_ref()).trim_end().as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    /// Prints lines that the program made itself, as they are: scripts, manual pages, the example config.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn raw(self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Prints `document` for scripts, or `sentence` for people.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn either(self, document: &impl Serialize, sentence: impl AsRef<str>) -> io::Result<()> {
        if self.json { self.document(document) } else { self.line(sentence) }
    }

    /// Prints a list: a JSON array for scripts; for people a table, or what to do next when it is empty.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn list<T: Serialize>(
        self,
        items: &[T],
        table: impl FnOnce(&[T]) -> Table,
        when_empty: &str,
    ) -> io::Result<()> {
        if self.json {
            self.document(&items)
        } else if items.is_empty() {
            self.line(when_empty)
        } else {
            self.table(&table(items))
        }
    }

    /// Prints a table.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn table(self, table: &Table) -> io::Result<()> {
        let text = if self.plain { table.lines() } else { table.render(Self::columns()) };
        self.raw(text.as_bytes())
    }

    /// Says something on stderr that is no result: a warning, a progress line, an error. Nobody hears it when stderr is gone.
    pub fn aside(self, line: impl AsRef<str>) {
        let _ = writeln!(io::stderr().lock(), "{}", text::safe_line(line.as_ref()));
    }

    /// Writes over the last line of a terminal on stderr.
    pub fn progress(self, line: &str) {
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r{}\x1b[K", text::safe_line(line));
        let _ = stderr.flush();
    }

    /// The columns of the terminal that stdout is; nothing when it is none, and lines are then not cut.
    fn columns() -> Option<usize> {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }
}

/// Rows under a head, in columns that line up.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

/// Fewest columns of a terminal into which a last column is wrapped.
const WRAPPED_COLUMNS_MIN: usize = 16;

/// Space between two columns.
const GAP: &str = "  ";

impl Table {
    /// An empty table with that head.
    #[must_use]
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned).to_vec()] }
    }

    /// Adds columns to the head.
    pub fn head<'a>(&mut self, columns: impl IntoIterator<Item = &'a &'a str>) {
        if let Some(head) = self.rows.first_mut() {
            head.extend(columns.into_iter().map(|column| (*column).to_owned()));
        }
    }

    /// Adds a row; its cells are made safe.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.cells(cells.into());
    }

    /// Adds a row of as many cells as there are.
    pub fn cells(&mut self, cells: Vec<String>) {
        self.rows.push(cells.into_iter().map(|cell| text::safe_line(&cell).into_owned()).collect());
    }

    /// The text, a line for each row, which says of each cell what it is; cells that say nothing are left out.
    #[must_use]
    pub fn lines(&self) -> String {
        let Some((head, rows)) = self.rows.split_first() else { return String::new() };
        let line = |row: &Vec<String>| {
            let cells = head.iter().zip(row).filter(|(_, cell)| !cell.trim().is_empty());
            let cells: Vec<String> = cells
                .map(|(name, cell)| format!("{}: {}", name.trim(), cell.trim()).trim_start_matches(": ").to_owned())
                .collect();
            format!("{}\n", cells.join("; "))
        };
        rows.iter().map(line).collect()
    }

    /// The text. In a terminal of so many columns the last column goes on below itself where it does not fit; where even that
    /// has no room, lines are cut.
    #[must_use]
    pub fn render(&self, columns: Option<usize>) -> String {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width_of = |at: usize| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| text::columns(cell)).max();
        let widths: Vec<usize> = (0..count).map(|at| width_of(at).unwrap_or(0)).collect();
        let last_from: usize = widths.iter().take(count.saturating_sub(1)).map(|width| width + GAP.len()).sum();
        let room = columns.map(|columns| columns.saturating_sub(last_from)).filter(|room| *room >= WRAPPED_COLUMNS_MIN);
        let mut rendered = String::new();
        for row in &self.rows {
            let (last, others) = row.split_last().map_or(("", [].as_slice()), |(last, others)| (last.as_str(), others));
            let cells = others.iter().zip(&widths).map(|(cell, width)| text::pad(cell, *width) + GAP);
            let start: String = cells.collect();
            let pieces = room.map_or_else(|| vec![last.to_owned()], |room| wrapped(last, room));
            for (at, piece) in pieces.iter().enumerate() {
                let line =
                    if at == 0 { format!("{start}{piece}") } else { format!("{}{piece}", " ".repeat(last_from)) };
                let line = line.trim_end();
                rendered.push_str(&columns.map_or_else(|| line.into(), |columns| text::clip(line, columns)));
                rendered.push('\n');
            }
        }
        rendered
    }
}

/// The text in lines of at most so many columns, broken between words where that is possible.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut();
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if text::columns(line) + 1 + text::columns(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_outside_text_is_harmless() {
        let mut table = Table::new(["key", "name", "n"]);
        table.row(["acme".to_owned(), "漢字 Ltd".to_owned(), "1".to_owned()]);
        table.row(["b".to_owned(), "x\x1b[2Jy\nz".to_owned(), String::new()]);
        assert_eq!(table.render(None), "key   name      n\nacme  漢字 Ltd  1\nb     x·[2Jy z\n");
        assert_eq!(table.lines(), "key: acme; name: 漢字 Ltd; n: 1\nkey: b; name: x·[2Jy z\n");
        assert_eq!(table.render(Some(9)), "key   na…\nacme  漢…\nb     x·…\n");
    }

    #[test]
    fn a_last_column_goes_on_below_itself() {
        let mut table = Table::new(["key", "why"]);
        table.row(["acme".to_owned(), "turned off by jane on the third of May".to_owned()]);
        table.row(["b".to_owned(), "unbreakable-as-it-is-and-long".to_owned()]);
        let expected =
            "key   why\nacme  turned off by\n      jane on the third\n      of May\nb     unbreakable-as-i…\n";
        assert_eq!(table.render(Some(23)), expected);
    }
}
