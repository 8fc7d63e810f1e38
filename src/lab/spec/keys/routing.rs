//! What a node gives and takes on a session.

use super::{
    ANY_U32,
    Holds::{Flag, Keys, ListOf, Name, Number, OneOf, OneOrList, Text},
    Table,
    nodes::ANNOUNCE,
    word,
};

pub(in crate::lab::spec) static ROUTING: Table = Table {
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
        word("local-pref", ANY_U32, "LOCAL_PREF of what is learned here."),
        word("med", ANY_U32, "MED of what goes out here."),
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

pub(in crate::lab::spec) static RULE: Table = Table {
    what: "a rule",
    others: None,
    keys: &[
        word("match", Keys(&MATCH), "All must hold; none: every route."),
        word("then", OneOf(&["accept", "reject"]), "Default `accept`."),
        word("set", Keys(&SET), "Changes to an accepted route."),
    ],
};

pub(in crate::lab::spec) static MATCH: Table = Table {
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

pub(in crate::lab::spec) static SET: Table = Table {
    what: "a change",
    others: None,
    keys: &[
        word("local-pref", ANY_U32, "LOCAL_PREF becomes this."),
        word("med", ANY_U32, "MED becomes this."),
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
