//! UPDATE in, with the revised error handling of RFC 7606.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::attributes::{code, flag};
use super::cursor::Cursor;
use super::nlri::{self, family_from};
use super::{Aggregator, AsPath, Attributes, LargeCommunity, Notification, OriginCode, Unknown};
use crate::units::{Asn, Community, Family};

/// What the reader has to know of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKind {
    /// Between different ASes.
    pub external: bool,
    /// Both ends speak four-octet AS numbers.
    pub four_octet: bool,
    /// Negotiated families; others are ignored.
    pub families: Vec<Family>,
}

/// What an UPDATE means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// No longer reachable, or to be treated so.
    pub withdrawn: Vec<IpNet>,
    /// Newly reachable.
    pub reach: Vec<Reach>,
    /// The message says that the whole table of this family was sent (RFC 4724 §2).
    pub end_of_rib: Option<Family>,
    /// What was wrong with it, but not so wrong as to end the session.
    pub faults: Vec<Fault>,
}

/// Prefixes that share their attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The attributes.
    pub attributes: Arc<Attributes>,
    /// The prefixes, of one family.
    pub prefixes: Vec<IpNet>,
}

/// What to do about a malformed attribute, the mildest first (RFC 7606 §2).
/// A session reset is an `Err` instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Attribute discard: as if the attribute had not been there.
    Discard,
    /// Treat-as-withdraw: as if the routes had been withdrawn.
    Withdraw,
}

/// A malformed attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Its type code; 0 for the list as a whole.
    pub attribute: u8,
    /// What was done.
    pub remedy: Remedy,
    /// What is wrong.
    pub what: &'static str,
}

/// Reads the body of an UPDATE.
///
/// # Errors
/// The UPDATE Message Error to send: the cases in which RFC 7606 still asks for
/// a session reset.
pub fn decode_update(body: &[u8], session: &SessionKind) -> Result<Decoded, Notification> {
    let (withdrawn, attributes, announced) =
        sections(body).ok_or(Notification::MALFORMED_ATTRIBUTE_LIST)?;
    let bad_nlri = || Notification::INVALID_NETWORK_FIELD;
    let mut decoded = Decoded {
        withdrawn: nlri::decode(withdrawn, Family::Ipv4Unicast).ok_or_else(bad_nlri)?,
        ..Decoded::default()
    };
    let announced = nlri::decode(announced, Family::Ipv4Unicast).ok_or_else(bad_nlri)?;

    let mut list = List::new(session);
    list.read(attributes)?;
    if announced.is_empty() && list.mp_reach.is_none() {
        // Without reachable prefixes nobody can be sure that none were lost (§5.2).
        if list.saw_other && list.worst() == Some(Remedy::Withdraw) {
            return Err(Notification::MALFORMED_ATTRIBUTE_LIST);
        }
    } else {
        list.require_mandatory(!announced.is_empty());
    }
    decoded.end_of_rib = list.end_of_rib(body.len());
    list.conclude(announced, &mut decoded);
    let negotiated = |prefix: &IpNet| session.families.contains(&Family::of(prefix));
    decoded.withdrawn.retain(negotiated);
    drop_multicast(&mut decoded);
    decoded
        .reach
        .retain(|reach| reach.prefixes.first().is_some_and(negotiated));
    Ok(decoded)
}

/// RFC 4271 §6.3: a prefix that is well formed but makes no sense is ignored.
fn drop_multicast(decoded: &mut Decoded) {
    for reach in &mut decoded.reach {
        let before = reach.prefixes.len();
        reach
            .prefixes
            .retain(|prefix| !prefix.network().is_multicast());
        if reach.prefixes.len() < before {
            decoded.faults.push(Fault {
                attribute: 0,
                remedy: Remedy::Discard,
                what: "multicast prefix",
            });
        }
    }
}

/// Withdrawn Routes, Path Attributes, NLRI (RFC 4271 §4.3).
fn sections(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut cursor = Cursor::new(body);
    let length = cursor.u16()?;
    let withdrawn = cursor.take(usize::from(length))?;
    let length = cursor.u16()?;
    let attributes = cursor.take(usize::from(length))?;
    Some((withdrawn, attributes, cursor.rest()))
}

/// MP_REACH_NLRI or, without next hop, MP_UNREACH_NLRI.
struct Mp {
    family: Family,
    next_hop: IpAddr,
    prefixes: Vec<IpNet>,
}

/// The attributes as far as they have been read.
struct List<'s> {
    session: &'s SessionKind,
    seen: [u64; 4],
    /// An attribute other than MP_UNREACH_NLRI was there.
    saw_other: bool,
    faults: Vec<Fault>,
    origin: Option<OriginCode>,
    as_path: Option<AsPath>,
    next_hop: Option<IpAddr>,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<Aggregator>,
    mp_reach: Option<Mp>,
    mp_unreach: Option<Mp>,
    /// Everything optional; its mandatory fields are placeholders until `conclude`.
    rest: Attributes,
}

impl<'s> List<'s> {
    fn new(session: &'s SessionKind) -> Self {
        Self {
            session,
            seen: [0; 4],
            saw_other: false,
            faults: Vec::new(),
            origin: None,
            as_path: None,
            next_hop: None,
            as4_path: None,
            as4_aggregator: None,
            mp_reach: None,
            mp_unreach: None,
            rest: Attributes::local(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        }
    }

    fn worst(&self) -> Option<Remedy> {
        self.faults.iter().map(|fault| fault.remedy).max()
    }

    fn fault(&mut self, attribute: u8, remedy: Remedy, what: &'static str) {
        self.faults.push(Fault {
            attribute,
            remedy,
            what,
        });
    }

    /// Whether this type code occurs for the first time.
    fn first(&mut self, code: u8) -> bool {
        let bit = 1_u64 << (code % 64);
        let Some(word) = self.seen.get_mut(usize::from(code / 64)) else {
            return false;
        };
        let first = *word & bit == 0;
        *word |= bit;
        first
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), Notification> {
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_empty() {
            let Some((flags, code, value)) = next_attribute(&mut cursor) else {
                // §4: the total length still tells where the prefixes begin.
                self.saw_other = true;
                self.fault(0, Remedy::Withdraw, "attribute lengths disagree");
                return Ok(());
            };
            if code != code::MP_UNREACH {
                self.saw_other = true;
            }
            if !self.first(code) {
                if matches!(code, code::MP_REACH | code::MP_UNREACH) {
                    return Err(Notification::MALFORMED_ATTRIBUTE_LIST);
                }
                self.fault(code, Remedy::Discard, "attribute repeated");
                continue;
            }
            self.attribute(flags, code, value)?;
        }
        Ok(())
    }

    fn attribute(&mut self, flags: u8, code: u8, value: &[u8]) -> Result<(), Notification> {
        let Some(expected) = expected_flags(code) else {
            return self.unknown(flags, code, value);
        };
        let conflict = (flags ^ expected) & (flag::OPTIONAL | flag::TRANSITIVE) != 0;
        match code {
            code::MP_REACH | code::MP_UNREACH => {
                if conflict {
                    return Err(optional_attribute_error(flags, code, value));
                }
                return self.multiprotocol(flags, code, value);
            }
            _ => {}
        }
        let fault = if conflict {
            Some("flags conflict with the type")
        } else {
            self.plain(flags, code, value).err()
        };
        if let Some(what) = fault {
            self.fault(code, remedy(code), what);
        }
        Ok(())
    }

    fn unknown(&mut self, flags: u8, code: u8, value: &[u8]) -> Result<(), Notification> {
        if flags & flag::OPTIONAL == 0 {
            // RFC 4271 §6.3: what is well-known must be known.
            return Err(Notification::with(3, 2, whole(flags, code, value)));
        }
        if flags & flag::TRANSITIVE != 0 {
            self.rest.unknown.push(Unknown {
                flags: flags & !flag::EXTENDED,
                code,
                value: value.to_vec(),
            });
        }
        Ok(())
    }

    /// Everything but the multiprotocol attributes; the error says what is wrong.
    fn plain(&mut self, flags: u8, code: u8, value: &[u8]) -> Result<(), &'static str> {
        const LENGTH: &str = "wrong length";
        match code {
            code::ORIGIN => {
                self.origin = Some(match value {
                    [0] => OriginCode::Igp,
                    [1] => OriginCode::Egp,
                    [2] => OriginCode::Incomplete,
                    [_] => return Err("undefined ORIGIN"),
                    _ => return Err(LENGTH),
                });
            }
            code::AS_PATH => {
                let path = AsPath::decode(value, self.session.four_octet);
                self.as_path = Some(path.ok_or("malformed AS_PATH")?);
            }
            code::NEXT_HOP => {
                let octets: [u8; 4] = value.try_into().map_err(|_| LENGTH)?;
                let next_hop = IpAddr::V4(Ipv4Addr::from(octets));
                if !is_host(next_hop) {
                    return Err("NEXT_HOP is not a host address");
                }
                self.next_hop = Some(next_hop);
            }
            code::MED => self.rest.med = Some(u32_of(value).ok_or(LENGTH)?),
            // §7.5, §7.9, §7.10: from outside these mean nothing, however formed.
            code::LOCAL_PREF | code::ORIGINATOR_ID | code::CLUSTER_LIST
                if self.session.external =>
            {
                self.fault(code, Remedy::Discard, "not allowed from an external peer");
            }
            code::LOCAL_PREF => self.rest.local_pref = Some(u32_of(value).ok_or(LENGTH)?),
            code::ORIGINATOR_ID => {
                let id = u32_of(value).ok_or(LENGTH)?;
                self.rest.originator_id = Some(Ipv4Addr::from_bits(id));
            }
            code::CLUSTER_LIST => {
                let ids = words(value).ok_or(LENGTH)?;
                self.rest.cluster_list = ids.map(Ipv4Addr::from_bits).collect();
            }
            code::ATOMIC_AGGREGATE => {
                if !value.is_empty() {
                    return Err(LENGTH);
                }
                self.rest.atomic_aggregate = true;
            }
            code::AGGREGATOR => {
                self.rest.aggregator = Some(aggregator(value, self.session.four_octet)?);
            }
            code::COMMUNITIES => {
                let values = words(value).ok_or(LENGTH)?;
                self.rest.communities = values.map(Community).collect();
                self.rest.communities.sort_unstable();
                self.rest.communities.dedup();
            }
            code::LARGE_COMMUNITY => {
                self.rest.large_communities = large_communities(value).ok_or(LENGTH)?;
            }
            code::EXTENDED_COMMUNITIES => {
                if value.is_empty() || !value.len().is_multiple_of(8) {
                    return Err(LENGTH);
                }
                self.rest.unknown.push(Unknown {
                    flags: flags & !flag::EXTENDED,
                    code,
                    value: value.to_vec(),
                });
            }
            // RFC 6793 §4.1: of no use between speakers of four octets.
            code::AS4_PATH | code::AS4_AGGREGATOR if self.session.four_octet => {
                self.fault(code, Remedy::Discard, "not needed on this session");
            }
            code::AS4_PATH => {
                let path = AsPath::decode(value, true).ok_or("malformed AS4_PATH")?;
                self.as4_path = Some(path);
            }
            code::AS4_AGGREGATOR => self.as4_aggregator = Some(aggregator(value, true)?),
            _ => {}
        }
        Ok(())
    }

    fn multiprotocol(&mut self, flags: u8, code: u8, value: &[u8]) -> Result<(), Notification> {
        let malformed = || optional_attribute_error(flags, code, value);
        let mut cursor = Cursor::new(value);
        let afi = cursor.u16().ok_or_else(malformed)?;
        let safi = cursor.u8().ok_or_else(malformed)?;
        let family = family_from(afi, safi);
        let mut next_hop = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        if code == code::MP_REACH {
            let length = cursor.u8().ok_or_else(malformed)?;
            let bytes = cursor.take(usize::from(length)).ok_or_else(malformed)?;
            let _reserved = cursor.u8().ok_or_else(malformed)?;
            if let Some(family) = family {
                next_hop = mp_next_hop(family, bytes).ok_or_else(malformed)?;
            }
        }
        let Some(family) = family.filter(|family| self.session.families.contains(family)) else {
            self.fault(code, Remedy::Discard, "family not negotiated");
            return Ok(());
        };
        let mp = Mp {
            family,
            next_hop,
            prefixes: nlri::decode(cursor.rest(), family).ok_or_else(malformed)?,
        };
        if code == code::MP_REACH {
            if !is_host(next_hop) {
                self.fault(code, Remedy::Withdraw, "next hop is not a host address");
            }
            self.mp_reach = Some(mp);
        } else {
            self.mp_unreach = Some(mp);
        }
        Ok(())
    }

    /// §3 d: what must be there.
    fn require_mandatory(&mut self, announces_ipv4: bool) {
        let withdraw = [
            (code::ORIGIN, self.origin.is_none(), "ORIGIN missing"),
            (code::AS_PATH, self.as_path.is_none(), "AS_PATH missing"),
            (
                code::NEXT_HOP,
                announces_ipv4 && self.next_hop.is_none(),
                "NEXT_HOP missing",
            ),
        ];
        for (code, missing, what) in withdraw {
            let reported = self.faults.iter().any(|fault| fault.attribute == code);
            if missing && !reported {
                self.fault(code, Remedy::Withdraw, what);
            }
        }
    }

    fn end_of_rib(&self, body_bytes: usize) -> Option<Family> {
        if body_bytes == 4 {
            return Some(Family::Ipv4Unicast);
        }
        // Two empty length fields around nothing but an empty MP_UNREACH_NLRI.
        let lone = !self.saw_other && body_bytes <= 4 + 4 + 3;
        self.mp_unreach
            .as_ref()
            .filter(|mp| lone && mp.prefixes.is_empty())
            .map(|mp| mp.family)
    }

    fn conclude(mut self, announced: Vec<IpNet>, decoded: &mut Decoded) {
        if let Some(mp) = self.mp_unreach.take() {
            decoded.withdrawn.extend(mp.prefixes);
        }
        let mp_reach = self.mp_reach.take();
        let withdraw = self.worst() == Some(Remedy::Withdraw);
        decoded.faults = std::mem::take(&mut self.faults);
        if withdraw {
            decoded.withdrawn.extend(announced);
            decoded
                .withdrawn
                .extend(mp_reach.into_iter().flat_map(|mp| mp.prefixes));
            return;
        }
        let next_hop = self.next_hop;
        let attributes = self.attributes();
        let mut reach = |next_hop: IpAddr, prefixes: Vec<IpNet>| {
            if prefixes.is_empty() {
                return;
            }
            let attributes = Arc::new(Attributes {
                next_hop,
                ..attributes.clone()
            });
            decoded.reach.push(Reach {
                attributes,
                prefixes,
            });
        };
        if let Some(next_hop) = next_hop {
            reach(next_hop, announced);
        }
        if let Some(mp) = mp_reach {
            reach(mp.next_hop, mp.prefixes);
        }
    }

    /// Joins what a two-octet speaker had to split (RFC 6793 §4.2.3).
    fn attributes(self) -> Attributes {
        let mut attributes = self.rest;
        attributes.origin = self.origin.unwrap_or_default();
        attributes
            .unknown
            .sort_unstable_by_key(|unknown| unknown.code);
        let as_path = self.as_path.unwrap_or_default();
        let trans = Asn::TRANS.get();
        let foreign = attributes.aggregator.is_some_and(|old| old.asn != trans);
        if foreign && self.as4_aggregator.is_some() {
            attributes.as_path = as_path;
            return attributes;
        }
        if attributes.aggregator.is_some() {
            attributes.aggregator = self.as4_aggregator.or(attributes.aggregator);
        }
        attributes.as_path = match self.as4_path {
            Some(as4) => as_path.merge(as4),
            None => as_path,
        };
        attributes
    }
}

fn next_attribute<'a>(cursor: &mut Cursor<'a>) -> Option<(u8, u8, &'a [u8])> {
    let [flags, code] = cursor.array()?;
    let length = if flags & flag::EXTENDED != 0 {
        usize::from(cursor.u16()?)
    } else {
        usize::from(cursor.u8()?)
    };
    Some((flags, code, cursor.take(length)?))
}

/// The flags a type we recognize must have; none for the others.
const fn expected_flags(code: u8) -> Option<u8> {
    Some(match code {
        code::ORIGIN
        | code::AS_PATH
        | code::NEXT_HOP
        | code::LOCAL_PREF
        | code::ATOMIC_AGGREGATE => flag::TRANSITIVE,
        code::MED
        | code::ORIGINATOR_ID
        | code::CLUSTER_LIST
        | code::MP_REACH
        | code::MP_UNREACH => flag::OPTIONAL,
        code::AGGREGATOR
        | code::COMMUNITIES
        | code::EXTENDED_COMMUNITIES
        | code::AS4_PATH
        | code::AS4_AGGREGATOR
        | code::LARGE_COMMUNITY => flag::OPTIONAL | flag::TRANSITIVE,
        _ => return None,
    })
}

/// RFC 7606 §7, RFC 6793 §6, RFC 8092 §6: what a malformed one of this type
/// leads to.
const fn remedy(code: u8) -> Remedy {
    match code {
        code::ATOMIC_AGGREGATE | code::AGGREGATOR | code::AS4_PATH | code::AS4_AGGREGATOR => {
            Remedy::Discard
        }
        _ => Remedy::Withdraw,
    }
}

/// The attribute as it stood in the message, for a NOTIFICATION's data.
fn whole(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags, code];
    if flags & flag::EXTENDED != 0 {
        bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
    } else {
        bytes.push(value.len() as u8);
    }
    bytes.extend_from_slice(value);
    bytes
}

fn optional_attribute_error(flags: u8, code: u8, value: &[u8]) -> Notification {
    Notification::with(3, 9, whole(flags, code, value))
}

fn mp_next_hop(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    let v6 = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from);
    match (family, bytes.len()) {
        (Family::Ipv4Unicast, 4) => {
            let octets = <[u8; 4]>::try_from(bytes).ok()?;
            Some(IpAddr::V4(Ipv4Addr::from(octets)))
        }
        // IPv4 over an IPv6 next hop is RFC 8950.
        (Family::Ipv4Unicast | Family::Ipv6Unicast, 16) => v6(bytes).map(IpAddr::V6),
        (Family::Ipv4Unicast | Family::Ipv6Unicast, 32) => {
            let (global, link_local) = bytes.split_at_checked(16)?;
            let global = v6(global)?;
            // Some send no global address beside the link-local one.
            let chosen = if global.is_unspecified() {
                v6(link_local)?
            } else {
                global
            };
            Some(IpAddr::V6(chosen))
        }
        _ => None,
    }
}

fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0 && v4.octets()[0] < 224 && !v4.is_loopback(),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast() || v6.is_loopback()),
    }
}

fn u32_of(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// Four-octet values, at least one.
fn words(value: &[u8]) -> Option<impl Iterator<Item = u32> + '_> {
    let (chunks, rest) = value.as_chunks::<4>();
    (rest.is_empty() && !chunks.is_empty())
        .then(|| chunks.iter().map(|chunk| u32::from_be_bytes(*chunk)))
}

fn large_communities(value: &[u8]) -> Option<Vec<LargeCommunity>> {
    let (chunks, rest) = value.as_chunks::<12>();
    if !rest.is_empty() || chunks.is_empty() {
        return None;
    }
    let one = |chunk: &[u8; 12]| {
        let mut cursor = Cursor::new(chunk);
        Some(LargeCommunity {
            global: cursor.u32()?,
            local1: cursor.u32()?,
            local2: cursor.u32()?,
        })
    };
    let mut all = chunks.iter().map(one).collect::<Option<Vec<_>>>()?;
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn aggregator(value: &[u8], four_octet: bool) -> Result<Aggregator, &'static str> {
    let read = || {
        let mut cursor = Cursor::new(value);
        let asn = if four_octet {
            cursor.u32()?
        } else {
            u32::from(cursor.u16()?)
        };
        let address = Ipv4Addr::from(cursor.array::<4>()?);
        cursor.is_empty().then_some(Aggregator { asn, address })
    };
    match read() {
        None => Err("wrong length"),
        // RFC 7607 §2.
        Some(aggregator) if aggregator.asn == 0 => Err("AS 0"),
        Some(aggregator) => Ok(aggregator),
    }
}
