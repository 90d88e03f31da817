//! The six channels: the columns of the matrix.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A way to tell people. The order is the order of the matrix's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A browser's push subscription, or its open page.
    Browser,
    /// An email address.
    Email,
    /// A room of a HipChat server, by its API v1.
    Hipchat,
    /// An Apple device.
    Ios,
    /// A Slack incoming webhook, or one that speaks like it.
    Slack,
    /// A customer's own HTTP endpoint.
    Webhook,
}

impl Channel {
    /// All of them, in the matrix's order.
    pub const ALL: [Self; 6] = [Self::Browser, Self::Email, Self::Hipchat, Self::Ios, Self::Slack, Self::Webhook];

    /// The name that scripts, the store and the vendor's API use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Email => "email",
            Self::Hipchat => "hipchat",
            Self::Ios => "ios",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
        }
    }

    /// The name that people read; at most seven columns wide.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Browser => "Browser",
            Self::Email => "Email",
            Self::Hipchat => "HipChat",
            Self::Ios => "iOS",
            Self::Slack => "Slack",
            Self::Webhook => "Webhook",
        }
    }

    /// Where it stands in [`Channel::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A word that names no channel.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no channel; the channels are browser, email, hipchat, ios, slack and webhook")]
pub struct UnknownChannel(String);

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, UnknownChannel> {
        Self::ALL
            .into_iter()
            .find(|channel| channel.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownChannel(text.to_owned()))
    }
}
