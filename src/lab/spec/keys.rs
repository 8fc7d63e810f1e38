//! The language's words: every key of a lab file, what it holds and what it
//! means. The readers refuse what is not here and the JSON Schema is made from
//! it, so an editor and `backhoe check` cannot disagree.

/// The keys of one kind of mapping.
pub(super) struct Table {
    /// What the mapping is, as a message names it: `a link`.
    pub(super) what: &'static str,
    pub(super) keys: &'static [Word],
    /// What other keys hold, where the user chooses them (probe names).
    pub(super) others: Option<&'static Holds>,
}

/// One key.
pub(super) struct Word {
    pub(super) key: &'static str,
    pub(super) holds: Holds,
    pub(super) required: bool,
    pub(super) doc: &'static str,
}

/// What a value looks like.
pub(super) enum Holds {
    /// A word of the user's own.
    Text,
    /// A name: letters, digits, `-`, `_`, `.`.
    Name,
    /// `true` or `false`.
    Flag,
    /// A whole number between two bounds.
    Number(u64, u64),
    /// `4ms`.
    Duration,
    /// `1gbit`.
    Rate,
    /// `1000/s`.
    PacketRate,
    /// `200B`.
    Size,
    /// `0.5%`.
    Percent,
    /// `10.0.0.0/8`.
    Prefix,
    /// `300ms/3`.
    Bfd,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list.
    ListOf(&'static Self),
    /// A list, or its only item.
    OneOrList(&'static Self),
    /// A mapping from names to these.
    MapOf(&'static Self),
    /// Either; told apart by shape.
    Either(&'static [Self]),
    /// A mapping of its own.
    Keys(&'static Table),
    /// A list of single-key mappings, one of these.
    Steps(&'static Table),
}

const fn word(key: &'static str, holds: Holds, doc: &'static str) -> Word {
    Word {
        key,
        holds,
        required: false,
        doc,
    }
}

const fn needed(key: &'static str, holds: Holds, doc: &'static str) -> Word {
    Word {
        key,
        holds,
        required: true,
        doc,
    }
}

use crate::{
    lab::model::How,
    units::{Distribution, HashPolicy, LacpRate},
};
use Holds::{
    Bfd, Duration, Either, Flag, Keys, ListOf, MapOf, Name, Number, OneOf, OneOrList, PacketRate,
    Percent, Prefix, Rate, Size, Steps, Text,
};

pub(super) static LAB: Table = Table {
    what: "a lab",
    others: None,
    keys: &[
        word("name", Name, "The lab's name; default the file's."),
        needed("nodes", MapOf(&Keys(&NODE)), "Nodes by name."),
        word("links", MapOf(&Keys(&LINK)), "Links by name."),
        word("lags", MapOf(&Keys(&LAG)), "Bundles of links, by name."),
        word(
            "sessions",
            MapOf(&Keys(&SESSION)),
            "Routing sessions by name.",
        ),
        word(
            "routing",
            MapOf(&MapOf(&Keys(&ROUTING))),
            "What a node gives and takes: by node, then by session.",
        ),
        word("probes", MapOf(&Keys(&PROBE)), "Probes by name."),
        word("scenario", Steps(&STEP), "What happens, in order."),
        word(
            "expect",
            ListOf(&Keys(&EXPECT)),
            "What must hold afterwards.",
        ),
    ],
};

/// Kinds of node in this version.
pub(super) static KINDS: [&str; 8] = [
    "host",
    "router",
    "switch",
    "data-center",
    "internet",
    "dx-location",
    "vgw",
    "vpc",
];

pub(super) static NODE: Table = Table {
    what: "a node",
    others: None,
    keys: &[
        needed("kind", OneOf(&KINDS), "What the node is."),
        word(
            "asn",
            Number(1, 4_294_967_294),
            "Its autonomous system. A vgw without one has 64512.",
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
        word("attach", Name, "vpc: the vgw it is attached to."),
        word("cidr", OneOrList(&Prefix), "vpc: its address ranges."),
        word("provider", Text, "Whose it is."),
        word("location", Text, "Where it is."),
        word("site", Text, "The customer's site."),
    ],
};

/// Daemons in this version.
pub(super) static DAEMONS: [&str; 4] = ["embedded", "frr", "bird", "none"];

pub(super) static INSTALLED: Table = Table {
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

static ANNOUNCE: Holds = Either(&[Prefix, Keys(&ANNOUNCEMENT)]);

pub(super) static ANNOUNCEMENT: Table = Table {
    what: "an announcement",
    others: None,
    keys: &[
        needed("prefix", Prefix, "The prefix."),
        word(
            "while-known",
            Prefix,
            "Announced only while a route strictly inside this prefix is known.",
        ),
    ],
};

pub(super) static LINK: Table = Table {
    what: "a link",
    others: None,
    keys: &[
        needed("ends", ListOf(&Name), "The two nodes."),
        word(
            "delay",
            Either(&[Duration, MapOf(&Duration)]),
            "One-way delay; both ways, or by sending node.",
        ),
        word(
            "jitter",
            Either(&[Duration, MapOf(&Duration)]),
            "Variation around the delay.",
        ),
        word(
            "distribution",
            Either(&[
                OneOf(&Distribution::NAMES),
                MapOf(&OneOf(&Distribution::NAMES)),
            ]),
            "How jitter lies around the delay; default `uniform`.",
        ),
        word(
            "loss",
            Either(&[Percent, MapOf(&Percent)]),
            "Share of packets lost at random.",
        ),
        word(
            "loss-burst",
            Either(&[Number(2, 1000), MapOf(&Number(2, 1000))]),
            "Mean number of packets lost in a row (Gilbert's model).",
        ),
        word(
            "duplicate",
            Either(&[Percent, MapOf(&Percent)]),
            "Share of packets that arrive twice.",
        ),
        word(
            "corrupt",
            Either(&[Percent, MapOf(&Percent)]),
            "Share of packets of which one bit is turned over.",
        ),
        word(
            "reorder",
            Either(&[Percent, MapOf(&Percent)]),
            "Share of packets that take no delay and overtake the others.",
        ),
        word("rate", Either(&[Rate, MapOf(&Rate)]), "Serialisation rate."),
        word(
            "queue",
            Either(&[Size, MapOf(&Size)]),
            "Bytes that may wait for the rate.",
        ),
        word(
            "mtu",
            Size,
            "Largest IP packet, of both ends; default 1500B.",
        ),
        word(
            "addresses",
            MapOf(&OneOrList(&Prefix)),
            "Addresses by node, instead of derived ones.",
        ),
        word(
            "shaped",
            Flag,
            "Run the link through the wire even if nothing here or in the scenario needs it.",
        ),
        word("provider", Text, "Whose it is."),
        word("location", Text, "Where it is."),
        word("site", Text, "The customer's site."),
    ],
};

pub(super) static LAG: Table = Table {
    what: "a LAG",
    others: None,
    keys: &[
        needed(
            "links",
            ListOf(&Name),
            "Its links: two or more between the same nodes, of one rate and MTU.",
        ),
        word(
            "min-links",
            Number(0, 8),
            "With fewer links left the LAG is down; default 0, as at AWS.",
        ),
        word(
            "lacp",
            Either(&[OneOf(&LacpRate::WORDS), MapOf(&OneOf(&LacpRate::WORDS))]),
            "How often LACPDUs are asked for, by both ends or by node: `slow` (every 30s, missed after 90s; the default) or `fast` (1s, 3s).",
        ),
        word(
            "hash",
            OneOf(&HashPolicy::WORDS),
            "What chooses a packet's link; default `layer3+4`, so that flows spread.",
        ),
        word(
            "addresses",
            MapOf(&OneOrList(&Prefix)),
            "Addresses by node, instead of derived ones.",
        ),
    ],
};

pub(super) static SESSION: Table = Table {
    what: "a session",
    others: None,
    keys: &[
        word(
            "vif",
            OneOf(&["private"]),
            "A Direct Connect virtual interface; with `link` and `gateway`.",
        ),
        word(
            "vpn",
            OneOf(&["wireguard", "ipsec"]),
            "A VPN with BGP inside; with `ends` and `over`. ipsec: as AWS has it, two tunnels.",
        ),
        word(
            "ebgp",
            Name,
            "External BGP between the two routers of this link or LAG.",
        ),
        word(
            "ibgp",
            Name,
            "Internal BGP between the two routers of this link or LAG.",
        ),
        word("link", Name, "vif: the circuit, a link or LAG."),
        word("gateway", Name, "vif: the vgw behind the location."),
        word(
            "vlan",
            Number(1, 4094),
            "vif: its 802.1Q tag; none: untagged.",
        ),
        word(
            "mtu",
            Size,
            "vif: largest IP packet, 1500B (the default) or 9001B.",
        ),
        word("ends", ListOf(&Name), "vpn: the two nodes."),
        word("over", Name, "vpn: the internet node between them."),
        word(
            "bfd",
            Either(&[Bfd, Keys(&BFD)]),
            "BFD of the customer's end, or of both of a plain session: interval/multiplier.",
        ),
        word(
            "hold",
            Duration,
            "Hold time of the customer's end, or of both of a plain session.",
        ),
        word(
            "keepalive",
            Duration,
            "Keepalive interval; default a third of the hold time.",
        ),
        word(
            "connect-retry",
            Duration,
            "Wait before a failed connection is tried anew; default 5s.",
        ),
        word("md5", Text, "TCP-MD5 key."),
        word(
            "addresses",
            MapOf(&OneOrList(&Prefix)),
            "vif, vpn: inside addresses by node, instead of derived ones.",
        ),
        word(
            "tunnels",
            Number(1, 2),
            "ipsec: how many; default, and at AWS always, 2.",
        ),
        word(
            "inside",
            OneOrList(&Prefix),
            "ipsec: each tunnel's inside /30, instead of derived ones; AWS's end has the first address.",
        ),
        word(
            "psk",
            OneOrList(&Text),
            "ipsec: each tunnel's pre-shared key, instead of derived ones.",
        ),
        word(
            "config",
            OneOrList(&Text),
            "ipsec: for each tunnel the path of your own swanctl.conf of the customer's end, used as it is.",
        ),
        word(
            "dpd",
            Keys(&DPD),
            "ipsec: dead peer detection; default `{ delay: 10s, timeout: 30s }`.",
        ),
        word(
            "ike",
            Text,
            "ipsec: proposal for IKE; default `aes256-sha256-modp2048`.",
        ),
        word(
            "esp",
            Text,
            "ipsec: proposal for ESP; default `aes256gcm16-modp2048`.",
        ),
        word(
            "ike-lifetime",
            Duration,
            "ipsec: longest life of an IKE SA; default 8h.",
        ),
        word(
            "child-lifetime",
            Duration,
            "ipsec: longest life of a Child SA; default 1h.",
        ),
        word(
            "nat-t",
            Flag,
            "ipsec: ESP in UDP although there is no NAT; default false.",
        ),
        word(
            "passive",
            Name,
            "The end that waits for the other to connect.",
        ),
        word(
            "next-hop-self",
            Flag,
            "ibgp: each end makes itself the next hop; default true.",
        ),
        word("unlike-aws", Flag, "Insist on what AWS does not do."),
    ],
};

pub(super) static DPD: Table = Table {
    what: "dead peer detection",
    others: None,
    keys: &[
        word(
            "delay",
            Duration,
            "Silence after which the peer is asked; default 10s.",
        ),
        word(
            "timeout",
            Duration,
            "Silence after which it is dead, asked three times in between; default 30s.",
        ),
    ],
};

pub(super) static BFD: Table = Table {
    what: "BFD",
    others: None,
    keys: &[
        needed("tx", Duration, "Desired sending interval."),
        word(
            "rx",
            Duration,
            "Shortest interval taken; default that of `tx`.",
        ),
        needed(
            "multiplier",
            Number(1, 255),
            "Missed packets that mean down.",
        ),
    ],
};

pub(super) static ROUTING: Table = Table {
    what: "routing",
    others: None,
    keys: &[
        word(
            "announce",
            OneOrList(&ANNOUNCE),
            "Prefixes originated and announced here.",
        ),
        word(
            "pass",
            OneOrList(&Name),
            "Routes learned over these sessions go out here too.",
        ),
        word(
            "local-pref",
            Number(0, 4_294_967_295),
            "LOCAL_PREF of what is learned here.",
        ),
        word(
            "med",
            Number(0, 4_294_967_295),
            "MED of what goes out here.",
        ),
        word(
            "prepend",
            Number(0, 10),
            "Own ASN this many further times on what goes out here.",
        ),
        word(
            "communities",
            OneOrList(&Text),
            "Communities added to what goes out here.",
        ),
        word(
            "max-prefix",
            Number(1, 1_000_000),
            "More accepted prefixes than this end the session.",
        ),
        word(
            "import",
            ListOf(&Keys(&RULE)),
            "Ordered rules for what is taken; first match decides.",
        ),
        word(
            "export",
            ListOf(&Keys(&RULE)),
            "Ordered rules for what goes out; first match decides.",
        ),
    ],
};

pub(super) static RULE: Table = Table {
    what: "a rule",
    others: None,
    keys: &[
        word("match", Keys(&MATCH), "All must hold; none: every route."),
        word("then", OneOf(&["accept", "reject"]), "Default `accept`."),
        word("set", Keys(&SET), "Changes to an accepted route."),
    ],
};

pub(super) static MATCH: Table = Table {
    what: "a match",
    others: None,
    keys: &[
        word(
            "prefix",
            OneOrList(&Text),
            "`10.0.0.0/8`, `10.0.0.0/8 le 24`, `10.0.0.0/8 ge 16 le 24`: any of them.",
        ),
        word(
            "community",
            OneOrList(&Text),
            "The route carries any of them.",
        ),
        word(
            "as-path-contains",
            Number(1, 4_294_967_295),
            "The AS_PATH holds this number.",
        ),
        word(
            "as-path-origin",
            Number(1, 4_294_967_295),
            "The AS_PATH ends in this number.",
        ),
        word("as-path-empty", Flag, "The AS_PATH is empty; only `true`."),
        word(
            "from",
            OneOrList(&Name),
            "export: `local`, or a session it was learned over: any of them.",
        ),
    ],
};

pub(super) static SET: Table = Table {
    what: "a change",
    others: None,
    keys: &[
        word(
            "local-pref",
            Number(0, 4_294_967_295),
            "LOCAL_PREF becomes this.",
        ),
        word("med", Number(0, 4_294_967_295), "MED becomes this."),
        word("prepend", Number(1, 10), "Own ASN this many further times."),
        word("add-community", OneOrList(&Text), "Communities added."),
        word(
            "remove-community",
            OneOrList(&Text),
            "Communities taken away.",
        ),
        word(
            "next-hop-self",
            Flag,
            "NEXT_HOP becomes the own address; only `true`.",
        ),
    ],
};

pub(super) static PROBE: Table = Table {
    what: "a probe",
    others: None,
    keys: &[
        needed(
            "between",
            ListOf(&Name),
            "The two hosts: `node.host`, or the name of a host node.",
        ),
        word(
            "rate",
            PacketRate,
            "Packets a second each way; default 1000/s.",
        ),
        word("size", Size, "Bytes of the whole IP packet; default 200B."),
        word(
            "family",
            OneOf(&["ipv4", "ipv6"]),
            "Default ipv4 where both hosts have it.",
        ),
    ],
};

pub(super) static STEP: Table = Table {
    what: "a step",
    others: None,
    keys: &[
        word("cut", Keys(&CUT), "Cut a link, a session or a node."),
        word(
            "degrade",
            Keys(&DEGRADE),
            "Change what a link does to packets.",
        ),
        word(
            "drop",
            Keys(&DROP),
            "Drop exactly so many probe packets of each flow.",
        ),
        word(
            "restore",
            Text,
            "Undo the fault with this name or on this link, node or session.",
        ),
        word(
            "wait",
            Keys(&WAIT),
            "Wait for a probe: `{ app: recovered, within: 5s }`.",
        ),
        word("sleep", Duration, "Let time pass while probes run."),
    ],
};

pub(super) static CUT: Table = Table {
    what: "a cut",
    others: None,
    keys: &[
        word(
            "link",
            Name,
            "The link, or all links of a LAG: silent, one-way (a link only), carrier.",
        ),
        word("session", Name, "The session: bgp-shutdown."),
        word(
            "node",
            Name,
            "The node: kill or freeze its daemon, or the whole node.",
        ),
        needed(
            "how",
            OneOf(&How::NAMES),
            "`silent`, `one-way` or `carrier` for a link, `bgp-shutdown` for a session, `kill`, `freeze` or `node` for a node.",
        ),
        word(
            "from",
            Name,
            "one-way: the sending node of the direction that is cut.",
        ),
        word(
            "at",
            Name,
            "carrier: the only end that sees it; bgp-shutdown: the end that does it.",
        ),
        word("as", Name, "Its name; default `cut`."),
    ],
};

pub(super) static DEGRADE: Table = Table {
    what: "a degrade step",
    others: None,
    keys: &[
        needed("link", Name, "The link."),
        word(
            "delay",
            Either(&[Duration, MapOf(&Duration)]),
            "One-way delay; both ways, or by sending node.",
        ),
        word(
            "jitter",
            Either(&[Duration, MapOf(&Duration)]),
            "Variation around the delay.",
        ),
        word(
            "distribution",
            Either(&[
                OneOf(&Distribution::NAMES),
                MapOf(&OneOf(&Distribution::NAMES)),
            ]),
            "How jitter lies around the delay; default `uniform`.",
        ),
        word(
            "loss",
            Either(&[Percent, MapOf(&Percent)]),
            "Share of packets lost at random.",
        ),
        word(
            "loss-burst",
            Either(&[Number(2, 1000), MapOf(&Number(2, 1000))]),
            "Mean number of packets lost in a row (Gilbert's model).",
        ),
        word(
            "duplicate",
            Either(&[Percent, MapOf(&Percent)]),
            "Share of packets that arrive twice.",
        ),
        word(
            "corrupt",
            Either(&[Percent, MapOf(&Percent)]),
            "Share of packets of which one bit is turned over.",
        ),
        word(
            "reorder",
            Either(&[Percent, MapOf(&Percent)]),
            "Share of packets that take no delay and overtake the others.",
        ),
        word("rate", Either(&[Rate, MapOf(&Rate)]), "Serialisation rate."),
        word(
            "queue",
            Either(&[Size, MapOf(&Size)]),
            "Bytes that may wait for the rate.",
        ),
        word("as", Name, "Its name; default `degrade`."),
    ],
};

pub(super) static DROP: Table = Table {
    what: "a drop step",
    others: None,
    keys: &[
        needed("link", Name, "The link."),
        needed("packets", Number(1, 1_000_000), "How many of each flow."),
        word("as", Name, "Its name; default `drop`."),
    ],
};

pub(super) static WAIT: Table = Table {
    what: "a wait step",
    others: Some(&OneOf(&["recovered"])),
    keys: &[needed("within", Duration, "Deadline.")],
};

pub(super) static EXPECT: Table = Table {
    what: "an expectation",
    others: Some(&Keys(&OUTCOME)),
    keys: &[needed(
        "after",
        Either(&[Name, Keys(&RESTORED)]),
        "A fault's name (`cut`), `restore`, or `{ restore: NAME }` where several faults are restored.",
    )],
};

pub(super) static RESTORED: Table = Table {
    what: "`after`",
    others: None,
    keys: &[needed("restore", Name, "The fault that was restored.")],
};

pub(super) static OUTCOME: Table = Table {
    what: "an outcome",
    others: None,
    keys: &[
        word("outage", Duration, "Longest outage, each way."),
        word(
            "lost",
            Number(0, 1_000_000_000),
            "Exactly this many packets lost, each way.",
        ),
        word(
            "via",
            Name,
            "The session that carries the traffic afterwards.",
        ),
    ],
};
