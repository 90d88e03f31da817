//! What a customer can be shown: proof of one delivery, and a list as a file. Times are in UTC, secrets are out, and a hash says
//! whether it is still as it was written.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::text::{safe_json, safe_line};
use crate::domain::time::Timestamp;
use crate::store::deliveries::DeliveryDetail;
use crate::store::files;

/// Files of the same name and second that are made at most; each has a number of its own.
const SAME_NAME_MAX: u32 = 100;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

impl Format {
    /// The ending of its files.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

/// A table to write: each row has as many cells as there are names.
pub struct Table {
    /// The names of the columns.
    pub names: &'static [&'static str],
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The table in a format.
    #[must_use]
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Text => self.rows.iter().fold(String::new(), |mut text, row| {
                let cells: Vec<_> = row.iter().filter(|cell| !cell.is_empty()).map(String::as_str).collect();
                let _ = writeln!(text, "{}", safe_line(&cells.join("  ")));
                text
            }),
            Format::Json => {
                let row = |row: &Vec<String>| {
                    let members =
                        self.names.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.clone().into()));
                    serde_json::Value::Object(members.collect())
                };
                let rows: Vec<_> = self.rows.iter().map(row).collect();
                format!("{}\n", safe_json(&serde_json::Value::Array(rows).to_string()))
            }
            Format::Csv => {
                let line = |cells: Vec<String>| format!("{}\r\n", cells.join(","));
                let names = line(self.names.iter().map(|name| (*name).to_owned()).collect());
                let rows = self.rows.iter().map(|row| line(row.iter().map(|cell| quoted(cell)).collect()));
                std::iter::once(names).chain(rows).collect()
            }
        }
    }
}

/// What makes a spreadsheet take a cell for a formula, when it stands first (OWASP, "CSV Injection"), also in full width.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// A cell as RFC 4180 wants it, made safe for a terminal, so that it is one line. What a spreadsheet would take for a formula, even
/// behind spaces, begins with an apostrophe.
fn quoted(cell: &str) -> String {
    let cell = safe_line(cell);
    let formula = if cell.trim_start().starts_with(FORMULA) { "'" } else { "" };
    if formula.is_empty() && !cell.contains(['"', ',']) {
        return cell.into_owned();
    }
    format!("\"{formula}{}\"", cell.replace('"', "\"\""))
}

/// The SHA-256 of a text, in hexadecimal, as `sha256sum` prints it.
#[must_use]
pub fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Proof of a delivery: the event, and each try with its request and answer. Of the two JSON and text, the last line or
/// member is the hash of what stands before it.
#[must_use]
pub fn of_delivery(detail: &DeliveryDetail, now: Timestamp, format: Format) -> String {
    if format == Format::Json {
        let delivery = serde_json::to_string(detail).unwrap_or_default();
        let delivery = safe_json(&delivery);
        let hash = sha256(&delivery);
        return format!("{{\"delivery\":{delivery},\"made_at\":\"{now}\",\"sha256_of_delivery\":\"{hash}\"}}\n");
    }
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {}", safe_line(value));
    };
    let row = &detail.delivery;
    line("delivery", &row.id.to_string());
    line("event", &format!("{} of type {}, accepted {}", row.event_id, row.event_type, detail.event.received_at));
    line("account", row.account.as_str());
    line("to", &format!("{} over {} ({})", row.label, row.channel.title(), row.destination));
    line("state", &row.explanation());
    line("written at", &now.to_string());
    for attempt in &detail.attempts {
        let _ = writeln!(text, "\n== try {}: {}", attempt.number, attempt.outcome);
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<12} {}", safe_line(value));
        };
        line("began", &format!("{}, took {} ms", attempt.started_at, attempt.duration_ms));
        if let Some(reason) = &attempt.reason {
            line("reason", reason);
        }
        if let Some(request) = &attempt.request {
            message(&mut text, '>', &format!("{} {}", request.method, request.url), &request.headers, &request.body);
        }
        match &attempt.answer {
            Some(answer) => message(&mut text, '<', &answer.status.to_string(), &answer.headers, &answer.body),
            None => text.push_str("< no answer came\n"),
        }
    }
    let hash = sha256(&text);
    let _ = writeln!(text, "\nSHA-256 of the lines above the empty one (head -n -2 FILE | sha256sum): {hash}");
    text
}

fn message(text: &mut String, side: char, first: &str, headers: &[(String, String)], body: &str) {
    let mut line = |line: &str| {
        let _ = writeln!(text, "{}", format!("{side} {}", safe_line(line)).trim_end());
    };
    line(first);
    for (name, value) in headers {
        line(&format!("{name}: {value}"));
    }
    line("");
    body.lines().for_each(line);
}

/// Writes a file that only its owner can read, under a name that nothing had before, and its hash beside it, in a file of that
/// name and `.sha256`, as `sha256sum --check` wants it.
///
/// # Errors
/// Why it could not be written.
pub fn write_with_hash(folder: &Path, name: &str, format: Format, contents: &str) -> Result<PathBuf, String> {
    let path = write_file(folder, name, format, contents)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!("{name}.sha256"));
    write_private(&beside, &format!("{}  {name}\n", sha256(contents)))
        .map_err(|error| format!("{} cannot be written: {error}", beside.display()))?;
    Ok(path)
}

fn write_file(folder: &Path, name: &str, format: Format, contents: &str) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", folder.display());
    files::make_folder(folder).map_err(failed)?;
    for number in 1..=SAME_NAME_MAX {
        let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
        let path = folder.join(format!("{name}.{}", format.ending()));
        match files::create(&path) {
            Ok(mut file) => {
                file.write_all(contents.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(format!("{} has too many files of that name", folder.display()))
}

/// Writes a file that only its owner can read, in place of the one that is there.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, contents: &str) -> std::io::Result<()> {
    files::make_folder(files::folder_of(path))?;
    files::replace(path, contents.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_table_is_written_for_people_programs_and_spreadsheets() {
        let table = Table {
            names: &["at", "why"],
            rows: vec![vec!["1".to_owned(), "a \"b\", c".to_owned()], vec![String::new(), "=1+1".to_owned()]],
        };
        assert_eq!(table.write(Format::Csv), "at,why\r\n1,\"a \"\"b\"\", c\"\r\n,\"'=1+1\"\r\n");
        assert_eq!(
            table.write(Format::Json),
            "[{\"at\":\"1\",\"why\":\"a \\\"b\\\", c\"},{\"at\":\"\",\"why\":\"=1+1\"}]\n"
        );
        assert_eq!(table.write(Format::Text), "1  a \"b\", c\n=1+1\n");
        let cell = |cell: &str| {
            let table = Table { names: &["n"], rows: vec![vec![cell.to_owned()]] };
            table.write(Format::Csv).trim_start_matches("n\r\n").trim_end_matches("\r\n").to_owned()
        };
        for formula in ["=1", "+1", "-1", "@f", "\t=1", "\r=1", "\n=1", " =1", "\u{200b}=1", "\u{ff1d}1", "\u{feff}+1"]
        {
            assert!(cell(formula).starts_with("\"'"), "{formula:?}: {}", cell(formula));
        }
        assert_eq!(cell("a\nb\u{1b}[2J\u{9b}1m\u{202e}"), "a b·[2J·1m");
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_file_is_its_owners_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("exports");
        let first = write_file(&folder, "proof-1.2", Format::Csv, "a").unwrap();
        let second = write_file(&folder, "proof-1.2", Format::Csv, "b").unwrap();
        assert_ne!(first, second);
        assert_eq!(std::fs::read_to_string(&first).unwrap(), "a");
        assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_file(&first, "x", Format::Text, "").is_err());
    }
}
