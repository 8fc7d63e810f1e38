//! Services: names by DNS.

use super::{
    Holds::{Duration, Keys, Name, Number},
    Table, needed, word,
};

pub(in crate::lab::spec) static DNS: Table = Table {
    what: "a name",
    others: None,
    keys: &[
        needed(
            "server",
            Name,
            "The host that answers for it, over UDP port 53.",
        ),
        needed(
            "ttl",
            Duration,
            "How long an answer may be kept: whole seconds.",
        ),
        needed("primary", Name, "The host whose address is the answer."),
        needed(
            "secondary",
            Name,
            "The host whose address is the answer while the primary is unhealthy.",
        ),
        word(
            "check",
            Keys(&CHECK),
            "How the server finds out whether an endpoint is healthy.",
        ),
    ],
};

pub(in crate::lab::spec) static CHECK: Table = Table {
    what: "a health check",
    others: None,
    keys: &[
        word(
            "interval",
            Duration,
            "From one check to the next; default 30s. Route 53 has 30s and, for more money, 10s.",
        ),
        word(
            "threshold",
            Number(1, 10),
            "So many checks in a row change the verdict, either way; default 3.",
        ),
        word(
            "timeout",
            Duration,
            "A TCP connection not there by then is a failed check; default the interval, at most 10s.",
        ),
        word(
            "port",
            Number(1, 65535),
            "The TCP port of the endpoints that is connected to; default 80.",
        ),
    ],
};
