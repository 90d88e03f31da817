//! Finds secrets in texts that come from outside, however they are written, and masks them.
//!
//! Made once, where a destination's settings are parsed, since each answer to each send is searched. All ways of writing all
//! secrets are searched for at once, after Wu and Manber ("A fast algorithm for multi-pattern searching", 1994): three bytes of the
//! text say how far the next place is at which any of them could end, so most of the text is never looked at. A library's automaton
//! would keep the secrets in memory that nobody wipes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::domain::secret::{MASK, Secret};

/// A secret that is shorter is not searched for, and one under [`ENCODED_FROM_BYTES`] only as it is: it would mask ordinary words.
const SEARCHED_FROM_BYTES: usize = 4;

/// From which length on other ways of writing a secret are searched for.
const ENCODED_FROM_BYTES: usize = 8;

/// Bytes that together say how far to go on.
const BLOCK_BYTES: usize = 3;

/// Entries of the table that they are looked up in: a power of two.
const TABLE_ENTRIES: usize = 1024;

/// How much of each form's beginning is in the table at most: more would fill it, and then it says to go on by less.
const WINDOW_BYTES_MAX: usize = 16;

/// Secrets to be masked: as they are, in Base64 (by themselves or as a part of something longer), in hex, and in
/// percent-encoding: who was sent a secret may repeat it. It prints as [`MASK`], and its memory is wiped when it is dropped.
#[derive(Default)]
pub struct Redactor {
    /// What is searched for, the longest first.
    forms: Vec<Zeroizing<String>>,
    /// How much of each form's beginning is in the table; none of them is shorter.
    window: usize,
    /// How far the end of the window goes on, by the last block in it; zero where a form may begin with what is in the window.
    steps: Zeroizing<Vec<u8>>,
}

impl Redactor {
    /// Gets ready to search for these.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets {
            let text = secret.expose();
            if text.len() >= SEARCHED_FROM_BYTES {
                forms.push(Zeroizing::new(text.to_owned()));
            }
            if text.len() >= ENCODED_FROM_BYTES {
                add_encoded(text.as_bytes(), &mut forms);
            }
        }
        forms.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        forms.dedup();
        let window = forms.last().map_or(0, |shortest| shortest.len().min(WINDOW_BYTES_MAX));
        let steps = steps(&forms, window);
        Self { forms, window, steps }
    }

    /// The text with every occurrence masked, those that overlap by one mask; the text itself where there is none. An owned text
    /// in which nothing is found comes back as it was, without a copy.
    #[must_use]
    pub fn redact<'a>(&self, text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let text = text.into();
        let mut next = self.find(text.as_bytes(), 0);
        if next.is_none() {
            return text;
        }
        let mut redacted = String::with_capacity(text.len());
        let mut masked_until = 0;
        while let Some(found) = next {
            if found.start >= masked_until {
                redacted.push_str(&text[masked_until..found.start]);
                redacted.push_str(MASK);
            }
            masked_until = masked_until.max(found.end);
            // What is found may reach into the next one, of which the rest alone would not be found.
            next = self.find(text.as_bytes(), found.start + 1);
        }
        redacted.push_str(&text[masked_until..]);
        Cow::Owned(redacted)
    }

    /// The first occurrence that begins there or later: the longest of those with the same beginning.
    fn find(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        if self.forms.is_empty() {
            return None;
        }
        let mut end = from + self.window;
        while end <= text.len() {
            let step = self.steps[entry(&text[end - BLOCK_BYTES..end])];
            if step > 0 {
                end += usize::from(step);
                continue;
            }
            let start = end - self.window;
            if let Some(form) = self.forms.iter().find(|form| text[start..].starts_with(form.as_bytes())) {
                return Some(start..start + form.len());
            }
            end += 1;
        }
        None
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

/// For each block: how far it is at least from its place in the beginning of any form to where that beginning ends. Blocks that share
/// an entry share the least.
fn steps(forms: &[Zeroizing<String>], window: usize) -> Zeroizing<Vec<u8>> {
    let mut steps = Zeroizing::new(Vec::new());
    if window < BLOCK_BYTES {
        return steps;
    }
    let step = |bytes: usize| u8::try_from(bytes).unwrap_or(u8::MAX);
    // A block that stands in no beginning: the next place where one could end has all of it left behind.
    steps.resize(TABLE_ENTRIES, step(window - BLOCK_BYTES + 1));
    for form in forms {
        for (at, block) in form.as_bytes()[..window].windows(BLOCK_BYTES).enumerate() {
            let entry = &mut steps[entry(block)];
            *entry = (*entry).min(step(window - BLOCK_BYTES - at));
        }
    }
    steps
}

/// Where a block stands in the table.
fn entry(block: &[u8]) -> usize {
    block.iter().fold(0, |sum, &byte| (sum << 3) ^ usize::from(byte)) % TABLE_ENTRIES
}

/// Other ways of writing it. None of them is shorter than it is.
fn add_encoded(bytes: &[u8], forms: &mut Vec<Zeroizing<String>>) {
    // In a longer text it may begin at each of the three places of a group; what its neighbours share in is left out.
    for before in 0..3 {
        let placed = Zeroizing::new([vec![0; before].as_slice(), bytes].concat());
        for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let whole = Zeroizing::new(alphabet.encode(placed.as_slice()));
            let own = (8 * before).div_ceil(6)..8 * placed.len() / 6;
            forms.push(Zeroizing::new(whole[own].to_owned()));
        }
    }
    for upper in [true, false] {
        let mut form = Zeroizing::new(String::with_capacity(2 * bytes.len()));
        for &byte in bytes {
            let _ = if upper { write!(form, "{byte:02X}") } else { write!(form, "{byte:02x}") };
        }
        forms.push(form);
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !bytes.iter().copied().all(is_plain) {
        for upper in [true, false] {
            let mut form = Zeroizing::new(String::with_capacity(3 * bytes.len()));
            for &byte in bytes {
                if is_plain(byte) {
                    form.push(char::from(byte));
                } else {
                    let _ = if upper { write!(form, "%{byte:02X}") } else { write!(form, "%{byte:02x}") };
                }
            }
            forms.push(form);
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        Redactor::new(secrets.iter().copied().map(Secret::new))
    }

    fn check(secrets: &[&str], text: &str, expected: &str) {
        assert_eq!(redactor(secrets).redact(text), expected, "{secrets:?} in {text:?}");
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let secret = "p/ss+w\u{f6}rd?>~17";
        for around in ["", "a", "ab", "abc", "\0user\0"] {
            let longer = format!("{around}{secret}{around}");
            for written in [STANDARD.encode(&longer), URL_SAFE.encode(&longer), STANDARD_NO_PAD.encode(&longer)] {
                let redacted = redactor(&[secret]).redact(format!("you sent {written}!"));
                assert!(redacted.contains(MASK), "{around:?}: {redacted}");
                let left = redacted.replace(MASK, "").len();
                assert!(left <= "you sent !".len() + 4 * around.len() + 8, "{around:?}: {redacted}");
            }
        }
        check(&[secret], "x=p%2Fss%2Bw%C3%B6rd%3F%3E~17&y", "x=••••&y");
        check(&[secret], "x=p%2fss%2bw%c3%b6rd%3f%3e~17&y", "x=••••&y");
        check(&[secret], "x=702f73732b77c3b672643f3e7e3137.", "x=••••.");
        check(&[secret], "702F73732B77C3B672643F3E7E3137", "••••");
        check(&["token17"], "token17 dG9rZW4xNw", "•••• dG9rZW4xNw");
        check(&["key", ""], "a key", "a key");
        check(&["keys"], "keyskeys, keys", "••••••••, ••••");
    }

    #[test]
    fn secrets_that_share_a_part_do_not_hide_each_other() {
        check(&["swordfish", "whsec_swordfish"], "<whsec_swordfish swordfish>", "<•••• ••••>");
        check(&["whsec_swordfish", "swordfish"], "<whsec_swordfish swordfish>", "<•••• ••••>");
        check(&["swordfish", "fishmonger"], "a swordfishmonger", "a ••••");
        check(&["fishmonger", "swordfish"], "a swordfishmonger", "a ••••");
        check(&["abcdabcd"], "abcdabcdabcd", "••••");
        check(&["wordfi", "swordfish"], "swordfish", "••••");
    }

    #[test]
    fn a_text_without_a_secret_is_not_copied() {
        let text = "nothing of that, and nothing of swordfis either".to_owned();
        let place = text.as_ptr();
        let redacted = redactor(&["swordfish", "fishmonger"]).redact(text).into_owned();
        assert_eq!(redacted.as_ptr(), place);
        assert!(matches!(redactor(&["swordfish"]).redact("fish"), Cow::Borrowed("fish")));
        assert!(matches!(Redactor::default().redact("fish"), Cow::Borrowed("fish")));
    }

    #[test]
    fn what_is_searched_for_is_never_shown() {
        assert_eq!(format!("{:?}", redactor(&["swordfish"])), MASK);
    }

    proptest! {
        /// As where each form is looked for at each place of the text.
        #[test]
        fn it_finds_what_a_plain_search_finds(
            secrets in proptest::collection::vec("[ab\u{f6}/]{0,12}", 0..4),
            pieces in proptest::collection::vec((any::<proptest::sample::Index>(), "[ab\u{f6}/]{0,9}"), 0..8),
        ) {
            let redactor = Redactor::new(secrets.iter().map(Secret::new));
            let mut text = String::new();
            for (which, between) in pieces {
                if !redactor.forms.is_empty() {
                    text.push_str(which.get(redactor.forms.as_slice()).as_str());
                }
                text.push_str(&between);
            }
            let mut hidden = vec![false; text.len()];
            for form in &redactor.forms {
                for start in (0..text.len()).filter(|&start| text.as_bytes()[start..].starts_with(form.as_bytes())) {
                    hidden[start..start + form.len()].fill(true);
                }
            }
            let left: String = text.char_indices().filter(|&(at, _)| !hidden[at]).map(|(_, c)| c).collect();
            prop_assert_eq!(redactor.redact(text.as_str()).replace(MASK, ""), left);
        }
    }
}
