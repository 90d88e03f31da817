//! Small plots in one line of text: how much there was in each span of time.

/// From nothing to most, in characters that every terminal has.
const ASCII: [char; 8] = [' ', '.', ':', '-', '=', '+', '*', '#'];

/// Counts as one character each, the largest of them as the darkest. What is not nothing never looks like nothing.
#[must_use]
pub fn spark(counts: &[u32]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0);
    let steps = u64::try_from(ASCII.len() - 1).unwrap_or(1);
    let level = |count: u32| (u64::from(count) * steps).div_ceil(u64::from(most.max(1)));
    counts.iter().map(|count| ASCII[usize::try_from(level(*count)).unwrap_or(0).min(ASCII.len() - 1)]).collect()
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
        assert_eq!(spark(&[0, 1, 35, 70]), " .=#");
        assert_eq!(spark(&[0, 0]), "  ");
        assert_eq!(spark(&[u32::MAX]), "#");
        assert_eq!(squeeze(&[1, 2, 3, 4, 5], 2), [3, 12]);
        assert!(squeeze(&[], 2).is_empty());
    }
}
