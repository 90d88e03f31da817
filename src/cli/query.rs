//! The options that pick deliveries and events out of many, the same in every command that lists.

use std::time::Duration;

use clap::Args;

use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::delivery::DeliveryState;
use crate::domain::id::{DestinationId, EventId};
use crate::domain::time::{Timestamp, parse_duration};
use crate::store::deliveries::DeliveryFilter;

/// A moment as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// That point in time.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
    /// The last midnight, in this machine's zone.
    Today,
}

impl Moment {
    /// Reads a date, a time of RFC 3339, or a length of time before now.
    ///
    /// # Errors
    /// When the text is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "today" {
            return Ok(Self::Today);
        }
        if let Ok(ago) = parse_duration(text) {
            return Ok(Self::Ago(ago));
        }
        Timestamp::parse(text).map(Self::At).map_err(|problem| format!("{problem}, 2h for two hours ago, or today"))
    }

    /// The point in time, seen from `now`.
    #[must_use]
    pub fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.minus(ago),
            Self::Today => now.start_of_day(&jiff::tz::TimeZone::system()),
        }
    }
}

/// Which deliveries; each option narrows.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which")]
pub struct DeliveryQuery {
    /// Only of this account
    #[arg(long, value_name = "KEY")]
    pub account: Option<AccountKey>,
    /// Only over this channel
    #[arg(long)]
    pub channel: Option<Channel>,
    /// Only to this destination
    #[arg(long, value_name = "ID")]
    pub destination: Option<DestinationId>,
    /// Only of this type
    #[arg(long, value_name = "NAME")]
    pub event_type: Option<String>,
    /// Only of this event
    #[arg(long, value_name = "ID")]
    pub event: Option<EventId>,
    /// Only in this state: pending, sending, delivered, failed, cancelled, folded or parked
    #[arg(long, value_parser = DeliveryState::parse)]
    pub state: Option<DeliveryState>,
    /// Only since then: 2h (ago), today, 2026-05-04, or 2026-05-04T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    pub since: Option<Moment>,
    /// Only until then, written likewise
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    pub until: Option<Moment>,
}

impl DeliveryQuery {
    /// Whether nothing narrows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.account.is_none()
            && self.channel.is_none()
            && self.destination.is_none()
            && self.event_type.is_none()
            && self.event.is_none()
            && self.state.is_none()
            && self.since.is_none()
            && self.until.is_none()
    }

    /// The store's words for it.
    #[must_use]
    pub fn filter(&self, now: Timestamp, limit: u32) -> DeliveryFilter {
        DeliveryFilter {
            account: self.account.clone(),
            channel: self.channel,
            destination: self.destination,
            event_type: self.event_type.as_deref().map(|name| crate::domain::catalogue::normal_name(name).to_owned()),
            state: self.state,
            event: self.event,
            since: self.since.map(|moment| moment.from(now)),
            until: self.until.map(|moment| moment.from(now)),
            before: None,
            limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_a_while_ago() {
        let now = Timestamp::from_millis(10_000_000);
        let check = |text: &str, millis: i64| {
            assert_eq!(Moment::parse(text).map(|moment| moment.from(now).millis()), Ok(millis), "{text}");
        };
        check("2h", 2_800_000);
        check("1970-01-02", 86_400_000);
        check("1970-01-01T00:00:05Z", 5_000);
        assert_eq!(Moment::parse("today"), Ok(Moment::Today));
        assert_eq!(
            Moment::parse("yesterday"),
            Err("`yesterday` is no time; write 2026-05-04 or 2026-05-04T10:00:00Z, 2h for two hours ago, or today"
                .to_owned())
        );
    }
}
