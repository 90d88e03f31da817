//! The rules about the code itself, above all about what must not be there. Each failure names the place and the rule.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

/// Modules in the order of the import rule: each uses only those before it.
const ORDER: [&str; 9] = ["domain", "metrics", "channels", "store", "dispatch", "http", "console", "config", "cli"];

/// Lines of a file, and of a function.
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// What may stand at the top of the repository beside dotfiles and what is made.
const TOP_LEVEL: [&str; 7] = ["Cargo.toml", "Cargo.lock", "src", "migrations", "tests", "assets", "README.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn report(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

fn module_of(file: &str) -> Option<usize> {
    let inside = file.strip_prefix("src/")?;
    let name = inside.split('/').next()?.trim_end_matches(".rs");
    ORDER.iter().position(|module| *module == name)
}

#[test]
fn modules_use_only_modules_to_their_left() {
    let mut broken = Vec::new();
    for (file, text) in rust_files("src") {
        let Some(own) = module_of(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if ORDER.iter().position(|module| *module == used).is_some_and(|used| used > own) {
                    broken.push(format!("{file}:{}: {} uses {used}", number + 1, ORDER[own]));
                }
            }
        }
    }
    report("a module uses only modules to its left in lib.rs", &broken);
}

#[test]
fn files_and_functions_are_small() {
    let mut broken = Vec::new();
    for (file, text) in rust_files("src").into_iter().chain(rust_files("tests")) {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{file}: {lines} lines, so probably more than one thing"));
        }
        let mut start: Option<(usize, usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_head = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(crate) fn ", "pub(crate) async fn "];
            if start.is_none() && is_head.iter().any(|head| line.trim_start().starts_with(head)) {
                start = Some((number, indent, line.trim().to_owned()));
            }
            if let Some((began, at, head)) = &start
                && indent == *at
                && line.trim_start().starts_with('}')
            {
                if number - began > FUNCTION_LINES_MAX {
                    broken.push(format!("{file}:{}: {} lines: {head}", began + 1, number - began));
                }
                start = None;
            }
        }
    }
    report("a file has at most 400 lines, a function 70", &broken);
}

#[test]
fn every_module_says_what_it_is() {
    let silent = rust_files("src").into_iter().chain(rust_files("tests")).filter(|(_, text)| !text.starts_with("//!"));
    report("a file opens with //! and what it is", &silent.map(|(file, _)| file).collect::<Vec<_>>());
}

/// Looks for words in the files of `src` that `allowed` does not let pass.
fn absent(words: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in rust_files("src").into_iter().filter(|(file, _)| !allowed(file)) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            found.extend(
                words.iter().filter(|word| line.contains(**word)).map(|word| format!("{file}:{}: {word}", number + 1)),
            );
        }
    }
    found
}

#[test]
fn nothing_is_left_open() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimpl", "emented!(")];
    report("nothing is left open in the code", &absent(&words, |_| false));
    let ignored = concat!("#[ig", "nore");
    let tests = rust_files("src").into_iter().chain(rust_files("tests")).filter(|(_, text)| text.contains(ignored));
    report("no test is left out", &tests.map(|(file, _)| file).collect::<Vec<_>>());
}

#[test]
fn paths_are_whole() {
    let glob = concat!("use su", "per::*");
    let mut broken = Vec::new();
    for (file, text) in rust_files("src").into_iter().chain(rust_files("tests")) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let upwards = line.contains(concat!("su", "per::")) && !line.contains(glob);
            // A group of modules would hide its members from the check of the import rule.
            if upwards || line.contains(concat!("crate::", "{")) {
                broken.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    report("a path starts with crate:: and a module's name", &broken);
}

#[test]
fn only_the_domain_asks_for_the_time() {
    let found = absent(&["Timestamp::now(", "SystemTime::now(", "Zoned::now("], |file| file == "src/domain/time.rs");
    report("no wall clock outside of src/domain/time.rs", &found);
}

#[test]
fn only_the_store_knows_sql() {
    let found = absent(&["sqlx::", "SELECT ", "INSERT INTO"], |file| file.starts_with("src/store/"));
    report("no SQL outside of src/store", &found);
}

/// What shows that nobody compares what somebody showed, sign by sign: see the docs of `src/http/auth.rs`.
#[test]
fn what_is_shown_is_looked_up_by_its_hash_and_never_compared() {
    let in_auth = |file: &str| file == "src/http/auth.rs" || !file.starts_with("src/http/");
    let read = absent(&["header::AUTHORIZATION", "\"authorization\"", "SecretHash::of_code("], in_auth);
    report("only src/http/auth.rs reads what somebody shows, and hashes it", &read);
    let kept = absent(&["code: String", "token: String", "secret: String"], |file| !file.starts_with("src/http/"));
    // What an app registers is an address, no proof of anything.
    let kept: Vec<_> = kept.into_iter().filter(|line| !line.contains("devices.rs")).collect();
    report("no body of a request keeps the text of a code or token", &kept);
    let mut compared = Vec::new();
    // A destination's fields are compared with what the same person's form says.
    for (file, text) in rust_files("src").into_iter().filter(|(file, _)| file != "src/domain/destination.rs") {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_wrong =
            |line: &&str| line.contains("expose()") && ["==", "!=", ".eq(", ".cmp("].iter().any(|by| line.contains(by));
        compared.extend(code.lines().filter(is_wrong).map(|line| format!("{file}: {}", line.trim())));
    }
    report("a secret is compared in constant time, or by its hash", &compared);
    let stored = rust_files("src/store").into_iter().map(|(_, text)| text).collect::<String>();
    assert!(stored.contains("hash = ?") && !stored.contains("hash LIKE"), "hashes are looked up as a whole");
}

/// Resolves only while the type has no `PartialEq`: with it, two implementations fit, and this does not compile.
#[test]
fn a_secret_cannot_be_compared() {
    trait Compared<Marker> {
        const IS: bool = false;
    }
    impl<T: ?Sized> Compared<()> for T {}
    struct Can;
    impl<T: ?Sized + PartialEq> Compared<Can> for T {}
    const { assert!(!<bellboard::domain::secret::Secret as Compared<_>>::IS) };
}

#[test]
fn only_channels_know_the_network_client() {
    let found = absent(&["reqwest::", "lettre::"], |file| file.starts_with("src/channels/"));
    report("no HTTP or mail client outside of src/channels", &found);
}

#[test]
fn the_domain_does_no_input_or_output() {
    let elsewhere = |file: &str| !file.starts_with("src/domain/");
    let found = absent(&["std::fs", "std::net", "std::env", "tokio::", "std::process"], elsewhere);
    report("no input or output in src/domain", &found);
}

#[test]
fn the_top_level_stays_what_it_is() {
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let others =
        entries.filter(|name| !name.starts_with('.') && name != "target" && !TOP_LEVEL.contains(&name.as_str()));
    report("the visible top level is what lib.rs says", &others.collect::<Vec<_>>());
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut in_dependencies = false;
    let mut silent = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
        } else if in_dependencies && line.contains('=') && !line.contains(" # ") {
            silent.push(line.to_owned());
        }
    }
    report("a dependency says in half a line what it is for", &silent);
}

/// The words after `bellboard ` wherever the README says one, up to the first that is no name of a command.
fn commands_in(readme: &str) -> Vec<Vec<&str>> {
    let is_name = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let after = readme.split("`bellboard ").skip(1).chain(readme.split("\n   bellboard ").skip(1));
    let lines = after.map(|rest| rest.split(['`', '\n']).next().unwrap_or_default());
    lines.map(|line| line.split(' ').take_while(is_name).collect()).collect()
}

#[test]
fn the_readme_and_the_command_line_know_the_same_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let program = bellboard::cli::args::Arguments::command();
    let commands = commands_in(&readme);
    assert!(!commands.is_empty(), "the README names commands");
    let mut broken = Vec::new();
    for words in commands {
        let mut at = &program;
        // `acme` and the like are arguments: what follows a command without commands of its own is not looked at.
        for word in words {
            let Some(command) = at.find_subcommand(word) else {
                if at.has_subcommands() {
                    broken.push(format!("the README has `{word}`, which is no command"));
                }
                break;
            };
            at = command;
        }
    }
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        if !readme.contains(&format!("`bellboard {name}")) && !readme.contains(&format!("`{name}`")) {
            broken.push(format!("the README does not have `{name}`"));
        }
    }
    report("the README has every command, and no other", &broken);
}

#[test]
fn every_channel_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut missing = Vec::new();
    for channel in bellboard::domain::channel::Channel::ALL {
        for field in bellboard::channels::fields(channel) {
            if !readme.contains(&format!("`{}`", field.name)) {
                missing.push(format!("{channel}: {}", field.name));
            }
        }
    }
    report("the README's table has every field of every channel", &missing);
}
