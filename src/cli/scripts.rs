//! `completions` and `man`: what the command line says about itself.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::args::Arguments;
use crate::cli::failure::{EXIT_NOT_FOUND, Failure};
use crate::cli::help::{self, roff};
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

/// Print a manual page: of the commands, or of a topic
#[derive(Debug, Args)]
pub struct Man {
    /// A topic, see `bellboard help`; its page belongs into section 7
    topic: Option<String>,
}

impl Man {
    /// Prints the page, in roff; that of the commands has a section for each.
    ///
    /// # Errors
    /// When there is no such topic, or stdout cannot be written.
    pub fn run(&self, out: Output) -> Result<(), Failure> {
        let Some(name) = &self.topic else { return commands(out) };
        let topic = help::topic(name).ok_or_else(|| {
            let known: Vec<_> = help::TOPICS.iter().map(|topic| topic.name).collect();
            Failure::new(EXIT_NOT_FOUND, format!("there is no topic `{name}`; the topics are {}", known.join(", ")))
        })?;
        Ok(out.raw(roff::page(topic).as_bytes())?)
    }
}

fn commands(out: Output) -> Result<(), Failure> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for family in command.get_subcommands() {
        describe(family, &mut page)?;
    }
    Ok(out.raw(&page)?)
}

/// A family's description, synopsis and options, and those of its members. The options that go with every command are told once,
/// at the beginning.
fn describe(command: &clap::Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    page.extend_from_slice(format!(".SH \"{name}\"\n").as_bytes());
    let own = command.clone().mut_args(|option| {
        let is_common = option.is_global_set() || option.get_id() == "help";
        option.hide(is_common)
    });
    let has_options = own.get_arguments().any(|option| !option.is_hide_set());
    let man = clap_mangen::Man::new(own);
    let mut parts = Vec::new();
    man.render_description_section(&mut parts)?;
    man.render_synopsis_section(&mut parts)?;
    if has_options {
        man.render_options_section(&mut parts)?;
    }
    // What is a section of its own page is a part of this one's.
    page.extend_from_slice(String::from_utf8_lossy(&parts).replace("\n.SH ", "\n.SS ").as_bytes());
    for member in command.get_subcommands().filter(|member| member.get_name() != "help") {
        describe(member, page)?;
    }
    Ok(())
}
