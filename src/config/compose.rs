//! The options of other modules, as this config says.

use std::fs;

use jiff::tz::TimeZone;

use crate::channels;
use crate::channels::email::EmailOptions;
use crate::config::error::ConfigError;
use crate::config::{Color, Config};
use crate::console;
use crate::dispatch;
use crate::domain::retry::RetryPolicy;
use crate::domain::secret::Secret;
use crate::http;

impl Config {
    /// How messages are sent. Reads the password's file.
    ///
    /// # Errors
    /// When that file cannot be read.
    pub fn channels(&self) -> Result<channels::Options, ConfigError> {
        let email = EmailOptions {
            server: self.email.server.as_ref().map(ToString::to_string),
            from: self.email.from.clone(),
            password: self.password()?,
        };
        Ok(channels::Options {
            timeout: self.delivery.timeout,
            allow: self.network.allow.clone(),
            email,
            web_push: None,
        })
    }

    /// How a push service can reach whoever runs this (RFC 8292 section 2.1).
    #[must_use]
    pub fn contact(&self) -> String {
        let public = self.http.public_url.as_ref().filter(|url| url.scheme() == "https");
        let address = self.email.from.as_deref().and_then(|from| from.rsplit(['<', ' ']).next());
        public.map_or_else(
            || format!("mailto:{}", address.map_or("bellboard@localhost", |address| address.trim_end_matches('>'))),
            ToString::to_string,
        )
    }

    /// When they are sent.
    #[must_use]
    pub fn dispatch(&self) -> dispatch::Options {
        let retry = RetryPolicy { schedule: self.delivery.retry.clone(), age_max: self.delivery.max_age };
        dispatch::Options { retry, ..dispatch::Options::default() }
    }

    /// The HTTP side, unless it is off.
    #[must_use]
    pub fn http(&self) -> Option<http::Options> {
        let listen = self.http.listen?;
        Some(http::Options { listen, public_url: self.http.public_url.clone(), push_key: None })
    }

    /// The HTTP side of a console: only when somebody said where it is to listen.
    #[must_use]
    pub fn http_of_console(&self) -> Option<http::Options> {
        self.http().filter(|_| self.origins.contains_key("http.listen"))
    }

    /// How the console looks. `is_set` tells whether an environment variable has a value.
    #[must_use]
    pub fn console(&self, is_set: impl Fn(&str) -> bool) -> console::Options {
        let color = match self.console.color {
            Color::Auto => !is_set("NO_COLOR"),
            Color::Always => true,
            Color::Never => false,
        };
        let zone = self.console.timezone.as_ref().and_then(|name| TimeZone::get(name).ok());
        let default = console::Options::default();
        console::Options { theme: self.console.theme, color, zone: zone.unwrap_or(default.zone) }
    }

    fn password(&self) -> Result<Option<Secret>, ConfigError> {
        let Some(path) = &self.email.password_file else { return Ok(None) };
        let unreadable = |problem: String| ConfigError::BadValue {
            place: path.display().to_string(),
            option: "email.password_file".to_owned(),
            problem: format!("{problem}; put the password on its first line, readable for bellboard's user"),
        };
        let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        match text.lines().next().map(str::trim_end).filter(|line| !line.is_empty()) {
            Some(password) => Ok(Some(Secret::new(password))),
            None => Err(unreadable("its first line is empty".to_owned())),
        }
    }
}
