//! `destinations invite`: a code by which a customer's browser or app enrols itself.

use serde::Serialize;

use crate::cli::failure::{EXIT_REFUSED, Failure};
use crate::cli::session::Session;
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::Command;
use crate::domain::secret::Secret;
use crate::http;
use crate::store::Store;

/// What was made, as scripts read it; shown this once.
#[derive(Serialize)]
struct Invitation<'a> {
    account: &'a AccountKey,
    channel: Channel,
    code: &'a str,
    /// What to open; of browsers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// Makes a code and says how to use it.
///
/// # Errors
/// When nothing enrols itself for that channel, or there is no such account.
pub async fn run(session: &Session, store: &Store, account: AccountKey, channel: Channel) -> Result<(), Failure> {
    let Some(http) = session.config.http() else {
        return Err(Failure::new(EXIT_REFUSED, "nothing can enrol itself while [http] listen is off; set it first"));
    };
    let done = session.change(store, Command::Invite { account: account.clone(), channel }).await?;
    let code = done.secret.as_ref().map(Secret::expose).unwrap_or_default();
    let link = (channel == Channel::Browser).then(|| http::enrolment_link(&http, code));
    if session.out.json {
        return Ok(session.out.document(&Invitation { account: &account, channel, code, link })?);
    }
    session.out.line(link.as_deref().unwrap_or(code))?;
    let how = match channel {
        Channel::Browser => "open the link in the browser that is to be notified",
        _ => "type the code into the app",
    };
    session.out.aside(format!("{}: {how}; it is shown this once, and works once", done.says));
    Ok(())
}
