//! What a lane may ask of the engine.

use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;

/// What a lane wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Its set-up must be read.
    Setup,
    /// Its head must be read; `true`: as that of a strict lane.
    Head(bool),
    /// These are due and may be sent: claim them.
    Claim(Vec<DeliveryId>),
    /// Nothing before that time.
    At(Timestamp),
    /// Nothing until something happens.
    Nothing,
}
