//! The words of the vendor's own API for what is called otherwise here.

use crate::domain::channel::Channel;

/// The vendor's parameters, each with the channel and field that it is here; `true` for what tells one address from another.
pub const PARAMETERS: [(&str, Channel, &str, bool); 5] = [
    ("hipchat_token", Channel::Hipchat, "token", true),
    ("hipchat_room", Channel::Hipchat, "room", true),
    ("slack_url", Channel::Slack, "url", true),
    ("slack_channel", Channel::Slack, "channel", false),
    ("webhook_url", Channel::Webhook, "url", true),
];
