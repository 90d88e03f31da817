//! What a lane knows of its destination.

use std::sync::Arc;

use crate::channels::{LaneRules, Settings};
use crate::dispatch::holds::Whom;
use crate::domain::channel::Channel;
use crate::domain::destination::DestinationState;
use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;

/// What a lane needs to send: read from the store, and read again after any change.
#[derive(Clone, Debug)]
pub struct Setup {
    /// By which channel it is sent to.
    pub channel: Channel,
    /// Whose it is; nothing when the destination is no more.
    pub account: Option<AccountId>,
    /// How many times they had been edited; nothing when they could not be read.
    pub revision: Option<i64>,
    /// The parsed settings; why not, when they cannot be used.
    pub settings: Result<Arc<Settings>, String>,
    /// How fast it may go.
    pub rules: LaneRules,
    /// Whether it is sent to.
    pub state: DestinationState,
    /// Since when it has only failed.
    pub failing_since: Option<Timestamp>,
    /// Whether the channel cannot be served at all by this process.
    pub held: bool,
    /// Whether nothing may overtake what was accepted before it.
    pub strict: bool,
}

impl Setup {
    /// For whom an answer to what is sent by it speaks.
    #[must_use]
    pub fn whom(&self) -> Whom {
        Whom { revision: self.revision, gate: self.rules.gate.clone() }
    }
}
