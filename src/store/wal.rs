//! Looks at a log of commits (the `-wal` file) that somebody left behind, before SQLite works it into the database.
//!
//! SQLite takes such a log up to the first frame whose sum is wrong, silently, whatever was committed after it; and it takes a
//! whole one whichever database it is of. Both cannot be told from what a crash may leave by one frame, but by more:
//!
//! - Each commit is synced before the next one is written. So a crash leaves at most one commit, which nobody was told of, after
//!   the first frame that is wrong. Two or more there, one built upon the other, were lost by something else.
//! - The first page counts its own changes, each by one at most. So what the database has of it is not older than the log's
//!   first word about it less one, and not newer than its last; unless the log is of another file.
//! - Where the log says nothing of the first page, what that says of the database's length is so.
//!
//! The format is that of `fileformat.html` section 4 on sqlite.org. All of this reads the log once, which SQLite does as well; where a
//! process delivers it is not done, since that one has looked when it started.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::store::files;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// How a log begins; with the last bit, its sums are over words with the largest byte first.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// Where the first page of a database counts its changes.
const COUNTER_AT: usize = 24;

/// Commits of which a crash cannot have left so many, in a row, after a frame that is wrong.
const COMMITS_LOST: u32 = 2;

/// Somebody may be writing at the log while it is read: what is wrong must be so each time.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What of the database itself the log must fit.
pub(crate) struct Fits {
    pub(crate) page_bytes: usize,
    /// Whole pages that the file has.
    pub(crate) pages_there: u64,
    /// Pages that it says it has.
    pub(crate) pages_said: u32,
    /// How often it has counted.
    pub(crate) counter: u32,
}

/// What is wrong with the log of a database; nothing where there is none. `read` reads the database's header anew for each look.
pub(crate) fn problem(database: &Path, read: impl Fn() -> io::Result<Fits>) -> io::Result<Option<String>> {
    let wal = files::beside(database, "-wal");
    if fs::metadata(&wal).map_or(0, |file| file.len()) == 0
        || files::is_locked(&files::beside(database, files::DELIVERER))
    {
        return Ok(None);
    }
    let mut before = None;
    for look in 0..LOOKS {
        if look > 0 {
            sleep(BETWEEN_LOOKS);
        }
        let found = Scan::of(&wal, &read()?)?;
        if found.problem.is_none() || before.as_ref().is_some_and(|before| *before != found) {
            return Ok(None);
        }
        before = Some(found);
    }
    Ok(before.and_then(|found| found.problem))
}

/// What one look has found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scan {
    header: Vec<u8>,
    problem: Option<String>,
}

impl Scan {
    fn of(wal: &Path, database: &Fits) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(wal)?);
        let mut header = vec![0; HEADER_BYTES];
        let is_cut = file.read_exact(&mut header).is_err();
        // Shorter than its beginning, or with a beginning that never reached the disk: nothing was committed in it.
        if is_cut || header.iter().all(|byte| *byte == 0) {
            return Ok(Self::default());
        }
        let problem = match Chain::begin(&header) {
            None => Some("its log of commits, the -wal file, is damaged at its beginning".to_owned()),
            Some(chain) if chain.page_bytes != database.page_bytes => Some(of_another()),
            Some(chain) => Frames::read(&mut file, chain)?.problem(database),
        };
        Ok(Self { header, problem })
    }
}

fn of_another() -> String {
    "its log of commits, the -wal file, is of another file or of another time".to_owned()
}

/// The sum that runs through a log, and what each frame of it repeats.
struct Chain {
    large_first: bool,
    page_bytes: usize,
    salt: [u8; 8],
    sum: (u32, u32),
}

impl Chain {
    /// Nothing where it is no beginning of a log.
    fn begin(header: &[u8]) -> Option<Self> {
        let page_bytes = usize::try_from(word(header, 8)).ok()?;
        let salt = header[16..24].try_into().ok()?;
        let mut chain = Self { large_first: word(header, 0) & 1 == 1, page_bytes, salt, sum: (0, 0) };
        chain.add(&header[..24]);
        let is_ours = word(header, 0) & !1 == MAGIC && word(header, 4) == VERSION;
        let is_whole = chain.sum == (word(header, 24), word(header, 28));
        (is_ours && is_whole && (512..=65_536).contains(&page_bytes)).then_some(chain)
    }

    fn add(&mut self, bytes: &[u8]) {
        let (mut one, mut two) = self.sum;
        for pair in bytes.chunks_exact(8) {
            let word = |at: usize| {
                let bytes = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
                if self.large_first { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
            };
            one = one.wrapping_add(word(0)).wrapping_add(two);
            two = two.wrapping_add(word(4)).wrapping_add(one);
        }
        self.sum = (one, two);
    }

    /// Whether this frame follows the one before; goes on from what it says in either case.
    fn takes(&mut self, head: &[u8], page: &[u8]) -> bool {
        let said = (word(head, 16), word(head, 20));
        // Otherwise it was left over from before the log began anew, or is none at all.
        let is_of_it = head[8..16] == self.salt;
        if is_of_it {
            self.add(&head[..8]);
            self.add(page);
        }
        std::mem::replace(&mut self.sum, said) == said && is_of_it
    }
}

/// What the frames of a log say together.
#[derive(Default)]
struct Frames {
    /// Commits up to the first frame that is wrong, and those that follow it in a row without another fault.
    commits: u32,
    commits_after: u32,
    /// The first and the last count of the first page, as far as it was committed.
    counters: Option<(u32, u32)>,
}

impl Frames {
    fn read(file: &mut impl Read, mut chain: Chain) -> io::Result<Self> {
        let mut found = Self::default();
        let mut frame = vec![0; FRAME_HEADER_BYTES + chain.page_bytes];
        let mut is_sound = true;
        // Of the commit that has not come to its end.
        let mut counter = None;
        while found.commits_after < COMMITS_LOST {
            match file.read_exact(&mut frame) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                read => read?,
            }
            let (head, page) = frame.split_at(FRAME_HEADER_BYTES);
            let follows = chain.takes(head, page);
            let commits = u32::from(word(head, 4) > 0);
            is_sound &= follows;
            if !is_sound {
                found.commits_after = if follows { found.commits_after + commits } else { 0 };
                continue;
            }
            if word(head, 0) == 1 {
                counter = Some(word(page, COUNTER_AT));
            }
            if commits > 0 {
                found.commits += 1;
                if let Some(count) = counter.take() {
                    found.counters = Some((found.counters.map_or(count, |(first, _)| first), count));
                }
            }
        }
        Ok(found)
    }

    fn problem(&self, database: &Fits) -> Option<String> {
        if self.commits_after >= COMMITS_LOST {
            let commits = self.commits;
            return Some(format!("its log of commits, the -wal file, is damaged after the first {commits} of them"));
        }
        let Some((first, last)) = self.counters else {
            let (there, said) = (database.pages_there, database.pages_said);
            return (there < u64::from(said)).then(|| format!("it ends after {there} of {said} pages"));
        };
        let oldest = first.wrapping_sub(1);
        let is_of_it = database.counter.wrapping_sub(oldest) <= last.wrapping_sub(oldest);
        (!is_of_it).then(of_another)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
