//! What can be wrong with the config: always where, what, and what to write instead.

/// A config that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the config file {path} cannot be read: {problem}; name another with --config, or make it readable")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// Somebody else could have written it.
    #[error("the config file {path} is not read: {problem}")]
    Unsafe {
        /// Which.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The file is no TOML.
    #[error("{place}: this is no TOML: {problem}")]
    Syntax {
        /// File and line.
        place: String,
        /// What the parser met.
        problem: String,
    },
    /// There is no such option.
    #[error("{place}: there is no option `{given}`{}; see `bellboard config show`", did_you_mean(.nearest.as_deref()))]
    UnknownOption {
        /// File and line, or the variable.
        place: String,
        /// What was written.
        given: String,
        /// The most similar option.
        nearest: Option<String>,
    },
    /// The option cannot have that value.
    #[error("{place}: {option}: {problem}")]
    BadValue {
        /// File and line, or the variable.
        place: String,
        /// Which option.
        option: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// Several things are wrong; there are at least two.
    #[error("{} (and {} more; `bellboard config check` tells all that is wrong)", .0[0], .0.len() - 1)]
    Several(Vec<ConfigError>),
}

impl ConfigError {
    /// All that is wrong, in the order in which it was met.
    ///
    /// # Errors
    /// When anything is.
    pub(crate) fn all(mut found: Vec<Self>) -> Result<(), Self> {
        match found.len() {
            0 => Ok(()),
            1 => Err(found.remove(0)),
            _ => Err(Self::Several(found)),
        }
    }

    /// Each thing that is wrong for itself.
    #[must_use]
    pub fn each(&self) -> &[Self] {
        match self {
            Self::Several(found) => found,
            one => std::slice::from_ref(one),
        }
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}
