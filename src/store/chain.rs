//! The audit trail's chain: each row carries a SHA-256 over the hash before it and all of its own columns, so that a row
//! which was changed, taken out or put in between by other means than bellboard is found.
//!
//! A chain proves nothing against somebody who writes all of it anew, or cuts its end off. Against that a person keeps a
//! head (`audit verify` prints it) where the database's owner cannot change it, and has it looked for later.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::id::ChangeId;
use crate::store::Store;
use crate::store::error::StoreError;

/// A row's SHA-256; for people 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash([u8; 32]);

/// What the first row is chained to.
pub(crate) const BEFORE_ALL: Hash = Hash([0; 32]);

/// A row of the trail and its hash: vouches for all that was before it. For people `chg_17:` and the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The row.
    pub change: ChangeId,
    /// Its hash.
    pub hash: Hash,
}

impl Hash {
    /// From the bytes that the store keeps.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes that the store keeps.
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.change, self.hash)
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no head; write one as `bellboard audit verify` prints it, chg_17:9f86…");
        let (change, hash) = text.split_once(':').ok_or_else(wrong)?;
        if hash.len() != 64 || !hash.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(hash.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self { change: change.parse().map_err(|_| wrong())?, hash: Hash(bytes) })
    }
}

/// Rows that are read at once, so that no read transaction stays open for long.
const PAGE: i64 = 1000;

/// The columns that are hashed, in their order.
const COLUMNS: &str = "id, at, login, origin, account, command, says, before, after, undoes, hash";

/// A row of the trail as it is hashed: its columns as they are stored.
pub(crate) struct Link<'a> {
    pub(crate) id: i64,
    pub(crate) at: i64,
    pub(crate) undoes: Option<i64>,
    /// Login, origin, account, command, says, before, after.
    pub(crate) texts: [Option<&'a str>; 7],
}

impl Link<'_> {
    /// The row's hash. Each text goes in with its length, so that no two rows can be made of the same bytes.
    pub(crate) fn hash(&self, previous: &Hash) -> Hash {
        let mut context = Context::new(&SHA256);
        context.update(&previous.0);
        for number in [self.id, self.at, self.undoes.unwrap_or(0)] {
            context.update(&number.to_be_bytes());
        }
        for text in self.texts {
            let length = text.map_or(-1, |text| i64::try_from(text.len()).unwrap_or(i64::MAX));
            context.update(&length.to_be_bytes());
            context.update(text.unwrap_or_default().as_bytes());
        }
        Hash::from_bytes(context.finish().as_ref()).unwrap_or(BEFORE_ALL)
    }
}

/// What a look at the whole trail found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Rows of the chain.
    pub rows: u64,
    /// Rows from before there was a chain; nothing vouches for them.
    pub unchained: u64,
    /// The last row and its hash; nothing in an empty trail.
    pub head: Option<Head>,
    /// The first row that is not as it was written, when there is one.
    pub broken: Option<ChangeId>,
    /// Whether the head that was looked for is in the chain.
    pub found: bool,
}

impl Store {
    /// Goes through the whole audit trail, checks each row's hash, and looks for a head that somebody kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn verify_audit(&self, kept: Option<Head>) -> Result<Verified, StoreError> {
        let mut seen = Verified { rows: 0, unchained: 0, head: None, broken: None, found: kept.is_none() };
        let (mut last, mut previous) = (0, BEFORE_ALL);
        loop {
            let page = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM audit WHERE id > ? ORDER BY id LIMIT ?"));
            let rows = sqlx::query(page).bind(last).bind(PAGE).fetch_all(self.readers()).await?;
            if rows.is_empty() {
                return Ok(seen);
            }
            for row in &rows {
                last = row.try_get(0)?;
                let id = ChangeId::new(last);
                let stored: Option<Vec<u8>> = row.try_get(10)?;
                match stored.as_deref().map(Hash::from_bytes) {
                    None if seen.rows == 0 => seen.unchained += 1,
                    Some(Some(hash)) if hash == hash_of(row, &previous)? => {
                        previous = hash;
                        seen.rows += 1;
                        seen.head = Some(Head { change: id, hash });
                        seen.found |= seen.head == kept;
                    }
                    _ => {
                        seen.broken = Some(id);
                        return Ok(seen);
                    }
                }
            }
        }
    }
}

fn hash_of(row: &SqliteRow, previous: &Hash) -> Result<Hash, StoreError> {
    let mut texts = [None; 7];
    for (text, column) in texts.iter_mut().zip([2, 3, 4, 5, 6, 7, 8_usize]) {
        *text = row.try_get(column)?;
    }
    let link = Link { id: row.try_get(0)?, at: row.try_get(1)?, undoes: row.try_get(9)?, texts };
    Ok(link.hash(previous))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_counts() {
        let texts =
            [Some("jane"), Some("pts/1"), Some("acme"), Some("set_cells"), Some("says"), Some("[]"), Some("[]")];
        let hash = |change: fn(&mut Link)| {
            let mut link = Link { id: 7, at: 1, undoes: None, texts };
            change(&mut link);
            link.hash(&BEFORE_ALL)
        };
        let changes: [fn(&mut Link); 8] = [
            |_| {},
            |link| link.id = 8,
            |link| link.at = 2,
            |link| link.undoes = Some(3),
            |link| link.texts[0] = Some("joe"),
            |link| link.texts[2] = None,
            |link| link.texts[2] = Some(""),
            // The same bytes, cut elsewhere.
            |link| (link.texts[0], link.texts[1]) = (Some("janep"), Some("ts/1")),
        ];
        let mut hashes: Vec<Hash> = changes.iter().map(|change| hash(*change)).collect();
        hashes.push(Link { id: 7, at: 1, undoes: None, texts }.hash(&Hash([1; 32])));
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "number {index} is the same as one before");
        }
    }

    #[test]
    fn a_head_is_read_back_as_shown() {
        let head = Head { change: ChangeId::new(17), hash: Hash([0xa5; 32]) };
        assert_eq!(head.to_string().parse(), Ok(head));
        for bad in
            ["", "chg_17", "chg_17:", "chg_17:a5", &format!("x:{}", head.hash), &format!("chg_1:{}ä", "a".repeat(62))]
        {
            assert!(bad.parse::<Head>().is_err(), "`{bad}` should be refused");
        }
    }
}
