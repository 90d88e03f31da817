//! How many of something each one holds at once, so that one of them cannot hold all there is.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// What is held, by whom. Clones share it.
#[derive(Clone, Debug)]
pub struct Counts<K> {
    held: Arc<Mutex<HashMap<K, usize>>>,
}

/// One that is held; given back when it is dropped.
#[derive(Debug)]
pub struct Held<K: Copy + Eq + Hash> {
    counts: Counts<K>,
    by: K,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { held: Arc::default() }
    }
}

impl<K: Copy + Eq + Hash> Counts<K> {
    /// One more, unless `by` holds `max` already.
    #[must_use]
    pub fn hold(&self, by: K, max: usize) -> Option<Held<K>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.entry(by).or_default();
        if *own >= max {
            return None;
        }
        *own += 1;
        Some(Held { counts: self.clone(), by })
    }
}

impl<K: Copy + Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        let mut held = self.counts.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&self.by) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.by);
            }
        }
    }
}

/// Whom an address stands for: of IPv6 its first 64 bits, since whoever has one address there has all of them (RFC 4291 section
/// 2.5.4).
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    const INTERFACE: u128 = 0xffff_ffff_ffff_ffff;
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !INTERFACE)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holds_so_many_and_what_is_given_back_counts_no_more() {
        let counts = Counts::default();
        let first = counts.hold(1, 2).unwrap();
        let _second = counts.hold(1, 2).unwrap();
        assert!(counts.hold(1, 2).is_none());
        assert!(counts.hold(2, 2).is_some(), "another one");
        drop(first);
        assert!(counts.hold(1, 2).is_some());
        assert_eq!(counts.held.lock().unwrap().len(), 1, "who holds nothing is not remembered");
    }

    #[test]
    fn a_network_is_one() {
        let check = |address: &str, expected: &str| {
            assert_eq!(network(address.parse().unwrap()).to_string(), expected, "{address}");
        };
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        check("::1", "::");
    }
}
