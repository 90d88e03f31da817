//! `completions` and `man`: what the command line says about itself.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::args::Arguments;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell, as in `bellboard completions bash > /etc/bash_completion.d/bellboard`
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn run(&self, out: Output) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "bellboard", &mut script);
        Ok(out.raw(&script)?)
    }
}

/// Prints the manual page, in roff, with a section for each command.
///
/// # Errors
/// When stdout cannot be written.
pub fn man(out: Output) -> Result<(), Failure> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for family in command.get_subcommands().filter(|family| family.get_name() != "help") {
        describe(family, &mut page)?;
    }
    Ok(out.raw(&page)?)
}

/// A family's synopsis, description and options, and those of its members.
fn describe(command: &clap::Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    page.extend_from_slice(format!(".SH \"{name}\"\n").as_bytes());
    let man = clap_mangen::Man::new(command.clone());
    man.render_description_section(page)?;
    man.render_synopsis_section(page)?;
    for member in command.get_subcommands().filter(|member| member.get_name() != "help") {
        describe(member, page)?;
    }
    Ok(())
}
