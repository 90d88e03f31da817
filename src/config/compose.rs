//! The options of other modules, as this config says.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::channels;
use crate::channels::apns::ApnsOptions;
use crate::channels::email::EmailOptions;
use crate::channels::templates::Templates;
use crate::config::error::ConfigError;
use crate::config::templates;
use crate::config::{Apns, Color, Config};
use crate::console;
use crate::console::theme::file::Depth;
use crate::dispatch;
use crate::domain::retry::RetryPolicy;
use crate::domain::secret::Secret;
use crate::http;
use crate::http::tls::{Tls, TlsFiles};
use crate::store::files;

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
            ca: read("email.ca_file", self.email.ca_file.as_deref())?,
            unsubscribe: None,
        };
        Ok(channels::Options {
            timeout: self.delivery.timeout,
            allow: self.network.allow.clone(),
            email,
            apns: self.apns()?,
            web_push: None,
            templates: self.templates()?,
        })
    }

    /// What messages say: the built-in templates, with those of the config's folder before them.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn templates(&self) -> Result<Arc<Templates>, ConfigError> {
        let Some(folder) = &self.messages.templates else { return Ok(Arc::default()) };
        let wrong = |place: String, problem: String| ConfigError::BadValue {
            place,
            option: "messages.templates".to_owned(),
            problem,
        };
        let sources = templates::read(folder).map_err(|error| wrong(error.place, error.problem))?;
        Templates::with(sources).map(Arc::new).map_err(|error| wrong(error.place, error.problem))
    }

    /// The account at Apple: all of it, or nothing.
    fn apns(&self) -> Result<Option<ApnsOptions>, ConfigError> {
        let Apns { key_file, key_id, team_id, topic, server, ca_file } = &self.apns;
        let needed = [
            ("key_file", key_file.is_some()),
            ("key_id", key_id.is_some()),
            ("team_id", team_id.is_some()),
            ("topic", topic.is_some()),
        ];
        let (Some(file), Some(key_id), Some(team_id), Some(topic)) = (key_file, key_id, team_id, topic) else {
            let missing: Vec<_> = needed.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
            if missing.len() == needed.len() {
                return Ok(None);
            }
            return Err(ConfigError::BadValue {
                place: "[apns]".to_owned(),
                option: "apns".to_owned(),
                problem: format!("{} is missing; Apple wants all four of the key", missing.join(", ")),
            });
        };
        let key = read("apns.key_file", Some(file))?.unwrap_or_default();
        Ok(Some(ApnsOptions {
            key: Secret::new(String::from_utf8_lossy(&key)),
            key_id: key_id.clone(),
            team_id: team_id.clone(),
            topic: topic.clone(),
            server: server.clone(),
            ca: read("apns.ca_file", ca_file.as_deref())?,
        }))
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
        let (storm, failing_max) = (self.delivery.storm, self.delivery.disable_after);
        dispatch::Options {
            retry,
            storm,
            failing_max,
            keep: self.delivery.keep,
            keep_secrets: self.store.keep_secrets,
            ..dispatch::Options::default()
        }
    }

    /// The HTTP side, unless it is off.
    #[must_use]
    pub fn http(&self) -> Option<http::Options> {
        let listen = self.http.listen?;
        let (public_url, proxies) = (self.http.public_url.clone(), self.http.proxies.clone());
        let templates = Arc::default();
        let files = self.http.tls_cert.clone().zip(self.http.tls_key.clone());
        let tls = files.map(|(cert, key)| TlsFiles { cert, key });
        Some(http::Options { listen, tls, public_url, proxies, push_key: None, unsubscribe: None, templates })
    }

    /// Whether the files for TLS can be used.
    ///
    /// # Errors
    /// When one cannot, or one of the two is missing.
    pub fn check_tls(&self) -> Result<(), ConfigError> {
        let wrong = |problem: String| ConfigError::BadValue {
            place: "[http]".to_owned(),
            option: "http.tls_cert".to_owned(),
            problem,
        };
        if self.http.tls_cert.is_some() != self.http.tls_key.is_some() {
            return Err(wrong("tls_cert and tls_key go together; name both, or neither".to_owned()));
        }
        let files = self.http().and_then(|http| http.tls);
        files.map(Tls::open).transpose().map(|_| ()).map_err(wrong)
    }

    /// The HTTP side of a console: only when somebody said where it is to listen.
    #[must_use]
    pub fn http_of_console(&self) -> Option<http::Options> {
        self.http().filter(|_| self.origins.contains_key("http.listen"))
    }

    /// How the console looks. `value` tells what an environment variable has for a value, when it is not empty.
    #[must_use]
    pub fn console(&self, value: impl Fn(&str) -> Option<String>) -> console::Options {
        let is_set = |name: &str| value(name).is_some();
        let has_many_colors = is_set("COLORTERM") || value("TERM").is_some_and(|term| term.contains("256color"));
        let color = match self.console.color {
            Color::Auto => !is_set("NO_COLOR"),
            Color::Always | Color::Sixteen | Color::Many => true,
            Color::Never => false,
        };
        let depth = match self.console.color {
            Color::Sixteen => Depth::Sixteen,
            Color::Many => Depth::Many,
            _ if has_many_colors => Depth::Many,
            _ => Depth::Sixteen,
        };
        let zone = self.console.timezone.as_ref().and_then(|name| TimeZone::get(name).ok());
        let default = console::Options::default();
        let enrolment_url = self.http().map(|http| http::enrolment_link(&http, ""));
        console::Options {
            theme: self.console.theme,
            own_theme: self.console.own_theme.as_ref().map(|(_, theme)| *theme),
            depth,
            keys: self.console.keys.clone(),
            marks: self.console.marks,
            color,
            zone: zone.unwrap_or(default.zone),
            enrolment_url,
            template: self.console.template.clone(),
            ..default
        }
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

/// What is in a file that the config names.
fn read(option: &str, path: Option<&Path>) -> Result<Option<Vec<u8>>, ConfigError> {
    let Some(path) = path else { return Ok(None) };
    files::check_target(path).map_err(|problem| ConfigError::BadValue {
        place: path.display().to_string(),
        option: option.to_owned(),
        problem,
    })?;
    fs::read(path).map(Some).map_err(|error| ConfigError::BadValue {
        place: path.display().to_string(),
        option: option.to_owned(),
        problem: format!("{error}; make it readable for bellboard's user, or name another file"),
    })
}
