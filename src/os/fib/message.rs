//! The requests: RTM_NEWNEXTHOP, RTM_NEWROUTE and their opposites.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{METRIC, PROTOCOL_BGP, objects::Object};
use crate::os::netlink::Messages;

pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_GETROUTE: u16 = 26;
pub(super) const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;
pub(super) const RTM_GETNEXTHOP: u16 = 106;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CREATE: u16 = 0x400;
const REQUEST: u16 = NLM_F_REQUEST | NLM_F_ACK;
const PUT: u16 = REQUEST | NLM_F_CREATE | NLM_F_REPLACE;

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// The main table's number (RT_TABLE_MAIN).
pub const RT_TABLE_MAIN: u8 = 254;
const RTN_UNICAST: u8 = 1;
pub(super) const RTN_BLACKHOLE: u8 = 6;

pub(super) const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
pub(super) const RTA_DST: u16 = 1;
const RTA_PRIORITY: u16 = 6;
const RTA_NH_ID: u16 = 30;

/// Creates or replaces an object.
pub(super) fn nexthop(out: &mut Messages, id: u32, object: &Object) {
    match object {
        Object::Single { gateway, ifindex } => {
            out.begin(RTM_NEWNEXTHOP, PUT, &nhmsg(family(*gateway)));
            out.attribute(NHA_ID, &id.to_ne_bytes());
            out.attribute(NHA_OIF, &ifindex.to_ne_bytes());
            address(out, NHA_GATEWAY, *gateway);
        }
        Object::Group(members) => {
            out.begin(RTM_NEWNEXTHOP, PUT, &nhmsg(AF_UNSPEC));
            out.attribute(NHA_ID, &id.to_ne_bytes());
            // struct nexthop_grp { u32 id; u8 weight - 1; u8; u16; }
            let mut entries = Vec::with_capacity(8 * members.len());
            for member in members {
                entries.extend(member.to_ne_bytes());
                entries.extend([0; 4]);
            }
            out.attribute(NHA_GROUP, &entries);
        }
    }
}

/// Deletes an object.
pub(super) fn remove_nexthop(out: &mut Messages, id: u32) {
    out.begin(RTM_DELNEXTHOP, REQUEST, &ANY_NEXTHOP);
    out.attribute(NHA_ID, &id.to_ne_bytes());
}

/// Creates or replaces a route through an object, or a blackhole.
pub(super) fn route(out: &mut Messages, table: u8, prefix: &IpNet, object: Option<u32>) {
    let kind = if object.is_some() {
        RTN_UNICAST
    } else {
        RTN_BLACKHOLE
    };
    out.begin(RTM_NEWROUTE, PUT, &rtmsg(table, prefix, kind));
    address(out, RTA_DST, prefix.network());
    out.attribute(RTA_PRIORITY, &METRIC.to_ne_bytes());
    if let Some(id) = object {
        out.attribute(RTA_NH_ID, &id.to_ne_bytes());
    }
}

/// Deletes our route to a prefix, whatever it leads to.
pub(super) fn remove_route(out: &mut Messages, table: u8, prefix: &IpNet) {
    // Type 0 matches any type; the protocol and the metric keep it to ours.
    out.begin(RTM_DELROUTE, REQUEST, &rtmsg(table, prefix, 0));
    address(out, RTA_DST, prefix.network());
    out.attribute(RTA_PRIORITY, &METRIC.to_ne_bytes());
}

/// Asks for all nexthop objects.
pub(super) fn dump_nexthops(out: &mut Messages) {
    out.begin(RTM_GETNEXTHOP, NLM_F_REQUEST | NLM_F_DUMP, &ANY_NEXTHOP);
}

/// Asks for all routes.
pub(super) fn dump_routes(out: &mut Messages) {
    out.begin(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &[0; 12]);
}

/// The header of requests that do not create: the kernel wants it empty.
const ANY_NEXTHOP: [u8; 8] = [0; 8];

/// `struct nhmsg { u8 family, scope, protocol, resvd; u32 flags; }`
fn nhmsg(family: u8) -> [u8; 8] {
    [family, 0, PROTOCOL_BGP, 0, 0, 0, 0, 0]
}

/// `struct rtmsg { u8 family, dst_len, src_len, tos, table, protocol, scope, type; u32 flags; }`
fn rtmsg(table: u8, prefix: &IpNet, kind: u8) -> [u8; 12] {
    let family = family(prefix.network());
    let length = prefix.prefix_len();
    [
        family,
        length,
        0,
        0,
        table,
        PROTOCOL_BGP,
        0,
        kind,
        0,
        0,
        0,
        0,
    ]
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn address(out: &mut Messages, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => out.attribute(kind, &v4.octets()),
        IpAddr::V6(v6) => out.attribute(kind, &v6.octets()),
    }
}
