//! Parts of the kernel: what is there, what stands in for what is not.

use super::finding::{Finding, Verdict, finding};
use crate::os::host::{HostProbe, Timing};

/// Every part, the ones no lab can do without first.
pub(super) fn parts(host: &HostProbe, timed: Option<Timing>) -> Vec<Finding> {
    let mut all = vec![
        nexthop(host),
        netem(host, timed),
        wireguard(host),
        ipsec(host),
        tun(host),
        vlan(host),
        bond(host),
        vrf(host),
        nftables(host),
        md5(host),
    ];
    all.extend(authentication_option(host));
    all
}

/// What backhoe does where a part is missing.
struct Instead {
    verdict: Verdict,
    uses: &'static str,
    costs: Option<String>,
    improve: Option<String>,
}

fn missing(uses: &'static str, improve: Option<String>) -> Instead {
    Instead {
        verdict: Verdict::Missing,
        uses,
        costs: None,
        improve,
    }
}

fn part(
    host: &HostProbe,
    (what, key, has): (&str, &str, bool),
    good: &str,
    instead: Instead,
) -> Finding {
    if has {
        return finding(what, Verdict::Good, "in the kernel", good, None);
    }
    let found = host.refused.get(key).map_or_else(
        || "not in this kernel".to_owned(),
        |word| format!("refused: {word}"),
    );
    let mut all = finding(what, instead.verdict, found, instead.uses, None);
    all.costs = instead.costs;
    all.improve = instead.improve;
    all
}

/// What adds every part at once.
const VM: &str = "scripts/vm COMMAND   # runs it on Debian's kernel, which has all parts, and leaves this host as it is";

/// The one command that adds a module.
fn add(host: &HostProbe, module: &str) -> String {
    if !host.loadable {
        return VM.to_owned();
    }
    if host.container {
        return format!("sudo modprobe {module}   # on the host of this container");
    }
    if host.modules.contains(module) {
        return format!("sudo modprobe {module}");
    }
    match host.distribution.as_str() {
        "ubuntu" => format!("sudo apt-get install linux-modules-extra-{}", host.kernel),
        "debian" if host.kernel.contains("cloud") => {
            "sudo apt-get install linux-image-amd64   # then boot it: a cloud kernel leaves modules out".to_owned()
        }
        _ => VM.to_owned(),
    }
}

fn nexthop(host: &HostProbe) -> Finding {
    part(
        host,
        ("nexthop objects", "nexthop", host.nexthop),
        "the embedded speaker repoints whole tables with one message",
        Instead {
            verdict: Verdict::Fatal,
            uses: "nothing: the embedded speaker cannot install routes",
            costs: None,
            improve: Some("uname -r   # nexthop objects need Linux 5.3 or later".to_owned()),
        },
    )
}

fn netem(host: &HostProbe, timed: Option<Timing>) -> Finding {
    let relay = || {
        let measured = timed.map_or_else(String::new, |timing| {
            format!(
                "measured now: a thread wakes {:.0} µs late (p99 {:.0}); ",
                timing.wake_p50_us, timing.wake_p99_us
            )
        });
        Some(format!(
            "{measured}about 0.1 ms of error where the relay is scheduled in time, every frame crosses user space twice, 1 Gbit/s class rates"
        ))
    };
    let uses = "backhoe's relay shapes and cuts links in user space";
    if host.netem && !host.wire {
        let mut all = finding(
            "netem",
            Verdict::Fallback,
            "in the kernel, but not all filters that lead links to it (clsact, matchall, mirred, gact)",
            uses,
            None,
        );
        all.costs = relay();
        all.improve = Some(add(host, "cls_matchall"));
        return all;
    }
    part(
        host,
        ("netem", "netem", host.netem),
        "links are shaped and cut by the kernel; by backhoe's relay where a scenario drops exact numbers of packets (`--wire` chooses)",
        Instead {
            verdict: Verdict::Fallback,
            uses,
            costs: relay(),
            improve: Some(add(host, "sch_netem")),
        },
    )
}

fn wireguard(host: &HostProbe) -> Finding {
    part(
        host,
        ("WireGuard", "wireguard", host.wireguard),
        "tunnels use the kernel's",
        Instead {
            verdict: Verdict::Fallback,
            uses: "boringtun, inside backhoe; it needs no /dev/net/tun",
            costs: Some(
                "one process for each tunnel end, and every packet crosses user space there"
                    .to_owned(),
            ),
            improve: Some(add(host, "wireguard")),
        },
    )
}

/// Whether tunnels use the kernel's ESP, which takes an interface to route into.
pub(super) fn has_ipsec(host: &HostProbe) -> bool {
    host.esp && host.xfrm
}

fn ipsec(host: &HostProbe) -> Finding {
    let (key, lacking) = if host.xfrm {
        ("esp", "no ESP with AES-GCM")
    } else if host.esp {
        ("xfrm", "ESP, but no XFRM interfaces")
    } else {
        ("esp", "neither ESP nor XFRM interfaces")
    };
    let add = add(host, "xfrm_interface");
    let instead = if host.tun_device {
        Instead {
            verdict: Verdict::Fallback,
            uses: "strongSwan's ESP in user space (kernel-libipsec), by /dev/net/tun",
            costs: Some(
                "every packet crosses strongSwan, always in UDP, and an MTU of 1400 at most"
                    .to_owned(),
            ),
            improve: Some(add),
        }
    } else {
        missing(
            "labs with `vpn: ipsec` will not run: ESP in user space needs /dev/net/tun",
            // What makes ESP in user space possible is less than a kernel.
            Some(open_tun(host).to_owned()),
        )
    };
    let mut all = part(
        host,
        ("IPsec", key, has_ipsec(host)),
        "ESP by an XFRM interface for each tunnel, route-based",
        instead,
    );
    if all.verdict != Verdict::Good && !host.refused.contains_key(key) {
        lacking.clone_into(&mut all.found);
    }
    all
}

/// The one command that makes /dev/net/tun usable.
fn open_tun(host: &HostProbe) -> &'static str {
    if host.container && !host.refused.contains_key("tun") {
        "docker run --device /dev/net/tun …"
    } else if host.refused.contains_key("tun") {
        "sudo chmod 0666 /dev/net/tun"
    } else {
        "sudo modprobe tun"
    }
}

fn tun(host: &HostProbe) -> Finding {
    let in_kernel = has_ipsec(host);
    if host.tun && host.tun_device {
        return finding(
            "/dev/net/tun",
            Verdict::Good,
            "opens, and makes devices",
            if in_kernel {
                "for programs of yours; backhoe's links and tunnels need none"
            } else {
                "for IPsec in user space and programs of yours; backhoe's links and WireGuard need none"
            },
            None,
        );
    }
    let key = if host.tun { "tun-device" } else { "tun" };
    let found = match (host.tun, host.refused.get(key)) {
        (true, _) => "opens, but makes no device".to_owned(),
        (false, Some(word)) => format!("cannot be opened: {word}"),
        (false, None) => "not there".to_owned(),
    };
    let uses = if in_kernel {
        "programs of yours that ask for it will not run; backhoe's links and tunnels need none"
    } else {
        "IPsec in user space will not run; backhoe's links and WireGuard need none"
    };
    finding(
        "/dev/net/tun",
        Verdict::Missing,
        found,
        uses,
        Some(open_tun(host)),
    )
}

fn vlan(host: &HostProbe) -> Finding {
    part(
        host,
        ("802.1Q VLAN", "vlan", host.vlan),
        "tagged sub-interfaces",
        Instead {
            verdict: Verdict::Fallback,
            uses: "a circuit with one VIF runs untagged, and the report says so",
            costs: Some("labs that need tags will not run".to_owned()),
            improve: Some(add(host, "8021q")),
        },
    )
}

fn bond(host: &HostProbe) -> Finding {
    part(
        host,
        ("bonding (LACP)", "bond", host.bond),
        "for LAGs",
        missing("labs with a LAG will not run", Some(add(host, "bonding"))),
    )
}

fn vrf(host: &HostProbe) -> Finding {
    part(
        host,
        ("VRF", "vrf", host.vrf),
        "for VRFs on a router",
        missing("labs with a VRF will not run", Some(add(host, "vrf"))),
    )
}

fn nftables(host: &HostProbe) -> Finding {
    part(
        host,
        ("nftables", "nftables", host.nftables),
        "for TCP's MSS and caps in VPNs, and rules of yours in nodes",
        missing(
            "VPNs will not clamp TCP's MSS (hosts learn a tunnel's MTU by ICMP alone), one that asks for it by `mss` will not run, and AWS's caps are not enforced",
            Some(add(host, "nf_tables")),
        ),
    )
}

fn md5(host: &HostProbe) -> Finding {
    part(
        host,
        ("TCP-MD5", "md5", host.tcp_md5),
        "for sessions with a key",
        missing(
            "sessions with an md5 key will not come up",
            Some(VM.to_owned()),
        ),
    )
}

/// Nothing of backhoe's asks for it, so that nothing is missing without it; a configuration of
/// the user's may.
fn authentication_option(host: &HostProbe) -> Option<Finding> {
    let uses = "for daemons of yours that ask for it";
    let found = || finding("TCP-AO", Verdict::Good, "in the kernel", uses, None);
    host.tcp_ao.then(found)
}
