//! The only rules of nftables that a lab needs: TCP's MSS clamped in what a router
//! forwards through an interface, and caps on what comes in by one (nft(8), linux/netfilter/nf_tables.h).
//!
//! In the words of nft, for a tunnel `backup.1`, of IPv4:
//!
//! ```text
//! table ip backhoe {
//!   chain mss {
//!     type filter hook forward priority mangle; policy accept;
//!     iifname "backup.1" tcp flags & (syn | rst) == syn tcp option maxseg size set 1360
//!     oifname "backup.1" tcp flags & (syn | rst) == syn tcp option maxseg size set 1360
//!   }
//! }
//! ```
//!
//! The kernel only ever makes an MSS smaller (`nft_exthdr_tcp_set_eval`), so nothing
//! is compared first.

mod cap;

use std::io;

use nix::errno::Errno;

use super::netlink::{Messages, NetfilterSocket, Refusal, attribute};

pub(super) use cap::cap_here;
pub use cap::{OverCap, over_cap};

/// One interface's SYNs of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clamp<'a> {
    /// The interface, which need not be there yet and may come back.
    pub(super) dev: &'a str,
    /// IPv6; otherwise IPv4.
    pub(super) ipv6: bool,
    /// The largest segment that a SYN may offer, bytes.
    pub(super) mss: u16,
}

const TABLE: &[u8] = b"backhoe\0";
const CHAIN: &[u8] = b"mss\0";

const NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// Head of both.
const BATCH: [u8; 4] = [0, 0, 0, NFTABLES as u8];
const NEW_TABLE: u16 = NFTABLES << 8;
const NEW_CHAIN: u16 = NFTABLES << 8 | 3;
const NEW_RULE: u16 = NFTABLES << 8 | 6;

const REQUEST: u16 = 0x1;
/// NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE: what is there already stays.
const MAKE: u16 = 0x405;
/// With NLM_F_APPEND.
const APPEND: u16 = MAKE | 0x800;
/// NLA_F_NESTED.
const NESTED: u16 = 1 << 15;

const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const HOOK_FORWARD: u32 = 2;
const PRIORITY_MANGLE: i32 = -150;
const REGISTER: u32 = 1;

const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_L4PROTO: u32 = 16;
const TRANSPORT_HEADER: u32 = 2;
/// Where TCP's flags are, and two of them.
const TCP_FLAGS: u32 = 13;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const TCP_OPTION_MSS: u8 = 2;
const EXTHDR_OF_TCP: u32 = 1;

/// Clamps in the calling thread's namespace.
///
/// # Errors
/// The kernel lacks a part of nftables, or this process may not.
pub(super) fn clamp_here(clamp: &Clamp<'_>) -> io::Result<()> {
    told(exchange(&requests(clamp))?)
}

fn told(answer: Result<(), Refusal>) -> io::Result<()> {
    answer.map_err(|refusal| {
        let plain = io::Error::from_raw_os_error(refusal.errno);
        if refusal.text.is_empty() {
            plain
        } else {
            io::Error::new(plain.kind(), format!("{} ({plain})", refusal.text))
        }
    })
}

/// Whether the kernel takes all of it; to be called in a namespace that goes away.
pub(super) fn try_here() -> Result<(), Errno> {
    let io = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let clamp = |ipv6| {
        requests(&Clamp {
            dev: "lo",
            ipv6,
            mss: 1000,
        })
    };
    for all in [clamp(false), clamp(true), cap::trial()] {
        let done = exchange(&all).map_err(io)?;
        done.map_err(|refusal| Errno::from_raw(refusal.errno))?;
    }
    Ok(())
}

fn exchange(requests: &Messages) -> io::Result<Result<(), Refusal>> {
    NetfilterSocket::open()?.batch(requests)
}

fn requests(clamp: &Clamp<'_>) -> Messages {
    let family = if clamp.ipv6 {
        NFPROTO_IPV6
    } else {
        NFPROTO_IPV4
    };
    let head = head(family);
    let mut out = Messages::default();
    out.begin(BATCH_BEGIN, REQUEST, &BATCH);
    begin_chain(&mut out, family, CHAIN, (HOOK_FORWARD, PRIORITY_MANGLE));
    for direction in [META_IIFNAME, META_OIFNAME] {
        out.begin(NEW_RULE, APPEND, &head);
        out.attribute(1, TABLE);
        out.attribute(2, CHAIN);
        out.attribute(4 | NESTED, &expressions(direction, clamp));
    }
    out.begin(BATCH_END, REQUEST, &BATCH);
    out
}

/// `struct nfgenmsg`: family, version, resource.
fn head(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

/// Makes the table and a chain in it, unless they are there.
fn begin_chain(out: &mut Messages, family: u8, chain: &[u8], (hook, priority): (u32, i32)) {
    out.begin(NEW_TABLE, MAKE, &head(family));
    out.attribute(1, TABLE);
    out.begin(NEW_CHAIN, MAKE, &head(family));
    out.attribute(1, TABLE);
    out.attribute(3, chain);
    let hook = [number(1, hook), number(2, priority.cast_unsigned())];
    out.attribute(4 | NESTED, &hook.concat());
    out.attribute(7, b"filter\0");
}

/// Compares what was loaded last with an interface's name.
fn is_named(dev: &str) -> Vec<u8> {
    // IFNAMSIZ, filled with zeros.
    let mut name = dev.as_bytes().to_vec();
    name.resize(16, 0);
    equal(&name)
}

fn expressions(direction: u32, clamp: &Clamp<'_>) -> Vec<u8> {
    [
        meta(direction),
        is_named(clamp.dev),
        meta(META_L4PROTO),
        equal(&[libc::IPPROTO_TCP as u8]),
        expression(
            b"payload\0",
            &[
                number(1, REGISTER),
                number(2, TRANSPORT_HEADER),
                number(3, TCP_FLAGS),
                number(4, 1),
            ],
        ),
        expression(
            b"bitwise\0",
            &[
                number(1, REGISTER),
                number(2, REGISTER),
                number(3, 1),
                data(4, &[SYN | RST]),
                data(5, &[0]),
            ],
        ),
        equal(&[SYN]),
        expression(
            b"immediate\0",
            &[number(1, REGISTER), data(2, &clamp.mss.to_be_bytes())],
        ),
        expression(
            b"exthdr\0",
            &[
                number(7, REGISTER),
                attribute(2, &[TCP_OPTION_MSS]),
                // Behind the option's kind and length: two bytes.
                number(3, 2),
                number(4, 2),
                number(6, EXTHDR_OF_TCP),
            ],
        ),
    ]
    .concat()
}

fn meta(key: u32) -> Vec<u8> {
    expression(b"meta\0", &[number(1, REGISTER), number(2, key)])
}

fn equal(value: &[u8]) -> Vec<u8> {
    expression(
        b"cmp\0",
        &[number(1, REGISTER), number(2, 0), data(3, value)],
    )
}

/// One of a rule's list: its name, then its own attributes.
fn expression(name: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let parts = [
        attribute(1, name),
        attribute(2 | NESTED, &attributes.concat()),
    ];
    attribute(1 | NESTED, &parts.concat())
}

/// Numbers are big-endian in nf_tables.
fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

fn data(kind: u16, value: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, &attribute(1, value))
}

#[cfg(test)]
mod tests {
    use super::super::netlink::{attributes, messages};
    use super::*;

    #[test]
    fn a_batch_makes_table_chain_and_a_rule_each_way() {
        let clamp = Clamp {
            dev: "backup.1",
            ipv6: false,
            mss: 1360,
        };
        let requests = requests(&clamp);
        let read: Vec<_> = messages(requests.as_bytes()).collect();
        let kinds: Vec<u16> = read.iter().map(|message| message.kind).collect();
        assert_eq!(kinds, [0x10, 0xa00, 0xa03, 0xa06, 0xa06, 0x11]);
        // Only what is between them is acknowledged: the batch's ends are no requests.
        let asked: Vec<bool> = read.iter().map(|m| m.flags & 4 != 0).collect();
        assert_eq!(asked, [false, true, true, true, true, false]);
        for (rule, direction) in [(3, META_IIFNAME), (4, META_OIFNAME)] {
            let attributes = attributes(read[rule].body, 4);
            assert_eq!(attributes[&1], TABLE);
            assert_eq!(attributes[&2], CHAIN);
            let list = attributes[&4];
            let holds = |part: &[u8]| list.windows(part.len()).any(|window| window == part);
            assert!(list.starts_with(&meta(direction)));
            assert!(holds(b"backup.1\0\0\0\0\0\0\0\0"));
            assert!(holds(&[0x05, 0x50]), "1360, big-endian");
        }
        let chain = attributes(read[2].body, 4);
        // NFTA_HOOK_HOOKNUM and NFTA_HOOK_PRIORITY.
        let hook = attributes(chain[&4], 0);
        assert_eq!(hook[&1], [0, 0, 0, 2]);
        assert_eq!(hook[&2], [0xff, 0xff, 0xff, 0x6a]);
    }
}
