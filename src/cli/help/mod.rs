//! `help`: how a command is used, and topics that are longer than an option's line.
//!
//! A topic is a file of `assets/help` in a small part of Markdown: headings, paragraphs, tables, fenced code. It is printed as it
//! stands, and [`roff`] makes a manual page of it. The blocks marked `sh` are run by a test. To add one: a file there and a
//! line in [`TOPICS`].

pub mod roff;

use clap::{Args, CommandFactory};

use crate::cli::args::Arguments;
use crate::cli::failure::{EXIT_NOT_FOUND, Failure};
use crate::cli::output::Output;

/// A text about something that several commands have part in.
#[derive(Debug)]
pub struct Topic {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is about, in half a line.
    pub about: &'static str,
    /// The text.
    pub text: &'static str,
}

/// All topics, in the order of a newcomer's questions.
pub const TOPICS: &[Topic] = &[
    Topic {
        name: "start",
        about: "the first account, channel and event",
        text: include_str!("../../../assets/help/start.md"),
    },
    Topic {
        name: "channels",
        about: "what to click at the other end of each channel",
        text: include_str!("../../../assets/help/channels.md"),
    },
    Topic {
        name: "receiving",
        about: "how to receive and verify webhooks, in five languages",
        text: include_str!("../../../assets/help/receiving.md"),
    },
    Topic { name: "http", about: "handing events in over HTTP", text: include_str!("../../../assets/help/http.md") },
    Topic {
        name: "ssh",
        about: "bellboard instead of a shell, for a support team",
        text: include_str!("../../../assets/help/ssh.md"),
    },
    Topic {
        name: "operating",
        about: "the service, metrics, backups, and what to do when",
        text: include_str!("../../../assets/help/operating.md"),
    },
    Topic {
        name: "security",
        about: "what is kept safe, and how to check it",
        text: include_str!("../../../assets/help/security.md"),
    },
    Topic {
        name: "plain",
        about: "the console and the lists as lines, for screen readers",
        text: include_str!("../../../assets/help/plain.md"),
    },
    Topic {
        name: "limits",
        about: "how much, how many, how long",
        text: include_str!("../../../assets/help/limits.md"),
    },
];

/// Say how a command is used, or tell about a topic
#[derive(Debug, Args)]
pub struct Help {
    /// A command, as `destinations add`, or a topic; all topics are listed when nothing is named
    #[arg(value_name = "COMMAND or TOPIC")]
    what: Vec<String>,
}

/// The topic of that name.
#[must_use]
pub fn topic(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// The topics, a line each.
#[must_use]
pub fn list() -> String {
    let lines: Vec<_> = TOPICS.iter().map(|topic| format!("  {:<10}  {}\n", topic.name, topic.about)).collect();
    lines.concat()
}

impl Help {
    /// Prints it.
    ///
    /// # Errors
    /// When there is neither a command nor a topic of that name.
    pub fn run(&self, out: Output) -> Result<(), Failure> {
        let mut program = Arguments::command();
        program.build();
        let [name, members @ ..] = self.what.as_slice() else {
            let text = format!("{}\nTopics, by `bellboard help TOPIC`:\n{}", program.render_help(), list());
            return Ok(out.raw(text.as_bytes())?);
        };
        if let (Some(topic), true) = (topic(name), members.is_empty()) {
            return Ok(out.raw(topic.text.as_bytes())?);
        }
        let mut command = &mut program;
        for word in &self.what {
            command = command.find_subcommand_mut(word).ok_or_else(|| {
                let names: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
                let asked = self.what.join(" ");
                let sentence = format!("there is no command or topic `{asked}`; the topics are {}", names.join(", "));
                Failure::new(EXIT_NOT_FOUND, sentence)
            })?;
        }
        Ok(out.raw(command.render_long_help().to_string().as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_the_program_names_every_topic() {
        let help = Arguments::command().render_help().to_string();
        for topic in TOPICS {
            assert!(help.contains(topic.name), "{}", topic.name);
            assert!(topic.text.starts_with("# ") && topic.text.lines().all(|line| line.len() <= 200), "{}", topic.name);
        }
    }
}
