//! A log file that does not grow without end, and that anybody may move away.
//!
//! Before each line it is looked whether the file at that path is still the one that is open: whoever moved it away (logrotate, another
//! bellboard) is followed without being told to by a signal, and one who cut it short is as well, since each line goes to the
//! end. A file that has become large is put aside as `.1`, the one before as `.2`, and so on; the oldest goes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::store::files;

/// A file beyond this is put aside, in bytes.
pub const BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Files that are kept beside the one that is written.
pub const KEPT: u32 = 4;

/// The open file and its path.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    bytes_max: u64,
    /// Whether the end of the last line is missing, for want of room.
    is_torn: bool,
}

impl LogFile {
    /// Opens it at its end. It and its folder are made when they are not there, for this user only.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::limited(path, BYTES_MAX)
    }

    fn limited(path: &Path, bytes_max: u64) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: files::append(path)?, bytes_max, is_torn: false })
    }

    /// Whether the path still leads to the open file.
    fn is_in_place(&self) -> io::Result<bool> {
        let (open, there) = (self.file.metadata()?, fs::metadata(&self.path));
        Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())))
    }

    /// Follows who moved the file away, and puts it aside when it is large. What fails is tried again with the next line; until
    /// then the open file is written.
    fn tidy(&mut self) -> io::Result<()> {
        if !self.is_in_place()? {
            self.file = files::append(&self.path)?;
        }
        let found = self.file.metadata()?;
        if !found.is_file() || found.len() < self.bytes_max {
            return Ok(());
        }
        // Several consoles may write the same file: one of them puts it aside.
        let large = self.file.try_clone()?;
        large.lock()?;
        if self.is_in_place()? {
            for number in (1..KEPT).rev() {
                let _ = fs::rename(self.aside(number), self.aside(number + 1));
            }
            fs::rename(&self.path, self.aside(1))?;
        }
        self.file = files::append(&self.path)?;
        Ok(())
    }

    fn aside(&self, number: u32) -> OsString {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.tidy();
        if self.is_torn {
            self.file.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut done = 0;
        while done < line.len() {
            match self.file.write(&line[done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_torn = done > 0;
                    return Err(error);
                }
            }
        }
        Ok(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(path: &Path) {
        File::options().write(true).open(path).unwrap().set_len(BYTES_MAX).unwrap();
    }

    #[test]
    fn a_large_file_is_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/bellboard.log");
        let mut log = LogFile::open(&path).unwrap();
        for round in 0..=KEPT + 1 {
            log.write_all(format!("round {round}\n").as_bytes()).unwrap();
            fill(&path);
        }
        log.write_all(b"last\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "last\n");
        let begins =
            |number| fs::read(log.aside(number)).map(|bytes| String::from_utf8_lossy(&bytes[..7]).into_owned());
        assert_eq!(begins(1).unwrap(), format!("round {}", KEPT + 1));
        assert_eq!(begins(KEPT).unwrap(), "round 2");
        assert!(begins(KEPT + 1).is_err());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn several_that_write_while_it_is_put_aside_lose_and_tear_no_line() {
        const WRITERS: usize = 4;
        const LINES: usize = 400;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        // All that is written has room in the files that are kept, and each is put aside several times.
        let line = |writer: usize, number: usize| format!("{writer}.{number} {}\n", "x".repeat(40));
        let bytes_max = (WRITERS * LINES * line(0, 100).len()) as u64 / 4;
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let mut log = LogFile::limited(&path, bytes_max).unwrap();
                scope.spawn(move || {
                    for number in 0..LINES {
                        log.write_all(line(writer, number).as_bytes()).unwrap();
                    }
                });
            }
        });
        let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!((3..=KEPT as usize + 1).contains(&files.len()), "{files:?}");
        let mut found: Vec<String> = files
            .iter()
            .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let mut expected: Vec<String> =
            (0..WRITERS * LINES).map(|all| line(all / LINES, all % LINES).trim_end().to_owned()).collect();
        found.sort();
        expected.sort();
        assert!(found == expected, "{} lines of {}", found.len(), expected.len());
    }

    #[test]
    fn a_line_that_the_disk_had_no_room_for_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path).unwrap();
        log.write_all(b"half of a li").unwrap();
        log.is_torn = true;
        log.write_all(b"whole\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "half of a li\nwhole\n");
    }

    #[test]
    fn whoever_moves_it_away_or_cuts_it_short_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.moved"));
        let (mut one, mut other) = (LogFile::open(&path).unwrap(), LogFile::open(&path).unwrap());
        one.write_all(b"a\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        other.write_all(b"b\n").unwrap();
        one.write_all(b"c\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "a\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "b\nc\n");
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        one.write_all(b"d\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "d\n", "nothing but what came after");
        fill(&path);
        one.write_all(b"e\n").unwrap();
        other.write_all(b"f\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "e\nf\n", "it was put aside once");
        assert!(fs::metadata(one.aside(2)).is_err());
    }
}
