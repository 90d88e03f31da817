//! `demo`: the real console on a throw-away store, with sample accounts, receivers on loopback, and events that keep coming.
//!
//! Nothing leaves the machine: what the samples name is replaced by receivers of the demo's own, and only loopback is allowed.
//! All else is the program as it always runs.

pub mod samples;

pub mod receivers;

pub mod mail;

pub mod flow;

pub mod past;

use std::io;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use ipnet::{IpNet, Ipv4Net};
use tempfile::TempDir;
use url::Url;

use crate::cli::demo::flow::Source;
use crate::cli::demo::mail::MailSink;
use crate::cli::demo::past::Past;
use crate::cli::demo::receivers::Receivers;
use crate::cli::failure::{EXIT_FAILED, EXIT_REFUSED, Failure};
use crate::cli::session::Session;
use crate::cli::show::counted;
use crate::cli::signals::EndSignals;
use crate::cli::{console, watch};
use crate::config::Config;
use crate::domain::command::Actor;
use crate::domain::role::Role;
use crate::store::Store;
use crate::store::error::CommandError;
use crate::store::keys::KeySource;

/// Open the console on a throw-away store: sample accounts, receivers on loopback, events flowing
///
/// Nothing leaves this machine, and nothing is left behind: --db has no effect here.
#[derive(Debug, Args)]
pub struct Demo {
    /// Print every attempt as a line instead of opening the console
    #[arg(long)]
    watch: bool,
}

/// How long an answer is waited for: a silent receiver shows that soon, and the slow one is no silent one.
const TIMEOUT: Duration = Duration::from_secs(8);

/// How long after each failed try the demo makes the next one: soon enough to be seen.
const RETRY: [Duration; 4] =
    [Duration::from_secs(4), Duration::from_secs(12), Duration::from_secs(30), Duration::from_mins(2)];

/// Fills a store with the sample accounts, whose addresses lead nowhere: for a newcomer's first screen. Says what it did.
///
/// # Errors
/// When the store refuses one; those before it are there then.
pub async fn fill(store: &Store, actor: &Actor) -> Result<String, CommandError> {
    let keys = samples::fill(store, actor, |_| None).await?;
    let accounts = counted(keys.len(), "sample account was", "sample accounts were");
    Ok(format!("{accounts} added; their addresses are made up"))
}

impl Demo {
    /// Runs it until the person has seen enough.
    ///
    /// # Errors
    /// When this machine has no room for it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        if session.read_only {
            return Err(Failure::new(EXIT_REFUSED, "the demo writes to a store of its own; leave --read-only out"));
        }
        if !self.watch {
            console::check_terminal(session)?;
            session.log_to_file_when_asked()?;
        }
        let folder = TempDir::with_prefix("bellboard-demo-").map_err(|error| cannot_start(&error))?;
        let receivers = Receivers::start().await.map_err(|error| cannot_start(&error))?;
        let mail = MailSink::start().await.map_err(|error| cannot_start(&error))?;
        let session = session_on(session, folder.path(), &mail);
        let seed = u64::try_from(session.clock.now().millis()).unwrap_or(1);
        let to = |receiver| Some(receivers.address(receiver));
        if self.watch {
            let store = session.open().await?;
            let accounts = samples::fill(&store, &session.actor, to).await?;
            let flow = tokio::spawn(flow::run(store.clone(), Source::new(accounts, seed)));
            let ended = print(&session, &store).await;
            flow.abort();
            store.close().await;
            return ended;
        }
        let past = Past::open(&session).await?;
        let accounts = samples::fill(past.store(), &session.actor, to).await?;
        let store = session.open().await?;
        let (scene, flowing) = (receivers.scene(), store.clone());
        let flow = tokio::spawn(async move {
            if let Err(error) = past.play(&scene, accounts.clone()).await {
                tracing::warn!(%error, "the demo's past is not whole");
            }
            scene.present();
            flow::run(flowing, Source::new(accounts, seed)).await;
        });
        let ended = console::show(&session, &store, true).await;
        flow.abort();
        store.close().await;
        ended
    }
}

/// The same session, on a store in `folder`, allowed to send to loopback only.
fn session_on(session: &Session, folder: &Path, mail: &MailSink) -> Session {
    let mut config = Config::default();
    config.network.allow = vec![IpNet::V4(Ipv4Net::new_assert([127, 0, 0, 0].into(), 8))];
    config.email.server = Url::parse(&mail.address()).ok();
    config.email.from = Some("bellboard@demo.example".to_owned());
    config.delivery.retry = RETRY.to_vec();
    config.delivery.timeout = TIMEOUT;
    let mut paths = session.paths.clone();
    paths.database = folder.join("bellboard.db");
    Session {
        key: KeySource::File(paths.database.with_extension("key")),
        out: session.out,
        config,
        paths,
        actor: session.actor.clone(),
        role: Role::Administer,
        read_only: false,
        restricted: session.restricted,
        log: session.log,
        clock: session.clock.clone(),
    }
}

async fn print(session: &Session, store: &Store) -> Result<(), Failure> {
    session.log_to_file_when_asked()?;
    let mut signals = EndSignals::listen()?;
    let deliverer = session.deliver(store).await?;
    let everything = watch::Watch::everything();
    let ended = tokio::select! {
        ended = everything.follow(session, store) => ended,
        _ = signals.first() => Ok(()),
    };
    deliverer.stop().await;
    ended
}

fn cannot_start(error: &io::Error) -> Failure {
    Failure::new(EXIT_FAILED, format!("the demo needs a temporary folder and ports on loopback: {error}"))
}
