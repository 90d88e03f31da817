//! What a message says in words: made by a template, or in plain words when there is none that can.
//!
//! Every channel that shows text takes it from here and escapes it in its own way; nothing here knows any markup.

use crate::domain::message::Message;
use crate::domain::text::{safe_line, shorten};

/// Longest title, in characters.
pub const TITLE_MAX: usize = 300;

/// Longest text and longest next step, in characters.
pub const TEXT_MAX: usize = 2000;

/// The words of one message: safe text without any markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What happened to what, in one line; that of a test begins with `Test: `.
    pub title: String,
    /// That it is a test, who sent it, and that nothing happened; only of a test.
    pub note: Option<String>,
    /// The sentence: one line or a few.
    pub text: String,
    /// What to do next; may be empty.
    pub next: String,
    /// The account and the time.
    pub context: String,
    /// What the event carries, as names and values.
    pub details: Vec<(String, String)>,
}

impl Words {
    /// From what a template made of this message; more than fits is cut.
    #[must_use]
    pub fn new(message: &Message, title: &str, text: &str, next: &str) -> Self {
        let mark = if message.test { "Test: " } else { "" };
        Self {
            title: format!("{mark}{}", shorten(&one_line(title), TITLE_MAX)),
            note: message.test.then(|| note(message)),
            text: lines(text),
            next: lines(next),
            context: message.context(),
            details: message.details(),
        }
    }

    /// In plain words, for when no template can be used.
    #[must_use]
    pub fn plain(message: &Message) -> Self {
        let headline = message.headline();
        let text = format!("{headline}, at {}.", message.moment());
        Self::new(message, &headline, &text, "")
    }

    /// Note, sentence and next step, each as a paragraph.
    pub fn paragraphs(&self) -> impl Iterator<Item = &str> {
        let note = self.note.as_deref().unwrap_or_default();
        [note, self.text.as_str(), self.next.as_str()].into_iter().filter(|text| !text.is_empty())
    }
}

fn note(message: &Message) -> String {
    let by = message.tester.as_deref().map(safe_line).map_or_else(String::new, |who| format!(" by {who}"));
    format!("This is a test, sent{by} to see whether messages arrive. Nothing has happened.")
}

/// The text as one safe line.
#[must_use]
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    safe_line(&words.join(" ")).into_owned()
}

/// The text's lines, each made safe, without blanks around it and cut at [`TEXT_MAX`].
fn lines(text: &str) -> String {
    let lines: Vec<String> = text.trim().lines().map(one_line).collect();
    shorten(&lines.join("\n"), TEXT_MAX).into_owned()
}
