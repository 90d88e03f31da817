//! Who acts: the login behind the SSH session, not the account that sudo made of it.

use std::ffi::CString;
use std::io;

use nix::unistd::{Group, User, getgrouplist};

use crate::domain::command::Actor;
use crate::domain::text::{safe_line, shorten};

/// Longest login or origin that is recorded, in characters.
const CHARACTERS_MAX: usize = 80;

/// The person at the terminal of this process.
#[must_use]
pub fn current() -> Actor {
    let user_id = rustix::process::getuid().as_raw();
    from(|name| std::env::var(name).ok(), terminal().as_deref(), user_id)
}

/// `SUDO_USER` before `USER` before `LOGNAME` before the number; the terminal, and the address that SSH names.
fn from(variable: impl Fn(&str) -> Option<String>, terminal: Option<&str>, user_id: u32) -> Actor {
    let present = |name: &str| variable(name).map(|text| cleaned(&text)).filter(|text| !text.is_empty());
    let login = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(present);
    let address = ["SSH_CONNECTION", "SSH_CLIENT"]
        .into_iter()
        .find_map(|name| present(name)?.split(' ').next().map(str::to_owned));
    let terminal = terminal.map(cleaned);
    let origin = match (terminal, address) {
        (Some(terminal), Some(address)) => format!("{terminal} from {address}"),
        (Some(terminal), None) => terminal,
        (None, Some(address)) => format!("no terminal, from {address}"),
        (None, None) => "no terminal".to_owned(),
    };
    Actor { login: login.unwrap_or_else(|| format!("uid {user_id}")), origin }
}

/// The groups that a login is in, by name; none when the system does not know it.
#[must_use]
pub fn groups(login: &str) -> Vec<String> {
    let Ok(Some(user)) = User::from_name(login) else { return Vec::new() };
    let Ok(name) = CString::new(login) else { return Vec::new() };
    let ids = getgrouplist(&name, user.gid).unwrap_or_default();
    ids.into_iter().filter_map(|id| Group::from_gid(id).ok().flatten()).map(|group| group.name).collect()
}

fn cleaned(text: &str) -> String {
    shorten(safe_line(text).trim(), CHARACTERS_MAX).into_owned()
}

/// The terminal's name without its folder, as `pts/3`: of stdin, or of what else is still one.
fn terminal() -> Option<String> {
    let name = rustix::termios::ttyname(io::stdin(), Vec::new())
        .or_else(|_| rustix::termios::ttyname(io::stderr(), Vec::new()))
        .or_else(|_| rustix::termios::ttyname(io::stdout(), Vec::new()))
        .ok()?;
    let name = name.to_string_lossy();
    Some(name.strip_prefix("/dev/").unwrap_or(&name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logins_groups_are_known() {
        assert_eq!(groups("root"), ["root"]);
        assert!(groups("nobody-of-that-name").is_empty());
        assert!(groups("nul\0").is_empty());
    }

    #[test]
    fn the_login_is_the_one_that_came_in() {
        let check = |variables: &[(&str, &str)], terminal: Option<&str>, login: &str, origin: &str| {
            let variable =
                |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
            let expected = Actor { login: login.to_owned(), origin: origin.to_owned() };
            assert_eq!(from(variable, terminal, 1000), expected, "{variables:?}");
        };
        check(&[("SUDO_USER", "jane"), ("USER", "root")], Some("pts/3"), "jane", "pts/3");
        check(&[("SUDO_USER", ""), ("USER", "joe"), ("LOGNAME", "x")], None, "joe", "no terminal");
        check(&[("LOGNAME", "x\x1b[2J")], None, "x·[2J", "no terminal");
        check(&[], None, "uid 1000", "no terminal");
        check(
            &[("USER", "jane"), ("SSH_CONNECTION", "192.0.2.7 5021 10.0.0.1 22")],
            Some("pts/3"),
            "jane",
            "pts/3 from 192.0.2.7",
        );
        check(&[("SSH_CLIENT", "::1 5021 22")], None, "uid 1000", "no terminal, from ::1");
    }
}
