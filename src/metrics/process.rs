//! What the kernel says of this process (proc(5)). Nothing where it says nothing.

use std::fs;
use std::time::Duration;

/// Memory that is in use, in bytes.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Processor time used so far, in user and in system mode.
#[must_use]
pub fn cpu_time() -> Option<Duration> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(used.tv_sec.try_into().ok()?, used.tv_nsec.try_into().ok()?))
}

/// Files and sockets that are open.
#[must_use]
pub fn open_files() -> Option<usize> {
    // The folder is open itself while it is read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_this_process() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20), "a test takes more than a megabyte");
        assert!(cpu_time().is_some());
        let before = open_files().unwrap();
        let _file = fs::File::open("/proc/self/stat").unwrap();
        assert!(open_files().unwrap() > 0 && before > 0);
    }
}
