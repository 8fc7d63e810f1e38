//! What interfaces and queues have counted.

use std::{collections::BTreeMap, io};

use crate::os::netlink::{Messages, RouteSocket, attributes, u32_at};

use super::message::{NETEM_HANDLE, NEW_QDISC, RATE_HANDLE};

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const GET_QDISC: u16 = 38;
/// NLM_F_REQUEST | NLM_F_DUMP.
const DUMP: u16 = 0x301;
const IFLA_STATS64: u16 = 23;
const TCA_STATS2: u16 = 7;
/// TCA_STATS_QUEUE: `struct gnet_stats_queue`: qlen, backlog, drops, requeues, overlimits.
const QUEUE: u16 = 3;

/// By interface index.
pub type Statistics = BTreeMap<u32, LinkStatistics>;

/// Counts of one interface; segmented frames count once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStatistics {
    /// Frames that entered.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames that left, behind all queues.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Frames in netem and in the rate's queue.
    pub queued: u32,
    /// Bytes in the rate's queue.
    pub rate_backlog: u32,
    /// Frames netem did not let through, whatever the reason; with those of the
    /// rate's queue.
    pub netem_drops: u32,
    /// Frames the rate's queue had no room for.
    pub rate_drops: u32,
}

/// Queues first: what passes meanwhile looks as if it had not been let through
/// for a moment, never as if it had come from nowhere.
pub(super) fn read(socket: &mut RouteSocket) -> io::Result<Statistics> {
    let mut all = Statistics::new();
    let mut request = Messages::default();
    request.begin(GET_QDISC, DUMP, &[0; 20]);
    socket.dump(&request, |kind, body| {
        if kind == NEW_QDISC {
            queue(&mut all, body);
        }
    })?;
    let mut request = Messages::default();
    request.begin(GET_LINK, DUMP, &[0; 16]);
    socket.dump(&request, |kind, body| {
        if kind == NEW_LINK {
            link(&mut all, body);
        }
    })?;
    Ok(all)
}

/// Reads a `struct tcmsg` and its attributes.
pub(super) fn queue(all: &mut Statistics, body: &[u8]) {
    let (Some(dev), Some(handle)) = (u32_at(body, 4), u32_at(body, 8)) else {
        return;
    };
    let outer = attributes(body, 20);
    let Some(counts) = outer.get(&TCA_STATS2) else {
        return;
    };
    let inner = attributes(counts, 0);
    let Some(queue) = inner.get(&QUEUE) else {
        return;
    };
    let word = |at| u32_at(queue, at).unwrap_or(0);
    let link = all.entry(dev).or_default();
    match handle {
        // netem counts what waits in its child too.
        NETEM_HANDLE => {
            link.queued = word(0);
            link.netem_drops = word(8);
        }
        RATE_HANDLE => {
            link.rate_backlog = word(4);
            link.rate_drops = word(8);
        }
        _ => {}
    }
}

/// Reads a `struct ifinfomsg` and its attributes.
pub(super) fn link(all: &mut Statistics, body: &[u8]) {
    let Some(dev) = u32_at(body, 4) else {
        return;
    };
    let attributes = attributes(body, 16);
    let Some(stats) = attributes.get(&IFLA_STATS64) else {
        return;
    };
    // struct rtnl_link_stats64: rx packets, tx packets, rx bytes, tx bytes, …
    let count = |n: usize| {
        stats
            .get(n * 8..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |raw| u64::from_ne_bytes(*raw))
    };
    let link = all.entry(dev).or_default();
    link.rx_packets = count(0);
    link.tx_packets = count(1);
    link.rx_bytes = count(2);
    link.tx_bytes = count(3);
}
