//! The one list of options: each one's name, and how it is read and shown.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::channels::email::parse_sender;
use crate::config::reading::{one_of, parsed, ranges, shown, theme, who};
use crate::config::value::{Value, write_duration};
use crate::config::{Color, Config};
use crate::console::keymap::remap::remap;
use crate::console::theme::Marks;
use crate::domain::catalogue::edit_distance;

/// An option.
pub struct Setting {
    /// The table it stands in.
    pub section: &'static str,
    /// Its name in that table.
    pub name: &'static str,
    /// Whether it is a list: an environment variable is then split at commas.
    pub is_list: bool,
    /// Reads a value into the config; the error says what to write instead.
    pub set: fn(&mut Config, &Value) -> Result<(), String>,
    /// The value in force.
    pub get: fn(&Config) -> Option<Value>,
}

impl Setting {
    /// `section.name`
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// `BELLBOARD_SECTION_NAME`
    #[must_use]
    pub fn environment_variable(&self) -> String {
        format!("BELLBOARD_{}_{}", self.section, self.name).to_ascii_uppercase()
    }
}

/// Longest that one try may take.
const TIMEOUT_MAX: Duration = Duration::from_mins(5);

/// Most tries that a schedule may lead to.
const RETRIES_MAX: usize = 50;

/// An option that names a file or a folder.
macro_rules! path {
    ($section:literal, $name:literal, $($field:ident).+) => {
        Setting {
            section: $section,
            name: $name,
            is_list: false,
            set: |config, value| value.text().map(|path| config.$($field).+ = Some(PathBuf::from(path))),
            get: |config| shown(config.$($field).+.as_ref().map(|path| path.display())),
        }
    };
}

/// All options, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        section: "delivery",
        name: "retry",
        is_list: true,
        set: |config, value| {
            let items = value.list()?;
            if items.len() > RETRIES_MAX {
                return Err(format!("{} retries are too many; write at most {RETRIES_MAX}", items.len()));
            }
            config.delivery.retry =
                items.iter().map(|item| Value::Text(item.clone()).duration()).collect::<Result<_, _>>()?;
            Ok(())
        },
        get: |config| Some(Value::List(config.delivery.retry.iter().copied().map(write_duration).collect())),
    },
    Setting {
        section: "delivery",
        name: "timeout",
        is_list: false,
        set: |config, value| {
            config.delivery.timeout = match value.duration()? {
                timeout if timeout > TIMEOUT_MAX => return Err("write at most 5m; a lane waits that long".to_owned()),
                timeout => timeout,
            };
            Ok(())
        },
        get: |config| Some(Value::Text(write_duration(config.delivery.timeout))),
    },
    Setting {
        section: "delivery",
        name: "keep",
        is_list: false,
        set: |config, value| value.duration().map(|duration| config.delivery.keep = duration),
        get: |config| Some(Value::Text(write_duration(config.delivery.keep))),
    },
    Setting {
        section: "delivery",
        name: "max_age",
        is_list: false,
        set: |config, value| value.duration().map(|duration| config.delivery.max_age = duration),
        get: |config| Some(Value::Text(write_duration(config.delivery.max_age))),
    },
    Setting {
        section: "delivery",
        name: "disable_after",
        is_list: false,
        set: |config, value| value.duration().map(|duration| config.delivery.disable_after = duration),
        get: |config| Some(Value::Text(write_duration(config.delivery.disable_after))),
    },
    Setting {
        section: "delivery",
        name: "storm_messages",
        is_list: false,
        set: |config, value| value.number().map(|number| config.delivery.storm.messages = number),
        get: |config| Some(Value::Number(i64::from(config.delivery.storm.messages))),
    },
    Setting {
        section: "delivery",
        name: "storm_window",
        is_list: false,
        set: |config, value| value.duration().map(|duration| config.delivery.storm.window = duration),
        get: |config| Some(Value::Text(write_duration(config.delivery.storm.window))),
    },
    path!("store", "key_file", store.key_file),
    Setting {
        section: "store",
        name: "keep_secrets",
        is_list: false,
        set: |config, value| value.duration().map(|duration| config.store.keep_secrets = duration),
        get: |config| Some(Value::Text(write_duration(config.store.keep_secrets))),
    },
    Setting {
        section: "network",
        name: "allow",
        is_list: true,
        set: |config, value| {
            config.network.allow = ranges(value)?;
            Ok(())
        },
        get: |config| Some(Value::List(config.network.allow.iter().map(ToString::to_string).collect())),
    },
    Setting {
        section: "email",
        name: "server",
        is_list: false,
        set: |config, value| {
            let example = "mail server; write one like smtp://user@mail.example.com:587?tls=starttls";
            let text = value.text()?;
            // What stands before an @ may be a password, which is repeated nowhere.
            let unsaid = |problem| if text.contains('@') { format!("this is no {example}") } else { problem };
            let server: Url = parsed(text, example).map_err(unsaid)?;
            if server.password().is_some() {
                return Err("put the password into a file and name that as email.password_file".to_owned());
            }
            config.email.server = Some(server);
            Ok(())
        },
        get: |config| shown(config.email.server.as_ref()),
    },
    Setting {
        section: "email",
        name: "from",
        is_list: false,
        set: |config, value| {
            config.email.from = Some(parse_sender(value.text()?)?);
            Ok(())
        },
        get: |config| shown(config.email.from.as_ref()),
    },
    path!("email", "password_file", email.password_file),
    path!("email", "ca_file", email.ca_file),
    path!("messages", "templates", messages.templates),
    Setting {
        section: "http",
        name: "listen",
        is_list: false,
        set: |config, value| {
            let example = "address to listen on; write one like 127.0.0.1:7787 or [::1]:7787, or off";
            let text = value.text()?;
            config.http.listen = if text == OFF { None } else { Some(parsed(text, example)?) };
            Ok(())
        },
        get: |config| config.http.listen.map_or_else(|| shown(Some(OFF)), |listen| shown(Some(listen))),
    },
    Setting {
        section: "http",
        name: "public_url",
        is_list: false,
        set: |config, value| {
            let example = "web address; write one like https://bellboard.example.com";
            let url: Url = parsed(value.text()?, example)?;
            if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
                return Err(format!("`{url}` is no {example}"));
            }
            config.http.public_url = Some(url);
            Ok(())
        },
        get: |config| shown(config.http.public_url.as_ref()),
    },
    Setting {
        section: "http",
        name: "proxies",
        is_list: true,
        set: |config, value| {
            config.http.proxies = ranges(value)?;
            Ok(())
        },
        get: |config| Some(Value::List(config.http.proxies.iter().map(ToString::to_string).collect())),
    },
    path!("http", "tls_cert", http.tls_cert),
    path!("http", "tls_key", http.tls_key),
    path!("apns", "key_file", apns.key_file),
    Setting {
        section: "apns",
        name: "key_id",
        is_list: false,
        set: |config, value| value.text().map(|text| config.apns.key_id = Some(text.to_owned())),
        get: |config| shown(config.apns.key_id.as_ref()),
    },
    Setting {
        section: "apns",
        name: "team_id",
        is_list: false,
        set: |config, value| value.text().map(|text| config.apns.team_id = Some(text.to_owned())),
        get: |config| shown(config.apns.team_id.as_ref()),
    },
    Setting {
        section: "apns",
        name: "topic",
        is_list: false,
        set: |config, value| value.text().map(|text| config.apns.topic = Some(text.to_owned())),
        get: |config| shown(config.apns.topic.as_ref()),
    },
    Setting {
        section: "apns",
        name: "server",
        is_list: false,
        set: |config, value| {
            config.apns.server = Some(parsed(value.text()?, "address; write one like https://127.0.0.1:8443")?);
            Ok(())
        },
        get: |config| shown(config.apns.server.as_ref()),
    },
    path!("apns", "ca_file", apns.ca_file),
    Setting {
        section: "roles",
        name: "look",
        is_list: true,
        set: |config, value| {
            config.roles.look = who(value.list()?)?;
            Ok(())
        },
        get: |config| Some(Value::List(config.roles.look.clone())),
    },
    Setting {
        section: "roles",
        name: "operate",
        is_list: true,
        set: |config, value| {
            config.roles.operate = who(value.list()?)?;
            Ok(())
        },
        get: |config| Some(Value::List(config.roles.operate.clone())),
    },
    Setting {
        section: "roles",
        name: "administer",
        is_list: true,
        set: |config, value| {
            config.roles.administer = who(value.list()?)?;
            Ok(())
        },
        get: |config| Some(Value::List(config.roles.administer.clone())),
    },
    Setting {
        section: "console",
        name: "theme",
        is_list: false,
        set: |config, value| theme(&mut config.console, value.text()?),
        get: |config| match &config.console.own_theme {
            Some((path, _)) => shown(Some(path.display())),
            None => shown(Some(config.console.theme.name())),
        },
    },
    Setting {
        section: "console",
        name: "color",
        is_list: false,
        set: |config, value| {
            config.console.color = one_of(value.text()?, &Color::ALL)?;
            Ok(())
        },
        get: |config| shown(Color::ALL.iter().find(|(_, color)| *color == config.console.color).map(|(name, _)| name)),
    },
    Setting {
        section: "console",
        name: "marks",
        is_list: false,
        set: |config, value| {
            config.console.marks = one_of(value.text()?, &Marks::ALL.map(|marks| (marks.name(), marks)))?;
            Ok(())
        },
        get: |config| shown(Some(config.console.marks.name())),
    },
    Setting {
        section: "console",
        name: "keys",
        is_list: false,
        set: |config, value| {
            let keys = value.table()?;
            remap(keys)?;
            config.console.keys = keys.clone();
            Ok(())
        },
        get: |config| (!config.console.keys.is_empty()).then(|| Value::Table(config.console.keys.clone())),
    },
    Setting {
        section: "console",
        name: "timezone",
        is_list: false,
        set: |config, value| {
            let name = value.text()?;
            jiff::tz::TimeZone::get(name)
                .map_err(|_| format!("`{name}` is no time zone; write one like UTC or Europe/Vienna"))?;
            config.console.timezone = Some(name.to_owned());
            Ok(())
        },
        get: |config| shown(config.console.timezone.as_ref()),
    },
    Setting {
        section: "console",
        name: "template",
        is_list: false,
        set: |config, value| {
            config.console.template = Some(parsed(value.text()?, "key of an account; write one like standard")?);
            Ok(())
        },
        get: |config| shown(config.console.template.as_ref()),
    },
];

/// For an option that can be turned off.
const OFF: &str = "off";

/// Whether any option stands in that table.
#[must_use]
pub fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.section == name)
}

/// The option whose name is most like `given`, or that has this name in another table.
#[must_use]
pub fn nearest(given: &str) -> Option<&'static Setting> {
    let name = given.rsplit('.').next().unwrap_or(given);
    SETTINGS
        .iter()
        .map(|setting| (edit_distance(&setting.full_name(), given), setting))
        .filter(|(distance, setting)| *distance <= setting.full_name().len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, setting)| setting)
        .or_else(|| SETTINGS.iter().find(|setting| setting.name == name))
}

/// The table whose name is most like `given`, when one is like it at all.
#[must_use]
pub fn nearest_section(given: &str) -> Option<&'static str> {
    let sections = SETTINGS.iter().map(|setting| setting.section);
    sections
        .map(|section| (edit_distance(section, given), section))
        .filter(|(distance, section)| *distance <= section.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, section)| section)
}
