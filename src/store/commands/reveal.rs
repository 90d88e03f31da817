//! A secret that is kept is shown to a person, on record: who looked at which, and when; never the secret itself.

use serde_json::{Value, json};

use crate::domain::command::{Actor, Done};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::id::DestinationId;
use crate::domain::secret::Secret;
use crate::store::accounts::read_by_id;
use crate::store::commands::Record;
use crate::store::destinations::{open_fields, read_one};
use crate::store::error::CommandError;
use crate::store::writer::Session;

pub(crate) async fn reveal(
    session: &mut Session,
    actor: &Actor,
    id: DestinationId,
    field: &str,
) -> Result<Done, CommandError> {
    let (destination, sealed) = read_one(&mut session.connection, id).await?;
    let fields: FieldValues = open_fields(&destination.fields, sealed.as_deref(), &session.sealer, id)?;
    let Some(FieldValue::Secret(secret)) = fields.get(field) else {
        return Err(CommandError::NotFound(format!("{} keeps no secret `{field}`", destination.label)));
    };
    let account = read_by_id(&mut session.connection, destination.account).await?;
    let says = format!("the {field} of {} was looked at", destination.label);
    let record = Record {
        account: Some(&account.key),
        command: "reveal_secret",
        says: &says,
        before: Value::Null,
        after: json!({"id": id, "field": field}),
        sealed: None,
    };
    let change = session.record(actor, record).await?;
    let secret = Some(Secret::new(secret.expose()));
    Ok(Done { says, change: Some(change), destination: Some(id), secret, ..Done::default() })
}
