//! The config file and its environment variables: read once at the start, checked as a whole.
//!
//! It composes the options that other modules declare and decides nothing itself. [`settings::SETTINGS`] is the one list of
//! options; the file's reader, the environment, `config show` and the test of `assets/config.toml` all walk along it. It must
//! not know: the command line, a terminal, the store. To add an option: a field here, a line in that list, and a commented
//! line in `assets/config.toml`.

pub mod settings;

pub mod value;

pub mod error;

mod compose;

mod reading;

mod load;

mod templates;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::channels;
use crate::config::error::ConfigError;
use crate::config::settings::{SETTINGS, Setting};
use crate::config::value::Value;
use crate::console::theme::{Marks, Theme, ThemeName};
use crate::dispatch;
use crate::domain::account::AccountKey;
use crate::domain::retry::RetryPolicy;
use crate::domain::role::Roles;
use crate::domain::storm::StormPolicy;
use crate::store::files;

/// The commented file that is handed out: every option with its default.
pub const EXAMPLE: &str = include_str!("../../assets/config.toml");

/// What was said about how to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[delivery]`
    pub delivery: Delivery,
    /// `[store]`
    pub store: Store,
    /// `[network]`
    pub network: Network,
    /// `[email]`
    pub email: Email,
    /// `[messages]`
    pub messages: Messages,
    /// `[http]`
    pub http: Http,
    /// `[apns]`
    pub apns: Apns,
    /// `[roles]`
    pub roles: Roles,
    /// `[console]`
    pub console: Console,
    /// Where each option that is not at its default was set, by its full name.
    pub origins: BTreeMap<String, Origin>,
}

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    /// The file with the key that seals secrets.
    pub key_file: Option<PathBuf>,
    /// How long secrets that a change replaced are kept, for taking it back.
    pub keep_secrets: Duration,
}

/// How deliveries are tried and kept.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// How long after each failed try the next one is made.
    pub retry: Vec<Duration>,
    /// How long one try may take in all.
    pub timeout: Duration,
    /// How long what has ended stays readable.
    pub keep: Duration,
    /// Age of a delivery from which it is not tried again.
    pub max_age: Duration,
    /// For how long a destination may only fail before it is disabled.
    pub disable_after: Duration,
    /// When messages of one kind to one person are folded.
    pub storm: StormPolicy,
}

/// What outgoing requests may reach.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Ranges that may be reached besides public addresses.
    pub allow: Vec<IpNet>,
}

/// The server that mail goes out by.
#[derive(Clone, Debug, Default)]
pub struct Email {
    /// `smtp://user@host:port?tls=starttls`; mail waits while there is none.
    pub server: Option<Url>,
    /// The sender's address.
    pub from: Option<String>,
    /// The file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// The certificates (PEM) that vouch for the server, besides the public ones.
    pub ca_file: Option<PathBuf>,
}

/// What messages say.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// The folder of templates that stand before the built-in ones.
    pub templates: Option<PathBuf>,
}

/// The HTTP side.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where it listens; nothing when it is off.
    pub listen: Option<SocketAddr>,
    /// How browsers and devices reach it.
    pub public_url: Option<Url>,
    /// The proxies that stand before it.
    pub proxies: Vec<IpNet>,
    /// The certificate to speak TLS with.
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
}

/// The account at Apple.
#[derive(Clone, Debug, Default)]
pub struct Apns {
    /// The `.p8` file of the signing key.
    pub key_file: Option<PathBuf>,
    /// The key's id.
    pub key_id: Option<String>,
    /// The team's id.
    pub team_id: Option<String>,
    /// The app's bundle id.
    pub topic: Option<String>,
    /// Another server than Apple's, for tests.
    pub server: Option<Url>,
    /// The certificates (PEM) that vouch for that server.
    pub ca_file: Option<PathBuf>,
}

/// How the console looks.
#[derive(Clone, Debug, Default)]
pub struct Console {
    /// Its colours.
    pub theme: ThemeName,
    /// Colours of a person's own, and the file they are in.
    pub own_theme: Option<(PathBuf, Theme)>,
    /// When it uses them.
    pub color: Color,
    /// The characters of its marks.
    pub marks: Marks,
    /// Other keys than its own, by the names of actions.
    pub keys: BTreeMap<String, Vec<String>>,
    /// The time zone of its times, an IANA name; the machine's when there is none.
    pub timezone: Option<String>,
    /// The account whose set-up new accounts get.
    pub template: Option<AccountKey>,
}

/// When the console uses colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// Unless the environment says `NO_COLOR` (no-color.org).
    #[default]
    Auto,
    /// Whatever the environment says.
    Always,
    /// Not at all.
    Never,
    /// Whatever the environment says, but only the sixteen that have names.
    Sixteen,
    /// Whatever the environment says, also those that have only numbers.
    Many,
}

impl Color {
    /// Each with its name.
    pub const ALL: [(&str, Self); 5] = [
        ("auto", Self::Auto),
        ("always", Self::Always),
        ("never", Self::Never),
        ("16", Self::Sixteen),
        ("256", Self::Many),
    ];

    /// Reads its name.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, color)| color).ok_or_else(|| format!("`{text}` is none of auto, always, never, 16 and 256"))
    }
}

/// Where an option was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the file, on this line (from 1).
    File(usize),
    /// In the environment variable of this name.
    Environment(String),
}

impl Default for Config {
    fn default() -> Self {
        let retry = RetryPolicy::default();
        Self {
            delivery: Delivery {
                retry: retry.schedule,
                timeout: channels::Options::default().timeout,
                keep: Duration::from_hours(90 * 24),
                max_age: retry.age_max,
                disable_after: dispatch::Options::default().failing_max,
                storm: StormPolicy::default(),
            },
            store: Store { key_file: None, keep_secrets: dispatch::Options::default().keep_secrets },
            network: Network::default(),
            email: Email::default(),
            messages: Messages::default(),
            http: Http {
                listen: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT)),
                public_url: None,
                proxies: Vec::new(),
                tls_cert: None,
                tls_key: None,
            },
            apns: Apns::default(),
            roles: Roles::default(),
            console: Console::default(),
            origins: BTreeMap::new(),
        }
    }
}

/// The port of the HTTP side when none is named.
const DEFAULT_PORT: u16 = 7787;

impl Config {
    /// Reads the file, then the environment, which wins. A file that is not there is an error only when `required`.
    ///
    /// # Errors
    /// All that is wrong, with its place and what to write instead.
    pub fn load(
        path: &Path,
        required: bool,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        files::check_target(path)
            .map_err(|problem| ConfigError::Unsafe { path: path.display().to_string(), problem })?;
        let mut config = Self::default();
        let mut wrong = match std::fs::read_to_string(path) {
            Ok(text) => load::apply_file(&mut config, path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => Vec::new(),
            Err(error) => {
                return Err(ConfigError::Unreadable { path: path.display().to_string(), problem: error.to_string() });
            }
        };
        wrong.extend(load::apply_environment(&mut config, environment));
        ConfigError::all(wrong).map(|()| config)
    }

    /// What a file's text says; its path is for the errors.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and what to write instead.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        ConfigError::all(load::apply_file(&mut config, path, text)).map(|()| config)
    }

    /// Every option with its value in force; nothing for one that has no value.
    pub fn effective(&self) -> impl Iterator<Item = (&'static Setting, Option<Value>)> {
        SETTINGS.iter().map(|setting| (setting, (setting.get)(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example with the `#` taken from its options: those lines begin with `#` and a name, prose with `# `.
    fn uncommented() -> String {
        let is_option = |line: &str| line.starts_with('#') && !line.starts_with("# ");
        EXAMPLE.lines().map(|line| if is_option(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_has_every_option_at_its_default() {
        let (default, mut example) = (Config::default(), Config::default());
        assert_eq!(load::apply_file(&mut example, Path::new("assets/config.toml"), &uncommented()), []);
        for ((setting, expected), (_, found)) in default.effective().zip(example.effective()) {
            let name = setting.full_name();
            assert!(example.origins.contains_key(&name), "{name} is not in assets/config.toml");
            if expected.is_some() {
                assert_eq!(found, expected, "{name} in assets/config.toml is not its default");
            }
        }
        assert_eq!(example.origins.len(), SETTINGS.len());
    }

    #[test]
    fn the_example_as_it_is_changes_nothing() {
        let mut config = Config::default();
        assert_eq!(load::apply_file(&mut config, Path::new("assets/config.toml"), EXAMPLE), []);
        assert_eq!(config.origins, BTreeMap::new());
    }

    #[test]
    fn only_a_named_file_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.toml");
        assert!(Config::load(&path, false, []).is_ok());
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o664)).unwrap();
        let error = Config::load(&path, false, []).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("chmod go-w"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = Config::load(&path, true, []).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("cannot be read") && error.contains("--config"), "{error}");
    }
}
