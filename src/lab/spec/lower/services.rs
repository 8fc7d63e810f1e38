//! Services: names that a server answers for, and addresses that several hosts share.

use super::{
    super::{
        At,
        keys::{CHECK, DNS},
        raw::{Key, Tree},
        reader::Fields,
    },
    Lower, Section,
    probes::node_of,
};
use crate::{
    lab::model::{Dns, Endpoint, Service, ServiceBy},
    units::{DNS_PORT, HealthCheck, NodeName, Span},
};

/// Route 53's standard interval and threshold, and how long its TCP checks wait.
const INTERVAL: Span = Span::from_secs(30);
const THRESHOLD: u32 = 3;
const PATIENCE: Span = Span::from_secs(10);
/// What a check connects to.
const PORT: u16 = 80;
/// A check faster than this measures the host it runs on.
const LEAST_INTERVAL: Span = Span::from_millis(50);
const MOST_INTERVAL: Span = Span::from_secs(3_600);
/// The largest TTL (RFC 2181 §8).
const MOST_TTL: u64 = 2_147_483_647;
const SECOND: u64 = 1_000_000_000;

impl Lower<'_> {
    pub(super) fn services(&mut self, fields: &Fields<'_>) {
        if let Some((at, tree)) = fields.get("dns") {
            for (key, tree) in self.f.entries(tree, at, "dns") {
                let name = self.service_name(key, true);
                let service = self.dns(key, tree);
                if let (Some(name), Some(service)) = (name, service) {
                    self.lab.services.insert(name, service);
                }
            }
        }
        if let Some((at, tree)) = fields.get("anycast") {
            for (key, tree) in self.f.entries(tree, at, "anycast") {
                let name = self.service_name(key, false);
                let service = self.anycast(key, tree);
                if let (Some(name), Some(service)) = (name, service) {
                    self.lab.services.insert(name, service);
                }
            }
        }
    }

    /// A service's name is used where a host's is, so it is nobody else's.
    fn service_name(&mut self, key: &Key, in_dns: bool) -> Option<NodeName> {
        let name = self.f.name::<NodeName>(key.at, &key.text)?;
        let text = key.text.as_str();
        let is_host_name = text.split('.').all(|label| {
            !label.is_empty()
                && !label.contains('_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
        if in_dns && !is_host_name {
            let message = format!("`{text}` is no name of DNS (RFC 1123 §2.1)");
            self.f
                .error(key.at, "bad-name", message)
                .help("labels of letters, digits and `-`, with dots between: `shop.example.com`");
            return None;
        }
        let taken = if self.is_known(Section::Nodes, text) {
            "a node"
        } else if self.is_host(text) {
            "a host"
        } else if self.lab.services.contains_key(text) {
            "a name of DNS"
        } else {
            return Some(name);
        };
        let message = format!("`{text}` is already {taken}");
        self.f.error(key.at, "bad-name", message);
        None
    }

    /// Whether a host is called so, with or without its node.
    fn is_host(&self, text: &str) -> bool {
        let mut nodes = self.lab.nodes.values();
        self.is_known(Section::Hosts, text) || nodes.any(|node| node.hosts.contains_key(text))
    }

    fn dns(&mut self, key: &Key, tree: &Tree) -> Option<Service> {
        let fields = self.f.fields(tree, &DNS, key.at)?;
        let server = self.host_at(&fields, "server");
        let primary = self.host_at(&fields, "primary");
        let secondary = self.host_at(&fields, "secondary");
        let ttl = self.ttl(&fields);
        let (check, port) = self.health_check(&fields)?;
        let (server, primary, secondary) = (server?, primary?, secondary?);
        if primary == secondary {
            let message = format!("`{primary}` cannot be its own secondary");
            self.f.error(fields.at_value("secondary"), "ends", message);
            return None;
        }
        let endpoints = vec![primary, secondary];
        for (endpoint, key) in endpoints.iter().zip(["primary", "secondary"]) {
            let at = fields.at_value(key);
            if *endpoint == server {
                let message = format!("`{server}` would check itself");
                self.f.error(at, "ends", message).help(
                    "a check is worth something from elsewhere: give the server a host of its own",
                );
                return None;
            }
            self.check_way(at, &server, endpoint);
            let common = self.families(&server);
            let common = common.intersection(&self.families(endpoint)).count();
            if common == 0 {
                let message = format!("`{server}` and `{endpoint}` do not have a family in common");
                self.f.error(at, "family", message);
            }
        }
        Some(Service {
            by: ServiceBy::Dns(Dns {
                server,
                ttl: ttl?,
                check,
                port,
            }),
            endpoints,
            line: key.at.line,
        })
    }

    fn host_at(&mut self, fields: &Fields<'_>, key: &str) -> Option<Endpoint> {
        let (_, tree) = fields.get(key)?;
        self.host(tree, key)
    }

    /// Links that lead from one to the other must be there.
    pub(super) fn check_way(&mut self, at: At, from: &Endpoint, to: &Endpoint) {
        if self.links_complete() && !self.connected(node_of(from), node_of(to)) {
            let message = format!("no links lead from `{from}` to `{to}`");
            self.f.error(at, "unreachable", message);
        }
    }

    fn ttl(&mut self, fields: &Fields<'_>) -> Option<u32> {
        let ttl = fields.parse::<Span>(&mut self.f, "ttl")?;
        let at = fields.at_value("ttl");
        let seconds = ttl.as_nanos() / SECOND;
        if ttl == Span::ZERO {
            self.f
                .error(
                    at,
                    "out-of-range",
                    "with a `ttl` of 0 nobody keeps the answer, and every packet would ask again",
                )
                .help("write 1s or more; for failover AWS recommends 60s or less");
            return None;
        }
        if !ttl.as_nanos().is_multiple_of(SECOND) || seconds > MOST_TTL {
            let message = format!(
                "`ttl` is whole seconds, 1s to {MOST_TTL}s (RFC 1035 §3.2.1, RFC 2181 §8), but this is {ttl}"
            );
            self.f.error(at, "out-of-range", message);
            return None;
        }
        u32::try_from(seconds).ok()
    }

    fn health_check(&mut self, fields: &Fields<'_>) -> Option<(HealthCheck, u16)> {
        let default = HealthCheck {
            interval: INTERVAL,
            threshold: THRESHOLD,
            timeout: PATIENCE,
        };
        let Some((at, tree)) = fields.get("check") else {
            return Some((default, PORT));
        };
        let fields = self.f.fields(tree, &CHECK, at)?;
        let interval = fields
            .parse::<Span>(&mut self.f, "interval")
            .unwrap_or(INTERVAL);
        if !(LEAST_INTERVAL..=MOST_INTERVAL).contains(&interval) {
            let message =
                format!("`interval` is {interval}, but may be {LEAST_INTERVAL} to {MOST_INTERVAL}");
            let at = fields.at_value("interval");
            self.f.error(at, "out-of-range", message);
        }
        let timeout = fields.parse::<Span>(&mut self.f, "timeout");
        let timeout = timeout.unwrap_or_else(|| PATIENCE.min(interval));
        if timeout > interval || timeout < Span::from_millis(1) {
            let message = format!(
                "`timeout` is {timeout}, but may be 1ms to the interval of {interval}: the next check begins then"
            );
            let at = fields.at_value("timeout");
            self.f.error(at, "out-of-range", message);
        }
        let check = HealthCheck {
            interval,
            threshold: fields.number(&mut self.f, "threshold").unwrap_or(THRESHOLD),
            timeout,
        };
        let port = fields.number(&mut self.f, "port").unwrap_or(PORT);
        if port == DNS_PORT {
            let at = fields.at_value("port");
            self.f
                .error(at, "out-of-range", "53 is where DNS is served");
        }
        Some((check, port))
    }

    fn anycast(&mut self, key: &Key, tree: &Tree) -> Option<Service> {
        let items = self.f.items(key.at, tree, &key.text)?;
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for item in items {
            let host = self.host(item, &key.text)?;
            if endpoints.contains(&host) {
                let message = format!("`{host}` is here twice");
                self.f.error(item.at, "duplicate", message);
                return None;
            }
            if let Some(first) = endpoints.first() {
                let (here, there) = (self.own_addresses(&host), self.own_addresses(first));
                if here != there {
                    let list = |nets: &[ipnet::IpNet]| {
                        let all: Vec<String> = nets.iter().map(ToString::to_string).collect();
                        all.join(", ")
                    };
                    let message = format!(
                        "`{host}` has {}, but `{first}` {}: hosts of an anycast group have the same addresses",
                        list(&here),
                        list(&there)
                    );
                    self.f.error(item.at, "anycast", message);
                    return None;
                }
                if let Some(other) = endpoints.iter().find(|e| node_of(e) == node_of(&host)) {
                    let message = format!("`{host}` and `{other}` are behind one node");
                    self.f
                        .error(item.at, "anycast", message)
                        .help("what routing is to choose between is at different nodes");
                    return None;
                }
            }
            endpoints.push(host);
        }
        if endpoints.len() < 2 {
            let message = format!("`{}` needs two hosts or more", key.text);
            self.f.error(key.at, "anycast", message);
            return None;
        }
        Some(Service {
            by: ServiceBy::Anycast,
            endpoints,
            line: key.at.line,
        })
    }

    fn own_addresses(&self, host: &Endpoint) -> Vec<ipnet::IpNet> {
        let Endpoint::Behind { node, host } = host else {
            return Vec::new();
        };
        let node = self.lab.nodes.get(node);
        let host = node.and_then(|node| node.hosts.get(host));
        host.map_or_else(Vec::new, |host| host.addresses.clone())
    }

    /// Whether two hosts, by their full names, are meant to have the same address.
    pub(super) fn share_an_address(&self, a: &str, b: &str) -> bool {
        let has = |service: &Service, name: &str| {
            let mut endpoints = service.endpoints.iter();
            endpoints.any(|endpoint| endpoint.to_string() == name)
        };
        let mut groups = self.lab.services.values();
        groups.any(|group| group.by == ServiceBy::Anycast && has(group, a) && has(group, b))
    }
}
