//! Links and LAGs, and what a link does to packets.

use super::{
    Holds::{
        Duration, Either, Flag, ListOf, MapOf, Name, Number, OneOf, OneOrList, Percent, Prefix,
        Rate, Size,
    },
    LOCATION, PROVIDER, SITE, Table, Word, needed, word,
};
use crate::lab::model::MAX_MEMBERS;
use crate::units::{Distribution, HashPolicy, LacpRate};

pub(in crate::lab::spec) static LINK: Table = Table {
    what: "a link",
    others: None,
    keys: &[
        needed("ends", ListOf(&Name), "The two nodes."),
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
        word(
            "mtu",
            Size,
            "Largest IP packet, of both ends; default 1500B.",
        ),
        ADDRESSES,
        word(
            "shaped",
            Flag,
            "Run the link through the wire even if nothing here or in the scenario needs it.",
        ),
        word(
            "hosted",
            Flag,
            "Of a circuit: a hosted connection, from a partner of AWS, which has one VIF; default false.",
        ),
        PROVIDER,
        LOCATION,
        SITE,
    ],
};

// What a link does to packets, by its own nature or while it is degraded.

pub(super) const DELAY: Word = word(
    "delay",
    Either(&[Duration, MapOf(&Duration)]),
    "One-way delay; both ways, or by sending node.",
);
pub(super) const JITTER: Word = word(
    "jitter",
    Either(&[Duration, MapOf(&Duration)]),
    "Variation around the delay.",
);
pub(super) const DISTRIBUTION: Word = word(
    "distribution",
    Either(&[
        OneOf(&Distribution::NAMES),
        MapOf(&OneOf(&Distribution::NAMES)),
    ]),
    "How jitter lies around the delay; default `uniform`.",
);
pub(super) const LOSS: Word = word(
    "loss",
    Either(&[Percent, MapOf(&Percent)]),
    "Share of packets lost at random.",
);
pub(super) const LOSS_BURST: Word = word(
    "loss-burst",
    Either(&[Number(2, 1000), MapOf(&Number(2, 1000))]),
    "Mean number of packets lost in a row (Gilbert's model).",
);
pub(super) const DUPLICATE: Word = word(
    "duplicate",
    Either(&[Percent, MapOf(&Percent)]),
    "Share of packets that arrive twice.",
);
pub(super) const CORRUPT: Word = word(
    "corrupt",
    Either(&[Percent, MapOf(&Percent)]),
    "Share of packets of which one bit is turned over.",
);
pub(super) const REORDER: Word = word(
    "reorder",
    Either(&[Percent, MapOf(&Percent)]),
    "Share of packets that take no delay and overtake the others.",
);
pub(super) const RATE: Word = word("rate", Either(&[Rate, MapOf(&Rate)]), "Serialisation rate.");
pub(super) const QUEUE: Word = word(
    "queue",
    Either(&[Size, MapOf(&Size)]),
    "Bytes that may wait for the rate.",
);

const ADDRESSES: Word = word(
    "addresses",
    MapOf(&OneOrList(&Prefix)),
    "Addresses by node, instead of derived ones.",
);

pub(in crate::lab::spec) static LAG: Table = Table {
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
            Number(0, MAX_MEMBERS as u64),
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
        ADDRESSES,
    ],
};
