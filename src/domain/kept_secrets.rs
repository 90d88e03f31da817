//! Which of the secrets that the audit trail keeps, so that changes can be taken back, are meant.

use crate::domain::account::AccountKey;
use crate::domain::id::DestinationId;
use crate::domain::time::Timestamp;

/// A choice among the kept secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSecrets {
    /// Only those of this account, also of one that was removed.
    pub account: Option<AccountKey>,
    /// Only those of this destination, also of one that was removed.
    pub destination: Option<DestinationId>,
    /// Only those that a change before this time replaced.
    pub before: Timestamp,
    /// Also those that an edit or rotation replaced in a destination that is still there.
    pub replaced: bool,
}

impl KeptSecrets {
    /// All that changes before a time replaced, of whatever is or was there.
    #[must_use]
    pub const fn all_before(before: Timestamp) -> Self {
        Self { account: None, destination: None, before, replaced: true }
    }
}
