//! `messages`: what customers read, and where the words come from.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::channels::preview::{Part, preview};
use crate::channels::templates::BUILT_IN;
use crate::cli::emit::read_data;
use crate::cli::failure::{EXIT_NOT_FOUND, Failure};
use crate::cli::session::Session;
use crate::domain::account::AccountKey;
use crate::domain::catalogue::{Catalogue, EventType};
use crate::domain::channel::Channel;
use crate::domain::message::Message;
use crate::domain::payload::Payload;
use crate::domain::sample::{self, sample_payload};
use crate::domain::text::safe_lines;

/// What to do with messages.
#[derive(Debug, Subcommand)]
pub enum Messages {
    /// Print what customers would read of an event, in each channel; nothing is sent
    Preview(Preview),
    /// Print the template that words an event type, to begin one of your own with
    Template {
        /// Which, as server.stopped
        event_type: String,
    },
}

/// A preview.
#[derive(Debug, Args)]
pub struct Preview {
    /// Which, as server.stopped; see `bellboard event-types list`
    event_type: String,
    /// In this channel only
    #[arg(long)]
    channel: Option<Channel>,
    /// As this account would read it: its name, its time zone, its own event types
    #[arg(long)]
    account: Option<AccountKey>,
    /// What the event carries, one JSON object: as text, @FILE, or - for stdin [default: a sample of the type]
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: Option<String>,
}

impl Messages {
    /// Does it.
    ///
    /// # Errors
    /// When there is no such event type or account, or a template cannot be used.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Preview(preview) => preview.run(session).await,
            Self::Template { event_type } => template(session, &event_type),
        }
    }
}

impl Preview {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let templates = session.config.templates().map_err(|error| Failure::usage(error.to_string()))?;
        let message = self.message(session).await?;
        let channels = self.channel.map_or_else(|| Channel::ALL.to_vec(), |channel| vec![channel]);
        let parts = |channel| preview(channel, &templates, &message);
        if session.out.json {
            let of = |channel| json!({"channel": channel, "parts": parts(channel)});
            return Ok(session.out.document(&channels.into_iter().map(of).collect::<Vec<_>>())?);
        }
        for channel in channels {
            session.out.line(format!("== {} ==", channel.title()))?;
            for Part { part, text } in parts(channel) {
                session.out.line(format!("{part}:"))?;
                for line in safe_lines(&text, usize::MAX) {
                    session.out.line(format!("    {line}"))?;
                }
            }
        }
        Ok(())
    }

    async fn message(&self, session: &Session) -> Result<Message, Failure> {
        let (key, profile, catalogue) = if let Some(key) = &self.account {
            let view = session.open().await?.matrix(key).await?;
            (view.account.key, view.account.profile, view.catalogue)
        } else {
            let none = || Failure::usage("there is no sample account; name one with --account");
            let (key, profile) = sample::account().ok_or_else(none)?;
            (key, profile, Catalogue::new(Vec::new()))
        };
        let event_type = find(&catalogue, &self.event_type)?;
        let now = session.clock.now();
        let payload = match &self.data {
            Some(data) => Payload::parse(&read_data(data)?).map_err(|error| Failure::usage(error.to_string()))?,
            None => sample_payload(&event_type.name, now),
        };
        Ok(sample::message((key, &profile), event_type, payload, now))
    }
}

fn find(catalogue: &Catalogue, name: &str) -> Result<Arc<EventType>, Failure> {
    catalogue.get(name).cloned().ok_or_else(|| {
        let hint = catalogue.nearest(name).map(|other| format!(" (did you mean `{}`?)", other.name));
        let sentence = format!(
            "there is no event type `{name}`{}; an account's own are known with --account",
            hint.unwrap_or_default()
        );
        Failure::new(EXIT_NOT_FOUND, sentence)
    })
}

fn template(session: &Session, name: &str) -> Result<(), Failure> {
    let templates = session.config.templates().map_err(|error| Failure::usage(error.to_string()))?;
    let (text, file) = templates.source(name).ok_or_else(|| {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        Failure::new(EXIT_NOT_FOUND, format!("there is no template `{name}`; there are {}", names.join(", ")))
    })?;
    if session.out.json {
        return Ok(session.out.document(&json!({"template": name, "file": file, "text": text}))?);
    }
    for line in text.trim_end().lines() {
        session.out.line(line)?;
    }
    Ok(())
}
