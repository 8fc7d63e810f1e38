//! A VPC's subnets and their route tables, and AWS's rules for both (VPC User Guide, "Subnet
//! CIDR blocks", "Subnet route tables").

use ipnet::IpNet;

use super::{
    super::{
        At,
        keys::SUBNET,
        raw::{Key, Tree, Value},
        reader::{Findings, and_list},
    },
    Lower, Section,
    nodes::overlaps,
};
use crate::{
    lab::model::{Kind, MAX_SUBNET_TABLES, Subnet, SubnetTable, SubnetTarget, Subnets},
    units::{LinkName, NodeName, SubnetName},
};

/// The name of the table of all other subnets.
const MAIN: &str = "main";

/// A static route of a subnet's table: what it names is known once links are.
pub(super) struct Written {
    vpc: String,
    subnet: SubnetName,
    prefix: IpNet,
    via: String,
    /// Of the prefix, and of where it leads.
    at: [At; 2],
}

impl Lower<'_> {
    /// Reads the subnets of a vpc with these ranges.
    pub(super) fn subnets(
        &mut self,
        vpc: &str,
        fields: &super::super::reader::Fields<'_>,
        ranges: &[IpNet],
    ) -> Subnets {
        let mut subnets = Subnets::new();
        let Some((at, tree)) = fields.get("subnets") else {
            return subnets;
        };
        let entries = self.f.entries(tree, at, "subnets");
        if entries.is_empty() && matches!(tree.value, Value::Map(_) | Value::Null) {
            self.f
                .error(at, "empty", "`subnets` without a subnet")
                .help("leave it out: then the networks of the vpc's hosts are its subnets");
        }
        for (key, tree) in entries {
            let name = self.f.name::<SubnetName>(key.at, &key.text);
            let Some(name) = name else { continue };
            let cidrs = self.subnet_cidrs(key, tree, ranges, &subnets);
            let table = self.subnet_table(vpc, &name, key, tree);
            let Some(cidrs) = cidrs else { continue };
            if table.is_some() && name.as_str() == MAIN {
                self.f
                    .error(
                        key.at,
                        "bad-name",
                        "a subnet with a route table of its own cannot be called `main`",
                    )
                    .help("that is what the table of all other subnets is called");
            }
            subnets.insert(name, Subnet { cidrs, table });
        }
        let own = subnets.values().filter(|subnet| subnet.table.is_some());
        let (own, most) = (own.count(), MAX_SUBNET_TABLES);
        if own > most {
            let message =
                format!("`{vpc}` has {own} subnets with tables of their own; here {most} may");
            self.f.error(at, "too-many", message);
        }
        subnets
    }

    /// `None`: there is none, or none that could be read.
    fn subnet_cidrs(
        &mut self,
        key: &Key,
        tree: &Tree,
        ranges: &[IpNet],
        others: &Subnets,
    ) -> Option<Vec<IpNet>> {
        let (at, list) = match &tree.value {
            Value::Map(_) => {
                let fields = self.f.fields(tree, &SUBNET, key.at)?;
                fields.get("cidr")?
            }
            Value::Text(_) | Value::List(_) | Value::Null => (key.at, tree),
        };
        let mut cidrs: Vec<IpNet> = Vec::new();
        for item in Findings::one_or_list(list) {
            let Some(cidr) = self.f.prefix(at, item, "cidr") else {
                continue;
            };
            let is_like = |other: &&IpNet| other.addr().is_ipv4() == cidr.addr().is_ipv4();
            if cidrs.iter().any(|other| is_like(&other)) {
                let message = "a subnet has at most one range of each family";
                self.f.error(item.at, "family", message);
                continue;
            }
            self.check_subnet(item.at, cidr, ranges, others);
            cidrs.push(cidr);
        }
        cidrs.sort_by_key(|cidr| cidr.addr().is_ipv6());
        (!cidrs.is_empty()).then_some(cidrs)
    }

    fn check_subnet(&mut self, at: At, cidr: IpNet, ranges: &[IpNet], others: &Subnets) {
        const GUIDE: &str = "(VPC User Guide, \"Subnet CIDR blocks\")";
        let length = cidr.prefix_len();
        let size = match cidr {
            IpNet::V4(_) if !(16..=28).contains(&length) => Some("IPv4 range is a /16 to a /28"),
            IpNet::V6(_) if !(44..=64).contains(&length) || !length.is_multiple_of(4) => {
                Some("IPv6 range is a /44 to a /64 in steps of four")
            }
            IpNet::V4(_) | IpNet::V6(_) => None,
        };
        if let Some(size) = size {
            let message = format!("a subnet's {size}, but this is a /{length} {GUIDE}");
            self.f.error(at, "aws-cidr", message);
            return;
        }
        if !ranges.is_empty() && !ranges.iter().any(|range| range.contains(&cidr)) {
            let message = format!("the subnet `{cidr}` is not inside the vpc's `cidr` {GUIDE}");
            self.f.error(at, "aws-cidr", message);
            return;
        }
        let overlapping = others.iter().find_map(|(name, subnet)| {
            let other = subnet.cidrs.iter().find(|other| overlaps(other, &cidr))?;
            Some((name, other))
        });
        if let Some((name, other)) = overlapping {
            let message = format!("the subnet `{cidr}` overlaps `{other}` of `{name}` {GUIDE}");
            self.f.error(at, "overlap", message);
        }
    }

    /// A table of its own, where the file says anything of one.
    fn subnet_table(
        &mut self,
        vpc: &str,
        subnet: &SubnetName,
        key: &Key,
        tree: &Tree,
    ) -> Option<SubnetTable> {
        if !matches!(tree.value, Value::Map(_)) {
            return None;
        }
        // What it has besides has been said when its range was read.
        let mut silent = Findings::default();
        let fields = silent.fields(tree, &SUBNET, key.at)?;
        if !fields.has("routes") && !fields.has("route-propagation") {
            return None;
        }
        if fields.has("route-propagation") {
            let at = fields.at_key("route-propagation");
            self.declare(Section::Subnets, format!("{vpc} {subnet}"), at);
        }
        let propagation = fields.flag(&mut self.f, "route-propagation");
        if let Some((at, tree)) = fields.get("routes") {
            for (key, tree) in self.f.entries(tree, at, "routes") {
                let prefix = self.table_prefix(key);
                let via = self.f.text(key.at, tree, "via").map(str::to_owned);
                if let (Some(prefix), Some(via)) = (prefix, via) {
                    self.subnet_routes.push(Written {
                        vpc: vpc.to_owned(),
                        subnet: subnet.clone(),
                        prefix,
                        via,
                        at: [key.at, tree.at],
                    });
                }
            }
        }
        Some(SubnetTable {
            propagation: propagation.unwrap_or(true),
            ..SubnetTable::default()
        })
    }

    /// Whether a host with this address is in one of the subnets, if the file has any.
    pub(super) fn check_in_subnet(&mut self, at: At, net: IpNet, subnets: &Subnets) {
        if subnets.is_empty() {
            return;
        }
        let all = || {
            let named = |(name, subnet): (&SubnetName, &Subnet)| {
                let cidrs = subnet.cidrs.iter();
                cidrs.map(|cidr| (name.clone(), *cidr)).collect::<Vec<_>>()
            };
            subnets.iter().flat_map(named)
        };
        let Some((name, cidr)) = all().find(|(_, cidr)| cidr.contains(&net.addr())) else {
            let known: Vec<String> = all().map(|(name, cidr)| format!("{name} {cidr}")).collect();
            let message = format!("`{net}` is in none of the vpc's subnets");
            self.f
                .error(at, "aws-subnet", message)
                .help(format!("there is {}", and_list(&known)));
            return;
        };
        if cidr != net.trunc() {
            let message = format!(
                "the host's network is `{}`, but `{name}`, which it is in, is `{cidr}`",
                net.trunc()
            );
            self.f.error(at, "aws-subnet", message).help(format!(
                "write `{}/{}`",
                net.addr(),
                cidr.prefix_len()
            ));
        }
    }

    /// What tables name is there, and AWS has it: routes lead to the gateway or over a peering,
    /// none into the vpc's own ranges, and a tgw propagates nothing.
    pub(super) fn check_subnet_tables(&mut self) {
        for route in std::mem::take(&mut self.subnet_routes) {
            self.check_subnet_route(route);
        }
        let mut at_tgw = Vec::new();
        for (name, node) in &mut self.lab.nodes {
            let Kind::Vpc {
                attach, subnets, ..
            } = &mut node.kind
            else {
                continue;
            };
            for (subnet, of) in subnets {
                if let Some(table) = &mut of.table {
                    at_tgw.push((
                        name.clone(),
                        attach.clone(),
                        subnet.clone(),
                        table.propagation,
                    ));
                }
            }
        }
        for (vpc, gateway, subnet, propagation) in at_tgw {
            if !self.lab.is_tgw(&gateway) {
                continue;
            }
            let written = format!("{vpc} {subnet}");
            if propagation && self.is_known(Section::Subnets, &written) {
                let at = self.at(Section::Subnets, &written);
                let message = format!(
                    "`{gateway}`, a tgw, propagates nothing into a vpc's route tables (VPC User Guide, \"Route priority\")"
                );
                self.f.error(at, "aws-propagation", message).help(format!(
                    "write into `routes` what is to go there: `10.0.0.0/8: {gateway}`"
                ));
            }
            if let Some(Kind::Vpc { subnets, .. }) =
                self.lab.nodes.get_mut(&vpc).map(|node| &mut node.kind)
                && let Some(table) = subnets.get_mut(&subnet).and_then(|of| of.table.as_mut())
            {
                table.propagation = false;
            }
        }
        self.check_one_subnet();
    }

    fn check_subnet_route(&mut self, route: Written) {
        let Written {
            vpc,
            subnet,
            prefix,
            via,
            at,
        } = route;
        let Ok(name) = NodeName::new(vpc.as_str()) else {
            return;
        };
        let Some(Kind::Vpc { attach, cidrs, .. }) = self.kind(&name) else {
            return;
        };
        if let Some(range) = cidrs.iter().find(|range| range.contains(&prefix)) {
            let message = format!(
                "`{subnet}` of `{vpc}` cannot route `{prefix}`: it is in the vpc's own range `{range}`, which is local (VPC User Guide, \"Subnet route tables\")"
            );
            self.f.error(at[0], "aws-local", message).help(
                "AWS takes a more specific one to a NAT gateway, a network interface or a Gateway Load Balancer endpoint only, and none of them is here",
            );
            return;
        }
        let target = if via == attach.as_str() {
            Some(SubnetTarget::Gateway)
        } else {
            self.peering_named(&name, &via).map(SubnetTarget::Peering)
        };
        let Some(target) = target else {
            // A broken link or node has been reported where it is.
            let is_broken = (self.is_known(Section::Links, &via)
                && !self.lab.links.contains_key(via.as_str()))
                || (self.is_known(Section::Nodes, &via)
                    && !self.lab.nodes.contains_key(via.as_str()))
                || !self.links_complete();
            if !is_broken {
                let gateway = attach.clone();
                self.f
                    .error(
                        at[1],
                        "aws-route",
                        format!("`{subnet}` routes `{prefix}` to `{via}`, which is no target of a table of `{vpc}`"),
                    )
                    .help(format!("a target is its gateway `{gateway}`, a peering of its own, or the vpc at the other end of one"));
            }
            return;
        };
        let node = self.lab.nodes.get_mut(&name);
        if let Some(Kind::Vpc { subnets, .. }) = node.map(|node| &mut node.kind)
            && let Some(table) = subnets.get_mut(&subnet).and_then(|of| of.table.as_mut())
        {
            table.routes.insert(prefix, target);
        }
    }

    /// The peering of this name, or with the vpc of this name.
    fn peering_named(&self, vpc: &NodeName, word: &str) -> Option<LinkName> {
        let is_meant = |name: &&LinkName| {
            let link = self.lab.links.get(*name);
            let other = link.and_then(|link| link.ends.iter().find(|end| *end != vpc));
            name.as_str() == word || other.is_some_and(|other| other.as_str() == word)
        };
        self.lab.peerings(vpc).find(is_meant).cloned()
    }

    /// A host's addresses are of one subnet.
    fn check_one_subnet(&mut self) {
        let mut found = Vec::new();
        for (name, node) in &self.lab.nodes {
            let Kind::Vpc { subnets, .. } = &node.kind else {
                continue;
            };
            for (host, of) in &node.hosts {
                let subnet_of = |net: &IpNet| {
                    let mut all = subnets.iter();
                    let holds =
                        |subnet: &Subnet| subnet.cidrs.iter().any(|cidr| cidr.contains(net));
                    all.find(|(_, subnet)| holds(subnet)).map(|(name, _)| name)
                };
                let of: Vec<_> = of.addresses.iter().filter_map(subnet_of).collect();
                if let [a, b] = of.as_slice()
                    && a != b
                {
                    found.push((format!("{name}.{host}"), (*a).clone(), (*b).clone()));
                }
            }
        }
        for (host, a, b) in found {
            let at = self.at(Section::Hosts, &host);
            let message = format!("`{host}` has one address in the subnet `{a}` and one in `{b}`");
            self.f
                .error(at, "aws-subnet", message)
                .help("a host is in one subnet, with an address of each of its ranges");
        }
    }
}
