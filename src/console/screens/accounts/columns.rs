//! How the list of accounts is laid out in a width.

/// Columns of each part; of no width, it is left out.
pub(crate) struct Columns {
    pub(crate) name: usize,
    pub(crate) key: usize,
    pub(crate) last: usize,
    pub(crate) status: usize,
}

impl Columns {
    /// The counts take 25 columns; the name has what the rest leaves.
    pub(crate) fn of(width: u16) -> Self {
        let free = usize::from(width).saturating_sub(26);
        match free {
            0..=33 => Self { name: free.saturating_sub(1), key: 0, last: 0, status: 0 },
            34..=49 => Self { name: free - 9, key: 0, last: 8, status: 0 },
            50..=80 => Self { name: free - 33, key: 12, last: 8, status: 9 },
            _ => Self { name: (free - 45).min(60), key: 24, last: 8, status: 9 },
        }
    }
}
