//! A plan as text, for people: what is built in each namespace, what runs over
//! what, then every generated file.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

use super::{
    DaemonPlan, DirectPlan, FlowPlan, LagPlan, LoadPlan, Medium, NodePlan, Plan, ServicePlan,
    SessionPlan, TagPlan, TunnelBy, TunnelPlan, WirePlan,
};
use crate::{
    lab::{
        model::{Expect, ExpectAfter, Fault, Isolated, Shape, StepKind, scaled_words},
        op::{Netns, Op},
    },
    units::{Distribution, LinkName, Percent, ServiceConfig, Span},
};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "lab {}", self.lab)?;
        if let Some(factor) = self.timers_scaled {
            writeln!(f, "{}", scaled_words(factor))?;
        }
        for note in self.notes.iter().chain(&self.stand_ins) {
            writeln!(f, "note: {note}")?;
        }
        for node in &self.nodes {
            write!(f, "\n{node}")?;
            self.write_ops(f, &Netns::Node(node.name.clone()))?;
        }
        writeln!(f, "\nwire")?;
        self.write_ops(f, &Netns::Wire)?;
        self.write_settings(f)?;
        section(f, "wires", &self.wires)?;
        section(f, "direct", &self.direct)?;
        section(f, "LAGs", &self.lags)?;
        section(f, "tags", &self.tags)?;
        section(f, "tunnels", &self.tunnels)?;
        section(f, "sessions", &self.sessions)?;
        section(f, "services", &self.services)?;
        section(f, "flows", &self.flows)?;
        section(f, "load", &self.load)?;
        if !self.isolated.is_empty() {
            writeln!(f, "\nisolated")?;
            for (probe, (_, isolated)) in &self.isolated {
                let what = match isolated {
                    Isolated::BothWays => "no packet may arrive",
                    Isolated::There => "no packet to the second may arrive",
                    Isolated::Back => "no packet to the first may arrive",
                };
                writeln!(f, "  {probe}: {what}")?;
            }
        }
        section(f, "scenario", &self.scenario)?;
        section(f, "expect", &self.expect)?;
        section(f, "expect of load", &self.load_expect)?;
        for node in &self.nodes {
            write_files(f, node)?;
        }
        Ok(())
    }
}

impl Plan {
    /// Operations of one namespace but its settings. A veth pair is shown with its first end, a
    /// route table that has a name with its name.
    fn write_ops(&self, f: &mut Formatter<'_>, netns: &Netns) -> fmt::Result {
        let names = match netns {
            Netns::Node(node) => self.table_names(node),
            Netns::Wire => BTreeMap::new(),
        };
        let is_shown = |op: &&Op| op.netns() == netns && !matches!(op, Op::Sysctl { .. });
        for op in self.ops.iter().filter(is_shown) {
            match op.table().and_then(|table| names.get(&u32::from(table))) {
                Some(name) => writeln!(f, "  {op}  # route table {name}")?,
                None => writeln!(f, "  {op}")?,
            }
        }
        Ok(())
    }

    /// Settings, once for all namespaces that share them.
    fn write_settings(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut of: BTreeMap<&Netns, Vec<String>> = BTreeMap::new();
        for op in &self.ops {
            if let Op::Sysctl { netns, key, value } = op {
                of.entry(netns).or_default().push(format!("{key}={value}"));
            }
        }
        let mut shared: BTreeMap<&[String], Vec<&Netns>> = BTreeMap::new();
        for (netns, settings) in &of {
            shared.entry(settings).or_default().push(netns);
        }
        for (settings, namespaces) in shared {
            write!(f, "\nsettings of")?;
            namespaces.iter().try_for_each(|one| write!(f, " {one}"))?;
            writeln!(f, ", in this order and before any interface exists")?;
            settings.iter().try_for_each(|one| writeln!(f, "  {one}"))?;
        }
        Ok(())
    }
}

fn section<T: Display>(f: &mut Formatter<'_>, title: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    for item in items {
        writeln!(f, "  {item}")?;
    }
    Ok(())
}

/// Files that differ between namespaces: `/etc/hosts` is one for all.
fn write_files(f: &mut Formatter<'_>, node: &NodePlan) -> fmt::Result {
    if let DaemonPlan::Embedded(config) = &node.daemon {
        writeln!(f, "\nspeaker of {}", node.name)?;
        write!(f, "{}", super::config::embedded::Listing(config))?;
    }
    for (path, text) in node.files.iter().filter(|(path, _)| *path != "/etc/hosts") {
        writeln!(f, "\n{}:{path}", node.name)?;
        match node.own_key(path) {
            Some(own) => writeln!(f, "  (the user's own key, {own})")?,
            None => write_indented(f, text)?,
        }
    }
    Ok(())
}

fn write_indented(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "  {line}"))
}

impl Display for NodePlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.kind)?;
        if let Some(behind) = &self.behind {
            write!(f, " behind {behind}")?;
        }
        match &self.daemon {
            DaemonPlan::None => {}
            DaemonPlan::Embedded(_) => write!(f, ", embedded speaker")?,
            DaemonPlan::Frr {
                own_config,
                daemons,
                install,
            } => {
                write!(f, ", FRR zebra {}", daemons.join(" "))?;
                write_origin(f, *own_config, install.as_deref())?;
            }
            DaemonPlan::Bird {
                own_config,
                install,
            } => {
                write!(f, ", BIRD")?;
                write_origin(f, *own_config, install.as_deref())?;
            }
            DaemonPlan::Charon(charon) => {
                let end = if charon.initiates { "begins" } else { "waits" };
                write!(
                    f,
                    ", strongSwan for {} with {}, {end}",
                    charon.tunnel, charon.backend
                )?;
                if let Some(path) = &charon.own_config {
                    write!(f, ", the user's configuration {path}")?;
                }
            }
            DaemonPlan::Service(service) => write_service(f, service)?,
        }
        writeln!(f, ")")
    }
}

/// What a host serves.
fn write_service(f: &mut Formatter<'_>, service: &ServiceConfig) -> fmt::Result {
    for record in &service.records {
        write!(f, ", DNS for {}", record.name)?;
    }
    for at in &service.accept {
        write!(f, ", accepts at {at}")?;
    }
    Ok(())
}

impl Display for ServicePlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        for end in &self.endpoints {
            write!(f, " {}", end.host)?;
        }
        let Some(dns) = &self.dns else {
            return write!(f, " by anycast");
        };
        write!(
            f,
            " by DNS of {}, TTL {} s, checked every {}, {} in a row",
            dns.server.host, dns.ttl, dns.check.interval, dns.check.threshold
        )
    }
}

/// Whose program and whose configuration, where that is not the usual.
fn write_origin(f: &mut Formatter<'_>, own_config: bool, install: Option<&str>) -> fmt::Result {
    if let Some(place) = install {
        write!(f, " of {place}")?;
    }
    if own_config {
        write!(f, ", the user's configuration")?;
    }
    Ok(())
}

impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_transparent() {
            return f.write_str("nothing");
        }
        write!(f, "{}", self.delay)?;
        if self.jitter != Span::ZERO {
            write!(f, " +-{}", self.jitter)?;
        }
        if self.distribution != Distribution::default() {
            write!(f, " {}", self.distribution)?;
        }
        if self.loss != Percent::default() {
            write!(f, " loss {}", self.loss)?;
        }
        if let Some(burst) = self.loss_burst {
            write!(f, " in bursts of {burst}")?;
        }
        for (what, share) in [
            ("duplicate", self.duplicate),
            ("corrupt", self.corrupt),
            ("reorder", self.reorder),
        ] {
            if share != Percent::default() {
                write!(f, " {what} {share}")?;
            }
        }
        if let Some(rate) = self.rate {
            write!(f, " {rate}")?;
        }
        if let Some(queue) = self.queue {
            write!(f, " queue {queue}")?;
        }
        Ok(())
    }
}

/// The shape of both directions, once when they agree.
fn both_ways(f: &mut Formatter<'_>, shape: &[Shape; 2]) -> fmt::Result {
    let [there, back] = shape;
    if there == back {
        write!(f, "{there} each way")
    } else {
        write!(f, "{there} there, {back} back")
    }
}

impl Display for WirePlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [a, b] = &self.ends;
        write!(
            f,
            "{}: {}:{} - {} {} - {}:{}, ",
            self.link, a.node, a.node_if, a.wire_if, b.wire_if, b.node, b.node_if
        )?;
        both_ways(f, &self.shape)?;
        write!(f, ", mtu {}", self.mtu.get())
    }
}

impl Display for DirectPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [(a, a_if), (b, b_if)] = &self.ends;
        write!(f, "{}: {a}:{a_if} - {b}:{b_if}", self.link)
    }
}

impl Display for LagPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.lag)?;
        self.links
            .iter()
            .try_for_each(|link| write!(f, " {link}"))?;
        write!(f, ", min-links {}", self.min_links)?;
        for end in &self.ends {
            write!(f, "\n    {}:{} LACP {}", end.node, end.interface, end.lacp)?;
        }
        Ok(())
    }
}

impl Display for TunnelPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: mtu {}", self.tunnel, self.mtu.get())?;
        if let Some(cap) = self.cap {
            write!(
                f,
                ", at most {} and {}",
                cap.bits_in_words(),
                cap.packets_in_words()
            )?;
        }
        if let TunnelBy::Ipsec { backend, endpoints } = &self.by {
            let [a, b] = endpoints;
            write!(f, ", {backend} between {a} and {b}")?;
        }
        for end in &self.ends {
            write!(
                f,
                "\n    {}:{} index {} outer {} inside",
                end.node, end.interface, end.index, end.outer
            )?;
            for address in &end.inside {
                write!(f, " {address}")?;
            }
        }
        Ok(())
    }
}

impl Display for Medium {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => write!(f, "link {link}"),
            Self::Tunnel(tunnel) => write!(f, "tunnel {tunnel}"),
        }
    }
}

impl Display for SessionPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) over {}", self.session, self.kind, self.over)?;
        if let Some(vlan) = self.vlan {
            write!(f, " VLAN {vlan}")?;
        }
        for (side, end) in self.ends.iter().enumerate() {
            write!(
                f,
                "\n    {}:{} {} AS{} hold {}",
                end.node, end.interface, end.address, end.asn, self.hold[side]
            )?;
            if let Some(bfd) = self.bfd.map(|ends| ends[side]) {
                write!(f, " BFD {} x {}", bfd.min_tx, bfd.multiplier)?;
            }
        }
        Ok(())
    }
}

impl Display for LoadPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} {} -> {} {} port {}, {}, read every {}",
            self.load,
            self.from,
            self.source,
            self.to,
            self.destination,
            self.port,
            self.transport,
            self.sampling
        )
    }
}

impl Display for FlowPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {} {} -> {} {} port {}, {}/s of {} B",
            self.id,
            self.probe,
            self.from,
            self.source,
            self.to,
            self.destination,
            self.port,
            self.rate,
            self.size
        )?;
        if self.dont_fragment {
            f.write_str(", DF")?;
        }
        Ok(())
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.target())?;
        match self {
            Self::Silent {
                from: Some(node), ..
            } => write!(f, " from {node}"),
            Self::Carrier { at: Some(node), .. } => write!(f, " at {node}"),
            Self::DropNumbered { packets, .. } => write!(f, " {packets} of each flow"),
            Self::BgpShutdown { node, .. } => write!(f, " by {node}"),
            Self::Maintenance { endpoint, .. } => write!(f, " at {endpoint}"),
            Self::NodeDeath { links, .. } => write_hits(f, links),
            Self::Tagged { links, nodes, .. } => {
                write_hits(f, links)?;
                if nodes.is_empty() {
                    return Ok(());
                }
                f.write_str("; dead:")?;
                nodes.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::Degrade { shape, .. } => {
                f.write_str(" to ")?;
                both_ways(f, shape)
            }
            Self::Silent { from: None, .. }
            | Self::Carrier { at: None, .. }
            | Self::Kill { .. }
            | Self::Freeze { .. } => Ok(()),
        }
    }
}

fn write_hits(f: &mut Formatter<'_>, links: &[LinkName]) -> fmt::Result {
    links.iter().try_for_each(|link| write!(f, " {link}"))
}

impl Display for TagPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tag, self.value)?;
        if !self.nodes.is_empty() {
            f.write_str(" nodes")?;
            self.nodes
                .iter()
                .try_for_each(|node| write!(f, " {node}"))?;
        }
        if !self.links.is_empty() {
            f.write_str(" links")?;
            write_hits(f, &self.links)?;
        }
        Ok(())
    }
}

impl Display for StepKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault { label, fault } => write!(f, "{label}: {fault}"),
            Self::Restore { label } => write!(f, "restore {label}"),
            Self::WaitRecovered { probe, within } => {
                write!(f, "wait for {probe} to recover, at most {within}")
            }
            Self::Sleep(span) => write!(f, "sleep {span}"),
        }
    }
}

impl Display for Expect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.after {
            ExpectAfter::Start => f.write_str("at the start")?,
            ExpectAfter::Fault(label) => write!(f, "after {label}")?,
            ExpectAfter::Restore(label) => write!(f, "after restore of {label}")?,
        }
        write!(f, ", {}:", self.probe)?;
        if let Some(outage) = self.outage_max {
            write!(f, " outage at most {outage}")?;
        }
        if let Some(lost) = self.lost {
            write!(f, " lost {lost}")?;
        }
        if let Some(via) = &self.via {
            write!(f, " via {via}")?;
        }
        match self.recovered {
            Some(true) => f.write_str(" recovered")?,
            Some(false) => f.write_str(" not recovered")?,
            None => {}
        }
        if let Some(alert) = self.alert {
            write!(f, " alert {}", alert.word())?;
        }
        if let Some(loss) = self.loss {
            write!(f, " loss {loss}")?;
        }
        if let Some(delay) = self.delay {
            write!(f, " delay {delay}")?;
        }
        if let Some(p99) = self.delay_p99 {
            write!(f, " delay p99 {p99}")?;
        }
        Ok(())
    }
}
