//! Background load.

use super::{
    Holds::{Duration, Name, Number, OneOf, Rate, Size, Text},
    Table, needed, word,
};

pub(in crate::lab::spec) static LOAD: Table = Table {
    what: "a load",
    others: None,
    keys: &[
        needed(
            "from",
            Name,
            "The host that sends: `node.host`, or the name of a host node.",
        ),
        needed("to", Name, "The host that receives."),
        needed(
            "protocol",
            OneOf(&["tcp", "udp"]),
            "`tcp`: bulk transfers that take what they get; `udp`: packets at a steady pace.",
        ),
        word("streams", Number(1, 64), "tcp: connections; default 1."),
        word(
            "congestion-control",
            Text,
            "tcp: the kernel's name of it, such as `cubic` or `reno`; default the host's own.",
        ),
        word(
            "rate",
            Rate,
            "udp, needed: the offered rate, whole IP packets.",
        ),
        word(
            "size",
            Size,
            "udp: bytes of the whole IP packet; default 1000B.",
        ),
        word(
            "sampling",
            Duration,
            "How often its counters are read, 10ms to 10s; default 100ms.",
        ),
        word(
            "family",
            OneOf(&["ipv4", "ipv6"]),
            "Default ipv4 where both hosts have it.",
        ),
    ],
};

pub(in crate::lab::spec) static RATES: Table = Table {
    what: "`throughput`",
    others: None,
    keys: &[
        word("at-least", Rate, "No less than this."),
        word("at-most", Rate, "No more than this."),
    ],
};
