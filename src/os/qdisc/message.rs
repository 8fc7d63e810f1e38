//! Changes as bytes: `struct tcmsg` and nested attributes (rtnetlink(7),
//! linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act).

use crate::{
    os::netlink::{Messages, put_attribute},
    units::Distribution,
};

use super::{Bucket, Netem, NetemLoss, QdiscOp, distribution};

pub(super) const NEW_QDISC: u16 = 36;
const DEL_QDISC: u16 = 37;
const NEW_FILTER: u16 = 44;
const DEL_FILTER: u16 = 45;

/// NLM_F_REQUEST | NLM_F_ACK.
const ASK: u16 = 0x5;
/// NLM_F_CREATE | NLM_F_EXCL.
const NEW: u16 = 0x600;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

const TC_H_ROOT: u32 = u32::MAX;
const TC_H_CLSACT: u32 = 0xFFFF_FFF1;
const CLSACT_HANDLE: u32 = 0xFFFF_0000;
/// The entrance's filters: TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS).
const ENTRANCE: u32 = 0xFFFF_FFF2;
/// `1:` and its only class.
pub(super) const NETEM_HANDLE: u32 = 0x1_0000;
const NETEM_CLASS: u32 = 0x1_0001;
/// `2:`.
pub(super) const RATE_HANDLE: u32 = 0x2_0000;

/// NLA_F_NESTED.
const NESTED: u16 = 1 << 15;

/// Filters are asked in ascending order of priority.
const DROP_PRIORITY: u32 = 1;
const REDIRECT_PRIORITY: u32 = 2;

/// With any rate at all netem keeps packets in order; at this one, in bytes a
/// second, a packet takes no measurable time.
const NO_RATE: u64 = 10_000_000_000_000;

/// One message for each change.
pub(super) fn requests(ops: &[QdiscOp]) -> Messages {
    let mut out = Messages::default();
    for op in ops {
        match op {
            QdiscOp::AddEntrance { dev } => {
                let place = place(*dev, CLSACT_HANDLE, TC_H_CLSACT, 0);
                qdisc(&mut out, NEW, &place, "clsact", &[]);
            }
            QdiscOp::AddNetem { dev, netem } => {
                let fresh = netem.distribution == Distribution::default();
                add_netem(&mut out, NEW, *dev, &netem_options(netem, !fresh));
            }
            QdiscOp::ChangeNetem { dev, netem } => {
                // An earlier table would stay in force.
                add_netem(&mut out, 0, *dev, &netem_options(netem, true));
            }
            QdiscOp::AddRate { dev, bucket } => add_rate(&mut out, NEW, *dev, bucket),
            QdiscOp::ChangeRate { dev, bucket } => add_rate(&mut out, 0, *dev, bucket),
            QdiscOp::AddRedirect { dev, to } => {
                filter(&mut out, *dev, REDIRECT_PRIORITY, &redirect(*to));
            }
            QdiscOp::AddDrop { dev } => filter(&mut out, *dev, DROP_PRIORITY, &drop_all()),
            QdiscOp::RemoveDrop { dev } => {
                let info = info(DROP_PRIORITY);
                out.begin(DEL_FILTER, ASK, &place(*dev, 0, ENTRANCE, info));
            }
        }
    }
    out
}

/// Takes away everything on an interface.
pub(super) fn removals(dev: u32) -> Messages {
    let mut out = Messages::default();
    out.begin(DEL_QDISC, ASK, &place(dev, CLSACT_HANDLE, TC_H_CLSACT, 0));
    out.begin(DEL_QDISC, ASK, &place(dev, NETEM_HANDLE, TC_H_ROOT, 0));
    out
}

/// `struct tcmsg`.
fn place(dev: u32, handle: u32, parent: u32, info: u32) -> [u8; 20] {
    let mut body = [0; 20];
    body[4..8].copy_from_slice(&dev.to_ne_bytes());
    body[8..12].copy_from_slice(&handle.to_ne_bytes());
    body[12..16].copy_from_slice(&parent.to_ne_bytes());
    body[16..20].copy_from_slice(&info.to_ne_bytes());
    body
}

/// A filter's priority, and that it takes every protocol (ETH_P_ALL, big-endian).
fn info(priority: u32) -> u32 {
    priority << 16 | u32::from(3_u16.to_be())
}

fn qdisc(out: &mut Messages, flags: u16, place: &[u8; 20], kind: &str, options: &[u8]) {
    out.begin(NEW_QDISC, ASK | flags, place);
    out.attribute(TCA_KIND, &text(kind));
    if !options.is_empty() {
        out.attribute(TCA_OPTIONS, options);
    }
}

fn add_netem(out: &mut Messages, flags: u16, dev: u32, options: &[u8]) {
    let place = place(dev, NETEM_HANDLE, TC_H_ROOT, 0);
    qdisc(out, flags, &place, "netem", options);
}

/// `struct tc_netem_qopt` (latency, limit, loss, gap, duplicate, jitter), then
/// attributes; delays go by the attributes, in nanoseconds. What an attribute
/// can take back is always there, because a change keeps what it does not name.
pub(super) fn netem_options(netem: &Netem, with_table: bool) -> Vec<u8> {
    let mut options = Vec::with_capacity(160);
    let loss = match netem.loss {
        NetemLoss::Random(share) => share,
        NetemLoss::Gilbert { .. } => 0,
    };
    // Every packet may be chosen to overtake, not only one in so many.
    let gap = u32::from(netem.reorder > 0);
    for word in [0, netem.limit, loss, gap, netem.duplicate, 0] {
        options.extend(word.to_ne_bytes());
    }
    if with_table {
        put_attribute(&mut options, 2, &distribution::table(netem.distribution));
    }
    // Probability and correlation.
    put_attribute(&mut options, 3, &words(&[netem.reorder, 0]));
    put_attribute(&mut options, 4, &words(&[netem.corrupt, 0]));
    if let NetemLoss::Gilbert { begin, end } = netem.loss {
        // NETEM_LOSS_GE with struct tc_netem_gemodel: p, r, what gets through
        // in the bad state, what is lost in the good one.
        let mut model = Vec::new();
        put_attribute(&mut model, 2, &words(&[begin, end, 0, 0]));
        put_attribute(&mut options, 5 | NESTED, &model);
    }
    // struct tc_netem_rate: rate, packet overhead, cell size, cell overhead.
    put_attribute(&mut options, 6, &words(&[u32::MAX, 0, 0, 0]));
    put_attribute(&mut options, 8, &NO_RATE.to_ne_bytes());
    put_attribute(&mut options, 10, &netem.delay.as_nanos().to_ne_bytes());
    put_attribute(&mut options, 11, &netem.jitter.as_nanos().to_ne_bytes());
    put_attribute(&mut options, 14, &netem.seed.to_ne_bytes());
    options
}

fn add_rate(out: &mut Messages, flags: u16, dev: u32, bucket: &Bucket) {
    let place = place(dev, RATE_HANDLE, NETEM_CLASS, 0);
    qdisc(out, flags, &place, "tbf", &tbf_options(bucket));
}

/// `struct tc_tbf_qopt`: rate, peak rate (two `struct tc_ratespec`), limit,
/// buffer, mtu; then the exact rate and burst.
pub(super) fn tbf_options(bucket: &Bucket) -> Vec<u8> {
    const LINKLAYER_ETHERNET: u8 = 1;
    let mut parameters = [0; 36];
    parameters[1] = LINKLAYER_ETHERNET;
    let rate = u32::try_from(bucket.bytes_per_second).unwrap_or(u32::MAX);
    parameters[8..12].copy_from_slice(&rate.to_ne_bytes());
    parameters[24..28].copy_from_slice(&bucket.queue.to_ne_bytes());
    let mut options = Vec::with_capacity(64);
    put_attribute(&mut options, 1, &parameters);
    put_attribute(&mut options, 4, &bucket.bytes_per_second.to_ne_bytes());
    put_attribute(&mut options, 6, &bucket.burst.to_ne_bytes());
    options
}

fn filter(out: &mut Messages, dev: u32, priority: u32, action: &[u8]) {
    let place = place(dev, 1, ENTRANCE, info(priority));
    out.begin(NEW_FILTER, ASK | NEW, &place);
    out.attribute(TCA_KIND, &text("matchall"));
    // TCA_MATCHALL_ACT, and in it the first action.
    let mut first = Vec::new();
    put_attribute(&mut first, 1, action);
    let mut actions = Vec::new();
    put_attribute(&mut actions, 2, &first);
    out.attribute(TCA_OPTIONS, &actions);
}

/// TCA_ACT_KIND, TCA_ACT_OPTIONS with the action's parameters (2 for both kinds).
fn action(kind: &str, parameters: &[u8]) -> Vec<u8> {
    let mut options = Vec::new();
    put_attribute(&mut options, 2, parameters);
    let mut action = Vec::new();
    put_attribute(&mut action, 1, &text(kind));
    put_attribute(&mut action, 2, &options);
    action
}

/// `struct tc_mirred`: index, capab, action, refcnt, bindcnt, eaction, ifindex.
fn redirect(to: u32) -> Vec<u8> {
    const STOLEN: u32 = 4;
    const EGRESS_REDIRECT: u32 = 1;
    action("mirred", &words(&[0, 0, STOLEN, 0, 0, EGRESS_REDIRECT, to]))
}

/// `struct tc_gact`: index, capab, action, refcnt, bindcnt.
fn drop_all() -> Vec<u8> {
    const SHOT: u32 = 2;
    action("gact", &words(&[0, 0, SHOT, 0, 0]))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}
