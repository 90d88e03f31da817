//! What is in this process's memory stays there: keys and tokens are. And there is little of it, where many sit on one host.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Leaves no core dump, whatever the limits and the system's handler of crashes say, and lets no other process of this user look
/// into this one's memory or environment (prctl(2), `PR_SET_DUMPABLE`). Where the system does not know of it, all else goes on.
pub fn keep_to_itself() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Has the system give memory in small pages only (prctl(2), `PR_SET_THP_DISABLE`): in huge ones a console, which needs some
/// 10 MB, takes twice that, and a service that stores 30,000 events a second 74 MB instead of 52, no faster.
pub fn in_small_pages() {
    let _ = nix::sys::prctl::set_thp_disable(true);
}
