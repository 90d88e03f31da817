//! Typed ids. A number that names a destination cannot be handed to something that wants a delivery.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::domain::time::Timestamp;

/// An id that is no id of its kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is no {kind} id; one looks like `{example}`")]
pub struct IdError {
    given: String,
    kind: &'static str,
    example: &'static str,
}

macro_rules! numbered_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// From the number that the store gave it.
            #[must_use]
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// The number alone.
            #[must_use]
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Takes the id with its prefix, or the number alone.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let number = text.strip_prefix($prefix).unwrap_or(text);
                match number.parse::<i64>() {
                    Ok(number) if number > 0 => Ok(Self(number)),
                    _ => Err(IdError { given: text.to_owned(), kind: $kind, example: concat!($prefix, "17") }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

numbered_id!(
    /// An account, inside the program; people and scripts use its [`crate::domain::account::AccountKey`].
    AccountId, "account", "acc_"
);
numbered_id!(
    /// A destination: `dst_` and a number.
    DestinationId, "destination", "dst_"
);
numbered_id!(
    /// A delivery: `dlv_` and a number. Larger is later.
    DeliveryId, "delivery", "dlv_"
);
numbered_id!(
    /// A row of the audit trail: `chg_` and a number.
    ChangeId, "change", "chg_"
);

numbered_id!(
    /// A bearer token of the HTTP side: `tok_` and a number.
    TokenId, "token", "tok_"
);

numbered_id!(
    /// A bulk replay: `rpl_` and a number.
    ReplayId, "replay", "rpl_"
);

/// An event's public id: `evt_` and a UUIDv7 (RFC 9562 section 5.7) in its 32 hex digits. It is also the `webhook-id` that
/// receivers know the event by, the same for every attempt and replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// A new id of this moment; `random` fills what the time does not.
    #[must_use]
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// From the sixteen bytes that the store keeps.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The sixteen bytes that the store keeps.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "evt_{}", self.0.simple())
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("evt_").and_then(|hex| Uuid::try_parse(hex).ok()).map(Self).ok_or_else(|| IdError {
            given: text.to_owned(),
            kind: "event",
            example: "evt_0192f0c1a7b07d0e8a3b5c6d7e8f9a0b",
        })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_as_shown() {
        let id = EventId::new(Timestamp::from_millis(1_700_000_000_000), [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("dlv_17".parse(), Ok(DeliveryId::new(17)));
        assert_eq!("17".parse(), Ok(DeliveryId::new(17)));
        for bad in ["", "dlv_", "dlv_-1", "dlv_0", "dst_17", "dlv_1x"] {
            assert!(bad.parse::<DeliveryId>().is_err(), "`{bad}` should be refused");
        }
        assert!("evt_1".parse::<EventId>().is_err());
    }

    #[test]
    fn later_events_have_larger_ids() {
        let earlier = EventId::new(Timestamp::from_millis(1_000), [255; 10]);
        assert!(earlier < EventId::new(Timestamp::from_millis(1_001), [0; 10]));
    }
}
