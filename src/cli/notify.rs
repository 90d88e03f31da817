//! What a service manager is told (`sd_notify(3)`): that all is up, what it does, that it still moves, that it ends.
//!
//! One datagram a message, to the socket that `NOTIFY_SOCKET` names. Where nobody listens, nothing is told and nothing fails.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::domain::text::safe_line;

/// The way to the service manager.
#[derive(Debug)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says, which `variable` reads.
    ///
    /// # Errors
    /// When it names a socket that cannot be reached.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> io::Result<Self> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self { socket: None, watchdog: None });
        };
        let address = match name.strip_prefix('@') {
            Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // The manager reads at once; whatever keeps it must not keep us.
        socket.set_nonblocking(true)?;
        let is_for_us = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let micros = variable("WATCHDOG_USEC").filter(|_| is_for_us).and_then(|text| text.parse().ok());
        let watchdog = micros.filter(|micros| *micros > 0).map(Duration::from_micros);
        Ok(Self { socket: Some(socket), watchdog })
    }

    /// How long the manager waits for a sign of life; nothing when it does not watch.
    #[must_use]
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Everything is up.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// It still moves.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// What it is doing, in a line for people.
    pub fn status(&self, text: &str) {
        self.tell(&format!("STATUS={}", safe_line(text)));
    }

    /// It is not up yet, and needs so much longer from now on.
    pub fn needs(&self, longer: Duration) {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}", longer.as_micros()));
    }

    /// It ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(message.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_whoever_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let own = std::process::id().to_string();
        let told = |pid: &str| {
            let values =
                [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", pid)];
            let variable =
                |name: &str| values.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
            Notify::new(variable).unwrap()
        };
        let notify = told(&own);
        assert_eq!(notify.watchdog(), Some(Duration::from_secs(3)));
        assert_eq!(told("1").watchdog(), None, "it is another process that is watched");
        notify.status("two\nlines");
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STATUS=two lines");
    }

    #[test]
    fn without_a_manager_nothing_is_told() {
        let nobody = Notify::new(|_| None).unwrap();
        nobody.ready();
        assert_eq!(nobody.watchdog(), None);
        assert!(Notify::new(|name| (name == "NOTIFY_SOCKET").then(|| "/nowhere/at/all".to_owned())).is_err());
    }
}
