//! The language's words: every key of a lab file, what it holds and what it
//! means. The readers refuse what is not here and the JSON Schema is made from
//! it, so an editor and `backhoe check` cannot disagree.

mod links;
mod load;
mod nodes;
mod routing;
mod scenario;
mod services;
mod sessions;

use Holds::{Either, Keys, ListOf, MapOf, Name, Number, Steps, Text};
pub(super) use links::{LAG, LINK};
pub(super) use load::{LOAD, RATES};
pub(super) use nodes::{ANNOUNCEMENT, DAEMONS, INSTALLED, KINDS, NODE, ROUTE_TABLE, SUBNET};
pub(super) use routing::{MATCH, ROUTING, RULE, SET};
pub(super) use scenario::{
    CUT, DEGRADE, DROP, EXPECT, OUTCOME, PROBE, RESTORED, SHARES, STEP, SURVIVES, TIMES, WAIT,
};
pub(super) use services::{CHECK, DNS};
pub(super) use sessions::{AUTH, BFD, CAP, CREDENTIALS, DPD, MSS, SESSION};

use crate::lab::model::Factor;

pub(super) static LAB: Table = Table {
    what: "a lab",
    others: None,
    keys: &[
        word("name", Name, "The lab's name; default the file's."),
        word(
            "fast",
            Number(2, Factor::GREATEST),
            "How many times faster its timers run under `--fast`, which says so in every output.",
        ),
        needed(
            "nodes",
            MapOf(&Keys(&NODE)),
            "Nodes by name: `nodes: { a: { kind: router, asn: 65001 } }`.",
        ),
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
        word(
            "dns",
            MapOf(&Keys(&DNS)),
            "Names with a primary and a secondary host, served with health checks.",
        ),
        word(
            "anycast",
            MapOf(&ListOf(&Name)),
            "Groups of hosts that have the same address at different nodes, by name.",
        ),
        word("probes", MapOf(&Keys(&PROBE)), "Probes by name."),
        word("load", MapOf(&Keys(&LOAD)), "Background load by name."),
        word("scenario", Steps(&STEP), "What happens, in order."),
        word(
            "expect",
            ListOf(&Either(&[Keys(&EXPECT), Keys(&SURVIVES)])),
            "What must hold afterwards.",
        ),
    ],
};

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

impl Word {
    /// The least and the greatest number it may hold.
    pub(super) fn bounds(&self) -> (u64, u64) {
        if let Number(low, high) = self.holds {
            (low, high)
        } else {
            (0, u64::MAX)
        }
    }

    /// The words of which it holds one.
    pub(super) fn choices(&self) -> &'static [&'static str] {
        if let Holds::OneOf(words) = self.holds {
            words
        } else {
            &[]
        }
    }
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

/// LOCAL_PREF, MED: any number of 32 bits.
const ANY_U32: Holds = Number(0, 4_294_967_295);

// Tags of nodes and links.
const PROVIDER: Word = word("provider", Text, "Whose it is.");
const LOCATION: Word = word("location", Text, "Where it is.");
const SITE: Word = word("site", Text, "The customer's site.");
