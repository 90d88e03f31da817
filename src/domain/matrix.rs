//! The matrix: which kinds of events go to which channels, and what becomes of one event.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::account::AccountStatus;
use crate::domain::catalogue::{EventType, SUSPENDED};
use crate::domain::channel::Channel;
use crate::domain::destination::{DestinationState, takes};
use crate::domain::id::DestinationId;
use crate::domain::mute::Mute;
use crate::domain::time::Timestamp;

/// What a person sets a cell to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellSetting {
    /// Events of this type go to this channel.
    On,
    /// They don't.
    Off,
    /// As if nobody had said anything.
    Default,
}

/// A cell that differs from the default: a preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preference {
    /// What it is set to.
    pub on: bool,
    /// Who set it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The preferences of one account. What is not in it is as the default says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    cells: HashMap<(String, Channel), Preference>,
    mutes: Vec<Mute>,
}

impl Preferences {
    /// From what the store keeps.
    #[must_use]
    pub fn new(cells: HashMap<(String, Channel), Preference>, mutes: Vec<Mute>) -> Self {
        Self { cells, mutes }
    }

    /// The preference for a cell, when it differs from the default.
    #[must_use]
    pub fn get(&self, event_type: &str, channel: Channel) -> Option<&Preference> {
        self.cells.get(&(event_type.to_owned(), channel))
    }

    /// Whether events of this type go to this channel.
    #[must_use]
    pub fn is_on(&self, event_type: &EventType, channel: Channel) -> bool {
        self.get(&event_type.name, channel)
            .map_or_else(|| event_type.on_by_default(channel), |preference| preference.on)
    }

    /// The mute that holds a cell now; of several, the one that lasts longest.
    #[must_use]
    pub fn mute(&self, event_type: &str, channel: Channel, now: Timestamp) -> Option<&Mute> {
        let holding = self.mutes.iter().filter(|mute| mute.holds(now) && mute.scope.covers(event_type, channel));
        holding.max_by_key(|mute| mute.until)
    }

    /// The mutes that hold now.
    pub fn mutes(&self, now: Timestamp) -> impl Iterator<Item = &Mute> {
        self.mutes.iter().filter(move |mute| mute.holds(now))
    }
}

/// How a cell looks: what it is set to, and whether that can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CellMark {
    /// Nothing goes there.
    Off,
    /// It goes, and all is well.
    On,
    /// It is on, but no destination takes it.
    Nowhere,
    /// It is on, but gets nothing until a time.
    Muted,
    /// It is on, and what comes is held.
    Paused,
    /// It is on, and a destination fails.
    Failing,
    /// It is on, and every destination is disabled.
    Disabled,
}

/// A cell of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whether events of this type go to this channel.
    pub on: bool,
    /// Whether they would if nobody had said otherwise.
    pub default: bool,
    /// Who said otherwise, and when; nothing when it is as the default.
    pub changed: Option<Preference>,
    /// The mute that holds it now.
    pub mute: Option<Mute>,
    /// How it looks.
    pub mark: CellMark,
    /// How many destinations of the channel take this type, whatever their state.
    pub destinations: usize,
}

/// Puts a cell together from its setting and the channel's destinations that take the type: their states, and whether they
/// only fail at present.
#[must_use]
pub fn cell(
    event_type: &EventType,
    channel: Channel,
    preferences: &Preferences,
    destinations: &[(DestinationState, bool)],
    now: Timestamp,
) -> Cell {
    let on = preferences.is_on(event_type, channel);
    let mute = preferences.mute(&event_type.name, channel, now).cloned();
    let any = |state: DestinationState| destinations.iter().any(|(other, _)| *other == state);
    let mark = if !on {
        CellMark::Off
    } else if mute.is_some() {
        CellMark::Muted
    } else if destinations.is_empty() {
        CellMark::Nowhere
    } else if destinations.iter().all(|(state, _)| *state == DestinationState::Disabled) {
        CellMark::Disabled
    } else if any(DestinationState::Disabled) || destinations.iter().any(|(_, failing)| *failing) {
        CellMark::Failing
    } else if any(DestinationState::Paused) {
        CellMark::Paused
    } else {
        CellMark::On
    };
    Cell {
        on,
        default: event_type.on_by_default(channel),
        changed: preferences.get(&event_type.name, channel).cloned(),
        mute,
        mark,
        destinations: destinations.len(),
    }
}

/// What fan-out must know of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: DestinationId,
    /// What it speaks.
    pub channel: Channel,
    /// Whether it is sent to.
    pub state: DestinationState,
    /// Why it is not, when it is disabled.
    pub state_reason: Option<String>,
    /// What it narrows the matrix to.
    pub only: Vec<String>,
}

/// Why a channel got nothing of an event. Kept with the event, so that nobody has to reconstruct it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum NotSent {
    /// Nobody has turned it on.
    OffByDefault,
    /// Somebody turned it off.
    Off {
        /// Who.
        by: String,
        /// When, in milliseconds since the epoch.
        at: i64,
    },
    /// It is on, but muted at that time.
    Muted {
        /// By whom.
        by: String,
        /// Until when, in milliseconds since the epoch.
        until: i64,
        /// What for; may be empty.
        reason: String,
    },
    /// It is on, but there is nowhere to send to.
    NoDestination,
    /// It is on, but each destination there is has been disabled.
    Disabled {
        /// Why the first of them was.
        reason: String,
    },
    /// It is on, but each destination narrows itself to other event types.
    Narrowed,
    /// The account is suspended.
    AccountSuspended,
    /// A test message goes to one destination only.
    OnlyATest,
    /// A message of bellboard's own goes to one destination only.
    OwnMessage,
}

impl NotSent {
    /// The reason as a sentence without its stop, for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::OffByDefault => "off by default; nobody has turned it on".to_owned(),
            Self::Off { by, at } => format!("turned off by {by} on {}", minute(*at)),
            Self::Muted { by, until, reason } if reason.is_empty() => {
                format!("muted by {by} until {}", minute(*until))
            }
            Self::Muted { by, until, reason } => format!("muted by {by} until {}: {reason}", minute(*until)),
            Self::NoDestination => "on, but no destination is set up".to_owned(),
            Self::Disabled { reason } => format!("on, but the destination is disabled: {reason}"),
            Self::Narrowed => "on, but no destination takes this event type".to_owned(),
            Self::AccountSuspended => "the account is suspended".to_owned(),
            Self::OnlyATest => "a test for another destination".to_owned(),
            Self::OwnMessage => "a message of bellboard's own, for another destination".to_owned(),
        }
    }
}

fn minute(millis: i64) -> String {
    Timestamp::from_millis(millis).in_zone(&jiff::tz::TimeZone::UTC).strftime("%-d %b %Y %H:%M UTC").to_string()
}

/// Where an event goes: deliveries to make, and for each channel that gets none, why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FanOut {
    /// The destinations that get it.
    pub to: Vec<DestinationId>,
    /// The channels that don't.
    pub not_sent: Vec<(Channel, NotSent)>,
}

/// Decides where an event of this type goes that comes now.
#[must_use]
pub fn fan_out(
    status: AccountStatus,
    event_type: &EventType,
    preferences: &Preferences,
    targets: &[Target],
    now: Timestamp,
) -> FanOut {
    let mut fan_out = FanOut::default();
    for channel in Channel::ALL {
        if let Some(mute) = held_by(status, event_type, preferences, channel, now) {
            fan_out.not_sent.push((channel, mute));
            continue;
        }
        match route(event_type, targets, channel) {
            Ok(destinations) => fan_out.to.extend(destinations),
            Err(reason) => fan_out.not_sent.push((channel, reason)),
        }
    }
    fan_out
}

/// What keeps a channel from getting anything, whatever its destinations are.
fn held_by(
    status: AccountStatus,
    event_type: &EventType,
    preferences: &Preferences,
    channel: Channel,
    now: Timestamp,
) -> Option<NotSent> {
    if !preferences.is_on(event_type, channel) {
        return Some(match preferences.get(&event_type.name, channel) {
            Some(preference) => NotSent::Off { by: preference.by.clone(), at: preference.at.millis() },
            None => NotSent::OffByDefault,
        });
    }
    if status == AccountStatus::Suspended && event_type.name != SUSPENDED {
        return Some(NotSent::AccountSuspended);
    }
    let mute = preferences.mute(&event_type.name, channel, now)?;
    Some(NotSent::Muted { by: mute.by.clone(), until: mute.until.millis(), reason: mute.reason.clone() })
}

fn route(event_type: &EventType, targets: &[Target], channel: Channel) -> Result<Vec<DestinationId>, NotSent> {
    let mut disabled = None;
    let mut narrowed = false;
    let mut destinations = Vec::new();
    for target in targets.iter().filter(|target| target.channel == channel) {
        if !takes(&target.only, &event_type.name, &event_type.group) {
            narrowed = true;
        } else if target.state == DestinationState::Disabled {
            disabled.get_or_insert_with(|| target.state_reason.clone().unwrap_or_else(|| "by hand".to_owned()));
        } else {
            destinations.push(target.id);
        }
    }
    match (destinations.is_empty(), disabled) {
        (false, _) => Ok(destinations),
        (true, Some(reason)) => Err(NotSent::Disabled { reason }),
        (true, None) if narrowed => Err(NotSent::Narrowed),
        (true, None) => Err(NotSent::NoDestination),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::Catalogue;
    use crate::domain::mute::Scope;

    fn target(id: i64, channel: Channel, state: DestinationState, only: &[&str]) -> Target {
        let only = only.iter().map(|&name| name.to_owned()).collect();
        Target { id: DestinationId::new(id), channel, state, state_reason: Some("gone".to_owned()), only }
    }

    fn stopped() -> std::sync::Arc<EventType> {
        let catalogue = Catalogue::new(Vec::new());
        catalogue.get("server.stopped").cloned().unwrap_or_else(|| panic!("built in"))
    }

    fn reason(fan_out: &FanOut, channel: Channel) -> Option<NotSent> {
        fan_out.not_sent.iter().find(|(not_sent, _)| *not_sent == channel).map(|(_, reason)| reason.clone())
    }

    #[test]
    fn a_cell_shows_what_stands_in_its_way() {
        use DestinationState::{Disabled, Enabled, Paused};
        let on = Preference { on: true, by: "jane".to_owned(), at: Timestamp::from_millis(0) };
        let preferences =
            Preferences::new(HashMap::from([(("server.stopped".to_owned(), Channel::Slack), on)]), Vec::new());
        let now = Timestamp::from_millis(0);
        let check = |destinations: &[(DestinationState, bool)], expected: CellMark| {
            assert_eq!(
                cell(&stopped(), Channel::Slack, &preferences, destinations, now).mark,
                expected,
                "{destinations:?}"
            );
        };
        check(&[], CellMark::Nowhere);
        check(&[(Enabled, false)], CellMark::On);
        check(&[(Enabled, false), (Enabled, true)], CellMark::Failing);
        check(&[(Enabled, false), (Disabled, false)], CellMark::Failing);
        check(&[(Enabled, false), (Paused, false)], CellMark::Paused);
        check(&[(Disabled, true)], CellMark::Disabled);
        assert_eq!(cell(&stopped(), Channel::Webhook, &preferences, &[(Enabled, true)], now).mark, CellMark::Off);
    }

    #[test]
    fn every_channel_gets_deliveries_or_a_reason() {
        let by_jane = |on| Preference { on, by: "jane".to_owned(), at: Timestamp::from_millis(0) };
        let cells = HashMap::from([
            (("server.stopped".to_owned(), Channel::Slack), by_jane(true)),
            (("server.stopped".to_owned(), Channel::Webhook), by_jane(true)),
            (("server.stopped".to_owned(), Channel::Ios), by_jane(true)),
            (("server.stopped".to_owned(), Channel::Email), by_jane(false)),
            (("server.stopped".to_owned(), Channel::Hipchat), by_jane(true)),
        ]);
        let preferences = Preferences::new(cells.clone(), Vec::new());
        let now = Timestamp::from_millis(0);
        let targets = [
            target(1, Channel::Email, DestinationState::Enabled, &[]),
            target(2, Channel::Slack, DestinationState::Enabled, &["servers"]),
            target(3, Channel::Slack, DestinationState::Paused, &[]),
            target(4, Channel::Slack, DestinationState::Disabled, &[]),
            target(5, Channel::Webhook, DestinationState::Disabled, &[]),
            target(6, Channel::Hipchat, DestinationState::Enabled, &["billing"]),
        ];
        let all = fan_out(AccountStatus::Active, &stopped(), &preferences, &targets, now);
        assert_eq!(all.to, [DestinationId::new(2), DestinationId::new(3)]);
        assert_eq!(reason(&all, Channel::Browser), Some(NotSent::OffByDefault));
        assert_eq!(reason(&all, Channel::Email), Some(NotSent::Off { by: "jane".to_owned(), at: 0 }));
        assert_eq!(reason(&all, Channel::Webhook), Some(NotSent::Disabled { reason: "gone".to_owned() }));
        assert_eq!(reason(&all, Channel::Ios), Some(NotSent::NoDestination));
        assert_eq!(reason(&all, Channel::Hipchat), Some(NotSent::Narrowed));
        let suspended = fan_out(AccountStatus::Suspended, &stopped(), &preferences, &targets, now);
        assert_eq!(suspended.to, []);
        assert_eq!(reason(&suspended, Channel::Slack), Some(NotSent::AccountSuspended));
        let scope = Scope { event_type: None, channel: Some(Channel::Slack) };
        let until = Timestamp::from_millis(60_000);
        let mute = Mute { scope, until, by: "jane".to_owned(), reason: "moving".to_owned() };
        let muted = Preferences::new(cells, vec![mute]);
        let quiet = fan_out(AccountStatus::Active, &stopped(), &muted, &targets, now);
        let because = reason(&quiet, Channel::Slack).map(|reason| reason.text());
        assert_eq!(because.as_deref(), Some("muted by jane until 1 Jan 1970 00:01 UTC: moving"));
        assert_eq!(reason(&quiet, Channel::Hipchat), Some(NotSent::Narrowed));
        assert_eq!(cell(&stopped(), Channel::Slack, &muted, &[], now).mark, CellMark::Muted);
        assert_eq!(fan_out(AccountStatus::Active, &stopped(), &muted, &targets, until), all);
    }
}
