//! The terminal's device: bytes out and in, and no call ever waits, so that a terminal that takes nothing holds up nothing.
//!
//! A device is opened anew where that can be done: the mode of not waiting belongs to the opening, and the shell shares the
//! one that bellboard was started with.

use std::io::{self, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl, fstat, open};
use rustix::io::{Errno, read, write};
use rustix::termios::tcgetwinsize;

/// The device, for as long as the program runs: what gives the terminal back in a panic needs it too.
static DEVICE: OnceLock<OwnedFd> = OnceLock::new();

/// The device.
///
/// # Errors
/// When there is none.
pub(crate) fn device() -> io::Result<BorrowedFd<'static>> {
    if DEVICE.get().is_none() {
        let device = open_device()?;
        let _ = DEVICE.set(device);
    }
    DEVICE.get().map(AsFd::as_fd).ok_or_else(|| io::ErrorKind::NotConnected.into())
}

fn open_device() -> io::Result<OwnedFd> {
    let shown = fstat(stdout())?.st_rdev;
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // After `su` the device belongs to somebody else; the controlling terminal may be opened by its other name all the same.
    for name in ["/proc/self/fd/1", "/dev/tty"] {
        if let Ok(device) = open(name, flags, Mode::empty())
            && fstat(&device).is_ok_and(|found| found.st_rdev == shown || name == "/dev/tty")
        {
            fcntl_setfl(&device, OFlags::NONBLOCK)?;
            return Ok(device);
        }
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(stdout(), 0)?)
}

/// Columns and lines; nothing of either when the device does not say.
#[must_use]
pub(crate) fn size() -> (u16, u16) {
    device().ok().and_then(|device| tcgetwinsize(device).ok()).map_or((0, 0), |size| (size.ws_col, size.ws_row))
}

/// Writes as much as the device takes now; says how much that was.
///
/// # Errors
/// When the device is gone.
pub(crate) fn put(bytes: &[u8]) -> io::Result<usize> {
    let device = device()?;
    let mut done = 0;
    while done < bytes.len() {
        match write(device, &bytes[done..]) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

/// Writes all, waiting for the device at most so long; what is left then is dropped.
pub(crate) fn put_within(mut bytes: &[u8], wait_max: Duration) {
    let Ok(device) = device() else { return };
    let end = Instant::now() + wait_max;
    while !bytes.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(&device, PollFlags::OUT)];
        let polled = poll(&mut fds, Timespec::try_from(left).ok().as_ref());
        let is_gone = fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
        if polled == Ok(0) || is_gone || (polled.is_err() && left.is_zero()) {
            return;
        }
        match put(bytes) {
            Ok(done) => bytes = &bytes[done..],
            Err(_) => return,
        }
    }
}

/// Reads what is there. Nothing at all means that the terminal is gone.
///
/// # Errors
/// `WouldBlock` when nothing is there yet.
pub(crate) fn get(buffer: &mut [u8]) -> io::Result<usize> {
    match read(device()?, buffer) {
        Ok(count) => Ok(count),
        Err(Errno::AGAIN | Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
        Err(_) => Ok(0),
    }
}
