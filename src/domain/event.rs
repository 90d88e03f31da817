//! Something that happened to an account.

use serde::Serialize;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::delivery::DeliveryState;
use crate::domain::id::{DeliveryId, DestinationId, EventId};
use crate::domain::matrix::NotSent;
use crate::domain::payload::Payload;
use crate::domain::time::Timestamp;

/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// An event on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Whose it is.
    pub account: AccountKey,
    /// Its type's name, as the caller spelled it.
    pub event_type: String,
    /// What it carries.
    pub data: Payload,
    /// The caller's name for it: the same name again is the same event, and is not stored twice.
    pub idempotency_key: Option<String>,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its public id.
    pub id: EventId,
    /// Whose it is.
    pub account: AccountKey,
    /// Its type's name.
    pub event_type: String,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// Whether a person sent it to try a destination.
    pub test: bool,
    /// What it carries.
    pub data: Payload,
}

/// The answer to an accepted event: what is now durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The event's id; that of the first, when the idempotency key was seen before.
    pub id: EventId,
    /// Whether this call stored nothing, because the key was seen before.
    pub duplicate: bool,
    /// What is to be delivered.
    pub deliveries: Vec<(DeliveryId, DestinationId)>,
}

/// What became of one channel of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelOutcome {
    /// Deliveries exist.
    Sent(Vec<(DeliveryId, DeliveryState)>),
    /// None do.
    NotSent(NotSent),
}

/// One channel of [`crate::domain::event::Event`], for `why`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyChannel {
    /// Which.
    pub channel: Channel,
    /// What became of it.
    pub outcome: ChannelOutcome,
}
