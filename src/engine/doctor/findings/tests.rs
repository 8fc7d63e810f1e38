//! What doctor says of hosts that were recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::engine::doctor::text;

fn recorded(kernel: &str, uid: u32) -> HostProbe {
    HostProbe {
        kernel: kernel.to_owned(),
        uid,
        distribution: "debian".to_owned(),
        clocksource: "kvm-clock".to_owned(),
        netns: true,
        proc: true,
        nexthop: true,
        tcp_md5: true,
        psi: true,
        nftables: true,
        loadable: true,
        ..HostProbe::default()
    }
}

fn refused<const N: usize>(words: [(&str, &str); N]) -> BTreeMap<String, String> {
    words
        .map(|(what, word)| (what.to_owned(), word.to_owned()))
        .into()
}

fn modules<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

const QUIET: Timing = Timing {
    clock_ns: 24.0,
    wake_p50_us: 58.0,
    wake_p99_us: 211.0,
};

fn said(host: &HostProbe) -> String {
    text(&host.kernel, &of_host(host, Some(QUIET)))
}

/// A kernel without modules, as root.
fn stripped() -> HostProbe {
    HostProbe {
        loadable: false,
        tbf: true,
        tun: true,
        tun_device: true,
        fifo: true,
        rtprio: 99,
        ..recorded("6.18.0", 0)
    }
}

/// Debian 12's cloud kernel, as an ordinary user.
fn debian() -> HostProbe {
    HostProbe {
        netem: true,
        wire: true,
        tbf: true,
        wireguard: true,
        vlan: true,
        bond: true,
        vrf: true,
        xfrm: true,
        esp: true,
        tun: true,
        tun_device: true,
        refused: refused([("fifo", "Operation not permitted")]),
        modules: modules([
            "sch_netem",
            "wireguard",
            "8021q",
            "bonding",
            "vrf",
            "xfrm_interface",
        ]),
        ..recorded("6.1.0-40-cloud-amd64", 1000)
    }
}

#[test]
fn a_stripped_kernel() {
    insta::assert_snapshot!(said(&stripped()));
}

#[test]
fn a_debian_kernel() {
    insta::assert_snapshot!(said(&debian()));
}

#[test]
fn ubuntu_with_apparmors_rule() {
    let host = HostProbe {
        netns: false,
        distribution: "ubuntu".to_owned(),
        apparmor_restricts_userns: true,
        refused: refused([
            ("netns", "Operation not permitted"),
            ("fifo", "Operation not permitted"),
        ]),
        ..recorded("6.8.0-48-generic", 1000)
    };
    insta::assert_snapshot!(said(&host));
}

#[test]
fn a_container_that_masks_proc() {
    let host = HostProbe {
        proc: false,
        container: true,
        refused: refused([
            ("proc", "Operation not permitted"),
            ("fifo", "Operation not permitted"),
        ]),
        ..recorded("6.1.0-40-amd64", 0)
    };
    insta::assert_snapshot!(said(&host));
}

#[test]
fn a_container_that_forbids_namespaces_and_a_user_namespace_that_is_refused() {
    let host = HostProbe {
        netns: false,
        container: true,
        userns_error: Some("Operation not permitted".to_owned()),
        ..recorded("6.1.0-40-amd64", 0)
    };
    let found = fatal(&host).unwrap();
    assert_eq!(found.found, "refused: Operation not permitted");
    assert!(found.improve.unwrap().contains("seccomp=unconfined"));
    let improve = |host| fatal(&host).unwrap().improve.unwrap();
    let outside = HostProbe {
        container: false,
        ..host.clone()
    };
    assert!(improve(outside).ends_with("kernel.unprivileged_userns_clone=1"));
    let chrooted = HostProbe {
        chroot: true,
        ..host.clone()
    };
    assert!(fatal(&chrooted).unwrap().found.ends_with("inside a chroot"));
    assert!(improve(chrooted).starts_with("systemd-nspawn"));
    let used_up = HostProbe {
        userns_error: Some("No space left on device".to_owned()),
        ..host
    };
    assert!(improve(used_up).ends_with("user.max_user_namespaces=65536"));
}

#[test]
fn netem_without_filters_is_no_wire() {
    let mut host = HostProbe {
        wire: false,
        ..debian()
    };
    let verdict = |host: &HostProbe| {
        let all = of_host(host, None);
        all.iter().find(|f| f.what == "netem").unwrap().verdict
    };
    assert_eq!(verdict(&host), Verdict::Fallback);
    host.wire = true;
    assert_eq!(verdict(&host), Verdict::Good);
}

#[test]
fn a_module_that_is_there_is_loaded_and_one_that_is_not_is_installed() {
    let improve = |host: &HostProbe| {
        let all = of_host(host, None);
        let netem = all.into_iter().find(|f| f.what == "netem").unwrap();
        netem.improve.unwrap()
    };
    let with_file = HostProbe {
        loadable: true,
        modules: modules(["sch_netem"]),
        ..stripped()
    };
    assert_eq!(improve(&with_file), "sudo modprobe sch_netem");
    let ubuntu = HostProbe {
        loadable: true,
        distribution: "ubuntu".to_owned(),
        ..stripped()
    };
    assert_eq!(
        improve(&ubuntu),
        "sudo apt-get install linux-modules-extra-6.18.0"
    );
    assert!(improve(&stripped()).starts_with("scripts/vm "));
}

#[test]
fn a_tun_that_only_root_may_open_is_opened_to_all_and_a_missing_one_loaded() {
    let improve = |host: &HostProbe| {
        let all = of_host(host, None);
        let tun = all.into_iter().find(|f| f.what == "/dev/net/tun").unwrap();
        (tun.verdict, tun.improve)
    };
    let closed = HostProbe {
        tun: false,
        refused: refused([("tun", "Permission denied")]),
        ..stripped()
    };
    let command = |text: &str| (Verdict::Missing, Some(text.to_owned()));
    assert_eq!(improve(&closed), command("sudo chmod 0666 /dev/net/tun"));
    let absent = HostProbe {
        tun: false,
        ..stripped()
    };
    assert_eq!(improve(&absent), command("sudo modprobe tun"));
    assert_eq!(improve(&stripped()), (Verdict::Good, None));
}

#[test]
fn what_is_not_the_real_thing_says_what_happens_instead_and_how_to_improve_it() {
    for finding in of_host(
        &HostProbe {
            netns: true,
            ..HostProbe::default()
        },
        Some(QUIET),
    ) {
        assert!(!finding.uses.is_empty(), "{finding:?}");
        assert_eq!(
            finding.improve.is_none(),
            finding.verdict == Verdict::Good,
            "{finding:?}"
        );
    }
}

#[test]
fn ipsec_runs_in_the_kernel_or_by_libipsec_and_tun_or_not_at_all() {
    let of = |what: &str, host: &HostProbe| {
        let mut all = of_host(host, None).into_iter();
        all.find(|finding| finding.what == what).unwrap()
    };
    let closed = HostProbe {
        tun: false,
        tun_device: false,
        refused: refused([("tun", "Permission denied")]),
        ..stripped()
    };
    assert_eq!(of("IPsec", &debian()).verdict, Verdict::Good);
    assert_eq!(of("IPsec", &stripped()).verdict, Verdict::Fallback);
    let impossible = of("IPsec", &closed);
    assert_eq!(impossible.verdict, Verdict::Missing);
    assert_eq!(
        impossible.improve.as_deref(),
        Some("sudo chmod 0666 /dev/net/tun")
    );
    // With the kernel's, nothing of backhoe's needs a TUN device.
    let kernel_only = HostProbe {
        tun: false,
        tun_device: false,
        ..debian()
    };
    assert_eq!(of("IPsec", &kernel_only).verdict, Verdict::Good);
    assert!(
        of("/dev/net/tun", &kernel_only)
            .uses
            .starts_with("programs of yours")
    );

    let facts = |libipsec| {
        Some(IpsecFacts {
            version: "5.9.8".to_owned(),
            libipsec,
        })
    };
    for (host, installed, verdict) in [
        (debian(), facts(true), Verdict::Good),
        (debian(), facts(false), Verdict::Good),
        (stripped(), facts(true), Verdict::Good),
        (stripped(), facts(false), Verdict::Missing),
        (debian(), None, Verdict::Missing),
    ] {
        let said = ike(&host, installed);
        assert_eq!(said.verdict, verdict, "{said:?}");
        assert_eq!(said.improve.is_none(), verdict == Verdict::Good, "{said:?}");
    }
}

#[test]
fn what_doctor_tells_to_install_is_what_the_scripts_install() {
    let list = include_str!("../../../../scripts/packages");
    let mut told = vec![ike(&debian(), None).improve.unwrap()];
    told.extend(daemons().into_iter().filter_map(|finding| finding.improve));
    for command in told {
        let packages = command.strip_prefix("sudo apt-get install ").unwrap();
        for package in packages.split(' ').filter(|word| !word.starts_with('-')) {
            let is_listed = list.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some("labs") && words.next() == Some(package)
            });
            assert!(is_listed, "{package} is not in scripts/packages");
        }
    }
}
