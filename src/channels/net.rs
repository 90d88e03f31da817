//! The gate that every outgoing connection passes: only public addresses, unless the config allows a range.
//!
//! A destination's address is a stranger's text, and this process may stand in a network that strangers must not reach. So
//! a name is resolved once, every address it has is checked, and the connection goes to an address that was checked; a host
//! that is written as an address is checked as well. One refused address refuses the whole host: a name with a public and a
//! private address is a trick. The refusal names the line of the config that would allow it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// What may be connected to.
#[derive(Clone, Debug)]
pub struct Gate {
    allow: Arc<[IpNet]>,
}

/// An address that may not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} is no public address; if it is meant, add to the config (see `bellboard config path`): [network] allow = [\"{range}\"]"
)]
pub struct Refused {
    address: IpAddr,
    range: IpNet,
}

/// A host that cannot be connected to.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The gate is shut.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The name leads nowhere.
    #[error("the host name {0} cannot be found")]
    Unknown(String),
}

impl Gate {
    /// A gate that lets public addresses and these ranges through.
    #[must_use]
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { allow: allow.into() }
    }

    /// Checks one address. An address that carries an IPv4 address (mapped, NAT64, 6to4) is checked as that one too.
    ///
    /// # Errors
    /// When it is neither public nor allowed.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let inner = embedded(address).unwrap_or(address);
        let allowed = |address: IpAddr| self.allow.iter().any(|range| range.contains(&address));
        if allowed(address) || allowed(inner) || (is_public(address) && is_public(inner)) {
            return Ok(());
        }
        Err(Refused { address: inner, range: IpNet::from(inner) })
    }

    /// Checks the host of a URL when it is written as an address. The resolver is not asked for those.
    ///
    /// # Errors
    /// When it is neither public nor allowed.
    pub fn check_url(&self, url: &Url) -> Result<(), Refused> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    /// The addresses of a host, all of them checked.
    ///
    /// # Errors
    /// When it has none, or one that is refused.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, HostError> {
        let unknown = || HostError::Unknown(host.to_owned());
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let addresses = match literal {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((host, port)).await.map_err(|_| unknown())?.collect(),
        };
        for address in &addresses {
            self.check(address.ip())?;
        }
        if addresses.is_empty() { Err(unknown()) } else { Ok(addresses) }
    }
}

impl Resolve for Gate {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = self.clone();
        Box::pin(async move {
            let addresses = Self::resolve(&gate, name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The IPv4 address that an IPv6 address carries: mapped and compatible (RFC 4291 section 2.5.5), NAT64 (RFC 6052), 6to4
/// (RFC 3056), Teredo (RFC 4380).
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let octets = v6.octets();
    let at = |index: usize| {
        IpAddr::V4(Ipv4Addr::new(octets[index], octets[index + 1], octets[index + 2], octets[index + 3]))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => Some(at(12)),
        [0x2002, ..] => Some(at(2)),
        [0x2001, 0, ..] => {
            Some(IpAddr::V4(Ipv4Addr::from(!u32::from_be_bytes([octets[12], octets[13], octets[14], octets[15]]))))
        }
        _ => None,
    }
}

/// Whether an address is of the public internet (IANA's special-purpose registries, RFC 6890 and its updates).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Global unicast is 2000::/3; NAT64's well-known prefix leads to what it carries, which is checked by itself.
    // Nothing else of that block is anybody's: who answers there is a translator of this network.
    let unicast = segments[0] & 0xe000 == 0x2000 || matches!(segments, [0x64, 0xff9b, 0, 0, 0, 0, ..]);
    let mapped = address.to_ipv4_mapped().is_some();
    let documentation = (segments[0] == 0x2001 && segments[1] == 0xdb8) || segments[0] == 0x3fff;
    let benchmarking = segments[0] == 0x2001 && segments[1] == 2 && segments[2] == 0;
    let orchid = segments[0] == 0x2001 && (segments[1] & 0xfff0 == 0x10 || segments[1] & 0xfff0 == 0x20);
    (unicast || mapped) && !documentation && !benchmarking && !orchid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(allow: &[&str]) -> Gate {
        Gate::new(allow.iter().map(|range| range.parse().unwrap()).collect())
    }

    #[test]
    fn only_public_addresses_pass() {
        let check = |address: &str, passes: bool| {
            assert_eq!(gate(&[]).check(address.parse().unwrap()).is_ok(), passes, "{address}");
        };
        for public in
            ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1", "2002:101:101::"]
        {
            check(public, true);
        }
        for refused in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "64:ff9b:0:1::7f00:1",
            "64:ff9b::1:0:7f00:1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2001:0:4136:e378:8000:63bf:80ff:fffe",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
            "100::1",
        ] {
            check(refused, false);
        }
    }

    #[test]
    fn a_range_of_the_config_passes_and_a_refusal_names_it() {
        let gate = gate(&["10.1.0.0/16", "127.0.0.0/8"]);
        assert!(gate.check("10.1.2.3".parse().unwrap()).is_ok());
        assert!(gate.check("::ffff:10.1.2.3".parse().unwrap()).is_ok(), "also as a mapped address");
        let refused = gate.check("10.2.2.3".parse().unwrap()).unwrap_err().to_string();
        assert!(refused.contains("[network] allow = [\"10.2.2.3/32\"]"), "{refused}");
    }

    #[test]
    fn hosts_written_as_addresses_are_seen_through() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://①②⑦.⓪.⓪.①/",
        ] {
            assert!(gate(&[]).check_url(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert!(gate(&[]).check_url(&Url::parse("http://acme.test/").unwrap()).is_ok(), "names are for the resolver");
    }

    #[tokio::test]
    async fn names_are_resolved_and_checked() {
        assert!(matches!(gate(&[]).resolve("localhost", 80).await, Err(HostError::Refused(_))));
        assert!(gate(&["127.0.0.0/8", "::1/128"]).resolve("localhost", 80).await.is_ok());
        assert!(matches!(gate(&[]).resolve("no.such.host.invalid", 80).await, Err(HostError::Unknown(_))));
    }
}
