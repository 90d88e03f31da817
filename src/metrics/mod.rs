//! What is counted while the program runs, for Prometheus.
//!
//! [`Metrics`] is the one list. The store holds it, `store` and `dispatch` and `http` count in it, and `http` alone writes it out
//! ([`text`]). Counting is one addition to an atomic, with no lock and no question to the store, and nothing is ever counted by
//! customer: labels are channels, outcomes and the like, of which there are a handful. What would have to be asked for at each
//! delivery (how much waits, how old it is) is asked for when somebody reads, within a bound.
//!
//! It knows [`crate::domain`] only. To add one: a field here, a line where it happens, one in `http`'s writer, which a test
//! compares with the alert rules and the dashboard in `assets/metrics`.

pub mod instrument;

pub mod text;

pub mod process;

use std::time::Duration;

use crate::domain::channel::Channel;
use crate::metrics::instrument::{Counter, Histogram};

/// What became of an event that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// It was stored.
    Stored,
    /// It was there already.
    Repeated,
    /// It was refused.
    Refused,
}

impl Intake {
    /// Each with its label.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Stored, "stored"), (Self::Repeated, "repeated"), (Self::Refused, "refused")];
}

/// What a send led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other end has it.
    Delivered,
    /// It is tried again.
    Retried,
    /// It waits for a limit or a server, which is no try.
    Held,
    /// It has failed for good.
    Failed,
    /// So has it, and its destination is no more.
    Gone,
    /// It cannot be sent as it is, and is kept for a person to look at.
    Parked,
}

impl Outcome {
    /// Each with its label.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Delivered, "delivered"),
        (Self::Retried, "retried"),
        (Self::Held, "held"),
        (Self::Failed, "failed"),
        (Self::Gone, "gone"),
        (Self::Parked, "parked"),
    ];
}

/// A part of the HTTP side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Events in.
    Events,
    /// Devices.
    Devices,
    /// Browsers, with their pages, and the links in mails.
    Pages,
    /// The vendor's shape of the matrix.
    Vendor,
    /// All else: health, metrics, documents, what is not there.
    Other,
}

impl Area {
    /// Each with its label.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Events, "events"),
        (Self::Devices, "devices"),
        (Self::Pages, "pages"),
        (Self::Vendor, "vendor"),
        (Self::Other, "other"),
    ];
}

/// Classes of HTTP statuses, by their first digit.
pub const CLASSES: [(u16, &str); 4] = [(2, "2xx"), (3, "3xx"), (4, "4xx"), (5, "5xx")];

/// How many channels there are.
const CHANNELS: usize = Channel::ALL.len();

/// All that is counted in this process since it began.
#[derive(Debug)]
pub struct Metrics {
    /// Events by [`Intake`].
    pub events: [Counter; Intake::ALL.len()],
    /// Sends by channel and [`Outcome`].
    pub sends: [[Counter; Outcome::ALL.len()]; CHANNELS],
    /// How long a send takes, by channel.
    pub send_time: [Histogram; CHANNELS],
    /// From an event's acceptance to its delivery, by channel, retries included.
    pub delivery_time: [Histogram; CHANNELS],
    /// Deliveries that an earlier process was sending when it ended.
    pub reclaimed: Counter,
    /// How often the dispatcher had to wait because the store could not be used.
    pub stalls: Counter,
    /// How long a transaction takes, its sync included.
    pub commit_time: Histogram,
    /// Requests in one transaction.
    pub commit_requests: Histogram,
    /// Transactions that failed.
    pub commit_failures: Counter,
    /// Requests by [`Area`] and class of status.
    pub requests: [[Counter; CLASSES.len()]; Area::ALL.len()],
    /// How long until an answer begins, by [`Area`].
    pub request_time: [Histogram; Area::ALL.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        let times = Histogram::of_times;
        Self {
            events: Default::default(),
            sends: Default::default(),
            send_time: std::array::from_fn(|_| times()),
            delivery_time: std::array::from_fn(|_| times()),
            reclaimed: Counter::default(),
            stalls: Counter::default(),
            commit_time: times(),
            commit_requests: Histogram::of_numbers(),
            commit_failures: Counter::default(),
            requests: Default::default(),
            request_time: std::array::from_fn(|_| times()),
        }
    }
}

impl Metrics {
    /// An event came in.
    pub fn event(&self, intake: Intake) {
        self.events[intake as usize].add(1);
    }

    /// A send has ended; `accepted` is how long ago its event was accepted.
    pub fn sent(&self, channel: Channel, outcome: Outcome, took: Duration, accepted: Duration) {
        self.sends[channel.index()][outcome as usize].add(1);
        self.send_time[channel.index()].time(took);
        if outcome == Outcome::Delivered {
            self.delivery_time[channel.index()].time(accepted);
        }
    }

    /// A request was answered with that status.
    pub fn request(&self, area: Area, status: u16, took: Duration) {
        let class = CLASSES.iter().position(|(digit, _)| *digit == status / 100);
        if let Some(class) = class {
            self.requests[area as usize][class].add(1);
        }
        self.request_time[area as usize].time(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_stands_at_its_place() {
        assert!(Intake::ALL.iter().enumerate().all(|(place, (intake, _))| *intake as usize == place));
        assert!(Outcome::ALL.iter().enumerate().all(|(place, (outcome, _))| *outcome as usize == place));
        assert!(Area::ALL.iter().enumerate().all(|(place, (area, _))| *area as usize == place));
        let metrics = Metrics::default();
        metrics.sent(Channel::Slack, Outcome::Failed, Duration::from_millis(3), Duration::from_secs(9));
        metrics.request(Area::Vendor, 404, Duration::from_millis(1));
        metrics.request(Area::Vendor, 101, Duration::from_millis(1));
        assert_eq!(metrics.sends[Channel::Slack.index()].each_ref().map(Counter::get), [0, 0, 0, 1, 0, 0]);
        assert_eq!(metrics.delivery_time[Channel::Slack.index()].read().count(), 0, "it was not delivered");
        assert_eq!(metrics.requests[Area::Vendor as usize].each_ref().map(Counter::get), [0, 0, 1, 0]);
    }
}
