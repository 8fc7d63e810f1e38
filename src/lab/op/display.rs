//! Operations in the words of `ip` and `sysctl`.

use std::fmt;

use super::{BOND_MIIMON_MS, INBOUND_PRIORITIES, Inbound, Netns, OWN_PRIORITY, Op, RouteTarget};

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => f.pad(name.as_str()),
            Self::Wire => f.pad("(wire)"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddNetns { netns } => write!(f, "ip netns add {netns}"),
            Self::Sysctl { netns, key, value } => {
                write!(f, "ip netns exec {netns} sysctl -w {key}={value}")
            }
            Self::AddVeth { a, b, mtu } => write!(
                f,
                "ip link add {} netns {} index {} mtu {} numtxqueues 1 numrxqueues 1 type veth peer name {} netns {} index {} mtu {} numtxqueues 1 numrxqueues 1",
                a.name,
                a.netns,
                a.index,
                mtu.get(),
                b.name,
                b.netns,
                b.index,
                mtu.get()
            ),
            Self::AddBridge { netns, name, index } => {
                write!(f, "ip -n {netns} link add {name} index {index} type bridge")
            }
            Self::AddVlan {
                netns,
                name,
                index,
                parent,
                id,
                mtu,
            } => write!(
                f,
                "ip -n {netns} link add {name} link {parent} index {index} mtu {} type vlan id {id}",
                mtu.get()
            ),
            Self::AddBond {
                netns,
                name,
                index,
                mtu,
                lacp,
                min_links,
                hash,
            } => write!(
                f,
                "ip -n {netns} link add {name} index {index} mtu {} type bond mode 802.3ad miimon {BOND_MIIMON_MS} lacp_rate {lacp} min_links {min_links} xmit_hash_policy {hash}",
                mtu.get()
            ),
            Self::AddVrf {
                netns,
                name,
                index,
                table,
            } => write!(
                f,
                "ip -n {netns} link add {name} index {index} type vrf table {table}"
            ),
            Self::SetMaster { netns, dev, master } => {
                write!(f, "ip -n {netns} link set {dev} master {master}")
            }
            Self::AddAddress {
                netns,
                dev,
                address,
            } => write!(f, "ip -n {netns} addr add {address} dev {dev}"),
            Self::SetUp { netns, dev } => write!(f, "ip -n {netns} link set {dev} up"),
            Self::ClampMss {
                netns,
                dev,
                ipv6,
                mss,
            } => {
                let family = if *ipv6 { "ip6" } else { "ip" };
                let rule = |way| {
                    format!(
                        "{way} {dev} tcp flags & (syn | rst) == syn tcp option maxseg size set {mss}"
                    )
                };
                write!(
                    f,
                    "ip netns exec {netns} nft 'table {family} backhoe {{ chain mss {{ type filter hook forward priority mangle; {}; {}; }}; }}'",
                    rule("iifname"),
                    rule("oifname")
                )
            }
            Self::CapTunnel { netns, dev, cap } => {
                let rule = |limit: String, what: &str| {
                    format!(
                        "iifname {dev} limit rate over {limit} counter name \"{dev} {what}\" drop"
                    )
                };
                let (bytes, packets) = (cap.bits / 8, cap.packets);
                write!(
                    f,
                    "ip netns exec {netns} nft 'table inet backhoe {{ counter \"{dev} bytes\" {{ }}; counter \"{dev} packets\" {{ }}; chain cap {{ type filter hook prerouting priority raw; {}; {}; }}; }}'",
                    rule(format!("{bytes} bytes/second"), "bytes"),
                    rule(
                        format!("{packets}/second burst {packets} packets"),
                        "packets"
                    ),
                )
            }
            Self::SetDown { netns, dev } => write!(f, "ip -n {netns} link set {dev} down"),
            Self::AddRule {
                netns,
                dev,
                inbound: Inbound::To(prefix),
            } => {
                let family = if prefix.addr().is_ipv6() { " -6" } else { "" };
                write!(
                    f,
                    "ip -n {netns}{family} rule add iif {dev} to {prefix} priority {} lookup main",
                    INBOUND_PRIORITIES[0]
                )
            }
            Self::AddRule {
                netns,
                dev,
                inbound: Inbound::By { table, ipv6 },
            } => {
                let family = if *ipv6 { " -6" } else { "" };
                write!(
                    f,
                    "ip -n {netns}{family} rule add iif {dev} priority {} lookup {table}",
                    INBOUND_PRIORITIES[0]
                )
            }
            Self::AddRule {
                netns,
                dev,
                inbound: Inbound::Own { table, ipv6 },
            } => {
                let family = if *ipv6 { " -6" } else { "" };
                write!(
                    f,
                    "ip -n {netns}{family} rule add iif {dev} priority {OWN_PRIORITY} lookup {table}"
                )
            }
            Self::AddRule {
                netns,
                dev,
                inbound: Inbound::NoOther { ipv6 },
            } => {
                let family = if *ipv6 { " -6" } else { "" };
                write!(
                    f,
                    "ip -n {netns}{family} rule add iif {dev} priority {} unreachable",
                    INBOUND_PRIORITIES[1]
                )
            }
            Self::AddRoute {
                netns,
                prefix,
                to,
                table,
            } => {
                match to {
                    RouteTarget::Via(gateway) => {
                        write!(f, "ip -n {netns} route add {prefix} via {gateway}")?;
                    }
                    RouteTarget::Blackhole => {
                        write!(f, "ip -n {netns} route add blackhole {prefix}")?;
                    }
                }
                table.map_or(Ok(()), |table| write!(f, " table {table}"))
            }
        }
    }
}
