//! A cap on what comes in by an interface: bytes and packets a second, and how many packets were
//! beyond each.
//!
//! In the words of nft, for a tunnel `backup.1` of AWS's 1.25 Gbit/s:
//!
//! ```text
//! table inet backhoe {
//!   counter "backup.1 bytes" { }
//!   counter "backup.1 packets" { }
//!   chain cap {
//!     type filter hook prerouting priority raw; policy accept;
//!     iifname "backup.1" limit rate over 156250000 bytes/second counter name "backup.1 bytes" drop
//!     iifname "backup.1" limit rate over 140000/second burst 140000 packets counter name "backup.1 packets" drop
//!   }
//! }
//! ```
//!
//! A limit of bytes always has room for a second's worth (`nft_limit_init`), so the limit of
//! packets is given the same.

use std::{collections::BTreeMap, io};

use super::{
    APPEND, BATCH, BATCH_BEGIN, BATCH_END, MAKE, META_IIFNAME, Messages, NESTED, NEW_RULE,
    NFTABLES, NetfilterSocket, REQUEST, TABLE, attribute, begin_chain, exchange, expression, head,
    is_named, meta, number, told,
};
use crate::{
    os::{netlink::attributes, netns::NetnsFd},
    units::{IfName, TunnelCap},
};

const CHAIN: &[u8] = b"cap\0";
const NEW_OBJECT: u16 = NFTABLES << 8 | 18;
const GET_OBJECT: u16 = NFTABLES << 8 | 19;
/// NLM_F_REQUEST | NLM_F_DUMP.
const DUMP: u16 = 0x301;

const NFPROTO_INET: u8 = 1;
const HOOK_PREROUTING: u32 = 0;
const PRIORITY_RAW: i32 = -300;
const COUNTER: u32 = 1;
const COUNTED_PACKETS: u16 = 2;
const LIMIT_OF_PACKETS: u32 = 0;
const LIMIT_OF_BYTES: u32 = 1;
/// The rule goes on where the limit is exceeded.
const LIMIT_OVER: u32 = 1;
const VERDICT_REGISTER: u32 = 0;
const VERDICT: u16 = 2;
const DROP: u32 = 0;

/// What the two limits of a cap count.
const BYTES: &str = "bytes";
const PACKETS: &str = "packets";

/// Packets that an interface's cap has dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OverCap {
    /// Beyond its bytes a second.
    pub bytes: u64,
    /// Beyond its packets a second.
    pub packets: u64,
}

/// Caps what comes in by `dev`, in the calling thread's namespace.
///
/// # Errors
/// The kernel lacks a part of nftables, or this process may not.
pub(in crate::os) fn cap_here(dev: &IfName, cap: TunnelCap) -> io::Result<()> {
    told(exchange(&requests(dev.as_str(), cap))?)
}

/// A cap that only asks whether the kernel knows all of it.
pub(super) fn trial() -> Messages {
    let (bits, packets) = (8_000_000, 1_000_000);
    requests("lo", TunnelCap { bits, packets })
}

/// What each interface's cap in `netns` has dropped since it was made.
///
/// # Errors
/// Of the kernel.
pub fn over_cap(netns: &NetnsFd) -> io::Result<BTreeMap<String, OverCap>> {
    netns.run(|| {
        let mut request = Messages::default();
        request.begin(GET_OBJECT, DUMP, &head(NFPROTO_INET));
        request.attribute(1, TABLE);
        let mut all: BTreeMap<String, OverCap> = BTreeMap::new();
        NetfilterSocket::open()?.dump(&request, |kind, body| {
            if let Some((dev, limit, count)) = counter(kind, body) {
                let of = all.entry(dev.to_owned()).or_default();
                match limit {
                    BYTES => of.bytes = count,
                    _ => of.packets = count,
                }
            }
        })?;
        Ok(all)
    })
}

/// Interface, limit and packets of a counter.
fn counter(kind: u16, body: &[u8]) -> Option<(&str, &str, u64)> {
    if kind != NEW_OBJECT {
        return None;
    }
    let object = attributes(body, 4);
    let name = std::str::from_utf8(object.get(&2)?).ok()?;
    let (dev, limit) = name.trim_end_matches('\0').split_once(' ')?;
    let counts = attributes(object.get(&4)?, 0);
    let count = counts.get(&COUNTED_PACKETS)?.first_chunk()?;
    Some((dev, limit, u64::from_be_bytes(*count)))
}

fn requests(dev: &str, cap: TunnelCap) -> Messages {
    let head = head(NFPROTO_INET);
    let limits = [
        (BYTES, LIMIT_OF_BYTES, cap.bits / 8, 0),
        (PACKETS, LIMIT_OF_PACKETS, cap.packets.into(), cap.packets),
    ];
    let mut out = Messages::default();
    out.begin(BATCH_BEGIN, REQUEST, &BATCH);
    let hook = (HOOK_PREROUTING, PRIORITY_RAW);
    begin_chain(&mut out, NFPROTO_INET, CHAIN, hook);
    for (what, kind, rate, burst) in limits {
        let counter = format!("{dev} {what}\0");
        out.begin(NEW_OBJECT, MAKE, &head);
        out.attribute(1, TABLE);
        out.attribute(2, counter.as_bytes());
        out.attribute(3, &COUNTER.to_be_bytes());
        out.attribute(4 | NESTED, &[]);
        out.begin(NEW_RULE, APPEND, &head);
        out.attribute(1, TABLE);
        out.attribute(2, CHAIN);
        let rule = [
            meta(META_IIFNAME),
            is_named(dev),
            limit(kind, rate, burst),
            expression(
                b"objref\0",
                &[number(1, COUNTER), attribute(2, counter.as_bytes())],
            ),
            drop_it(),
        ];
        out.attribute(4 | NESTED, &rule.concat());
    }
    out.begin(BATCH_END, REQUEST, &BATCH);
    out
}

/// So many a second, with room for `burst` more.
fn limit(kind: u32, rate: u64, burst: u32) -> Vec<u8> {
    const SECOND: u64 = 1;
    expression(
        b"limit\0",
        &[
            attribute(1, &rate.to_be_bytes()),
            attribute(2, &SECOND.to_be_bytes()),
            number(3, burst),
            number(4, kind),
            number(5, LIMIT_OVER),
        ],
    )
}

fn drop_it() -> Vec<u8> {
    let verdict = attribute(VERDICT | NESTED, &number(1, DROP));
    expression(
        b"immediate\0",
        &[number(1, VERDICT_REGISTER), attribute(2 | NESTED, &verdict)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::netlink::messages;

    #[test]
    fn a_batch_makes_two_counters_and_two_rules() {
        let cap = TunnelCap {
            bits: 1_250_000_000,
            packets: 140_000,
        };
        let requests = requests("backup.1", cap);
        let read: Vec<_> = messages(requests.as_bytes()).collect();
        let kinds: Vec<u16> = read.iter().map(|message| message.kind).collect();
        let each = [0xa12, 0xa06];
        assert_eq!(kinds[..3], [0x10, 0xa00, 0xa03]);
        assert_eq!(kinds[3..], [&each[..], &each, &[0x11]].concat());
        let rate = 156_250_000_u64.to_be_bytes();
        let packets = 140_000_u64.to_be_bytes();
        for (rule, rate) in [(4, rate), (6, packets)] {
            let list = attributes(read[rule].body, 4)[&4];
            let holds = |part: &[u8]| list.windows(part.len()).any(|window| window == part);
            assert!(holds(&rate) && holds(b"backup.1\0\0\0\0\0\0\0\0"));
        }
    }

    #[test]
    fn a_counters_packets_are_read() {
        let data = [
            attribute(1, &9_000_u64.to_be_bytes()),
            attribute(2, &37_u64.to_be_bytes()),
        ];
        let body = [
            head(NFPROTO_INET).to_vec(),
            attribute(1, TABLE),
            attribute(2, b"backup.1 bytes\0"),
            attribute(4 | NESTED, &data.concat()),
        ];
        let body = body.concat();
        assert_eq!(counter(NEW_OBJECT, &body), Some(("backup.1", "bytes", 37)));
        assert_eq!(counter(NEW_RULE, &body), None);
    }
}
