//! What the line above the footer says about a cell, a column's head, or a line of the live pane.

use jiff::tz::TimeZone;

use crate::console::screen::Message;
use crate::console::widgets::matrix::MatrixCursor;
use crate::console::words::moment;
use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::domain::delivery::DeliveryState;
use crate::domain::destination::{Destination, DestinationState};
use crate::domain::matrix::CellMark;
use crate::domain::mute::Mute;
use crate::domain::time::Timestamp;
use crate::store::live::LiveRow;
use crate::store::matrix::MatrixView;

/// About what is under the cursor of the matrix.
#[must_use]
pub fn cell(view: &MatrixView, cursor: &MatrixCursor, now: Timestamp, zone: &TimeZone) -> Message {
    let channel = cursor.channel();
    let Some(kind) = cursor.event_type(view) else { return head(view, channel) };
    let cell = view.cell(kind, channel);
    let on = if cell.on { "on" } else { "off" };
    let changed = match &cell.changed {
        Some(preference) => format!(" (changed by {}, {})", preference.by, moment(preference.at, now, zone)),
        None => " (the default)".to_owned(),
    };
    let is = format!("{} is {on} for {}", channel.title(), kind.short);
    if !cell.on {
        let mute = cell.mute.as_ref().map(|mute| format!(", and {}", muted(mute, now, zone)));
        return Message::plain(format!("{is}{}", mute.unwrap_or(changed)));
    }
    if let Some(mute) = &cell.mute {
        return Message::warn(format!("{is}, but {}", muted(mute, now, zone)));
    }
    let taking = || view.destinations.iter().filter(|other| other.channel == channel && takes(other, kind));
    let worst = taking().find(|other| other.state == DestinationState::Disabled || other.failing_since.is_some());
    match (cell.mark, worst) {
        (CellMark::Nowhere, _) => Message::warn(format!("{is}, but has nowhere to go: enter sets it up")),
        (CellMark::Failing | CellMark::Disabled, Some(worst)) => Message::bad(format!("{is}, but {}", trouble(worst))),
        (CellMark::Paused, _) => Message::warn(format!("{is}, but paused: what comes is held{changed}")),
        _ => {
            let labels: Vec<_> = taking().map(|other| other.label.as_str()).collect();
            Message::plain(format!("{is}, to {}{changed}", labels.join(", ")))
        }
    }
}

/// Until when something is muted, by whom, and what for.
#[must_use]
pub fn muted(mute: &Mute, now: Timestamp, zone: &TimeZone) -> String {
    let reason = if mute.reason.is_empty() { String::new() } else { format!(": {}", mute.reason) };
    format!("muted until {} by {}{reason}", moment(mute.until, now, zone), mute.by)
}

/// About a line of the live pane.
#[must_use]
pub fn live_row(row: &LiveRow) -> Message {
    let Some(delivery) = &row.delivery else {
        return Message::warn(format!("{} was not sent to any channel; enter says why", row.event.event_type));
    };
    let text = format!("{}: {}", delivery.id, delivery.explanation());
    match delivery.state {
        DeliveryState::Failed | DeliveryState::Parked => Message::bad(text),
        DeliveryState::Pending if delivery.attempts > 0 => Message::warn(text),
        _ => Message::plain(text),
    }
}

fn head(view: &MatrixView, channel: Channel) -> Message {
    let of_channel = || view.destinations.iter().filter(|other| other.channel == channel);
    let title = channel.title();
    let worst = of_channel().find(|other| other.state == DestinationState::Disabled || other.failing_since.is_some());
    match (of_channel().count(), worst) {
        (0, _) => Message::plain(format!("{title}: no destination yet; enter sets one up, space turns the column on")),
        (_, Some(worst)) => Message::bad(format!("{title}: {}; enter opens it", trouble(worst))),
        (_, None) => {
            let labels: Vec<_> = of_channel().map(|other| other.label.as_str()).collect();
            Message::plain(format!("{title}: to {}; enter opens them, space toggles the column", labels.join(", ")))
        }
    }
}

fn takes(destination: &Destination, kind: &EventType) -> bool {
    destination.takes(&kind.name, &kind.group)
}

fn trouble(destination: &Destination) -> String {
    let label = &destination.label;
    if destination.state == DestinationState::Disabled {
        let reason = destination.state_reason.as_deref().unwrap_or("by hand");
        return format!("{label} is disabled: {reason}");
    }
    format!("{label} is failing: {}", destination.last_failure.as_deref().unwrap_or("no reason was noted"))
}
