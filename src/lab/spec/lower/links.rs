//! Links and their shapes.

use std::{fmt::Display, str::FromStr};

use ipnet::IpNet;

use super::{
    super::{
        At,
        keys::LINK,
        raw::{Key, Tree, Value},
        reader::{Fields, Findings, an},
    },
    Lower,
    nodes::tags,
};
use crate::{
    lab::model::{DEFAULT_MTU, Kind, Link, MAX_MTU, MIN_MTU, Shape},
    units::{Bytes, Distribution, LinkName, LossBurst, NodeName, Percent, Rate, Span},
};

/// The keys that say what a link does to packets.
pub(super) const SHAPE_KEYS: [&str; 10] = [
    "delay",
    "jitter",
    "distribution",
    "loss",
    "loss-burst",
    "duplicate",
    "corrupt",
    "reorder",
    "rate",
    "queue",
];

impl Lower<'_> {
    pub(super) fn links(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("links") else {
            return;
        };
        for (key, tree) in self.f.entries(tree, at, "links") {
            let name = self.f.name::<LinkName>(key.at, &key.text);
            if let (Some(name), Some(link)) = (name, self.read_link(key, tree)) {
                self.lab.links.insert(name, link);
            }
        }
    }

    fn read_link(&mut self, key: &Key, tree: &Tree) -> Option<Link> {
        let fields = self.f.fields(tree, &LINK, key.at)?;
        let ends = self.two_nodes(&fields, "ends");
        if let Some(ends) = &ends {
            self.check_link_ends(fields.at_value("ends"), ends);
        }
        let mtu = self.link_mtu(&fields);
        if !(MIN_MTU..=MAX_MTU).contains(&mtu) {
            self.f.error(
                fields.at_value("mtu"),
                "out-of-range",
                format!("`mtu` is {mtu}, but may be {MIN_MTU} to {MAX_MTU}"),
            );
        }
        let shape = self.shape(&fields, ends.as_ref(), [Shape::default(), Shape::default()]);
        let tags = tags(&mut self.f, &fields);
        let declared = shape.iter().any(|shape| !shape.is_transparent());
        let asked = fields.flag(&mut self.f, "shaped");
        if asked == Some(false) && declared {
            self.f.error(
                fields.at_value("shaped"),
                "contradiction",
                "`shaped: false` on a link with a delay, loss or rate",
            );
        }
        let ends = ends?;
        let hosted = self.hosted(&fields, &ends);
        Some(Link {
            addresses: self.link_addresses(&fields, &ends),
            shape,
            mtu,
            shaped: declared || asked == Some(true),
            hosted,
            tags,
            line: key.at.line,
            ends,
        })
    }

    fn link_mtu(&mut self, fields: &Fields<'_>) -> Bytes {
        if let Some((_, tree)) = fields.get("mtu")
            && matches!(tree.value, Value::Map(_))
        {
            self.f
                .error(tree.at, "mtu", "both ends of a link have one `mtu`")
                .help("ends that disagree drop what the other end takes for granted; write one size, `mtu: 9001B`");
            return DEFAULT_MTU;
        }
        fields.parse(&mut self.f, "mtu").unwrap_or(DEFAULT_MTU)
    }

    /// A list of exactly two different declared nodes.
    pub(super) fn two_nodes(&mut self, fields: &Fields<'_>, key: &str) -> Option<[NodeName; 2]> {
        let (at, tree) = fields.get(key)?;
        let items = self.f.items(at, tree, key)?;
        let [a, b] = items else {
            let message = format!("`{key}` names two nodes, but this names {}", items.len());
            self.f.error(tree.at, "ends", message);
            return None;
        };
        let texts = [self.f.text(a.at, a, key), self.f.text(b.at, b, key)];
        let [Some(first), Some(second)] = texts else {
            return None;
        };
        let (first, second) = (self.node_named(a.at, first), self.node_named(b.at, second));
        let (first, second) = (first?, second?);
        if first == second {
            self.f
                .error(b.at, "ends", format!("both ends are `{first}`"));
            return None;
        }
        Some([first, second])
    }

    /// A hosted connection is a circuit to a dx-location.
    fn hosted(&mut self, fields: &Fields<'_>, ends: &[NodeName; 2]) -> bool {
        let hosted = fields.flag(&mut self.f, "hosted").unwrap_or(false);
        let is_location = |end: &NodeName| matches!(self.kind(end), Some(Kind::DxLocation));
        if hosted && self.nodes_complete() && !ends.iter().any(is_location) {
            self.f.error(
                fields.at_key("hosted"),
                "aws-hosted",
                "a hosted connection is a circuit to a dx-location",
            );
        }
        hosted
    }

    fn check_link_ends(&mut self, at: At, ends: &[NodeName; 2]) {
        let words: Vec<&'static str> = ends
            .iter()
            .filter_map(|end| self.kind(end).map(Kind::word))
            .collect();
        let [a, b] = words.as_slice() else {
            return;
        };
        for (this, other) in [(*a, *b), (*b, *a)] {
            let allowed: &[&str] = match this {
                "vpc" if other == "vpc" => continue,
                "vpc" => {
                    self.f
                        .error(
                            at,
                            "wrong-kind",
                            "a vpc has no links but peerings with other vpcs",
                        )
                        .help("it reaches the world through the gateway it is attached to");
                    return;
                }
                "dx-location" => &[
                    "router",
                    "data-center",
                    "vgw",
                    "dxgw",
                    "aws-public",
                    "switch",
                ],
                "aws-public" => &["dx-location", "internet", "aws-public", "vgw"],
                "vgw" => &["dx-location", "dxgw", "internet", "aws-public"],
                "dxgw" => &["dx-location", "vgw", "tgw"],
                "tgw" => &["dxgw", "internet", "tgw"],
                _ => continue,
            };
            if !allowed.contains(&other) {
                let list = super::super::reader::and_list(allowed).replace(" and ", " or ");
                self.f.error(
                    at,
                    "wrong-kind",
                    format!(
                        "a link of {} leads to {list}, not to {}",
                        an(this),
                        an(other)
                    ),
                );
                return;
            }
        }
    }

    /// The shape that the keys describe, on top of what is there. Without ends
    /// the values are still read for their mistakes.
    pub(super) fn shape(
        &mut self,
        fields: &Fields<'_>,
        ends: Option<&[NodeName; 2]>,
        base: [Shape; 2],
    ) -> [Shape; 2] {
        let mut shape = base;
        let set = &mut shape;
        self.each_end::<Span>(fields, "delay", ends, set, |to, v| to.delay = v);
        self.each_end::<Span>(fields, "jitter", ends, set, |to, v| to.jitter = v);
        self.each_end::<Distribution>(fields, "distribution", ends, set, |to, v| {
            to.distribution = v;
        });
        self.each_end::<Percent>(fields, "loss", ends, set, |to, v| to.loss = v);
        self.each_end::<LossBurst>(fields, "loss-burst", ends, set, |to, v| {
            to.loss_burst = Some(v);
        });
        self.each_end::<Percent>(fields, "duplicate", ends, set, |to, v| to.duplicate = v);
        self.each_end::<Percent>(fields, "corrupt", ends, set, |to, v| to.corrupt = v);
        self.each_end::<Percent>(fields, "reorder", ends, set, |to, v| to.reorder = v);
        self.each_end::<Rate>(fields, "rate", ends, set, |to, v| to.rate = Some(v));
        self.each_end::<Bytes>(fields, "queue", ends, set, |to, v| to.queue = Some(v));
        self.check_delay(fields, &shape);
        self.check_loss(fields, &shape);
        self.check_queue(fields, &shape);
        shape
    }

    fn each_end<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        ends: Option<&[NodeName; 2]>,
        shape: &mut [Shape; 2],
        set: impl Fn(&mut Shape, T),
    ) where
        T: FromStr + Copy,
        T::Err: Display,
    {
        let given = self.per_end::<T>(fields, key, ends);
        for (shape, value) in shape.iter_mut().zip(given) {
            if let Some(value) = value {
                set(shape, value);
            }
        }
    }

    fn check_delay(&mut self, fields: &Fields<'_>, shape: &[Shape; 2]) {
        if shape.iter().any(|s| s.delay > Span::from_secs(10)) {
            self.f.error(
                fields.at_value("delay"),
                "out-of-range",
                "`delay` is at most 10s: light is at the moon in 1.3s",
            );
        }
        if shape.iter().any(|s| s.jitter > s.delay) {
            self.f.error(
                fields.at_value(if fields.has("jitter") {
                    "jitter"
                } else {
                    "delay"
                }),
                "out-of-range",
                "`jitter` is at most the delay: no packet arrives before it was sent",
            );
        }
        let distributed = |s: &Shape| s.distribution != Distribution::default();
        if shape
            .iter()
            .any(|s| distributed(s) && s.jitter == Span::ZERO)
        {
            self.f
                .error(
                    fields.at_key("distribution"),
                    "contradiction",
                    "`distribution` without `jitter`",
                )
                .help("it says how the jitter lies around the delay");
        }
        let overtakes = |s: &Shape| s.reorder != Percent::default();
        if shape.iter().any(|s| overtakes(s) && s.delay == Span::ZERO) {
            self.f
                .error(
                    fields.at_key("reorder"),
                    "contradiction",
                    "`reorder` without `delay`",
                )
                .help("what is reordered takes no delay and so overtakes what does");
        }
    }

    fn check_loss(&mut self, fields: &Fields<'_>, shape: &[Shape; 2]) {
        for shape in shape {
            let (Some(burst), share) = (shape.loss_burst, u64::from(shape.loss.millionths()))
            else {
                continue;
            };
            if share == 0 {
                self.f
                    .error(
                        fields.at_key("loss-burst"),
                        "contradiction",
                        "`loss-burst` without `loss`",
                    )
                    .help("`loss` is the share of all packets, `loss-burst` how many in a row");
                return;
            }
            let (packets, kept) = (u64::from(burst.packets()), 1_000_000 - share);
            if share > packets * kept {
                let message = format!(
                    "{} of all packets cannot be lost in bursts of {burst}",
                    shape.loss
                );
                let mean = share.div_ceil(kept.max(1));
                let found = self
                    .f
                    .error(fields.at_value("loss-burst"), "out-of-range", message);
                if kept > 0 && mean <= 1000 {
                    found.help(format!("between bursts at least one packet gets through: `loss-burst: {mean}` or more"));
                } else {
                    found.help("between bursts at least one packet gets through");
                }
                return;
            }
        }
    }

    fn check_queue(&mut self, fields: &Fields<'_>, shape: &[Shape; 2]) {
        if shape.iter().any(|s| s.queue.is_some() && s.rate.is_none()) {
            self.f
                .error(
                    fields.at_key("queue"),
                    "contradiction",
                    "`queue` without `rate`",
                )
                .help("without a rate nothing waits");
        }
        if shape
            .iter()
            .any(|s| s.queue.is_some_and(|q| q < Bytes::new(1500)))
        {
            self.f.error(
                fields.at_value("queue"),
                "out-of-range",
                "`queue` holds at least one packet, 1500B",
            );
        }
    }

    /// One value for both directions, or a mapping from sending node to value.
    pub(super) fn per_end<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        ends: Option<&[NodeName; 2]>,
    ) -> [Option<T>; 2]
    where
        T: FromStr + Copy,
        T::Err: Display,
    {
        let Some((at, tree)) = fields.get(key) else {
            return [None, None];
        };
        if !matches!(tree.value, Value::Map(_)) {
            let both = self.f.parse(at, tree, key);
            return [both, both];
        }
        let mut out = [None, None];
        for (end, tree) in self.f.entries(tree, at, key) {
            let value = self.f.parse(end.at, tree, key);
            let Some(ends) = ends else { continue };
            let slot = ends.iter().position(|node| node.as_str() == end.text);
            match slot.and_then(|slot| out.get_mut(slot)) {
                Some(out) => *out = value,
                None => self.not_an_end(end, ends),
            }
        }
        out
    }

    pub(super) fn not_an_end(&mut self, key: &Key, ends: &[NodeName; 2]) {
        let message = format!(
            "`{}` is neither end; the ends are `{}` and `{}`",
            key.text, ends[0], ends[1]
        );
        self.f
            .error(key.at, "ends", message)
            .did_you_mean(&key.text, ends.iter().map(NodeName::as_str));
    }

    /// Addresses by end, as written; each family at most once at an end. `None`:
    /// some were refused, and what is left says nothing.
    pub(super) fn end_addresses(
        &mut self,
        fields: &Fields<'_>,
        ends: &[NodeName; 2],
    ) -> Option<[Vec<IpNet>; 2]> {
        let mut out = [Vec::new(), Vec::new()];
        let Some((at, tree)) = fields.get("addresses") else {
            return Some(out);
        };
        let mut refused = false;
        for (key, tree) in self.f.entries(tree, at, "addresses") {
            let list = self.one_of_each_family(key, tree);
            let slot = ends.iter().position(|node| node.as_str() == key.text);
            match (slot.and_then(|slot| out.get_mut(slot)), list) {
                (Some(out), Some(list)) => *out = list,
                (Some(_), None) => refused = true,
                (None, _) => {
                    self.not_an_end(key, ends);
                    refused = true;
                }
            }
        }
        (!refused).then_some(out)
    }

    fn one_of_each_family(&mut self, key: &Key, tree: &Tree) -> Option<Vec<IpNet>> {
        let mut list: Vec<IpNet> = Vec::new();
        let mut refused = false;
        for item in Findings::one_or_list(tree) {
            let Some(net) = self.f.end_address(key.at, item, "addresses") else {
                refused = true;
                continue;
            };
            if list
                .iter()
                .any(|other| other.addr().is_ipv4() == net.addr().is_ipv4())
            {
                self.f.error(
                    item.at,
                    "family",
                    "an end has at most one address of each family",
                );
            } else {
                list.push(net);
            }
        }
        list.sort_by_key(|net| net.addr().is_ipv6());
        (!refused).then_some(list)
    }

    /// Both ends have the same families, in the same networks, at different addresses.
    pub(super) fn check_pairs(&mut self, at: At, addresses: &[Vec<IpNet>; 2]) {
        let [a, b] = addresses;
        if a.len() != b.len()
            || a.iter()
                .zip(b)
                .any(|(a, b)| a.addr().is_ipv4() != b.addr().is_ipv4())
        {
            self.f.error(
                at,
                "family",
                "`addresses` gives both ends the same families",
            );
            return;
        }
        for (a, b) in a.iter().zip(b) {
            if a.addr() == b.addr() {
                self.f.error(
                    at,
                    "overlap",
                    format!("both ends have the address `{}`", a.addr()),
                );
            } else if a.trunc() != b.trunc() {
                self.f.error(
                    at,
                    "family",
                    format!("`{a}` and `{b}` are not in one network"),
                );
            }
        }
    }

    fn link_addresses(&mut self, fields: &Fields<'_>, ends: &[NodeName; 2]) -> [Vec<IpNet>; 2] {
        let Some(addresses) = self.end_addresses(fields, ends) else {
            return [Vec::new(), Vec::new()];
        };
        let at = fields.at_key("addresses");
        let switches = ends
            .each_ref()
            .map(|end| self.kind(end) == Some(&Kind::Switch));
        if switches == [false, false] {
            self.check_pairs(at, &addresses);
            return addresses;
        }
        for ((end, is_switch), list) in ends.iter().zip(switches).zip(&addresses) {
            if is_switch && !list.is_empty() {
                let message = "a switch has no addresses";
                self.f.error(at, "wrong-kind", message);
            } else if !is_switch && list.is_empty() && self.kind(end).is_some() {
                let message = format!("`{end}` needs an address on a link to a switch");
                self.f
                    .error(at, "missing-address", message)
                    .help(format!("write `addresses: {{ {end}: 10.0.0.1/24 }}`"));
            }
        }
        addresses
    }
}
