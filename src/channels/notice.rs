//! What a notification on a screen says, a browser's or a device's: a title, a text, and what it replaces; cut so that all of
//! it stays within a push service's limit.

use crate::channels::words::Words;
use crate::domain::text::shorten;

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The line in bold.
    pub title: String,
    /// What stands below it.
    pub body: String,
}

/// Longest text that is tried, in characters; no screen shows more.
const CHARACTERS_MAX: usize = 2000;

/// Longest title that is tried, in characters.
const TITLE_CHARACTERS_MAX: usize = 300;

impl Notice {
    /// What is said in these words.
    #[must_use]
    pub fn of(words: &Words) -> Self {
        let lines: Vec<&str> = words.paragraphs().chain([words.context.as_str()]).collect();
        Self { title: words.title.clone(), body: lines.join("\n") }
    }

    /// The longest document that `write` makes of title and text within so many bytes: the text is cut first, then the title,
    /// both where a reader sees a character end. What is around them must fit.
    #[must_use]
    pub fn within(&self, bytes_max: usize, write: impl Fn(&Self) -> String) -> String {
        let cut = |title: usize, body: usize| {
            write(&Self {
                title: shorten(&self.title, title).into_owned(),
                body: shorten(&self.body, body).into_owned(),
            })
        };
        let fits = |text: &String| text.len() <= bytes_max;
        let whole = cut(TITLE_CHARACTERS_MAX, CHARACTERS_MAX);
        if fits(&whole) {
            return whole;
        }
        // Escapes and foreign letters take more bytes than characters, so how many fit is searched for.
        let with_title = |title: usize| largest(CHARACTERS_MAX, |body| Some(cut(title, body)).filter(fits));
        with_title(TITLE_CHARACTERS_MAX)
            .or_else(|| largest(TITLE_CHARACTERS_MAX, |title| Some(cut(title, 1)).filter(fits)))
            .unwrap_or_else(|| cut(1, 1))
    }
}

/// What `make` makes of the largest number from 1 to `max` of which it makes anything.
fn largest(max: usize, make: impl Fn(usize) -> Option<String>) -> Option<String> {
    let (mut low, mut high, mut best) = (1, max, None);
    while low <= high {
        let middle = usize::midpoint(low, high);
        match make(middle) {
            Some(text) => {
                best = Some(text);
                low = middle + 1;
            }
            None => high = middle - 1,
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_stays_whole() {
        let check = |title: &str, body: &str, bytes_max: usize| {
            let notice = Notice { title: title.to_owned(), body: body.to_owned() };
            let text = notice.within(bytes_max, |notice| json!({"t": notice.title, "b": notice.body}).to_string());
            assert!(text.len() <= bytes_max, "{} bytes of {bytes_max}", text.len());
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let (kept, cut) = (value["b"].as_str().unwrap().to_owned(), value["t"].as_str().unwrap().to_owned());
            assert!(body == kept || kept.ends_with('…'), "{kept}");
            assert!(title == cut || cut.ends_with('…'), "{cut}");
            text.len()
        };
        assert_eq!(check("x", "y", 100), 17);
        assert!(check("x", &"y".repeat(5000), 4096) <= 4096);
        assert!(check("x", &"\"\\\u{1f680}".repeat(500), 1000) > 950, "as much as fits");
        assert!(check(&"漢".repeat(300), &"y".repeat(5000), 200) > 150, "a long title is cut too");
    }
}
