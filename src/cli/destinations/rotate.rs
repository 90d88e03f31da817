//! `destinations rotate`: a new signing secret for a webhook, valid beside the old one for a while.

use std::time::Duration;

use clap::Args;

use crate::cli::destinations::{print_changed, settings};
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::domain::command::Command;
use crate::domain::destination::FieldValue;
use crate::domain::id::DestinationId;
use crate::domain::secret::Secret;
use crate::domain::time::parse_duration;
use crate::store::Store;

/// A rotation.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Which, as `dst_17`
    destination: DestinationId,
    /// The new secret, `whsec_` and base64; made and shown once when not said
    #[arg(long, value_name = "VALUE|@FILE|-")]
    secret: Option<String>,
    /// How long the old one signs too; 0s ends it at once
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_duration)]
    overlap: Duration,
}

impl Rotate {
    /// Does it.
    ///
    /// # Errors
    /// When there is no such webhook, or the secret cannot be signed with.
    pub async fn run(self, session: &Session, store: &Store) -> Result<(), Failure> {
        let given = self.secret.map(|text| settings::read_value("secret", &text)).transpose()?;
        let secret = given.map(|text| FieldValue::Secret(Secret::new(text.trim())));
        let command = Command::RotateSecret { id: self.destination, secret, overlap: self.overlap };
        let done = session.change(store, command).await?;
        print_changed(session, store, &done).await
    }
}
