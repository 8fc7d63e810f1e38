//! LAGs: links that act as one, and what makes them fit together.

use super::{
    super::{
        At,
        keys::LAG,
        raw::{Key, Tree},
        reader::{Fields, an, and_list},
    },
    Lower, Section,
};
use crate::{
    lab::model::{DEFAULT_MTU, Kind, Lag, Link, MAX_MEMBERS, aws},
    units::{LacpRate, LinkName, NodeName, Rate},
};

impl Lower<'_> {
    pub(super) fn lags(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("lags") else {
            return;
        };
        for (key, tree) in self.f.entries(tree, at, "lags") {
            let name = self.f.name::<LinkName>(key.at, &key.text);
            if self.is_known(Section::Links, &key.text) {
                let message = format!("a link is called `{}` too", key.text);
                self.f.error(key.at, "duplicate", message);
            }
            if let (Some(name), Some(lag)) = (name, self.read_lag(key, tree)) {
                self.lab.lags.insert(name, lag);
            }
        }
    }

    fn read_lag(&mut self, key: &Key, tree: &Tree) -> Option<Lag> {
        let fields = self.f.fields(tree, &LAG, key.at)?;
        let hash = fields.parse(&mut self.f, "hash").unwrap_or_default();
        let min_links = fields.number::<u8>(&mut self.f, "min-links");
        let Some(named) = self.members(&fields) else {
            self.per_end::<LacpRate>(&fields, "lacp", None);
            return None;
        };
        if let Some(min_links) = min_links.filter(|&min| usize::from(min) > named.len()) {
            let message = format!(
                "with `min-links: {min_links}` and {} links the LAG would never be up",
                named.len()
            );
            self.f
                .error(fields.at_value("min-links"), "out-of-range", message)
                .help(format!(
                    "at most {}; AWS's default is {}: its LAG counts as up without any (Direct Connect User Guide, \"Link aggregation groups (LAGs)\")",
                    named.len(),
                    aws::LAG_MIN_LINKS
                ));
        }
        let first = &named.first()?.1.clone();
        let ends = self.link(first)?.ends.clone();
        self.check_lag_ends(fields.at_value("links"), &ends);
        let alike = named
            .iter()
            .skip(1)
            .all(|(at, name)| self.check_alike(*at, name, first));
        self.check_count(fields.at_value("links"), first, named.len());
        for (at, name) in &named {
            self.check_member(*at, name, &ends);
            self.check_dedicated(*at, name);
        }
        let lacp = self.per_end(&fields, "lacp", Some(&ends));
        let addresses = self.end_addresses(&fields, &ends);
        if let Some(addresses) = &addresses {
            self.check_pairs(fields.at_key("addresses"), addresses);
        }
        alike.then(|| Lag {
            mtu: self.link(first).map_or(DEFAULT_MTU, |link| link.mtu),
            links: named.into_iter().map(|(_, name)| name).collect(),
            ends,
            min_links: min_links.unwrap_or(aws::LAG_MIN_LINKS),
            lacp: lacp.map(Option::unwrap_or_default),
            hash,
            addresses: addresses.unwrap_or_default(),
            line: key.at.line,
        })
    }

    /// The links as named, each once; `None` where one is unknown or not understood.
    fn members(&mut self, fields: &Fields<'_>) -> Option<Vec<(At, LinkName)>> {
        let (at, tree) = fields.get("links")?;
        let items = self.f.items(at, tree, "links")?;
        let mut named: Vec<(At, LinkName)> = Vec::new();
        let mut whole = true;
        for item in items {
            let name = self
                .f
                .text(item.at, item, "links")
                .and_then(|text| self.link_named(item.at, text));
            match name {
                Some(name) if named.iter().any(|(_, other)| *other == name) => {
                    let message = format!("`{name}` is here twice");
                    self.f.error(item.at, "duplicate", message);
                }
                Some(name) => {
                    whole &= self.link(&name).is_some();
                    named.push((item.at, name));
                }
                None => whole = false,
            }
        }
        if items.len() < 2 {
            let message = format!("a LAG has two links or more, but this has {}", items.len());
            self.f
                .error(tree.at, "lag", message)
                .help("one link needs no LAG here, though AWS takes a LAG of one connection: sessions and cuts name the link itself");
            return None;
        }
        whole.then_some(named)
    }

    fn check_lag_ends(&mut self, at: At, ends: &[NodeName; 2]) {
        for end in ends {
            match self.kind(end) {
                None | Some(Kind::Router | Kind::DataCenter | Kind::DxLocation) => {}
                Some(kind) => {
                    let message = format!("`{end}` is {}, which has no LAG", an(kind.word()));
                    self.f
                        .error(at, "wrong-kind", message)
                        .help("a LAG runs between routers, data-centers and a dx-location");
                }
            }
        }
    }

    /// Whether a link can be bundled with the LAG's first.
    fn check_alike(&mut self, at: At, name: &LinkName, first: &LinkName) -> bool {
        let (Some(link), Some(like)) = (self.link(name), self.link(first)) else {
            return false;
        };
        let same_order = link.ends == like.ends;
        let reversed = link.ends[0] == like.ends[1] && link.ends[1] == like.ends[0];
        if !same_order && !reversed {
            let message = format!(
                "`{first}` connects `{}` and `{}`, but `{name}` `{}` and `{}`",
                like.ends[0], like.ends[1], link.ends[0], link.ends[1]
            );
            self.f
                .error(at, "lag", message)
                .help("the links of a LAG have the same two ends: no LAG spans devices (Direct Connect User Guide, \"Link aggregation groups (LAGs)\")");
            return false;
        }
        let (rate, first_rate) = (rates(link, reversed), rates(like, false));
        let (mtu, first_mtu) = (link.mtu, like.mtu);
        if rate != first_rate {
            let [own, firsts] = [rate, first_rate].map(|rates| speed(&rates));
            let message = format!("`{first}` {firsts}, but `{name}` {own}");
            self.f
                .error(at, "lag-rate", message)
                .help("the links of a LAG have one speed (Direct Connect User Guide, \"Link aggregation groups (LAGs)\")");
        }
        if mtu != first_mtu {
            let message = format!("the MTU of `{first}` is {first_mtu}, that of `{name}` {mtu}");
            self.f
                .error(at, "mtu", message)
                .help("the links of a LAG have one MTU");
        }
        true
    }

    fn check_count(&mut self, at: At, first: &LinkName, count: usize) {
        let Some(link) = self.link(first) else {
            return;
        };
        let rate = link.shape.iter().filter_map(|shape| shape.rate).max();
        let is_aws = link
            .ends
            .iter()
            .any(|end| self.kind(end).is_some_and(Kind::is_aws));
        if is_aws && count > aws::lag_members(rate) {
            let most = aws::lag_members(rate);
            self.f
                .error(
                    at,
                    "aws-lag",
                    format!(
                        "a LAG at AWS has at most {most} links of this speed, but this has {count}"
                    ),
                )
                .help("four below 100 Gb/s, two from there on (Direct Connect User Guide, \"Link aggregation groups (LAGs)\")");
        } else if count > MAX_MEMBERS {
            let message = format!("a LAG has at most {MAX_MEMBERS} links, but this has {count}");
            self.f.error(at, "lag", message);
        }
    }

    /// At AWS a LAG is of dedicated connections, each of a dedicated port's speed.
    fn check_dedicated(&mut self, at: At, name: &LinkName) {
        const RULE: &str = "at AWS all are dedicated connections of 1, 10, 100 or 400 Gb/s (Direct Connect User Guide, \"Link aggregation groups (LAGs)\")";
        let Some(link) = self.link(name) else {
            return;
        };
        let at_location = |end: &NodeName| matches!(self.kind(end), Some(Kind::DxLocation));
        if !link.ends.iter().any(at_location) {
            return;
        }
        let is_port = |rate: &Rate| aws::PORT_SPEEDS_BPS.contains(&rate.bits_per_second());
        let mut rates = link.shape.iter().filter_map(|shape| shape.rate);
        let odd = rates.find(|rate| !is_port(rate));
        let hosted = link.hosted;
        if hosted {
            let message = format!("`{name}` is a hosted connection, and a LAG has none");
            self.f.error(at, "aws-lag", message).help(RULE);
        } else if let Some(rate) = odd {
            let message =
                format!("`{name}` runs at {rate}, which is no speed of a connection in a LAG");
            self.f.error(at, "aws-lag", message).help(RULE);
        }
    }

    fn check_member(&mut self, at: At, name: &LinkName, ends: &[NodeName; 2]) {
        if let Some(other) = self.lag_of(name).cloned() {
            let message = format!("`{name}` is in the LAG `{other}` already");
            self.f.error(at, "lag", message);
        }
        let addressed = self
            .link(name)
            .is_some_and(|link| link.addresses.iter().any(|list| !list.is_empty()));
        if addressed {
            let place = self.at(Section::Links, name.as_str());
            let message = format!("`{name}` is in a LAG and has no addresses of its own");
            self.f.error(place, "lag", message).help(format!(
                "give them to the LAG: `addresses: {{ {}: …, {}: … }}`",
                ends[0], ends[1]
            ));
        }
    }

    /// The LAG that bundles a link.
    pub(super) fn lag_of(&self, link: &LinkName) -> Option<&LinkName> {
        let mut lags = self.lab.lags.iter();
        lags.find(|(_, lag)| lag.links.contains(link))
            .map(|(name, _)| name)
    }

    /// The ends of what a session may run over: a LAG, or a link in none.
    pub(super) fn way_ends(&mut self, at: At, name: &LinkName) -> Option<[NodeName; 2]> {
        if let Some(lag) = self.lab.lags.get(name) {
            return Some(lag.ends.clone());
        }
        if let Some(lag) = self.lag_of(name).cloned() {
            let message = format!("`{name}` is in the LAG `{lag}`; sessions run over the LAG");
            self.f
                .error(at, "lag", message)
                .help(format!("write `{lag}` instead"));
            return None;
        }
        Some(self.link(name)?.ends.clone())
    }

    /// Says that a step needs one link, not a LAG.
    pub(super) fn refuse_lag(&mut self, at: At, name: &LinkName, what: &str) -> bool {
        let Some(links) = self.lab.lags.get(name).map(|lag| and_list(&lag.links)) else {
            return false;
        };
        self.f
            .error(
                at,
                "lag",
                format!("`{name}` is a LAG; {what} hits one link"),
            )
            .help(format!("its links are {links}"));
        true
    }
}

/// The rates of a link's directions, in the order of the LAG's ends.
fn rates(link: &Link, reversed: bool) -> [Option<Rate>; 2] {
    let [a, b] = link.shape.each_ref().map(|shape| shape.rate);
    if reversed { [b, a] } else { [a, b] }
}

fn speed(rates: &[Option<Rate>; 2]) -> String {
    match rates {
        [None, None] => "has no `rate`".to_owned(),
        [Some(a), Some(b)] if a == b => format!("runs at {a}"),
        [Some(a), Some(b)] => format!("runs at {a} one way and {b} the other"),
        [Some(one), None] | [None, Some(one)] => format!("runs at {one} one way only"),
    }
}
