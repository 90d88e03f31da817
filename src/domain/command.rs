//! Every change that a person can cause. The console, the command line and later the HTTP side hand one of these to the
//! store's one executor, which also writes the audit trail and knows how to take the change back.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::domain::access::{Scope, SecretHash};
use crate::domain::account::{AccountKey, Profile};
use crate::domain::catalogue::Severity;
use crate::domain::channel::Channel;
use crate::domain::destination::{DestinationState, FieldValue, FieldValues};
use crate::domain::id::{ChangeId, DeliveryId, DestinationId, ReplayId, TokenId};
use crate::domain::kept_secrets::KeptSecrets;
use crate::domain::matrix::CellSetting;
use crate::domain::mute;
use crate::domain::replay::ReplayItem;
use crate::domain::secret::{KeyId, Secret};
use crate::domain::time::Timestamp;

/// Who acts: the login behind the SSH session, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// The login: `SUDO_USER` before `USER`.
    pub login: String,
    /// The terminal and the address it came from, as `pts/3 from 192.0.2.7`.
    pub origin: String,
}

/// One cell to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellChange {
    /// The row.
    pub event_type: String,
    /// The column.
    pub channel: Channel,
    /// What to.
    pub to: CellSetting,
}

/// What a person says about a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationForm {
    /// What to call it; empty for the address in short.
    pub label: String,
    /// Event types or groups it narrows the matrix to.
    pub only: Vec<String>,
    /// The channel's fields. In an edit, a secret that is left out stays as it is, and [`FieldValue::CLEARED`] takes it away.
    pub fields: FieldValues,
}

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A new account, with its owner's address as its first email destination.
    AddAccount {
        /// Its key.
        key: AccountKey,
        /// What is known of it.
        profile: Profile,
    },
    /// Other words about an account.
    EditAccount {
        /// Which.
        key: AccountKey,
        /// The new words.
        profile: Profile,
        /// The words that they were made from; refused when others stand there by now. Nothing to change whatever stands there.
        over: Option<Profile>,
    },
    /// An account goes, with its set-up, events and deliveries. The audit trail stays.
    RemoveAccount {
        /// Which.
        key: AccountKey,
    },
    /// One account gets another's cells, own event types and destinations (all but those made by enrolment).
    CopySetup {
        /// Whose to take.
        from: AccountKey,
        /// Who gets them.
        to: AccountKey,
    },
    /// An event type of the account's own.
    AddEventType {
        /// Whose.
        account: AccountKey,
        /// Its name.
        name: String,
        /// What people read.
        title: String,
        /// Where it stands in the matrix.
        group: String,
        /// How it is meant.
        severity: Severity,
        /// The type whose trouble it ends.
        recovers: Option<String>,
    },
    /// An event type of the account's own goes; its events stay.
    RemoveEventType {
        /// Whose.
        account: AccountKey,
        /// Which.
        name: String,
    },
    /// Cells of the matrix, all or none.
    SetCells {
        /// Whose.
        account: AccountKey,
        /// Which, and what to.
        cells: Vec<CellChange>,
    },
    /// Cells get nothing until a time, whatever else is set.
    Mute {
        /// Whose.
        account: AccountKey,
        /// Which.
        scope: mute::Scope,
        /// Until when.
        until: Timestamp,
        /// What for; may be empty.
        reason: String,
    },
    /// A mute ends before its time.
    Unmute {
        /// Whose.
        account: AccountKey,
        /// Which; exactly as it was muted.
        scope: mute::Scope,
    },
    /// A new destination.
    AddDestination {
        /// Whose.
        account: AccountKey,
        /// What it speaks.
        channel: Channel,
        /// Its settings.
        form: DestinationForm,
    },
    /// Other settings for a destination.
    EditDestination {
        /// Which.
        id: DestinationId,
        /// The new settings.
        form: DestinationForm,
        /// The revision that they were made from; refused when it is another by now. Nothing to change whatever stands there.
        over: Option<i64>,
    },
    /// A new signing secret for a webhook; the old one signs too until the overlap ends. [`Done::secret`] is its text when
    /// it was made here, shown this once.
    RotateSecret {
        /// Which.
        id: DestinationId,
        /// The new secret; nothing to make one.
        secret: Option<FieldValue>,
        /// How long both are valid.
        overlap: Duration,
    },
    /// Shows a person a secret that is kept; [`Done::secret`] is its text. It changes nothing, and is on record.
    RevealSecret {
        /// Of which destination.
        id: DestinationId,
        /// Which field.
        field: String,
    },
    /// Enables, pauses or disables a destination. What waits for a disabled one is cancelled.
    SetDestinationState {
        /// Which.
        id: DestinationId,
        /// What to.
        state: DestinationState,
    },
    /// A destination goes; what waits for it is cancelled.
    RemoveDestination {
        /// Which.
        id: DestinationId,
    },
    /// A sample event, marked as a test, to one destination only.
    TestDestination {
        /// Which.
        id: DestinationId,
        /// A sample of which type; a plain one when none is named.
        event_type: Option<String>,
    },
    /// These deliveries once more from the first try, with the same `webhook-id`.
    Replay {
        /// Which; those that have not ended are passed over.
        deliveries: Vec<DeliveryId>,
    },
    /// Many at once, exactly these, at a pace that leaves room for others; the process that delivers does it.
    StartReplay {
        /// Whose, when it is of one account.
        account: Option<AccountKey>,
        /// What they are, for people.
        what: String,
        /// Which; those that cannot be sent when their turn comes are passed over.
        items: Vec<ReplayItem>,
    },
    /// A replay sends nothing more; what it has sent stays sent.
    CancelReplay {
        /// Which.
        id: ReplayId,
    },
    /// What ended before a time is removed, in steps that follow; this puts it on record.
    Prune {
        /// That time.
        before: Timestamp,
    },
    /// These deliveries are not to be tried any more.
    Cancel {
        /// Which; those that have ended or are being sent are passed over.
        deliveries: Vec<DeliveryId>,
    },
    /// A bearer token for the HTTP side; [`Done::secret`] is its text, shown this once.
    CreateToken {
        /// What to call it.
        name: String,
        /// What its holder may do.
        scope: Scope,
        /// The one account it is for; nothing for all.
        account: Option<AccountKey>,
    },
    /// A token is worth nothing from now on.
    RevokeToken {
        /// Which.
        id: TokenId,
    },
    /// A code by which one browser or app of the account may enrol itself; [`Done::secret`] is its text, shown this once.
    Invite {
        /// Whose.
        account: AccountKey,
        /// [`Channel::Browser`] or [`Channel::Ios`].
        channel: Channel,
    },
    /// A browser or app enrols itself: a new destination, or other settings for the one that has the same address.
    /// [`Done::secret`] is what it shows from then on to speak for itself.
    Enrol {
        /// What it enrols with.
        by: EnrolBy,
        /// What it speaks.
        channel: Channel,
        /// Its settings.
        form: DestinationForm,
    },
    /// A row of the matrix as the vendor's API sets it.
    SetNotification {
        /// Whose.
        account: AccountKey,
        /// Which row.
        event_type: String,
        /// The channels that are to be on, all others off; nothing to leave them.
        channels: Option<Vec<Channel>>,
        /// Addresses, by the vendor's names for them.
        params: BTreeMap<String, String>,
    },
    /// Secrets are sealed with another key from now on; those that are there follow in steps.
    UseKey {
        /// Which.
        key: KeyId,
    },
    /// Secrets that the audit trail keeps go, and with them the way back to them. This cannot be taken back.
    ForgetSecrets {
        /// Which.
        which: KeptSecrets,
    },
    /// Several changes as one: all or none, and taken back together.
    Together {
        /// Whose, when all are of one account.
        account: Option<AccountKey>,
        /// What was done then, as a sentence.
        says: String,
        /// Which.
        changes: Vec<Command>,
    },
    /// Takes a change back; of one that stands for several, all of them.
    Undo {
        /// Which.
        change: ChangeId,
    },
}

/// What a browser or app enrols itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrolBy {
    /// A code that support handed out; it is worth nothing afterwards.
    Code(SecretHash),
    /// A token with [`Scope::Devices`], checked before, for this account.
    Token(AccountKey),
}

/// What came of a command.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// A sentence for the person, as `Slack is on for deploy started`.
    pub says: String,
    /// The row of the audit trail; nothing when the command changed nothing.
    pub change: Option<ChangeId>,
    /// The destination that was made.
    pub destination: Option<DestinationId>,
    /// The deliveries that were made or moved.
    pub deliveries: Vec<DeliveryId>,
    /// The bulk replay that was started.
    pub replay: Option<ReplayId>,
    /// Text that was made, or asked for, and is shown this once.
    pub secret: Option<Secret>,
}

/// A row of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its id.
    pub id: ChangeId,
    /// When.
    pub at: Timestamp,
    /// Who.
    #[serde(flatten)]
    pub actor: Actor,
    /// Whose set-up it changed.
    pub account: Option<AccountKey>,
    /// The command's name, as `set_cells`.
    pub command: String,
    /// What it did, as a sentence.
    pub says: String,
    /// What stood there before, secrets masked.
    pub before: serde_json::Value,
    /// What stands there since, secrets masked.
    pub after: serde_json::Value,
    /// The change that this one took back.
    pub undoes: Option<ChangeId>,
}
