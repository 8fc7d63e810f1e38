//! A node's FIB, nexthop objects, links and neighbours as the kernel reports them.
//!
//! netlink-packet-route knows no nexthop messages, so the few attributes needed
//! are read here from the bytes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, BorrowedFd},
};

use ipnet::IpNet;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::netns::NetnsFd;
use crate::lab::op::VRF_TABLES;

/// Multicast groups: RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
/// RTNLGRP_NEXTHOP.
const GROUPS: [u32; 5] = [1, 3, 7, 11, 32];

const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;
const RTM_GETNEXTHOP: u16 = 106;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VRF_TABLE: u16 = 1;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BOND_SLAVE_STATE: u16 = 1;
const IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE: u16 = 7;
/// Synchronization, Collecting, Distributing.
const LACP_CARRIES: u8 = 0x08 | 0x10 | 0x20;
/// Defaulted, Expired.
const LACP_ASSUMED: u8 = 0x40 | 0x80;

const NDA_DST: u16 = 1;
/// Nobody answered: the kernel drops what is sent there.
const NUD_FAILED: u16 = 0x20;
/// REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT: the kernel sends.
const NUD_VALID: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;

/// What is in a table of its own, but in a VRF's beside its routes: RTN_LOCAL, RTN_BROADCAST,
/// RTN_ANYCAST, RTN_MULTICAST.
const RTN_OWN: std::ops::RangeInclusive<u8> = 2..=5;

/// The main table's number.
const RT_TABLE_MAIN: u32 = 254;
const IFF_LOWER_UP: u32 = 0x1_0000;

/// What the kernel said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FibNotice {
    /// A route of the main table or a VRF's appeared, changed or went.
    Route {
        /// The number of its table, if that is a VRF's.
        table: Option<u32>,
        /// Its prefix.
        prefix: IpNet,
        /// Whether it went.
        gone: bool,
        /// Gateway and ifindex of each hop written into the route itself.
        hops: Vec<Hop>,
        /// The nexthop object it points at.
        nexthop: Option<u32>,
    },
    /// A nexthop object appeared, changed or went.
    Nexthop {
        /// Its id.
        id: u32,
        /// Whether it went.
        gone: bool,
        /// Where it leads, unless it is a group or a blackhole.
        hop: Option<Hop>,
        /// Members of a group.
        group: Vec<u32>,
    },
    /// A link changed.
    Link {
        /// Its ifindex.
        index: u32,
        /// Its name.
        name: String,
        /// Whether it went.
        gone: bool,
        /// IFF_LOWER_UP: light.
        carrier: bool,
        /// Of a member of an 802.3ad bond: whether it is in the aggregate with a
        /// partner, collecting and distributing.
        aggregated: Option<bool>,
        /// Of a VRF: the number of its table.
        vrf: Option<u32>,
    },
    /// A neighbour can be sent to, or did not answer.
    Neighbour {
        /// The interface it is behind.
        index: u32,
        /// Its address.
        address: IpAddr,
        /// Whether the kernel sends to it; otherwise it drops.
        reachable: bool,
    },
    /// The kernel dropped notices for want of buffer space.
    Overrun,
}

/// One hop of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The gateway, unless the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The outgoing interface.
    pub index: u32,
}

/// Bytes of news that a subscription has room for.
pub const RECEIVE_BUFFER: u32 = 4 << 20;

/// A subscription in one namespace.
#[derive(Debug)]
pub struct FibWatch {
    socket: Socket,
}

impl FibWatch {
    /// Subscribes. What is there already is asked for by [`Self::snapshot`].
    ///
    /// # Errors
    /// No socket can be had in that namespace.
    pub fn open(netns: &NetnsFd) -> io::Result<Self> {
        Self::with_buffer(netns, RECEIVE_BUFFER)
    }

    /// The same with room for so many bytes of news; the kernel gives at most `rmem_max`, and at
    /// least about two kilobytes.
    ///
    /// # Errors
    /// No socket can be had in that namespace.
    pub fn with_buffer(netns: &NetnsFd, bytes: u32) -> io::Result<Self> {
        let socket = netns.run(|| {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            for group in GROUPS {
                socket.add_membership(group)?;
            }
            // Refused above rmem_max in a user namespace; the default then serves.
            let _ = socket.set_rx_buf_sz(bytes);
            Ok(socket)
        })?;
        let watch = Self { socket };
        watch.socket.set_non_blocking(false)?;
        Ok(watch)
    }

    /// The links, nexthop objects and routes that exist now. To be called once, before
    /// the first [`Self::read`].
    ///
    /// # Errors
    /// The kernel cannot be asked; ENOBUFS: news came faster than they could be taken in.
    pub fn snapshot(&mut self) -> io::Result<Vec<FibNotice>> {
        let mut notices = Vec::new();
        for (kind, length) in [
            (RTM_GETLINK, 16_usize),
            (RTM_GETNEXTHOP, 8),
            (RTM_GETROUTE, 12),
        ] {
            self.ask(kind, length)?;
            self.socket.set_non_blocking(false)?;
            loop {
                let (bytes, _) = self.socket.recv_from_full()?;
                notices.extend(parse(&bytes));
                if messages(&bytes).any(|(kind, _)| kind == NLMSG_DONE || kind == 2) {
                    break;
                }
            }
        }
        self.socket.set_non_blocking(true)?;
        Ok(notices)
    }

    /// Asks for the links as they are; the answers come with the next news.
    pub fn ask_links(&self) -> io::Result<()> {
        self.ask(RTM_GETLINK, 16)
    }

    /// Sends a request for everything of a kind, with an empty header of this length.
    fn ask(&self, kind: u16, length: usize) -> io::Result<()> {
        let mut request = vec![0_u8; 16 + length];
        let total = u32::try_from(request.len()).unwrap_or(0);
        request[..4].copy_from_slice(&total.to_ne_bytes());
        request[4..6].copy_from_slice(&kind.to_ne_bytes());
        request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        self.socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
        Ok(())
    }

    /// Everything that has been said since the last call; empty when nothing was.
    pub fn read(&mut self) -> io::Result<Vec<FibNotice>> {
        let mut notices = Vec::new();
        loop {
            match self.socket.recv_from_full() {
                Ok((bytes, _)) => notices.extend(parse(&bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(notices),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32) => {
                    notices.push(FibNotice::Overrun);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for FibWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Splits a datagram into message types and payloads.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let kind = u16_at(bytes, 4)?;
        let payload = bytes.get(16..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, payload))
    })
}

/// Splits attributes into types (flags masked off) and values.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3FFF;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn parse(bytes: &[u8]) -> Vec<FibNotice> {
    messages(bytes)
        .filter_map(|(kind, payload)| match kind {
            RTM_NEWROUTE | RTM_DELROUTE => route(payload, kind == RTM_DELROUTE),
            RTM_NEWNEXTHOP | RTM_DELNEXTHOP => nexthop(payload, kind == RTM_DELNEXTHOP),
            RTM_NEWLINK | RTM_DELLINK => link(payload, kind == RTM_DELLINK),
            RTM_NEWNEIGH => neighbour(payload),
            _ => None,
        })
        .collect()
}

/// `struct rtmsg` and its attributes; tables other than main are not ours.
fn route(payload: &[u8], gone: bool) -> Option<FibNotice> {
    let (family, length) = (*payload.first()?, *payload.get(1)?);
    let mut table = u32::from(*payload.get(4)?);
    let mut destination = match family {
        2 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        10 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let (mut gateway, mut index, mut nexthop, mut hops) = (None, None, None, Vec::new());
    for (kind, value) in attributes(payload.get(12..)?) {
        match kind {
            1 => destination = address(value)?,
            4 => index = u32_at(value, 0),
            5 => gateway = address(value),
            9 => hops = multipath(value),
            15 => table = u32_at(value, 0)?,
            18 => gateway = address(value.get(2..)?),
            30 => nexthop = u32_at(value, 0),
            _ => {}
        }
    }
    let is_vrf = u8::try_from(table).is_ok_and(|table| VRF_TABLES.contains(&table));
    if table != RT_TABLE_MAIN && !is_vrf || RTN_OWN.contains(payload.get(7)?) {
        return None;
    }
    if let Some(index) = index {
        hops.push(Hop { gateway, index });
    }
    Some(FibNotice::Route {
        table: is_vrf.then_some(table),
        prefix: IpNet::new(destination, length).ok()?,
        gone,
        hops,
        nexthop,
    })
}

/// RTA_MULTIPATH: a list of `struct rtnexthop`, each with attributes.
fn multipath(mut bytes: &[u8]) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let Some(hop) = bytes.get(..usize::from(u16_at(bytes, 0).unwrap_or(0))) {
        let Some(index) = u32_at(hop, 4) else { break };
        let gateway =
            attributes(hop.get(8..).unwrap_or_default()).find_map(|(kind, value)| match kind {
                5 => address(value),
                18 => address(value.get(2..)?),
                _ => None,
            });
        hops.push(Hop { gateway, index });
        bytes = bytes
            .get(hop.len().next_multiple_of(4)..)
            .unwrap_or_default();
    }
    hops
}

/// `struct nhmsg` and its attributes.
fn nexthop(payload: &[u8], gone: bool) -> Option<FibNotice> {
    let (mut id, mut index, mut gateway, mut group) = (None, None, None, Vec::new());
    for (kind, value) in attributes(payload.get(8..)?) {
        match kind {
            1 => id = u32_at(value, 0),
            2 => {
                group = value
                    .chunks_exact(8)
                    .filter_map(|member| u32_at(member, 0))
                    .collect()
            }
            5 => index = u32_at(value, 0),
            6 => gateway = address(value),
            _ => {}
        }
    }
    Some(FibNotice::Nexthop {
        id: id?,
        gone,
        hop: index.map(|index| Hop { gateway, index }),
        group,
    })
}

/// `struct ifinfomsg`, IFLA_IFNAME and, of a bond's member, its LACP state.
fn link(payload: &[u8], gone: bool) -> Option<FibNotice> {
    // A bridge reports its ports in messages of family AF_BRIDGE (7) besides.
    if *payload.first()? == 7 {
        return None;
    }
    let index = u32_at(payload, 4)?;
    let flags = u32_at(payload, 8)?;
    let (mut name, mut aggregated, mut vrf) = (None, None, None);
    for (kind, value) in attributes(payload.get(16..)?) {
        match kind {
            IFLA_IFNAME => name = Some(value),
            IFLA_LINKINFO => (aggregated, vrf) = (member(value), vrf_table(value)),
            _ => {}
        }
    }
    let name = name?;
    Some(FibNotice::Link {
        index,
        name: String::from_utf8_lossy(name.split(|b| *b == 0).next()?).into_owned(),
        gone,
        carrier: !gone && flags & IFF_LOWER_UP != 0,
        aggregated,
        vrf,
    })
}

/// `struct ndmsg` and NDA_DST; while it is being asked for, nothing is known of a neighbour.
fn neighbour(payload: &[u8]) -> Option<FibNotice> {
    // A bridge reports its forwarding table in messages of family AF_BRIDGE.
    if !matches!(payload.first()?, 2 | 10) {
        return None;
    }
    let index = u32_at(payload, 4)?;
    let state = u16_at(payload, 8)?;
    if state & (NUD_FAILED | NUD_VALID) == 0 {
        return None;
    }
    Some(FibNotice::Neighbour {
        index,
        address: address(find(payload.get(12..)?, NDA_DST)?)?,
        reachable: state & NUD_FAILED == 0,
    })
}

/// Whether a bond's member carries: its actor's state (IEEE 802.1AX §6.4.2.3) says
/// in sync, collecting and distributing, and its partner is no assumed one. A bond
/// without any partner sends on one member all the same; that is no aggregate.
fn member(link_info: &[u8]) -> Option<bool> {
    let kind = find(link_info, IFLA_INFO_SLAVE_KIND)?;
    if kind.split(|b| *b == 0).next() != Some(b"bond") {
        return None;
    }
    let data = find(link_info, IFLA_INFO_SLAVE_DATA)?;
    let state = *find(data, IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE)?.first()?;
    let active = *find(data, IFLA_BOND_SLAVE_STATE)?.first()? == 0;
    Some(active && state & LACP_CARRIES == LACP_CARRIES && state & LACP_ASSUMED == 0)
}

/// The table of a VRF.
fn vrf_table(link_info: &[u8]) -> Option<u32> {
    let kind = find(link_info, IFLA_INFO_KIND)?;
    if kind.split(|b| *b == 0).next() != Some(b"vrf") {
        return None;
    }
    u32_at(find(find(link_info, IFLA_INFO_DATA)?, IFLA_VRF_TABLE)?, 0)
}

/// The value of the first attribute of a type.
fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, fixed: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = fixed.to_vec();
        for (kind, value) in attributes {
            body.extend_from_slice(&u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            body.extend_from_slice(&kind.to_ne_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = u32::try_from(16 + body.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(&body);
        bytes
    }

    #[test]
    fn a_route_through_a_nexthop_object_and_its_object_are_read() {
        let mut rtmsg = [0_u8; 12];
        (rtmsg[0], rtmsg[1], rtmsg[4], rtmsg[7]) = (2, 16, 254, 1);
        let mut bytes = message(
            RTM_NEWROUTE,
            &rtmsg,
            &[
                (1, &[172, 31, 0, 0]),
                (30, &7_u32.to_ne_bytes()),
                (4, &12_u32.to_ne_bytes()),
            ],
        );
        bytes.extend(message(
            RTM_DELNEXTHOP,
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[
                (1, &7_u32.to_ne_bytes()),
                (5, &12_u32.to_ne_bytes()),
                (6, &[10, 0, 0, 1]),
            ],
        ));
        let gateway = Some(IpAddr::from([10, 0, 0, 1]));
        assert_eq!(
            parse(&bytes),
            [
                FibNotice::Route {
                    table: None,
                    prefix: "172.31.0.0/16".parse().unwrap(),
                    gone: false,
                    hops: vec![Hop {
                        gateway: None,
                        index: 12
                    }],
                    nexthop: Some(7),
                },
                FibNotice::Nexthop {
                    id: 7,
                    gone: true,
                    hop: Some(Hop { gateway, index: 12 }),
                    group: vec![],
                },
            ]
        );
    }

    #[test]
    fn routes_of_other_tables_are_not_ours() {
        let mut rtmsg = [0_u8; 12];
        (rtmsg[0], rtmsg[1], rtmsg[4]) = (2, 32, 255);
        assert_eq!(
            parse(&message(RTM_NEWROUTE, &rtmsg, &[(1, &[10, 0, 0, 1])])),
            []
        );
    }

    #[test]
    fn carrier_is_the_lower_up_flag() {
        let mut info = [0_u8; 16];
        info[4..8].copy_from_slice(&9_u32.to_ne_bytes());
        info[8..12].copy_from_slice(&0x1_1043_u32.to_ne_bytes());
        let up = parse(&message(RTM_NEWLINK, &info, &[(3, b"circuit\0")]));
        assert_eq!(
            up,
            [FibNotice::Link {
                index: 9,
                name: "circuit".into(),
                gone: false,
                carrier: true,
                aggregated: None,
                vrf: None,
            }]
        );
    }

    #[test]
    fn a_neighbour_that_does_not_answer_is_told_from_one_that_does_and_from_one_being_asked() {
        let told = |family: u8, state: u16| {
            let mut ndmsg = [0_u8; 12];
            ndmsg[0] = family;
            ndmsg[4..8].copy_from_slice(&9_u32.to_ne_bytes());
            ndmsg[8..10].copy_from_slice(&state.to_ne_bytes());
            let bytes = message(RTM_NEWNEIGH, &ndmsg, &[(NDA_DST, &[10, 0, 0, 1])]);
            parse(&bytes).pop()
        };
        let neighbour = |reachable| {
            Some(FibNotice::Neighbour {
                index: 9,
                address: IpAddr::from([10, 0, 0, 1]),
                reachable,
            })
        };
        assert_eq!(told(2, NUD_FAILED), neighbour(false));
        assert_eq!(told(2, 0x02), neighbour(true), "reachable");
        assert_eq!(told(2, 0x04), neighbour(true), "stale");
        assert_eq!(told(2, 0x01), None, "incomplete");
        assert_eq!(told(7, 0x02), None, "a bridge's forwarding table");
    }

    fn nested(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        message(0, &[], attributes).split_off(16)
    }

    #[test]
    fn a_bonds_member_tells_whether_it_is_in_the_aggregate() {
        let told = |kind: &[u8], backup: u8, actor: u8| {
            let slave = nested(&[
                (IFLA_BOND_SLAVE_STATE, &[backup]),
                (IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE, &[actor]),
            ]);
            let info = nested(&[(IFLA_INFO_SLAVE_KIND, kind), (IFLA_INFO_SLAVE_DATA, &slave)]);
            let attributes: [(u16, &[u8]); 2] = [(IFLA_IFNAME, b"c1\0"), (IFLA_LINKINFO, &info)];
            let bytes = message(RTM_NEWLINK, &[0; 16], &attributes);
            match parse(&bytes).pop() {
                Some(FibNotice::Link { aggregated, .. }) => aggregated,
                other => panic!("{other:?}"),
            }
        };
        // Activity, Timeout, Aggregation, and in sync, collecting, distributing.
        assert_eq!(told(b"bond\0", 0, 0x3F), Some(true));
        assert_eq!(told(b"bond\0", 1, 0x3F), Some(false), "held back");
        assert_eq!(told(b"bond\0", 0, 0x0F), Some(false), "attached only");
        assert_eq!(
            told(b"bond\0", 0, 0x7F),
            Some(false),
            "its partner is assumed"
        );
        assert_eq!(told(b"bridge\0", 0, 0x3F), None);
    }

    #[test]
    fn a_vrf_is_known_by_its_table_and_keeps_its_routes_apart() {
        let table = u32::from(*VRF_TABLES.start());
        let data = nested(&[(IFLA_VRF_TABLE, &table.to_ne_bytes())]);
        let told = |kind: &[u8]| {
            let info = nested(&[(IFLA_INFO_KIND, kind), (IFLA_INFO_DATA, &data)]);
            let attributes: [(u16, &[u8]); 2] = [(IFLA_IFNAME, b"prod\0"), (IFLA_LINKINFO, &info)];
            match parse(&message(RTM_NEWLINK, &[0; 16], &attributes)).pop() {
                Some(FibNotice::Link { vrf, .. }) => vrf,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(told(b"vrf\0"), Some(table));
        assert_eq!(told(b"vlan\0"), None, "the same attribute is its flags");
        let route = |kind: u8| {
            let mut rtmsg = [0_u8; 12];
            (rtmsg[0], rtmsg[1], rtmsg[7]) = (2, 24, kind);
            rtmsg[4] = *VRF_TABLES.start();
            match parse(&message(RTM_NEWROUTE, &rtmsg, &[(1, &[10, 0, 0, 0])])).pop() {
                Some(FibNotice::Route { table, .. }) => Some(table),
                _ => None,
            }
        };
        assert_eq!(route(1), Some(Some(table)), "unicast");
        assert_eq!(route(7), Some(Some(table)), "unreachable");
        assert_eq!(route(2), None, "an address of the node's own");
    }

    #[test]
    fn damaged_datagrams_say_nothing_and_never_panic() {
        let whole = message(
            RTM_NEWNEXTHOP,
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[(1, &7_u32.to_ne_bytes())],
        );
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), []);
        }
        for byte in 0..whole.len() {
            let mut bent = whole.clone();
            bent[byte] ^= 0xFF;
            let _ = parse(&bent);
        }
    }
}
