//! Sessions, their timers and their tunnels.

use super::{
    Holds::{
        Bfd, Duration, Either, Flag, Keys, ListOf, MapOf, Name, Number, OneOf, OneOrList,
        PacketRate, Prefix, Rate, Size, Text,
    },
    Table, needed, word,
};
use crate::lab::model::aws;

pub(in crate::lab::spec) static SESSION: Table = Table {
    what: "a session",
    others: None,
    keys: &[
        word(
            "vif",
            OneOf(&["private", "transit", "public"]),
            "A Direct Connect virtual interface; with `link` and `gateway`. transit: to a dxgw with tgws; public: to aws-public.",
        ),
        word(
            "vpn",
            OneOf(&["wireguard", "ipsec"]),
            "A VPN with BGP inside, or with `static` routes; with `ends` and `over`. ipsec: as AWS has it, two tunnels.",
        ),
        word(
            "static",
            OneOrList(&Prefix),
            "vpn: static routes in place of BGP: the customer's prefixes, which AWS's end sends into the tunnels.",
        ),
        word(
            "floating",
            Flag,
            "vpn with `static`: the customer's own static routes yield to BGP's; default false.",
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
        word(
            "gateway",
            Name,
            "vif: the vgw, dxgw or aws-public behind the location.",
        ),
        word(
            "hosted",
            Flag,
            "vif: on a connection of another account's; default false.",
        ),
        word(
            "prefixes",
            OneOrList(&Prefix),
            "vif: public: your public prefixes, which AWS has verified to be yours.",
        ),
        word("sitelink", Flag, "vif at a dxgw: SiteLink; default false."),
        word(
            "prefix-limit",
            Number(aws::VIF_MAX_PREFIX as u64, aws::VIF_RAISED_PREFIX as u64),
            "vif: private or transit: how many prefixes of each family AWS takes before it ends the session; default 100, raised on request.",
        ),
        word(
            "vlan",
            Number(1, 4094),
            "vif: its 802.1Q tag; none: untagged.",
        ),
        word(
            "mtu",
            Size,
            "vif: largest IP packet, 1500B (the default), or 9001B (private) or 8500B (transit).",
        ),
        word("ends", ListOf(&Name), "vpn: the two nodes."),
        word(
            "over",
            Either(&[Name, ListOf(&Name)]),
            "vpn: the internet node between them; over public VIFs the customer's router and the aws-public, over a transit VIF the router and the dxgw.",
        ),
        word(
            "outer",
            Prefix,
            "ipsec over Direct Connect: where your ends' outer addresses are taken from: a /29, or a larger prefix that you announce.",
        ),
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
        word(
            "graceful-restart",
            Duration,
            "vif, ebgp, ibgp: graceful restart (RFC 4724) with this restart time, 1s to 4095s; AWS's end has 120s. Default: none.",
        ),
        word("md5", Text, "TCP-MD5 key."),
        word(
            "addresses",
            MapOf(&OneOrList(&Prefix)),
            "vif, vpn: inside addresses by node, instead of derived ones.",
        ),
        word(
            "mss",
            Either(&[OneOf(&MSS), Size]),
            "vpn: what your ends make of the MSS in TCP's SYNs: at most the tunnel's MTU less 40 (`mtu`, the default towards AWS), at most so much, or nothing (`unclamped`).",
        ),
        word(
            "cap",
            Keys(&CAP),
            "vpn to AWS: what each tunnel carries at most; default AWS's `{ rate: 1.25gbit, packets: 140000/s }`.",
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
            "auth",
            Either(&[OneOf(&AUTH), Keys(&CREDENTIALS)]),
            "ipsec: how the ends prove who they are; default `psk`. `certificate`: the lab's own; or files of yours.",
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

/// What a VPN's ends make of TCP's MSS, beside a size.
pub(in crate::lab::spec) static MSS: [&str; 2] = ["mtu", "unclamped"];

/// How an IPsec tunnel's ends prove who they are.
pub(in crate::lab::spec) static AUTH: [&str; 2] = ["psk", "certificate"];

pub(in crate::lab::spec) static CREDENTIALS: Table = Table {
    what: "a certificate of your own",
    others: None,
    keys: &[
        needed(
            "certificate",
            Text,
            "Path of the customer's end's certificate: PEM, alone in its file.",
        ),
        needed(
            "key",
            Text,
            "Path of its private key: PEM, PKCS #8, not encrypted.",
        ),
        needed(
            "ca",
            Text,
            "Path of the certificates that vouch for it, up to the root; AWS's end trusts them.",
        ),
    ],
};

pub(in crate::lab::spec) static CAP: Table = Table {
    what: "a tunnel's cap",
    others: None,
    keys: &[
        word(
            "rate",
            Rate,
            "Bits of packets inside the tunnel, each way; default 1.25gbit.",
        ),
        word(
            "packets",
            PacketRate,
            "Packets, each way; default 140000/s.",
        ),
    ],
};

pub(in crate::lab::spec) static DPD: Table = Table {
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

pub(in crate::lab::spec) static BFD: Table = Table {
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
