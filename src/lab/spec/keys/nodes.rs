//! Nodes: what they are, what runs in them, what they originate.

use super::{
    Holds::{
        self, Either, Flag, Keys, ListOf, MapOf, Name, Number, OneOf, OneOrList, Prefix, Text,
    },
    LOCATION, PROVIDER, SITE, Table, needed, word,
};
use crate::lab::model::Scope;

pub(in crate::lab::spec) static NODE: Table = Table {
    what: "a node",
    others: None,
    keys: &[
        needed(
            "kind",
            OneOf(&KINDS),
            "What the node is, such as `router`, `data-center`, `vgw` or `vpc`.",
        ),
        word(
            "asn",
            Number(1, 4_294_967_294),
            "Its autonomous system. A vgw, dxgw or tgw without one has 64512.",
        ),
        word(
            "daemon",
            Either(&[OneOf(&DAEMONS), Keys(&INSTALLED)]),
            "What speaks BGP for it; default `embedded` at a session, else `none`. A mapping says where it is installed: `{ frr: /opt/frr-10.2 }`.",
        ),
        word(
            "config",
            Text,
            "Path of your own frr.conf or bird.conf, used as it is; needs `daemon: frr` or `daemon: bird`.",
        ),
        word(
            "firewall",
            Text,
            "Path of nftables rules of your own for this router, in force before its daemons start.",
        ),
        word(
            "router-id",
            Text,
            "BGP Identifier, written like an IPv4 address.",
        ),
        word(
            "multipath",
            Number(1, 64),
            "How many equally good paths are used; default 1.",
        ),
        word(
            "originate",
            OneOrList(&ANNOUNCE),
            "Prefixes this node originates, for explicit `export:` rules.",
        ),
        word(
            "hosts",
            MapOf(&OneOrList(&Prefix)),
            "Hosts behind the node: name and address with prefix length. The gateway is the network's first address.",
        ),
        word(
            "routes",
            MapOf(&Text),
            "Static routes: prefix (or `default`) and next hop: an address, a neighbouring node, a link, or `blackhole`.",
        ),
        word(
            "vrfs",
            MapOf(&ListOf(&Name)),
            "Routing tables of their own: a name, and the node's links, LAGs and hosts in it.",
        ),
        word(
            "prefixes",
            OneOrList(&Prefix),
            "aws-public: what AWS announces of it.",
        ),
        word(
            "scope",
            OneOf(&Scope::WORDS),
            "aws-public: where it is, as seen from the locations: in their Region (the default), on the same continent, or elsewhere.",
        ),
        word("attach", Name, "vpc: the vgw or tgw it is attached to."),
        word(
            "cidr",
            OneOrList(&Prefix),
            "vpc: its address ranges. tgw: its CIDR block, for the outer addresses of private-IP VPNs.",
        ),
        word(
            "propagate",
            Flag,
            "vpc at a tgw: whether the tgw's route table learns its ranges; default true.",
        ),
        word(
            "subnets",
            MapOf(&Either(&[OneOrList(&Prefix), Keys(&SUBNET)])),
            "vpc: its subnets by name, each its range, or a mapping where it has a route table of its own. Left out: the hosts' networks.",
        ),
        word(
            "associate",
            MapOf(&OneOrList(&Prefix)),
            "dxgw: the vgws or tgws behind it, each with its allowed prefixes. Of a vgw, `[]`: all.",
        ),
        word(
            "vpn-ecmp",
            Flag,
            "tgw: whether equal VPN tunnels share traffic; default true.",
        ),
        word(
            "region",
            Name,
            "vgw, tgw: the AWS Region it is in. dx-location: the one it is associated with.",
        ),
        word(
            "route-tables",
            MapOf(&Keys(&ROUTE_TABLE)),
            "tgw: its route tables by name. Left out: the default one, with everything in it.",
        ),
        PROVIDER,
        LOCATION,
        SITE,
    ],
};

/// A route table of a tgw.
pub(in crate::lab::spec) static ROUTE_TABLE: Table = Table {
    what: "a route table",
    others: None,
    keys: &[
        word(
            "associate",
            OneOrList(&Name),
            "Attachments whose packets it routes: vpcs, VPN sessions, dxgws, peered tgws. Each in one table.",
        ),
        word(
            "propagate",
            OneOrList(&Name),
            "Attachments whose routes it takes: vpcs, VPN sessions, dxgws.",
        ),
        word(
            "routes",
            MapOf(&Text),
            "Its static routes: prefix and a vpc, a peered tgw, or `blackhole`.",
        ),
    ],
};

/// A subnet of a vpc.
pub(in crate::lab::spec) static SUBNET: Table = Table {
    what: "a subnet",
    others: None,
    keys: &[
        needed("cidr", OneOrList(&Prefix), "Its range, inside the vpc's."),
        word(
            "route-propagation",
            Flag,
            "Whether the vgw propagates its routes into the subnet's own table; default true.",
        ),
        word(
            "routes",
            MapOf(&Text),
            "Static routes of the subnet's own table: prefix and the vpc's gateway, a peering or a peered vpc.",
        ),
    ],
};

/// Kinds of node in this version.
pub(in crate::lab::spec) static KINDS: [&str; 11] = [
    "host",
    "router",
    "switch",
    "data-center",
    "internet",
    "dx-location",
    "vgw",
    "dxgw",
    "tgw",
    "aws-public",
    "vpc",
];

pub(in crate::lab::spec) static INSTALLED: Table = Table {
    what: "a daemon's installation",
    others: None,
    keys: &[
        word(
            "frr",
            Text,
            "FRR's directory: its prefix, or the directory of its daemons.",
        ),
        word("bird", Text, "The BIRD program."),
    ],
};

/// Daemons in this version.
pub(in crate::lab::spec) static DAEMONS: [&str; 4] = ["embedded", "frr", "bird", "none"];

pub(in crate::lab::spec) static ANNOUNCEMENT: Table = Table {
    what: "an announcement",
    others: None,
    keys: &[
        needed("prefix", Prefix, "The prefix."),
        word(
            "count",
            Number(2, 1000),
            "So many networks of this size, one after the other, `prefix` the first.",
        ),
        word(
            "while-known",
            Prefix,
            "Announced only while a route strictly inside this prefix is known.",
        ),
    ],
};

pub(super) static ANNOUNCE: Holds = Either(&[Prefix, Keys(&ANNOUNCEMENT)]);
