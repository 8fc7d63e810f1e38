//! Operations in the words of `ip` and `sysctl`.

use std::fmt;

use super::{Netns, Op, RouteTarget};

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
            Self::SetMaster { netns, dev, master } => {
                write!(f, "ip -n {netns} link set {dev} master {master}")
            }
            Self::AddAddress {
                netns,
                dev,
                address,
            } => write!(f, "ip -n {netns} addr add {address} dev {dev}"),
            Self::SetUp { netns, dev } => write!(f, "ip -n {netns} link set {dev} up"),
            Self::SetDown { netns, dev } => write!(f, "ip -n {netns} link set {dev} down"),
            Self::AddRoute { netns, prefix, to } => match to {
                RouteTarget::Via(gateway) => {
                    write!(f, "ip -n {netns} route add {prefix} via {gateway}")
                }
                RouteTarget::Blackhole => write!(f, "ip -n {netns} route add blackhole {prefix}"),
            },
        }
    }
}
