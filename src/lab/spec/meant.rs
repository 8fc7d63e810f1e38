//! Words of AWS's, or of other tools, that a lab file has others for.

/// What to write in place of a value, by its key.
const VALUES: [(&str, &[&str], &str); 9] = [
    (
        "kind",
        &["transit-gateway", "transitgateway"],
        "a transit gateway is `kind: tgw`",
    ),
    (
        "kind",
        &["virtual-private-gateway", "vpn-gateway", "vpg"],
        "a virtual private gateway is `kind: vgw`",
    ),
    (
        "kind",
        &["direct-connect-gateway", "dx-gateway"],
        "a Direct Connect gateway is `kind: dxgw`",
    ),
    (
        "kind",
        &["direct-connect", "direct-connect-location", "dx"],
        "a Direct Connect location is `kind: dx-location`, the circuit a link to it",
    ),
    (
        "kind",
        &["customer-gateway", "cgw"],
        "a customer gateway is `kind: data-center` or `router`",
    ),
    (
        "kind",
        &["isp", "internet-gateway"],
        "what carries VPNs is `kind: internet`",
    ),
    (
        "vpn",
        &["static"],
        "`vpn: ipsec` with `static: [PREFIX]` has static routes in place of BGP",
    ),
    (
        "vpn",
        &["bgp", "dynamic", "site-to-site"],
        "`vpn: ipsec`: it has BGP inside unless it has `static`",
    ),
    (
        "vif",
        &["hosted"],
        "`hosted: true` beside `vif: private` says that the connection is another account's",
    ),
];

/// Where a key belongs that is nowhere as it is written.
const KEYS: [(&[&str], &str); 2] = [
    (
        &["allowed-prefixes", "allowed_prefixes", "allowed"],
        "allowed prefixes are in a dxgw's `associate`, by gateway: `associate: { vgw: [172.31.0.0/16] }`",
    ),
    (
        &["associations", "association"],
        "what is behind a dxgw is its `associate`: `{ vgw: [] }`; of a tgw's tables see `route-tables`",
    ),
];

/// What to write for this value of this key.
pub(super) fn value(key: &str, written: &str) -> Option<&'static str> {
    let written = written.to_ascii_lowercase();
    let mut values = VALUES.iter();
    let fits =
        |(of, words, _): &&(&str, &[&str], &str)| *of == key && words.contains(&written.as_str());
    values.find(fits).map(|(.., help)| *help)
}

/// Where to write what this key says.
pub(super) fn key(written: &str) -> Option<&'static str> {
    let mut keys = KEYS.iter();
    keys.find(|(words, _)| words.contains(&written))
        .map(|(_, help)| *help)
}
