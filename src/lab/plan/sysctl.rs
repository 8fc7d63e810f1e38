//! Kernel settings of each kind of namespace, as few writes as the result needs.
//!
//! They are written before any interface exists: an interface copies
//! `conf.default` when it is made. `ip_forward` and `conf.all.forwarding` come
//! first, since they reset others and, like `conf.all.disable_ipv6`, set
//! `default` as well.

/// What a namespace is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Forwards packets.
    Router,
    /// Sends and receives its own packets only.
    Host,
    /// Touches no packet above layer 2: the wire, a switch.
    Layer2,
}

type Setting = (&'static str, &'static str);

const ROUTER: &[Setting] = &[
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv6.conf.all.forwarding", "1"),
    // Sending redirects is on if either says so; accepting is off on a router.
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
    // A route whose carrier is lost loses to any other at once.
    ("net.ipv4.conf.default.ignore_routes_with_linkdown", "1"),
    ("net.ipv6.conf.default.ignore_routes_with_linkdown", "1"),
    ("net.ipv4.fib_multipath_hash_policy", "1"),
    ("net.ipv6.fib_multipath_hash_policy", "1"),
    // Replacing a nexthop object must not walk every route on it.
    ("net.ipv4.nexthop_compat_mode", "0"),
    // A connection of a killed daemon repeats its FIN, and keeps the namespace, for 3 s
    // rather than 100 s: nobody answers once the whole lab was killed.
    ("net.ipv4.tcp_orphan_retries", "3"),
];

const HOST: &[Setting] = &[
    ("net.ipv4.conf.all.accept_redirects", "0"),
    ("net.ipv4.conf.default.accept_redirects", "0"),
    ("net.ipv6.conf.default.accept_redirects", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
];

const ROUTER_AND_HOST: &[Setting] = &[
    // The larger of the two holds.
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    // No type of message is rate limited, neither each destination nor in all.
    ("net.ipv4.icmp_ratemask", "0"),
    ("net.ipv6.icmp.ratelimit", "0"),
    // Duplicate address detection would hold an address back for a second.
    ("net.ipv6.conf.all.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
];

/// In a lab without IPv6 no interface makes itself a link-local address, so that
/// nothing but the lab's own traffic is on the wires.
const WITHOUT_IPV6: &[Setting] = &[("net.ipv6.conf.default.addr_gen_mode", "1")];

const LAYER2: &[Setting] = &[("net.ipv6.conf.all.disable_ipv6", "1")];

/// Settings of a namespace in writing order.
pub(super) fn settings(role: Role, lab_has_ipv6: bool) -> Vec<Setting> {
    let parts: &[&[Setting]] = match role {
        Role::Router => &[ROUTER, ROUTER_AND_HOST],
        Role::Host => &[HOST, ROUTER_AND_HOST],
        Role::Layer2 => return LAYER2.to_vec(),
    };
    let quiet = if lab_has_ipv6 { &[] } else { WITHOUT_IPV6 };
    parts
        .iter()
        .copied()
        .flatten()
        .chain(quiet)
        .copied()
        .collect()
}
