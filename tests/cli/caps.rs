//! A tunnel to AWS carries so much and no more.

use std::fs;

use serde_json::Value;

use super::bench::{Bench, words};

/// Behind two circuits are two VPNs, one with too few bits a second for its probe, one with too few
/// packets. Both circuits are cut, and either tunnel lets a second's worth through and then half.
const LAB: &str = "
nodes:
  dc1:  { kind: data-center, asn: 65001, hosts: { app: 10.0.1.10/24 } }
  dc2:  { kind: data-center, asn: 65002, hosts: { app: 10.0.2.10/24 } }
  east: { kind: dx-location }
  vgw:  { kind: vgw, asn: 64512 }
  vpc1: { kind: vpc, attach: vgw, cidr: 172.31.0.0/16, hosts: { db: 172.31.1.10/24 } }
  isp:  { kind: internet }
links:
  dx-1: { ends: [dc1, east], delay: 1ms, provider: acme }
  dx-2: { ends: [dc2, east], delay: 1ms, provider: acme }
  in:   { ends: [east, vgw], delay: 1ms }
  up-1: { ends: [dc1, isp], delay: 1ms }
  up-2: { ends: [dc2, isp], delay: 1ms }
  edge: { ends: [isp, vgw], delay: 1ms }
sessions:
  vif-1:   { vif: private, link: dx-1, gateway: vgw }
  vif-2:   { vif: private, link: dx-2, gateway: vgw }
  bits:    { vpn: wireguard, ends: [dc1, vgw], over: isp, cap: { rate: 800kbit } }
  packets: { vpn: wireguard, ends: [dc2, vgw], over: isp, cap: { packets: 250/s } }
routing:
  dc1:
    vif-1: { announce: [10.0.1.0/24], local-pref: 200 }
    bits:  { announce: [10.0.1.0/24] }
  dc2:
    vif-2:   { announce: [10.0.2.0/24], local-pref: 200 }
    packets: { announce: [10.0.2.0/24] }
probes:
  one: { between: [dc1.app, vpc1.db], rate: 500/s, size: 400B }
  two: { between: [dc2.app, vpc1.db], rate: 500/s, size: 400B }
scenario:
  - cut: { provider: acme, how: carrier }
  - sleep: 4s
  - restore: cut
expect:
  - { after: cut, one: { outage: 600ms, via: bits, loss: { at-least: 30%, at-most: 65% } } }
  - { after: cut, two: { outage: 600ms, via: packets, loss: { at-least: 30%, at-most: 65% } } }
";

#[test]
fn what_is_beyond_a_tunnels_cap_is_dropped_counted_and_named() {
    let mut bench = Bench::new("caps");
    let name = bench.name("caps");
    fs::write(bench.dir.path().join("caps.yaml"), LAB).unwrap();
    let output = bench.run(&["run", "caps.yaml", "--name", &name, "--json"]);
    let (out, err) = words(&output);
    let result: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    let warnings = result["warnings"].as_array().unwrap();
    let text = |code: &str| -> Vec<&str> {
        let of = warnings.iter().filter(|warning| warning["code"] == code);
        of.map(|warning| warning["text"].as_str().unwrap())
            .collect()
    };
    let caps = text("tunnel-cap");
    for (tunnel, node, limit) in [
        ("bits", "vgw", "800 kbit/s"),
        ("bits", "dc1", "800 kbit/s"),
        ("packets", "vgw", "250 packets/s"),
        ("packets", "dc2", "250 packets/s"),
    ] {
        let drops = format!("packets dropped by tunnel `{tunnel}` at {node}");
        let limit = format!(": over its cap of {limit}");
        assert!(
            caps.iter()
                .any(|said| said.contains(&drops) && said.ends_with(&limit)),
            "{drops}{limit}: {caps:?}"
        );
    }
    let labelled = text("note");
    let label = "bits: each tunnel carries at most 800 kbit/s and 140,000 packets/s, as the lab has it; AWS's carry 1.25 Gbit/s and 140,000 packets/s";
    assert!(labelled.contains(&label), "{labelled:?}");
    for flow in result["flows"].as_array().unwrap() {
        // Nobody else dropped what did not arrive, but for the instant of the cut.
        assert_eq!(flow["unaccounted"], 0, "{flow}");
        assert!(flow["wire_queue"].as_u64().unwrap() > 500, "{flow}");
    }
    for expectation in result["expect"].as_array().unwrap() {
        assert_eq!(expectation["met"], true, "{expectation}");
    }
}
