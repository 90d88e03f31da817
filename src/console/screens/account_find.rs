//! Finds a cell of the matrix by parts of an event type's and a channel's name, while one types.

use crate::console::query::score;
use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::store::matrix::MatrixView;

/// The row (from 0) and the channel that the words fit best; each is nothing where no word speaks of it.
#[must_use]
pub fn find(view: &MatrixView, text: &str) -> (Option<usize>, Option<Channel>) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let channel_word = words.iter().rposition(|word| channel_of(word).is_some() && !is_only_type(view, word));
    let channel = channel_word.and_then(|index| channel_of(words[index]));
    let rest: Vec<&str> =
        words.iter().enumerate().filter(|(index, _)| Some(*index) != channel_word).map(|(_, word)| *word).collect();
    if rest.is_empty() {
        return (None, channel);
    }
    let fit = |kind: &EventType| {
        let names = [&kind.short, &kind.title, &kind.name, &kind.group];
        rest.iter()
            .map(|word| names.iter().filter_map(|name| score(word, name)).min().map(u32::from))
            .sum::<Option<u32>>()
    };
    let types = view.catalogue.types().iter().enumerate();
    let best = types.filter_map(|(index, kind)| fit(kind).map(|fit| (fit, index))).min();
    (best.map(|(_, index)| index), channel)
}

fn channel_of(word: &str) -> Option<Channel> {
    // One letter fits some channel nearly always; two say what is meant.
    (word.chars().count() > 1).then(|| crate::console::query::channel(word)).flatten()
}

/// Whether an event type is called by this word, so that it is no channel's.
fn is_only_type(view: &MatrixView, word: &str) -> bool {
    let begins = |kind: &EventType| kind.short.split(' ').any(|part| part.eq_ignore_ascii_case(word));
    view.catalogue.types().iter().any(|kind| begins(kind))
}
