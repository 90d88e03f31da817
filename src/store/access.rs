//! Tokens, enrolment codes and what enrolled browsers and apps show: looked up by hash. And the keys that the program makes
//! for itself.

use aws_lc_rs::rand;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::domain::access::{Enrolment, Scope, SecretHash, Token};
use crate::domain::id::{DeliveryId, DestinationId, TokenId};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::events::account_key;
use crate::store::matrix::read_channel;
use crate::store::request::Request;
use crate::store::writer::Session;

/// A small write of the program's own, which is nobody's change and leaves no row in the audit trail.
#[derive(Debug)]
pub enum Chore {
    /// A key was made; the first one stays.
    KeepKey {
        /// What it is for.
        name: &'static str,
        /// The key.
        key: Zeroizing<Vec<u8>>,
    },
    /// A browser's page has shown a delivery.
    Shown {
        /// Which browser.
        destination: DestinationId,
        /// Which delivery.
        delivery: DeliveryId,
        /// What it was given.
        document: String,
    },
    /// Something is written and taken back, to see whether the store can be written.
    Probe,
    /// A token was used.
    TokenUsed {
        /// Which.
        id: TokenId,
    },
}

impl Store {
    /// All tokens, also revoked ones, in the order in which they were made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let rows = sqlx::query(
            "SELECT token.id, token.name, scope, account.key, token.created_at, last_used_at, revoked_at
             FROM token LEFT JOIN account ON account.id = account_id ORDER BY token.id",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(token).collect()
    }

    /// The token that hashes to this, unless it was revoked.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token(&self, hash: SecretHash) -> Result<Option<Token>, StoreError> {
        let row = sqlx::query(
            "SELECT token.id, token.name, scope, account.key, token.created_at, last_used_at, revoked_at
             FROM token LEFT JOIN account ON account.id = account_id WHERE hash = ? AND revoked_at IS NULL",
        )
        .bind(hash.as_bytes().as_slice())
        .fetch_optional(self.readers())
        .await?;
        row.as_ref().map(token).transpose()
    }

    /// The enrolment code that hashes to this, whatever has become of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn enrolment(&self, hash: SecretHash) -> Result<Option<Enrolment>, StoreError> {
        let row = sqlx::query(
            "SELECT account.key, channel, expires_at, used_at FROM enrolment
             JOIN account ON account.id = account_id WHERE hash = ?",
        )
        .bind(hash.as_bytes().as_slice())
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let used: Option<i64> = row.try_get(3)?;
        Ok(Some(Enrolment {
            account: account_key(row.try_get(0)?)?,
            channel: read_channel(row.try_get(1)?)?,
            expires_at: Timestamp::from_millis(row.try_get(2)?),
            used: used.is_some(),
        }))
    }

    /// The destination for which an enrolled browser or app speaks that shows what hashes to this.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn access(&self, hash: SecretHash) -> Result<Option<DestinationId>, StoreError> {
        let id: Option<i64> = sqlx::query_scalar("SELECT destination_id FROM access WHERE hash = ?")
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(self.readers())
            .await?;
        Ok(id.map(DestinationId::new))
    }

    /// A key of the program's own by its name; `make` makes it on first use, and of two that are made at once the first stays.
    ///
    /// # Errors
    /// When the store cannot be read or written, or was sealed with another key.
    pub async fn key(
        &self,
        name: &'static str,
        make: impl FnOnce() -> Option<Vec<u8>> + Send,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        if let Some(key) = self.kept_key(name).await? {
            return Ok(key);
        }
        let key = make().ok_or_else(no_random)?;
        self.chore(Chore::KeepKey { name, key: Zeroizing::new(key) }).await?;
        self.kept_key(name).await?.ok_or_else(|| StoreError::Damaged(format!("the key `{name}` was not kept")))
    }

    /// Notes that a token was used just now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn token_used(&self, id: TokenId) -> Result<(), StoreError> {
        self.chore(Chore::TokenUsed { id }).await
    }

    /// Commits next to nothing, to see that the store can be written.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.chore(Chore::Probe).await
    }

    async fn kept_key(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sealed: Option<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM keyring WHERE name = ?")
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        Ok(sealed.map(|sealed| self.inner.sealer.open_sealed(&row_name(name), &sealed)).transpose()?)
    }

    pub(crate) async fn chore(&self, chore: Chore) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Chore { chore, reply }).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Session {
    pub(crate) async fn chore(&mut self, chore: &Chore) -> Result<(), StoreError> {
        match chore {
            Chore::KeepKey { name, key } => {
                self.follow_key().await?;
                let sealed = self.sealer.seal(&row_name(name), key)?;
                sqlx::query("INSERT INTO keyring (name, sealed, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
                    .bind(*name)
                    .bind(sealed)
                    .bind(self.now.millis())
                    .execute(&mut self.connection)
                    .await?;
            }
            Chore::Shown { destination, delivery, document } => {
                self.note_shown(*destination, *delivery, document).await?;
            }
            Chore::Probe => {
                // The row is gone again at the commit, which writes its page all the same.
                sqlx::query("INSERT INTO keyring (name, sealed, created_at) VALUES ('probe', x'', 0)")
                    .execute(&mut self.connection)
                    .await?;
                sqlx::query("DELETE FROM keyring WHERE name = 'probe'").execute(&mut self.connection).await?;
            }
            Chore::TokenUsed { id } => {
                sqlx::query("UPDATE token SET last_used_at = ? WHERE id = ?")
                    .bind(self.now.millis())
                    .bind(id.number())
                    .execute(&mut self.connection)
                    .await?;
            }
        }
        Ok(())
    }
}

/// So many random bytes.
///
/// # Errors
/// When the system gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| no_random())?;
    Ok(bytes)
}

fn no_random() -> StoreError {
    StoreError::Io("the system gives no random bytes".to_owned())
}

/// The name that a key is bound to.
fn row_name(name: &str) -> String {
    format!("keyring:{name}")
}

fn token(row: &SqliteRow) -> Result<Token, StoreError> {
    let account: Option<String> = row.try_get(3)?;
    let (used, revoked): (Option<i64>, Option<i64>) = (row.try_get(5)?, row.try_get(6)?);
    Ok(Token {
        id: TokenId::new(row.try_get(0)?),
        name: row.try_get(1)?,
        scope: Scope::parse(row.try_get(2)?).map_err(StoreError::Damaged)?,
        account: account.as_deref().map(account_key).transpose()?,
        created_at: Timestamp::from_millis(row.try_get(4)?),
        last_used_at: used.map(Timestamp::from_millis),
        revoked_at: revoked.map(Timestamp::from_millis),
    })
}
