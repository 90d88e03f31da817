//! The question before something that cannot be taken back, or that touches many.

use std::io::{self, BufRead, IsTerminal};

use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// What is said after a no.
pub const DECLINED: &str = "nothing was changed";

/// Asks on a terminal; elsewhere only `--yes` counts as one.
///
/// # Errors
/// When there is nobody to ask and `yes` was not given.
pub fn confirm(out: Output, question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question} There is no terminal to ask on; add --yes to do it")));
    }
    out.progress(&format!("{question} [y/N] "));
    let mut answer = String::new();
    // A terminal that cannot be read from has not agreed.
    let _ = io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
