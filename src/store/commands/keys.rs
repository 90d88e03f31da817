//! Which key secrets are sealed with.

use serde_json::json;

use crate::domain::command::{Actor, Done};
use crate::domain::secret::KeyId;
use crate::store::commands::Record;
use crate::store::error::{CommandError, StoreError};
use crate::store::keys::{name_key, named_key};
use crate::store::writer::Session;

/// Seals with that key from now on, which must be at hand.
pub(crate) async fn use_key(session: &mut Session, actor: &Actor, key: KeyId) -> Result<Done, CommandError> {
    let before = named_key(&mut session.connection).await?;
    if before == Some(key) {
        return Ok(Done { says: format!("secrets are sealed with the key {key} already"), ..Done::default() });
    }
    session.sealer.seal_with(key);
    // Something is sealed with it before anybody else relies on it.
    session.sealer.seal("probe", b"").map_err(StoreError::from)?;
    name_key(&mut session.connection, key).await?;
    let says = format!("secrets are sealed with the key {key} from now on");
    let record = Record {
        account: None,
        command: "use_key",
        says: &says,
        before: json!({"key": before}),
        after: json!({"key": key}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    Ok(Done { says, change: Some(change), ..Done::default() })
}
