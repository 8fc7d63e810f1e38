//! UPDATE out: as many prefixes in a message as fit.

use std::net::IpAddr;

use ipnet::IpNet;

use super::attributes::{code, flag};
use super::frame::{MessageType, begin, finish};
use super::nlri::{self, UNICAST, afi};
use super::{AsPath, Attributes};
use crate::units::{Asn, Family};

/// The attributes leave no room for even one prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attributes do not fit into a message")]
pub struct TooLarge;

/// Appends UPDATEs that announce `prefixes`, all of one family, and returns how
/// many messages that took, of at most `longest` bytes each. IPv4 prefixes with an IPv4 next hop travel in the
/// classic fields, all others in MP_REACH_NLRI.
///
/// # Errors
/// [`TooLarge`] when no message could hold the attributes; nothing is appended.
pub fn encode_announce(
    attributes: &Attributes,
    prefixes: &[IpNet],
    four_octet: bool,
    longest: usize,
    out: &mut Vec<u8>,
) -> Result<u64, TooLarge> {
    let Some(first) = prefixes.first() else {
        return Ok(0);
    };
    let family = Family::of(first);
    let classic = family == Family::Ipv4Unicast && attributes.next_hop.is_ipv4();
    let list = attribute_list(attributes, four_octet, classic);
    let mp_head = mp_reach_head(family, attributes.next_hop);
    let fixed = super::HEADER_BYTES + 4 + list.len() + if classic { 0 } else { mp_head.len() + 4 };
    let one = match family {
        Family::Ipv4Unicast => 5,
        Family::Ipv6Unicast => 17,
    };
    let room = longest
        .checked_sub(fixed)
        .filter(|&room| room >= one)
        .ok_or(TooLarge)?;
    let mut messages = 0;
    for chunk in chunks(prefixes, room) {
        let start = out.len();
        begin(out, MessageType::Update);
        out.extend_from_slice(&[0, 0]);
        let length_at = out.len();
        out.extend_from_slice(&[0, 0]);
        if !classic {
            let nlri_bytes: usize = chunk.iter().map(nlri::encoded_bytes).sum();
            attribute_head(
                out,
                flag::OPTIONAL,
                code::MP_REACH,
                mp_head.len() + nlri_bytes,
            );
            out.extend_from_slice(&mp_head);
            chunk.iter().for_each(|prefix| nlri::encode(out, prefix));
        }
        out.extend_from_slice(&list);
        fill_length(out, length_at);
        if classic {
            chunk.iter().for_each(|prefix| nlri::encode(out, prefix));
        }
        finish(out, start);
        messages += 1;
    }
    Ok(messages)
}

/// Appends UPDATEs of at most `longest` bytes that withdraw `prefixes`, all of one family;
/// returns how many.
pub fn encode_withdraw(prefixes: &[IpNet], longest: usize, out: &mut Vec<u8>) -> u64 {
    let classic = matches!(prefixes.first(), Some(IpNet::V4(_)));
    let room = longest - super::HEADER_BYTES - 4 - if classic { 0 } else { 7 };
    let mut messages = 0;
    for chunk in chunks(prefixes, room) {
        let start = out.len();
        begin(out, MessageType::Update);
        let length_at = out.len();
        out.extend_from_slice(&[0, 0]);
        if classic {
            chunk.iter().for_each(|prefix| nlri::encode(out, prefix));
            fill_length(out, length_at);
            out.extend_from_slice(&[0, 0]);
        } else {
            let nlri_bytes: usize = chunk.iter().map(nlri::encoded_bytes).sum();
            let length_at = out.len();
            out.extend_from_slice(&[0, 0]);
            mp_unreach_head(out, Family::Ipv6Unicast, nlri_bytes);
            chunk.iter().for_each(|prefix| nlri::encode(out, prefix));
            fill_length(out, length_at);
        }
        finish(out, start);
        messages += 1;
    }
    messages
}

/// Appends the End-of-RIB marker of a family (RFC 4724 §2).
pub fn encode_end_of_rib(family: Family, out: &mut Vec<u8>) {
    let start = out.len();
    begin(out, MessageType::Update);
    out.extend_from_slice(&[0, 0]);
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    if family != Family::Ipv4Unicast {
        mp_unreach_head(out, family, 0);
        fill_length(out, length_at);
    }
    finish(out, start);
}

/// Cuts the list into runs that fit into `room` bytes; every prefix alone does.
fn chunks(mut prefixes: &[IpNet], room: usize) -> impl Iterator<Item = &[IpNet]> {
    std::iter::from_fn(move || {
        let mut used = 0;
        let count = prefixes
            .iter()
            .take_while(|prefix| {
                used += nlri::encoded_bytes(prefix);
                used <= room
            })
            .count();
        let (chunk, rest) = prefixes.split_at_checked(count)?;
        prefixes = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn mp_reach_head(family: Family, next_hop: IpAddr) -> Vec<u8> {
    let mut head = afi(family).to_be_bytes().to_vec();
    head.push(UNICAST);
    match next_hop {
        IpAddr::V4(v4) => {
            head.push(4);
            head.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            head.push(16);
            head.extend_from_slice(&v6.octets());
        }
    }
    head.push(0);
    head
}

fn mp_unreach_head(out: &mut Vec<u8>, family: Family, nlri_bytes: usize) {
    attribute_head(out, flag::OPTIONAL, code::MP_UNREACH, 3 + nlri_bytes);
    out.extend_from_slice(&afi(family).to_be_bytes());
    out.push(UNICAST);
}

/// Everything but MP_REACH_NLRI, ascending by type code.
fn attribute_list(attributes: &Attributes, four_octet: bool, classic: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    attribute(
        &mut out,
        flag::TRANSITIVE,
        code::ORIGIN,
        &[attributes.origin as u8],
    );
    let path = path_value(&attributes.as_path, four_octet);
    attribute(&mut out, flag::TRANSITIVE, code::AS_PATH, &path);
    if let (true, IpAddr::V4(next_hop)) = (classic, attributes.next_hop) {
        attribute(
            &mut out,
            flag::TRANSITIVE,
            code::NEXT_HOP,
            &next_hop.octets(),
        );
    }
    if let Some(med) = attributes.med {
        attribute(&mut out, flag::OPTIONAL, code::MED, &med.to_be_bytes());
    }
    if let Some(local_pref) = attributes.local_pref {
        attribute(
            &mut out,
            flag::TRANSITIVE,
            code::LOCAL_PREF,
            &local_pref.to_be_bytes(),
        );
    }
    if attributes.atomic_aggregate {
        attribute(&mut out, flag::TRANSITIVE, code::ATOMIC_AGGREGATE, &[]);
    }
    if let Some(aggregator) = attributes.aggregator {
        let mut value = Vec::with_capacity(8);
        if four_octet {
            value.extend_from_slice(&aggregator.asn.to_be_bytes());
        } else {
            let short = u16::try_from(aggregator.asn).unwrap_or(Asn::TRANS.get() as u16);
            value.extend_from_slice(&short.to_be_bytes());
        }
        value.extend_from_slice(&aggregator.address.octets());
        attribute(
            &mut out,
            flag::OPTIONAL | flag::TRANSITIVE,
            code::AGGREGATOR,
            &value,
        );
    }
    optional_lists(&mut out, attributes);
    let mut trailing = attributes.unknown.clone();
    if !four_octet {
        trailing.extend(as4(attributes));
    }
    if !attributes.large_communities.is_empty() {
        let mut value = Vec::with_capacity(12 * attributes.large_communities.len());
        for community in &attributes.large_communities {
            for part in [community.global, community.local1, community.local2] {
                value.extend_from_slice(&part.to_be_bytes());
            }
        }
        trailing.push(super::Unknown {
            flags: flag::OPTIONAL | flag::TRANSITIVE,
            code: code::LARGE_COMMUNITY,
            value,
        });
    }
    trailing.sort_by_key(|one| one.code);
    for one in &trailing {
        attribute(&mut out, one.flags, one.code, &one.value);
    }
    out
}

fn optional_lists(out: &mut Vec<u8>, attributes: &Attributes) {
    if !attributes.communities.is_empty() {
        let value: Vec<u8> = attributes
            .communities
            .iter()
            .flat_map(|community| community.0.to_be_bytes())
            .collect();
        attribute(
            out,
            flag::OPTIONAL | flag::TRANSITIVE,
            code::COMMUNITIES,
            &value,
        );
    }
    if let Some(id) = attributes.originator_id {
        attribute(out, flag::OPTIONAL, code::ORIGINATOR_ID, &id.octets());
    }
    if !attributes.cluster_list.is_empty() {
        let value: Vec<u8> = attributes
            .cluster_list
            .iter()
            .flat_map(|id| id.octets())
            .collect();
        attribute(out, flag::OPTIONAL, code::CLUSTER_LIST, &value);
    }
}

/// What two octets could not say (RFC 6793 §4.2.2).
fn as4(attributes: &Attributes) -> Vec<super::Unknown> {
    let long = |asn: u32| u16::try_from(asn).is_err();
    let mut list = Vec::new();
    let mut push = |code, value| {
        list.push(super::Unknown {
            flags: flag::OPTIONAL | flag::TRANSITIVE,
            code,
            value,
        });
    };
    if attributes.as_path.asns().any(long) {
        push(code::AS4_PATH, path_value(&attributes.as_path, true));
    }
    if let Some(aggregator) = attributes.aggregator.filter(|one| long(one.asn)) {
        let mut value = aggregator.asn.to_be_bytes().to_vec();
        value.extend_from_slice(&aggregator.address.octets());
        push(code::AS4_AGGREGATOR, value);
    }
    list
}

fn path_value(path: &AsPath, four_octet: bool) -> Vec<u8> {
    let mut value = Vec::new();
    path.encode(&mut value, four_octet);
    value
}

fn attribute(out: &mut Vec<u8>, flags: u8, code: u8, value: &[u8]) {
    attribute_head(out, flags, code, value.len());
    out.extend_from_slice(value);
}

fn attribute_head(out: &mut Vec<u8>, flags: u8, code: u8, length: usize) {
    match u8::try_from(length) {
        Ok(length) => out.extend_from_slice(&[flags, code, length]),
        Err(_) => {
            out.extend_from_slice(&[flags | flag::EXTENDED, code]);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
}

/// Writes into the two bytes at `at` how much follows them.
fn fill_length(out: &mut [u8], at: usize) {
    let length = (out.len() - at - 2) as u16;
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
