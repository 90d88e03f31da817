//! `tokens`: who may speak over HTTP.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::session::Session;
use crate::cli::show::{self, DoneObject};
use crate::domain::access::{Scope, Token};
use crate::domain::account::AccountKey;
use crate::domain::command::Command;
use crate::domain::id::TokenId;

/// What to do with bearer tokens.
#[derive(Debug, Subcommand)]
pub enum Tokens {
    /// Make a token; it is shown this once
    Create {
        /// What to call it, as "billing system"
        name: String,
        /// What its holder may do: emit (hand in events), devices (register devices), read or write (the matrix), metrics
        #[arg(long, value_parser = Scope::parse)]
        scope: Scope,
        /// The one account it is for; without this, every account
        #[arg(long, value_name = "KEY")]
        account: Option<AccountKey>,
    },
    /// List tokens, without their text
    List,
    /// Refuse whoever shows this token from now on
    Revoke {
        /// Which, as `tok_3`
        token: TokenId,
    },
}

/// A token as scripts read it; its text only when it was just made.
#[derive(Serialize)]
struct TokenObject<'a> {
    #[serde(flatten)]
    kept: &'a Token,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl Tokens {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done; nothing has changed then.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        match self {
            Self::Create { name, scope, account } => {
                let done = session.change(&store, Command::CreateToken { name, scope, account }).await?;
                let text = done.secret.as_ref().map(crate::domain::secret::Secret::expose);
                if session.out.json {
                    let tokens = store.tokens().await?;
                    let kept = tokens.last().ok_or_else(|| Failure::usage("the token was removed again"))?;
                    return Ok(session.out.document(&TokenObject { kept, token: text })?);
                }
                session.out.line(text.unwrap_or_default())?;
                session.out.aside(format!("{}; it is shown this once, so keep it now", done.says));
                Ok(())
            }
            Self::List => {
                let tokens = store.tokens().await?;
                let empty = "there is no token; make one with `bellboard tokens create NAME --scope emit`";
                if session.out.json {
                    let objects: Vec<_> = tokens.iter().map(|kept| TokenObject { kept, token: None }).collect();
                    return Ok(session.out.document(&objects)?);
                }
                Ok(session.out.list(&tokens, table, empty)?)
            }
            Self::Revoke { token } => {
                let done = session.change(&store, Command::RevokeToken { id: token }).await?;
                Ok(session.out.either(&DoneObject::from(&done), &done.says)?)
            }
        }
    }
}

fn table(tokens: &[Token]) -> Table {
    let mut table = Table::new(["token", "name", "scope", "account", "made", "last used", "revoked"]);
    for token in tokens {
        let at = |time: Option<_>| time.map(show::time).unwrap_or_default();
        table.row([
            token.id.to_string(),
            token.name.clone(),
            token.scope.name().to_owned(),
            token.account.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
            show::time(token.created_at),
            at(token.last_used_at),
            at(token.revoked_at),
        ]);
    }
    table
}
