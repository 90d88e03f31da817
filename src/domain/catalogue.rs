//! The event types: the rows of the matrix. Fifteen are built in; an account may add its own.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::domain::channel::Channel;

/// How a kind of event is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something went well.
    Success,
    /// Something happened.
    Info,
    /// Something went wrong.
    Failure,
    /// What went wrong is well again.
    Recovery,
}

impl Severity {
    /// The name in the store, in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Info => "info",
            Self::Failure => "failure",
            Self::Recovery => "recovery",
        }
    }

    /// Reads [`Severity::name`] back.
    ///
    /// # Errors
    /// When it is none of the four words.
    pub fn parse(text: &str) -> Result<Self, String> {
        [Self::Success, Self::Info, Self::Failure, Self::Recovery]
            .into_iter()
            .find(|severity| severity.name() == text)
            .ok_or_else(|| format!("`{text}` is no severity; write success, info, failure or recovery"))
    }
}

/// A kind of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventType {
    /// The contract with receivers, as `server.stopped`.
    pub name: String,
    /// What people read in a message, as `Server heartbeat stopped`.
    pub title: String,
    /// What people read in a row of the matrix; at most 21 columns for the built-in ones.
    pub short: String,
    /// Rows of one group stand together.
    pub group: String,
    /// How it is meant.
    pub severity: Severity,
    /// The event type whose trouble this one ends.
    pub recovers: Option<String>,
    /// Whether another type ends the trouble that events of this one tell of. [`Catalogue::new`] finds that out.
    #[serde(skip)]
    pub is_recovered: bool,
    /// Whether it came with the program and so cannot be removed.
    pub built_in: bool,
}

impl EventType {
    /// Whether events of this type go to a channel when nobody has said otherwise: to email, but for
    /// `account.suspended`.
    #[must_use]
    pub fn on_by_default(&self, channel: Channel) -> bool {
        channel == Channel::Email && self.name != SUSPENDED
    }
}

/// The notice that still goes out to a suspended account, and the one that is off everywhere by default.
pub const SUSPENDED: &str = "account.suspended";

/// Longest name of an account's own event type, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Most event types of its own that an account may have.
pub const OWN_TYPES_MAX: usize = 100;

type BuiltIn = (&'static str, &'static str, &'static str, &'static str, Severity, Option<&'static str>);

/// The vendor's fifteen, in the order of its page, with their texts.
const BUILT_IN: [BuiltIn; 15] = [
    (
        "account.provision.ok",
        "Account provisioned successfully",
        "provisioned ok",
        "provisioning",
        Severity::Success,
        None,
    ),
    ("account.provision.fail", "Account provision failed", "provision failed", "provisioning", Severity::Failure, None),
    ("account.deploy.started", "Account deployment started", "deploy started", "deployment", Severity::Info, None),
    ("account.redeploy.ok", "Account redeployed successfully", "redeployed ok", "deployment", Severity::Success, None),
    ("account.redeploy.fail", "Account redeploy failed", "redeploy failed", "deployment", Severity::Failure, None),
    (
        "account.redeploy.hook.fail",
        "Account redeployment hook failed",
        "redeploy hook failed",
        "deployment",
        Severity::Failure,
        None,
    ),
    ("server.stopped", "Server heartbeat stopped", "heartbeat stopped", "servers", Severity::Failure, None),
    (
        "server.backon",
        "Server heartbeat restored",
        "heartbeat restored",
        "servers",
        Severity::Recovery,
        Some("server.stopped"),
    ),
    ("job.fail", "Job run failed", "job failed", "jobs", Severity::Failure, None),
    (
        "job.backon",
        "Job run succeeded (after fail)",
        "job succeeded again",
        "jobs",
        Severity::Recovery,
        Some("job.fail"),
    ),
    ("process.down", "Process is down", "process down", "jobs", Severity::Failure, None),
    ("app.auth", "App authorized to access the account", "app authorized", "access", Severity::Info, None),
    ("app.deauth", "App deauthorized from accessing the account", "app deauthorized", "access", Severity::Info, None),
    ("payment.fail", "Payment failed", "payment failed", "billing", Severity::Failure, None),
    (SUSPENDED, "Account suspended", "account suspended", "billing", Severity::Failure, None),
];

/// The built-in event types, in the matrix's order.
#[must_use]
pub fn built_in() -> Vec<EventType> {
    BUILT_IN
        .iter()
        .map(|&(name, title, short, group, severity, recovers)| EventType {
            name: name.to_owned(),
            title: title.to_owned(),
            short: short.to_owned(),
            group: group.to_owned(),
            severity,
            recovers: recovers.map(str::to_owned),
            is_recovered: BUILT_IN.iter().any(|(.., of_other)| *of_other == Some(name)),
            built_in: true,
        })
        .collect()
}

/// An event type's name as it is stored: trimmed, and without the stop that the vendor's page prints behind
/// `account.provision.ok.`.
#[must_use]
pub fn normal_name(text: &str) -> &str {
    let name = text.trim();
    name.strip_suffix('.').unwrap_or(name)
}

/// Whether an account may give its own event type this name: lower-case words of letters, digits, `_` and `-`, joined by
/// stops.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.split('.').all(|word| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
        })
}

/// All event types of one account: the built-in ones and its own, group by group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue(Vec<Arc<EventType>>);

impl Catalogue {
    /// The built-in types and `own`; a type of a group that exists stands at that group's end, others at the very end.
    #[must_use]
    pub fn new(own: Vec<EventType>) -> Self {
        /// Each account's catalogue has them: thousands of accounts are kept in memory.
        static SHARED: LazyLock<Vec<Arc<EventType>>> = LazyLock::new(|| built_in().into_iter().map(Arc::new).collect());
        let mut types = SHARED.clone();
        for event_type in own {
            let at =
                types.iter().rposition(|other| other.group == event_type.group).map_or(types.len(), |last| last + 1);
            types.insert(at, Arc::new(event_type));
        }
        let recovered: Vec<String> = types.iter().filter_map(|event_type| event_type.recovers.clone()).collect();
        for event_type in &mut types {
            let is_recovered = recovered.contains(&event_type.name);
            if event_type.is_recovered != is_recovered {
                Arc::make_mut(event_type).is_recovered = is_recovered;
            }
        }
        Self(types)
    }

    /// The rows, in order.
    #[must_use]
    pub fn types(&self) -> &[Arc<EventType>] {
        &self.0
    }

    /// The type of that name; takes the spelling with the stop as well.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<EventType>> {
        let name = normal_name(name);
        self.0.iter().find(|event_type| event_type.name == name)
    }

    /// The type whose name is most like `name`, for an error message that helps.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&EventType> {
        self.0
            .iter()
            .map(|event_type| (edit_distance(&event_type.name, name), event_type))
            .filter(|(distance, event_type)| *distance <= event_type.name.len() / 3)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, event_type)| event_type.as_ref())
    }
}

/// Levenshtein's distance, in bytes, of `of` from `from`; inputs longer than a name can be count as far away. For error
/// messages that suggest a name.
#[must_use]
pub fn edit_distance(of: &str, from: &str) -> usize {
    if from.len() > NAME_BYTES_MAX {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (i, a) in of.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in from.bytes().enumerate() {
            let replace = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[from.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_vendors() {
        let catalogue = Catalogue::new(Vec::new());
        assert_eq!(catalogue.types().len(), 15);
        for event_type in catalogue.types() {
            assert!(is_valid_name(&event_type.name), "{}", event_type.name);
            assert!(event_type.short.len() <= 21, "{}", event_type.short);
            for channel in Channel::ALL {
                let expected = channel == Channel::Email && event_type.name != "account.suspended";
                assert_eq!(event_type.on_by_default(channel), expected, "{} {channel}", event_type.name);
            }
        }
    }

    #[test]
    fn names_are_found_as_people_write_them() {
        let catalogue = Catalogue::new(Vec::new());
        assert_eq!(
            catalogue.get("account.provision.ok.").map(|found| found.name.as_str()),
            Some("account.provision.ok")
        );
        assert_eq!(catalogue.get("server.stoped"), None);
        assert_eq!(catalogue.nearest("server.stoped").map(|found| found.name.as_str()), Some("server.stopped"));
        assert_eq!(catalogue.nearest("something else entirely"), None);
        for bad in ["", ".", "a..b", "a.B", "a b", "a.", &"a".repeat(65)] {
            assert!(!is_valid_name(bad), "`{bad}` should be refused");
        }
    }

    #[test]
    fn own_types_stand_in_their_group() {
        let own = |name: &str, group: &str| EventType {
            name: name.to_owned(),
            title: name.to_owned(),
            short: name.to_owned(),
            group: group.to_owned(),
            severity: Severity::Info,
            recovers: (name == "x.y").then(|| "disk.full".to_owned()),
            is_recovered: false,
            built_in: false,
        };
        let catalogue = Catalogue::new(vec![own("disk.full", "servers"), own("x.y", "custom")]);
        let recovered: Vec<_> = catalogue.types().iter().filter(|one| one.is_recovered).map(|one| &one.name).collect();
        assert_eq!(recovered, ["server.stopped", "disk.full", "job.fail"]);
        let names: Vec<_> = catalogue.types().iter().map(|event_type| event_type.name.as_str()).collect();
        assert_eq!(names[8], "disk.full");
        assert_eq!(names[16], "x.y");
    }
}
