//! Probes, what happens, and what must hold afterwards.

use super::{
    Holds::{
        Duration, Either, Flag, Keys, ListOf, Name, Number, OneOf, OneOrList, PacketRate, Percent,
        Rate, Size, Text,
    },
    Table,
    links::{
        CORRUPT, DELAY, DISTRIBUTION, DUPLICATE, JITTER, LOSS, LOSS_BURST, QUEUE, RATE, REORDER,
    },
    load::RATES,
    needed, word,
};
use crate::lab::model::{Alert, How, Mechanism, Survives};

pub(in crate::lab::spec) static PROBE: Table = Table {
    what: "a probe",
    others: None,
    keys: &[
        needed(
            "between",
            ListOf(&Name),
            "The two hosts: `node.host`, or the name of a host node. One may be a name of `dns` or `anycast`.",
        ),
        word(
            "rate",
            PacketRate,
            "Packets a second each way; default 1000/s.",
        ),
        word("size", Size, "Bytes of the whole IP packet; default 200B."),
        word(
            "dont-fragment",
            Flag,
            "Set DF, and go on sending this size whatever is answered; may then be larger than a path carries. Default false.",
        ),
        word(
            "family",
            OneOf(&["ipv4", "ipv6"]),
            "Default ipv4 where both hosts have it.",
        ),
        word(
            "isolated",
            Flag,
            "The two must not reach each other: whatever happens, no packet may arrive. Default false.",
        ),
        word(
            "no-way-to",
            Name,
            "The one of the two that no packet may reach, whatever happens; the other way is not looked at.",
        ),
    ],
};

pub(in crate::lab::spec) static STEP: Table = Table {
    what: "a step",
    others: None,
    keys: &[
        word(
            "cut",
            Keys(&CUT),
            "Cut a link, a session, a node, or all that carries a tag.",
        ),
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
            "Undo the fault with this name or on this link, node, session or tag's value.",
        ),
        word(
            "wait",
            Keys(&WAIT),
            "Wait for a probe: `{ app: recovered, within: 5s }`.",
        ),
        word("sleep", Duration, "Let time pass while probes run."),
    ],
};

pub(in crate::lab::spec) static CUT: Table = Table {
    what: "a cut",
    others: None,
    keys: &[
        word(
            "link",
            Name,
            "The link, or all links of a LAG: silent, one-way (a link only), carrier.",
        ),
        word(
            "session",
            Name,
            "The session: bgp-shutdown; a VPN's tunnel: maintenance.",
        ),
        word(
            "node",
            Name,
            "The node: kill or freeze its daemon, or the whole node.",
        ),
        word(
            "location",
            Text,
            "All links with this tag, and all links of nodes with it, at once: silent, carrier, or node (the nodes die too).",
        ),
        word("provider", Text, "The same of this tag."),
        word("site", Text, "The same of this tag."),
        needed(
            "how",
            OneOf(&How::NAMES),
            "`silent`, `one-way` or `carrier` for a link, `bgp-shutdown` for a session, `maintenance` for a tunnel of a VPN to AWS, `kill`, `freeze` or `node` for a node, `silent`, `carrier` or `node` for a tag.",
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

pub(in crate::lab::spec) static DEGRADE: Table = Table {
    what: "a degrade step",
    others: None,
    keys: &[
        needed("link", Name, "The link."),
        DELAY,
        JITTER,
        DISTRIBUTION,
        LOSS,
        LOSS_BURST,
        DUPLICATE,
        CORRUPT,
        REORDER,
        RATE,
        QUEUE,
        word("as", Name, "Its name; default `degrade`."),
    ],
};

pub(in crate::lab::spec) static DROP: Table = Table {
    what: "a drop step",
    others: None,
    keys: &[
        needed("link", Name, "The link."),
        needed("packets", Number(1, 1_000_000), "How many of each flow."),
        word("as", Name, "Its name; default `drop`."),
    ],
};

pub(in crate::lab::spec) static WAIT: Table = Table {
    what: "a wait step",
    others: Some(&OneOf(&["recovered"])),
    keys: &[needed(
        "within",
        Duration,
        "How long to wait at most: `{ app: recovered, within: 5s }`.",
    )],
};

pub(in crate::lab::spec) static EXPECT: Table = Table {
    what: "an expectation",
    others: Some(&Keys(&OUTCOME)),
    keys: &[needed(
        "after",
        Either(&[Name, Keys(&RESTORED)]),
        "A fault's name (`cut`), `restore`, `{ restore: NAME }` where several faults are restored, or `start`: before the first fault.",
    )],
};

pub(in crate::lab::spec) static SURVIVES: Table = Table {
    what: "an expectation of a sweep",
    others: None,
    keys: &[
        needed(
            "survives",
            OneOf(&Survives::WORDS),
            "How many things fail together, each and every one: `backhoe sweep` holds the lab to it.",
        ),
        word(
            "within",
            Duration,
            "How long traffic may be gone, each way; default: as long as it comes back.",
        ),
        word(
            "except",
            OneOrList(&Name),
            "Links, LAGs, nodes and values of tags that may take traffic with them.",
        ),
    ],
};

pub(in crate::lab::spec) static RESTORED: Table = Table {
    what: "`after`",
    others: None,
    keys: &[needed("restore", Name, "The fault that was restored.")],
};

pub(in crate::lab::spec) static OUTCOME: Table = Table {
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
        word(
            "recovered",
            Flag,
            "Whether traffic comes back before the next fault or restore.",
        ),
        word(
            "alert",
            OneOf(&Alert::NAMES),
            "What monitoring raises before the next fault or restore.",
        ),
        word(
            "loss",
            Either(&[Percent, Keys(&SHARES)]),
            "Share of packets lost in the last two seconds before the next fault or restore, each way of a probe, or of a load of UDP: at most this, or between two bounds.",
        ),
        word(
            "delay",
            Either(&[Duration, Keys(&TIMES)]),
            "Median one-way delay then: at most this, or between two bounds.",
        ),
        word(
            "delay-p99",
            Either(&[Duration, Keys(&TIMES)]),
            "99th percentile of it.",
        ),
        word(
            "throughput",
            Either(&[Rate, Keys(&RATES)]),
            "Of a load: what arrives in the last two seconds before the next fault or restore: at least this, or between two bounds.",
        ),
        word(
            "share",
            Either(&[Percent, Keys(&SHARES)]),
            "Of a load: that throughput as a share of what it was before the first fault: at least this, or between two bounds.",
        ),
        word(
            "stall",
            Either(&[Duration, Keys(&TIMES)]),
            "Of a load: the longest time before the next fault or restore in which nothing arrived: at most this, or between two bounds.",
        ),
        word(
            "interruptions",
            Number(0, 1_000),
            "At most so many times without delivery, with 100 ms of it between two of them.",
        ),
        word(
            "detected-by",
            OneOf(&Mechanism::NAMES),
            "By what the fault was noticed.",
        ),
        word(
            "never-via",
            Name,
            "Before the first fault not one packet takes this session.",
        ),
        word(
            "mtu",
            Size,
            "Before the first fault packets of this size (whole IP packets, DF set) get through in one piece, each way.",
        ),
    ],
};

pub(in crate::lab::spec) static SHARES: Table = Table {
    what: "`loss`",
    others: None,
    keys: &[
        word("at-least", Percent, "No less than this."),
        word("at-most", Percent, "No more than this."),
    ],
};

pub(in crate::lab::spec) static TIMES: Table = Table {
    what: "a delay",
    others: None,
    keys: &[
        word("at-least", Duration, "No less than this."),
        word("at-most", Duration, "No more than this."),
    ],
};
