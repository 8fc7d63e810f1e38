//! Addresses that nobody wrote down, derived from names.
//!
//! A subnet's place in its pool is a hash of the pool and the name it serves, so
//! neither file order nor another node or link moves it. Only two names that
//! hash to the same place (or a place the lab's own prefixes cover) are settled
//! by another hash, in the order of the names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sha2::{Digest, Sha256};

use crate::lab::model::aws::RESERVED_INSIDE;

/// A range subnets are taken from; no two share an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// Links between routers: 100.64.0.0/11 (RFC 6598), which no site announces.
    Private,
    /// Links that touch the internet: 198.18.0.0/15 (RFC 2544 benchmarking).
    Internet,
    /// Inside addresses of VIFs and VPN tunnels: 169.254.0.0/16, as AWS uses it.
    Session,
    /// Segments behind a switch: 100.96.0.0/11 in blocks of 256.
    Segment,
}

impl Pool {
    const fn range(self) -> (Ipv4Addr, u8) {
        match self {
            Self::Private => (Ipv4Addr::new(100, 64, 0, 0), 11),
            Self::Segment => (Ipv4Addr::new(100, 96, 0, 0), 11),
            Self::Internet => (Ipv4Addr::new(198, 18, 0, 0), 15),
            Self::Session => (Ipv4Addr::new(169, 254, 0, 0), 16),
        }
    }

    const fn block_len(self) -> u8 {
        match self {
            Self::Segment => 24,
            Self::Private | Self::Internet | Self::Session => 30,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Internet => "internet",
            Self::Session => "session",
            Self::Segment => "segment",
        }
    }
}

/// The pool's room is used up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Exhausted {
    /// The name that wanted one.
    pub name: String,
    /// A prefix of the lab's own that takes all the room there is.
    pub taken_by: Option<IpNet>,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no free subnet is left for `{}`", self.name)?;
        match self.taken_by {
            Some(prefix) => write!(
                f,
                ": `{prefix}`, which the file names, holds every address that could be given to it"
            ),
            None => Ok(()),
        }
    }
}

/// A prefix this short covers everything; nobody means to keep it free.
const TOO_WIDE_TO_AVOID: u8 = 7;

/// Subnets in use: the lab's own and those given out.
#[derive(Debug, Default)]
pub struct AddressBook {
    avoided: Vec<IpNet>,
    given: BTreeSet<IpNet>,
}

impl AddressBook {
    /// Starts with the prefixes the lab itself names; they are never given out.
    pub fn avoiding(lab: impl IntoIterator<Item = IpNet>) -> Self {
        let reserved = RESERVED_INSIDE.map(IpNet::V4);
        Self {
            avoided: lab
                .into_iter()
                .filter(|prefix| prefix.prefix_len() > TOO_WIDE_TO_AVOID)
                .map(|prefix| prefix.trunc())
                .chain(reserved)
                .collect(),
            given: BTreeSet::new(),
        }
    }

    /// One IPv4 subnet for each name. All names that want a subnet of a pool are
    /// asked for together, so that the names alone decide.
    ///
    /// # Errors
    /// The first name for which the pool has no room.
    pub fn subnets_v4(
        &mut self,
        pool: Pool,
        names: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, Ipv4Net>, Exhausted> {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort();
        names.dedup();
        let mut found = BTreeMap::new();
        for name in names {
            let subnet = self.subnet_v4(pool, &name)?;
            found.insert(name, subnet);
        }
        Ok(found)
    }

    fn subnet_v4(&mut self, pool: Pool, name: &str) -> Result<Ipv4Net, Exhausted> {
        let (base, pool_len) = pool.range();
        let len = pool.block_len();
        let blocks = 1u32 << (len - pool_len);
        let block_size = 1u32 << (32 - len);
        candidates(pool.word(), name, blocks)
            .map(|block| u32::from(base) + block * block_size)
            .filter_map(|network| Ipv4Net::new(Ipv4Addr::from(network), len).ok())
            .find(|&subnet| self.take(IpNet::V4(subnet)))
            .ok_or_else(|| Exhausted {
                name: name.to_owned(),
                taken_by: self.holder(IpNet::V4(Ipv4Net::new_assert(base, pool_len))),
            })
    }

    /// The prefix of the lab's own that holds a whole pool.
    fn holder(&self, pool: IpNet) -> Option<IpNet> {
        let mut avoided = self.avoided.iter().copied();
        avoided.find(|taken| taken.contains(&pool))
    }

    /// A /30 out of a range of the file's own, clear of what else the file names in there.
    ///
    /// # Errors
    /// There is no room.
    pub fn subnet_within(&mut self, range: Ipv4Net, name: &str) -> Result<Ipv4Net, Exhausted> {
        const LENGTH: u8 = 30;
        let exhausted = || Exhausted {
            name: name.to_owned(),
            taken_by: None,
        };
        let bits = LENGTH
            .checked_sub(range.prefix_len())
            .ok_or_else(exhausted)?;
        let whole = IpNet::V4(range);
        let is_free = |subnet: &IpNet| {
            let inside = |taken: &&IpNet| !taken.contains(&whole) && overlap(taken, subnet);
            !self.avoided.iter().any(|taken| inside(&taken))
        };
        let base = u32::from(range.network());
        let subnet = candidates("within", name, 1u32 << bits.min(16))
            .filter_map(|block| Ipv4Net::new(Ipv4Addr::from(base + block * 4), LENGTH).ok())
            .find(|&subnet| {
                let subnet = IpNet::V4(subnet);
                is_free(&subnet) && self.given.insert(subnet)
            });
        subnet.ok_or_else(exhausted)
    }

    /// One IPv6 /64 for each name, out of fd62:6b68::/32 (RFC 4193).
    ///
    /// # Errors
    /// The first name for which no /64 is free.
    pub fn subnets_v6(
        &mut self,
        names: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, Ipv6Net>, Exhausted> {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort();
        names.dedup();
        let mut found = BTreeMap::new();
        for name in names {
            let subnet = self.subnet_v6(&name)?;
            found.insert(name, subnet);
        }
        Ok(found)
    }

    fn subnet_v6(&mut self, name: &str) -> Result<Ipv6Net, Exhausted> {
        let base = u128::from(Ipv6Addr::new(0xfd62, 0x6b68, 0, 0, 0, 0, 0, 0));
        candidates("v6", name, u32::MAX)
            .map(|block| base | u128::from(block) << 64)
            .filter_map(|network| Ipv6Net::new(Ipv6Addr::from(network), 64).ok())
            .find(|&subnet| self.take(IpNet::V6(subnet)))
            .ok_or_else(|| Exhausted {
                name: name.to_owned(),
                taken_by: None,
            })
    }

    fn take(&mut self, subnet: IpNet) -> bool {
        // Blocks of one pool are aligned and of one size: equal or disjoint.
        !self.avoided.iter().any(|taken| overlap(taken, &subnet)) && self.given.insert(subnet)
    }
}

/// Whether two prefixes share an address.
pub fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// The `n`th address of a subnet, with the subnet's length; the network address is 0.
pub fn nth_v4(subnet: Ipv4Net, n: u32) -> IpNet {
    let address = Ipv4Addr::from(u32::from(subnet.network()).wrapping_add(n));
    Ipv4Net::new(address, subnet.prefix_len())
        .unwrap_or(subnet)
        .into()
}

/// The `n`th address of a subnet, with the subnet's length; the network address is 0.
pub fn nth_v6(subnet: Ipv6Net, n: u32) -> IpNet {
    let address = Ipv6Addr::from(u128::from(subnet.network()).wrapping_add(u128::from(n)));
    Ipv6Net::new(address, subnet.prefix_len())
        .unwrap_or(subnet)
        .into()
}

/// The first address of the network `address` is in: the gateway of a host's subnet.
/// Of a /31, /127 or longer prefix it is the network address itself.
pub fn first_of(address: &IpNet) -> IpNet {
    match address {
        IpNet::V4(net) => nth_v4(*net, u32::from(net.prefix_len() < 31)),
        IpNet::V6(net) => nth_v6(*net, u32::from(net.prefix_len() < 127)),
    }
}

/// A BGP identifier for a node without an IPv4 address, out of 127.64.0.0/10.
pub fn router_id(node: &str) -> Ipv4Addr {
    let low = hash("router-id", node) as u32 & 0x003f_ffff;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 64, 0, 0)) | low.max(1))
}

/// Places to try for a name: many hashed ones, since a wide prefix of the lab's
/// may cover much of the pool, then every one in order.
fn candidates<'n>(
    purpose: &'n str,
    name: &'n str,
    blocks: u32,
) -> impl Iterator<Item = u32> + use<'n> {
    let hashed = (0..64).map(move |attempt: u32| match attempt {
        0 => (hash(purpose, name) % u64::from(blocks)) as u32,
        again => (hash(purpose, &format!("{name}/{again}")) % u64::from(blocks)) as u32,
    });
    hashed.chain(0..blocks)
}

/// A number that depends on the name and its purpose only.
pub fn hash(purpose: &str, name: &str) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(purpose.as_bytes());
    hasher.update([0]);
    hasher.update(name.as_bytes());
    let digest = hasher.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn another_name_moves_nobody() {
        let give = |of: &[&str]| {
            let mut book = AddressBook::avoiding([]);
            book.subnets_v4(Pool::Private, names(of)).unwrap()
        };
        let few = give(&["circuit", "backbone"]);
        let more = give(&["zebra", "uplink", "circuit", "alpha", "backbone"]);
        for (name, subnet) in few {
            assert_eq!(more.get(&name), Some(&subnet), "{name}");
        }
    }

    #[test]
    fn subnets_never_overlap_each_other_or_the_lab() {
        let lab: IpNet = "100.64.0.0/12".parse().unwrap();
        let mut book = AddressBook::avoiding([lab]);
        let many: Vec<String> = (0..3000).map(|n| format!("link{n}")).collect();
        let given = book.subnets_v4(Pool::Private, many.clone()).unwrap();
        let given_v6 = book.subnets_v6(many).unwrap();
        let mut networks: Vec<u32> = given.values().map(|s| u32::from(s.network())).collect();
        networks.sort_unstable();
        networks.dedup();
        assert_eq!(networks.len(), 3000);
        assert!(given.values().all(|s| !overlap(&lab, &IpNet::V4(*s))));
        let mut six: Vec<_> = given_v6.values().collect();
        six.sort();
        six.dedup();
        assert_eq!(six.len(), 3000);
    }

    #[test]
    fn a_block_of_a_range_is_clear_of_what_else_is_in_there() {
        let range: Ipv4Net = "198.51.100.0/28".parse().unwrap();
        let host: IpNet = "198.51.100.5/29".parse().unwrap();
        let mut book = AddressBook::avoiding([IpNet::V4(range), host]);
        let block = |book: &mut AddressBook, name| book.subnet_within(range, name);
        let (one, two) = (block(&mut book, "one"), block(&mut book, "two"));
        let mut found = [one.unwrap(), two.unwrap()];
        found.sort();
        let free = ["198.51.100.8/30", "198.51.100.12/30"];
        assert_eq!(found.map(|block| block.to_string()), free);
        assert!(block(&mut book, "three").is_err());
    }

    #[test]
    fn blocks_aws_reserves_are_never_given() {
        let mut book = AddressBook::avoiding([]);
        let all: Vec<String> = (0..16_384 - 7).map(|n| format!("s{n}")).collect();
        let given = book.subnets_v4(Pool::Session, all).unwrap();
        for reserved in RESERVED_INSIDE {
            assert!(given.values().all(|&s| s != reserved), "{reserved}");
        }
        assert_eq!(
            book.subnets_v4(Pool::Session, names(&["one-more"])),
            Err(Exhausted {
                name: "one-more".to_owned(),
                taken_by: None
            })
        );
    }

    #[test]
    fn a_prefix_that_holds_a_whole_pool_is_named() {
        let wide: IpNet = "100.64.0.0/10".parse().unwrap();
        let mut book = AddressBook::avoiding([wide]);
        let refused = book.subnets_v4(Pool::Private, names(&["wan"]));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "no free subnet is left for `wan`: `100.64.0.0/10`, which the file names, holds every address that could be given to it"
        );
        assert!(book.subnets_v4(Pool::Internet, names(&["wan"])).is_ok());
    }

    #[test]
    fn a_gateway_is_the_first_address() {
        for (host, gateway) in [
            ("10.0.1.10/24", "10.0.1.1/24"),
            ("10.0.1.1/31", "10.0.1.0/31"),
            ("fd00:1::10/64", "fd00:1::1/64"),
        ] {
            assert_eq!(first_of(&host.parse().unwrap()), gateway.parse().unwrap());
        }
    }
}
