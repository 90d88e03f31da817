//! What every command that touches the store shares: the config, who acts, and how the store is opened.

use std::path::Path;
use std::sync::Arc;

use crate::channels::unsubscribe::{self, Unsubscribe};
use crate::channels::{Senders, WebPushOptions, web_push};
use crate::cli::actor;
use crate::cli::args::Globals;
use crate::cli::failure::{EXIT_REFUSED, EXIT_STORE, Failure};
use crate::cli::logging::{self, Format, Level};
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::cli::progress;
use crate::config::Config;
use crate::config::error::ConfigError;
use crate::dispatch;
use crate::domain::command::{Actor, Command, Done};
use crate::domain::role::Role;
use crate::domain::time::{SharedClock, SystemClock};
use crate::http;
use crate::store::error::{AcceptError, CommandError, OpenError, StoreError};
use crate::store::keys::KeySource;
use crate::store::progress::Progress;
use crate::store::{self, Store};

/// The name of the key that push services know bellboard by.
const PUSH_KEY: &str = "web-push";

/// The name of the key that links in mails are signed with.
const LINK_KEY: &str = "links";

/// One run of the program.
pub struct Session {
    /// Where results go.
    pub out: Output,
    /// What the config says.
    pub config: Config,
    /// The files of this run.
    pub paths: Paths,
    /// Who acts.
    pub actor: Actor,
    /// What they may have done.
    pub role: Role,
    /// Whether every change is refused.
    pub read_only: bool,
    /// Whether only the terminal and the database are within reach.
    pub restricted: bool,
    /// How much is logged, when it was said.
    pub log: Option<Level>,
    /// Where the key that seals secrets comes from.
    pub key: KeySource,
    /// The time.
    pub clock: SharedClock,
}

impl Session {
    /// Reads the config and finds out who acts, and whether they have the role that it takes. What needs none acts for
    /// nobody, and may do everything.
    ///
    /// # Errors
    /// When the config is wrong, or the role is not enough.
    pub fn start(globals: &Globals, out: Output, needed: Option<Role>) -> Result<Self, Failure> {
        let paths = Paths::new(globals)?;
        let mut config = load_config(&paths)?;
        config.console.color = globals.color.unwrap_or(config.console.color);
        let actor = actor::current();
        let role = match needed {
            Some(needed) => role_of(&actor, &config, needed)?,
            None => Role::Administer,
        };
        let variable = |name: &str| std::env::var(name).ok().filter(|_| !paths.restricted);
        Ok(Self {
            key: key_source(&config, &paths, variable),
            out,
            config,
            actor,
            role,
            read_only: globals.read_only || role == Role::Look,
            restricted: globals.restricted,
            log: globals.log,
            paths,
            clock: SystemClock::shared(),
        })
    }

    /// A command that runs and ends logs only when it was told to.
    ///
    /// # Errors
    /// When the log file cannot be written.
    pub fn log_to_file_when_asked(&self) -> Result<(), Failure> {
        self.log.map_or(Ok(()), |level| logging::to_file(level, Format::Text, &self.paths.log))
    }

    /// Opens the store.
    ///
    /// # Errors
    /// When it cannot be opened; nothing has changed then.
    pub async fn open(&self) -> Result<Store, Failure> {
        self.open_telling(progress::on_terminal(self.out)).await
    }

    /// Opens the store, and tells how far it is when that takes long.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open_telling(&self, progress: Progress) -> Result<Store, Failure> {
        Ok(self.open_with(progress, self.clock.clone()).await?)
    }

    /// Opens the store, for who asks why it cannot be.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn try_open(&self) -> Result<Store, OpenError> {
        self.open_with(progress::on_terminal(self.out), self.clock.clone()).await
    }

    /// Opens the store in another time than the present.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open_at(&self, clock: SharedClock) -> Result<Store, Failure> {
        Ok(self.open_with(progress::on_terminal(self.out), clock).await?)
    }

    async fn open_with(&self, progress: Progress, clock: SharedClock) -> Result<Store, OpenError> {
        let key = Some(self.key.clone());
        let path = self.paths.database.clone();
        let options = store::Options { path, key, read_only: self.read_only, progress };
        Ok(Store::open(&options, clock).await?.limited_to(self.role))
    }

    /// Delivers from this store in this process, as soon as no other process does.
    ///
    /// # Errors
    /// When what sends cannot be set up.
    pub async fn deliver(&self, store: &Store) -> Result<dispatch::Handle, Failure> {
        Ok(self.deliver_by(store, self.senders(store).await?))
    }

    /// The same with senders that are at hand: making them reads all the authorities that this machine trusts.
    #[must_use]
    pub fn deliver_by(&self, store: &Store, senders: impl Into<Arc<Senders>>) -> dispatch::Handle {
        dispatch::start(store.clone(), senders, self.config.dispatch())
    }

    /// Serves HTTP, as `options` say, with the key that browsers are to subscribe with.
    ///
    /// # Errors
    /// When that key cannot be read, or the files for TLS cannot be used.
    pub async fn serve_http(
        &self,
        store: &Store,
        options: http::Options,
        dispatcher: &dispatch::Handle,
    ) -> Result<http::Handle, Failure> {
        self.config.check_tls().map_err(|error| Failure::usage(error.to_string()))?;
        let key = store.key(PUSH_KEY, web_push::new_key).await?;
        let identity = web_push::Identity::new(&key, &self.config.contact());
        let identity = identity.map_err(|problem| Failure::new(EXIT_STORE, problem))?;
        let unsubscribe = self.unsubscribe(store).await?;
        let templates = self.config.templates().map_err(|error| Failure::usage(error.to_string()))?;
        let push_key = Some(identity.public_key().to_owned());
        let options = http::Options { push_key, unsubscribe, templates, ..options };
        // Whoever comes over HTTP has a token for what they may, whoever started this process.
        http::start(store.limited_to(Role::Administer), options, dispatcher.status()).map_err(Failure::usage)
    }

    /// Links in mails; only where readers can reach them.
    async fn unsubscribe(&self, store: &Store) -> Result<Option<Unsubscribe>, Failure> {
        let Some(http) = self.config.http().filter(|http| http.public_url.is_some()) else { return Ok(None) };
        let key = store.key(LINK_KEY, unsubscribe::new_key).await?;
        Ok(Some(Unsubscribe::new(http.base_url(), key)))
    }

    /// What sends, as the config says, with the keys that this store keeps.
    ///
    /// # Errors
    /// When the config makes no sense to it, or the keys cannot be read.
    pub async fn senders(&self, store: &Store) -> Result<Senders, Failure> {
        let mut options = self.config.channels().map_err(|error| Failure::usage(error.to_string()))?;
        if !self.read_only {
            let key = store.key(PUSH_KEY, web_push::new_key).await?;
            options.email.unsubscribe = self.unsubscribe(store).await?;
            options.web_push = Some(WebPushOptions { key, contact: self.config.contact() });
        }
        Senders::new(options).map_err(|error| Failure::usage(error.to_string()))
    }

    /// Tells a person when what was just stored will wait for want of a process that delivers.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn say_when_nobody_delivers(&self, store: &Store) -> Result<(), Failure> {
        if self.out.json || dispatch::lock::is_held(store.path()) {
            return Ok(());
        }
        let sentence =
            "nobody delivers from this database now; open `bellboard` or run `bellboard serve`, and it goes out";
        Ok(self.out.line(sentence)?)
    }

    /// Runs a change and says what it did: `sentence` of the store for people, the outcome for scripts.
    ///
    /// # Errors
    /// When it cannot be done; nothing has changed then.
    pub async fn change(&self, store: &Store, command: Command) -> Result<Done, Failure> {
        Ok(store.run(&self.actor, command).await?)
    }
}

/// The role of who acts, which must reach as far as what they ask for.
fn role_of(actor: &Actor, config: &Config, needed: Role) -> Result<Role, Failure> {
    let own = config.roles.of(&actor.login, &actor::groups(&actor.login)).ok_or_else(|| {
        let sentence =
            format!("{} has no role here; ask an administrator to add it to [roles] in the config", actor.login);
        Failure::new(EXIT_REFUSED, sentence)
    })?;
    if needed > own { Err(CommandError::Role { needed, own }.into()) } else { Ok(own) }
}

/// The environment variable that may hold the key.
const KEY_VARIABLE: &str = "BELLBOARD_KEY";

/// The environment variable in which systemd names the folder with this service's credentials, and the key's name there.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
const CREDENTIAL: &str = "bellboard.key";

/// Where the key comes from: the environment, a credential of the service, the file that the config names, or the one beside
/// the database; the first of these that there is.
fn key_source(config: &Config, paths: &Paths, variable: impl Fn(&str) -> Option<String>) -> KeySource {
    if let Some(text) = variable(KEY_VARIABLE) {
        return KeySource::Variable { name: KEY_VARIABLE, text: text.into() };
    }
    let credential = variable(CREDENTIALS_VARIABLE).map(|folder| Path::new(&folder).join(CREDENTIAL));
    if let Some(path) = credential.filter(|path| path.exists()) {
        return KeySource::Credential(path);
    }
    KeySource::File(config.store.key_file.clone().unwrap_or_else(|| paths.database.with_extension("key")))
}

/// What sends, as the config says.
///
/// # Errors
/// When the config makes no sense to it.
pub fn senders(config: &Config) -> Result<Senders, Failure> {
    let options = config.channels().map_err(|error| Failure::usage(error.to_string()))?;
    Senders::new(options).map_err(|error| Failure::usage(error.to_string()))
}

/// Reads the config file, which must be there when somebody named it, and the environment; under `--restricted` the file alone,
/// since the environment is partly of who came in.
///
/// # Errors
/// When something in it is wrong.
pub fn load_config(paths: &Paths) -> Result<Config, Failure> {
    read_config(paths).map_err(|error| Failure::usage(error.to_string()))
}

/// As [`load_config`], for who wants to tell each thing that is wrong.
///
/// # Errors
/// When something in it is wrong.
pub fn read_config(paths: &Paths) -> Result<Config, ConfigError> {
    // A variable that is no UTF-8 is none of ours.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let environment = environment.filter(|_| !paths.restricted);
    Config::load(&paths.config, paths.config_named, environment)
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            error => Self::new(error.exit_code(), error.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(problem) => Self::Damaged(problem),
            error => Self::new(error.exit_code(), error.to_string()),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Store(error) => error.into(),
            error => Self::new(error.exit_code(), error.to_string()),
        }
    }
}

impl From<AcceptError> for Failure {
    fn from(error: AcceptError) -> Self {
        Self::new(error.exit_code(), error.to_string())
    }
}
