//! Operations as route netlink messages.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd},
};

use rtnetlink::{
    LinkBond, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVlan, LinkVrf,
    RouteMessageBuilder,
    packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
        link::{
            BondLacpRate, BondMode, BondXmitHashPolicy, InfoData, InfoVeth, LinkAttribute,
            LinkMessage,
        },
        route::{RouteHeader, RouteType},
        rule::{RuleAction, RuleAttribute, RuleMessage},
    },
};

use crate::{
    lab::op::{
        BOND_MIIMON_MS, INBOUND_PRIORITIES, Inbound, Netns, OWN_PRIORITY, RouteTarget, VethEnd,
    },
    os::netns::NetnsFd,
    units::{HashPolicy, LacpRate},
};

pub(super) type Message = NetlinkMessage<RouteNetlinkMessage>;

/// Segmentation offload on a wire makes frames of at most this many bytes, so
/// that the relay's ring has slots for many.
pub const WIRE_GSO_MAX: u32 = 32_768;

/// Both ends are placed at creation: moving a link afterwards costs 30 ms of RCU
/// grace periods, and a second queue doubles the price of the pair.
pub(super) fn add_veth(
    (a, a_ns): (&VethEnd, &NetnsFd),
    (b, b_ns): (&VethEnd, &NetnsFd),
    mtu: u32,
) -> Message {
    let wired = a.netns == Netns::Wire || b.netns == Netns::Wire;
    let peer = place(
        LinkMessageBuilder::<LinkUnspec>::new(),
        b,
        b_ns,
        (mtu, wired),
    )
    .build();
    let veth = LinkMessageBuilder::<LinkVeth>::new(a.name.as_str(), b.name.as_str())
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
    create(RouteNetlinkMessage::NewLink(
        place(veth, a, a_ns, (mtu, wired)).build(),
    ))
}

fn place<T>(
    builder: LinkMessageBuilder<T>,
    end: &VethEnd,
    netns: &NetnsFd,
    (mtu, wired): (u32, bool),
) -> LinkMessageBuilder<T> {
    let builder = if wired {
        builder.append_extra_attribute(LinkAttribute::GsoMaxSize(WIRE_GSO_MAX))
    } else {
        builder
    };
    builder
        .name(end.name.as_str())
        .index(end.index)
        .mtu(mtu)
        .setns_by_fd(netns.as_fd().as_raw_fd())
        .append_extra_attribute(LinkAttribute::NumTxQueues(1))
        .append_extra_attribute(LinkAttribute::NumRxQueues(1))
}

pub(super) fn add_bridge(name: &str, index: u32) -> Message {
    create(RouteNetlinkMessage::NewLink(
        LinkBridge::new(name).index(index).build(),
    ))
}

pub(super) fn add_vlan((name, index): (&str, u32), parent: u32, id: u16, mtu: u32) -> Message {
    let vlan = LinkVlan::new(name, parent, id).index(index).mtu(mtu);
    create(RouteNetlinkMessage::NewLink(vlan.build()))
}

/// What a bond is told at its creation: its mode cannot change once it has members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bonding {
    pub(super) lacp: LacpRate,
    pub(super) min_links: u8,
    pub(super) hash: HashPolicy,
}

/// LACP is active (the kernel's default, and AWS's side as well). `miimon` is what
/// looks at the members' carrier.
pub(super) fn add_bond((name, index): (&str, u32), mtu: u32, how: Bonding) -> Message {
    let bond = LinkBond::new(name)
        .index(index)
        .mtu(mtu)
        .mode(BondMode::Ieee8023Ad)
        .miimon(BOND_MIIMON_MS)
        .ad_lacp_rate(match how.lacp {
            LacpRate::Slow => BondLacpRate::Slow,
            LacpRate::Fast => BondLacpRate::Fast,
        })
        .min_links(how.min_links.into())
        .xmit_hash_policy(match how.hash {
            HashPolicy::Layer34 => BondXmitHashPolicy::Layer34,
            HashPolicy::Layer23 => BondXmitHashPolicy::Layer23,
            HashPolicy::Layer2 => BondXmitHashPolicy::Layer2,
        });
    create(RouteNetlinkMessage::NewLink(bond.build()))
}

pub(super) fn add_vrf((name, index): (&str, u32), table: u8) -> Message {
    let vrf = LinkVrf::new(name, table.into()).index(index);
    create(RouteNetlinkMessage::NewLink(vrf.build()))
}

pub(super) fn set_master(port: u32, master: u32) -> Message {
    change(LinkUnspec::new_with_index(port).controller(master).build())
}

pub(super) fn set_up(index: u32) -> Message {
    change(LinkUnspec::new_with_index(index).up().build())
}

pub(super) fn set_down(index: u32) -> Message {
    change(LinkUnspec::new_with_index(index).down().build())
}

/// Without duplicate address detection: a tentative IPv6 address cannot send for a second.
pub(super) fn add_address(index: u32, address: ipnet::IpNet) -> Message {
    create(RouteNetlinkMessage::NewAddress(address_message(
        index, address,
    )))
}

pub(super) fn del_address(index: u32, address: ipnet::IpNet) -> Message {
    request(
        RouteNetlinkMessage::DelAddress(address_message(index, address)),
        0,
    )
}

fn address_message(index: u32, address: ipnet::IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix_len();
    message.header.family = match address {
        ipnet::IpNet::V4(_) => AddressFamily::Inet,
        ipnet::IpNet::V6(_) => AddressFamily::Inet6,
    };
    if matches!(address, ipnet::IpNet::V6(_)) {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![
        AddressAttribute::Local(address.addr()),
        AddressAttribute::Address(address.addr()),
    ];
    message
}

pub(super) fn add_route(
    prefix: ipnet::IpNet,
    to: &RouteTarget,
    table: Option<u8>,
) -> io::Result<Message> {
    let invalid =
        |error: String| io::Error::new(io::ErrorKind::InvalidInput, format!("route: {error}"));
    let route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(prefix.network(), prefix.prefix_len())
        .map_err(|error| invalid(error.to_string()))?;
    let route = match to {
        RouteTarget::Via(gateway) => route
            .gateway(*gateway)
            .map_err(|error| invalid(error.to_string()))?,
        RouteTarget::Blackhole => route.kind(RouteType::BlackHole),
    };
    let route = match table {
        Some(table) => route.table_id(table.into()),
        None => route,
    };
    Ok(create(RouteNetlinkMessage::NewRoute(route.build())))
}

/// A rule for what comes in by the interface of this name.
pub(super) fn add_rule(dev: &str, inbound: Inbound) -> Message {
    let mut rule = RuleMessage::default();
    rule.attributes.push(RuleAttribute::Iifname(dev.to_owned()));
    let [prefixes, others] = INBOUND_PRIORITIES;
    let (ipv6, priority) = match inbound {
        Inbound::To(prefix) => {
            rule.header.dst_len = prefix.prefix_len();
            rule.header.action = RuleAction::ToTable;
            rule.header.table = RouteHeader::RT_TABLE_MAIN;
            rule.attributes
                .push(RuleAttribute::Destination(prefix.network()));
            (prefix.addr().is_ipv6(), prefixes)
        }
        Inbound::By { table, ipv6 } => {
            rule.header.action = RuleAction::ToTable;
            rule.header.table = table;
            (ipv6, prefixes)
        }
        Inbound::NoOther { ipv6 } => {
            rule.header.action = RuleAction::Unreachable;
            (ipv6, others)
        }
        Inbound::Own { table, ipv6 } => {
            rule.header.action = RuleAction::ToTable;
            rule.header.table = table;
            (ipv6, OWN_PRIORITY)
        }
    };
    rule.header.family = if ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    rule.attributes.push(RuleAttribute::Priority(priority));
    create(RouteNetlinkMessage::NewRule(rule))
}

fn create(payload: RouteNetlinkMessage) -> Message {
    request(payload, NLM_F_CREATE | NLM_F_EXCL)
}

fn change(link: LinkMessage) -> Message {
    request(RouteNetlinkMessage::SetLink(link), 0)
}

fn request(payload: RouteNetlinkMessage, flags: u16) -> Message {
    let mut message = NetlinkMessage::new(
        rtnetlink::packet_core::NetlinkHeader::default(),
        NetlinkPayload::from(payload),
    );
    message.header.flags = NLM_F_REQUEST | flags;
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(mut message: Message) -> Vec<u8> {
        message.finalize();
        let mut out = vec![0; message.buffer_len()];
        message.serialize(&mut out);
        out
    }

    /// `struct nlattr` and its value, padded to 4 bytes.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = (4 + value.len() as u16).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn holds(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    /// `struct nlmsghdr` and `struct ifinfomsg` of RTM_NEWLINK, exclusive.
    fn is_new_link(bytes: &[u8], index: u32) {
        assert_eq!(bytes[4..6], 16u16.to_ne_bytes());
        // NLM_F_REQUEST | NLM_F_EXCL | NLM_F_CREATE
        assert_eq!(bytes[6..8], 0x601u16.to_ne_bytes());
        assert_eq!(bytes[20..24], index.to_ne_bytes());
    }

    #[test]
    fn a_vlan_names_its_parent_its_tag_and_its_mtu() {
        let bytes = bytes(add_vlan(("circuit.101", 40), 14, 101, 9001));
        is_new_link(&bytes, 40);
        // IFLA_LINK, IFLA_MTU
        assert!(holds(&bytes, &attribute(5, &14u32.to_ne_bytes())));
        assert!(holds(&bytes, &attribute(4, &9001u32.to_ne_bytes())));
        // IFLA_INFO_KIND, and in IFLA_INFO_DATA IFLA_VLAN_ID
        assert!(holds(&bytes, b"vlan"));
        assert!(holds(&bytes, &attribute(1, &101u16.to_ne_bytes())));
    }

    #[test]
    fn a_bond_says_how_it_aggregates() {
        let how = Bonding {
            lacp: LacpRate::Fast,
            min_links: 2,
            hash: HashPolicy::Layer34,
        };
        let bytes = bytes(add_bond(("dx", 50), 8500, how));
        is_new_link(&bytes, 50);
        assert!(holds(&bytes, b"bond"));
        // IFLA_BOND_MODE 4, MIIMON, AD_LACP_RATE 1, MIN_LINKS, XMIT_HASH_POLICY 1
        for (kind, value) in [
            (1, &[4][..]),
            (3, &BOND_MIIMON_MS.to_ne_bytes()[..]),
            (21, &[1]),
            (18, &2u32.to_ne_bytes()),
            (14, &[1]),
        ] {
            assert!(holds(&bytes, &attribute(kind, value)), "attribute {kind}");
        }
    }

    #[test]
    fn a_vrf_has_its_table_and_a_route_in_it_says_so() {
        let vrf = bytes(add_vrf(("blue", 60), 101));
        is_new_link(&vrf, 60);
        // IFLA_VRF_TABLE
        assert!(holds(&vrf, b"vrf"));
        assert!(holds(&vrf, &attribute(1, &101u32.to_ne_bytes())));
        let to = RouteTarget::Blackhole;
        let prefix = "192.0.2.0/24".parse().unwrap();
        let table = |table| bytes(add_route(prefix, &to, table).unwrap())[16 + 4];
        assert_eq!((table(Some(101)), table(None)), (101, 254));
    }

    #[test]
    fn a_rule_for_what_comes_in_names_interface_prefix_and_priority() {
        let to = bytes(add_rule("pcx", Inbound::To("10.1.0.0/16".parse().unwrap())));
        // RTM_NEWRULE; AF_INET, 16 bits of destination, table main, FR_ACT_TO_TBL.
        assert_eq!(to[4..6], 32u16.to_ne_bytes());
        assert_eq!((to[16], to[17], to[20], to[23]), (2, 16, 254, 1));
        // FRA_IIFNAME, FRA_DST, FRA_PRIORITY
        assert!(holds(&to, &attribute(3, b"pcx\0")));
        assert!(holds(&to, &attribute(1, &[10, 1, 0, 0])));
        assert!(holds(&to, &attribute(6, &100u32.to_ne_bytes())));
        let none = bytes(add_rule("pcx", Inbound::NoOther { ipv6: true }));
        // AF_INET6, FR_ACT_UNREACHABLE.
        assert_eq!((none[16], none[17], none[23]), (10, 0, 7));
        assert!(holds(&none, &attribute(6, &200u32.to_ne_bytes())));
        let own = Inbound::Own {
            table: 102,
            ipv6: false,
        };
        let own = bytes(add_rule("lo", own));
        assert_eq!((own[16], own[20], own[23]), (2, 102, 1));
        assert!(holds(&own, &attribute(3, b"lo\0")));
        assert!(holds(&own, &attribute(6, &32_800u32.to_ne_bytes())));
    }

    #[test]
    fn slow_is_the_other_rate_and_each_policy_has_its_number() {
        for (hash, number) in [
            (HashPolicy::Layer2, 0),
            (HashPolicy::Layer34, 1),
            (HashPolicy::Layer23, 2),
        ] {
            let how = Bonding {
                lacp: LacpRate::Slow,
                min_links: 0,
                hash,
            };
            let bytes = bytes(add_bond(("dx", 50), 1500, how));
            assert!(holds(&bytes, &attribute(14, &[number])), "{hash}");
            assert!(holds(&bytes, &attribute(21, &[0])));
        }
    }
}
