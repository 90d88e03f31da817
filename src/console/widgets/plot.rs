//! Small plots in one line of text: how much there was in each span of time.

use crate::console::theme::Marks;

/// From nothing to most.
const fn levels(marks: Marks) -> [char; 8] {
    match marks {
        Marks::Ascii => [' ', '.', ':', '-', '=', '+', '*', '#'],
        Marks::Unicode => [' ', '▁', '▂', '▃', '▄', '▅', '▆', '█'],
    }
}

/// Counts as one character each, the largest of them as the darkest. What is not nothing never looks like nothing.
#[must_use]
pub fn spark(counts: &[u32], marks: Marks) -> String {
    let levels = levels(marks);
    let most = counts.iter().copied().max().unwrap_or(0);
    let steps = u64::try_from(levels.len() - 1).unwrap_or(1);
    let level = |count: u32| (u64::from(count) * steps).div_ceil(u64::from(most.max(1)));
    counts.iter().map(|count| levels[usize::try_from(level(*count)).unwrap_or(0).min(levels.len() - 1)]).collect()
}

/// Counts joined so that there are at most so many.
#[must_use]
pub fn squeeze(counts: &[u32], width: usize) -> Vec<u32> {
    let each = counts.len().div_ceil(width.max(1)).max(1);
    counts.rchunks(each).rev().map(|chunk| chunk.iter().fold(0, |sum: u32, count| sum.saturating_add(*count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_darker_characters() {
        assert_eq!(spark(&[0, 1, 35, 70], Marks::Ascii), " .=#");
        assert_eq!(spark(&[0, 0], Marks::Ascii), "  ");
        assert_eq!(spark(&[u32::MAX], Marks::Unicode), "█");
        assert_eq!(squeeze(&[1, 2, 3, 4, 5], 2), [3, 12]);
        assert!(squeeze(&[], 2).is_empty());
    }
}
