//! Parses, sets up, runs; no logic.

use std::process::ExitCode;
use std::time::Duration;

use bellboard::cli;

/// How long a thread that is stuck in a read may hold up the end of the process.
const SHUTDOWN_MAX: Duration = Duration::from_millis(100);

fn main() -> color_eyre::Result<ExitCode> {
    color_eyre::install()?;
    cli::memory::keep_to_itself();
    let arguments = match cli::start::arguments() {
        Ok(arguments) => arguments,
        Err(ended) => return Ok(ended),
    };
    let runtime = cli::threads::runtime()?;
    let code = runtime.block_on(cli::run(arguments));
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    Ok(code)
}
