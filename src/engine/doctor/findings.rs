//! From what was found by trying to what it means for a lab.

use serde::Serialize;

use crate::{
    engine::daemon::{Installed, known_defect},
    os::host::HostProbe,
    units::Suite,
};

/// How good the news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The real thing is there.
    Good,
    /// Something else will stand in for it, at a cost.
    Fallback,
    /// Labs that need it will not run here.
    Missing,
    /// No lab runs here.
    Fatal,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked for.
    pub what: String,
    /// How good the news is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What backhoe uses, and what that costs.
    pub uses: String,
    /// The one command that improves it.
    pub improve: Option<String>,
}

/// What stands in for the kernel's wire.
const RELAY: &str = "backhoe's relay shapes and cuts links in user space: about 0.1 ms of scheduling error, 1 Gb/s class throughput";

fn finding(
    what: &str,
    verdict: Verdict,
    found: impl Into<String>,
    uses: &str,
    improve: Option<&str>,
) -> Finding {
    Finding {
        what: what.to_owned(),
        verdict,
        found: found.into(),
        uses: uses.to_owned(),
        improve: improve.map(str::to_owned),
    }
}

/// Everything worth knowing, most important first.
pub fn findings(host: &HostProbe) -> Vec<Finding> {
    let mut all = vec![user_namespaces(host)];
    all.extend(kernel_parts(host));
    all.push(realtime(host));
    all.push(clock(host));
    all.push(sessions(host));
    all.extend(daemons());
    all
}

fn user_namespaces(host: &HostProbe) -> Finding {
    match &host.userns_error {
        None if host.netns => finding(
            "user namespaces",
            Verdict::Good,
            format!(
                "uid {} can make them, with network namespaces inside",
                host.uid
            ),
            "every lab lives in its own; no root, no setuid",
            None,
        ),
        error => finding(
            "user namespaces",
            Verdict::Fatal,
            error
                .clone()
                .unwrap_or_else(|| "network namespaces are refused inside them".into()),
            "nothing: a lab cannot be built",
            Some(if host.apparmor_restricts_userns {
                "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            } else {
                "sudo sysctl -w user.max_user_namespaces=65536 kernel.unprivileged_userns_clone=1"
            }),
        ),
    }
}

fn kernel_parts(host: &HostProbe) -> Vec<Finding> {
    let modules = Some("sudo apt-get install linux-image-cloud-amd64   # a full kernel");
    let part = |what, has, good, verdict, instead| {
        if has {
            finding(what, Verdict::Good, "in the kernel", good, None)
        } else {
            finding(what, verdict, "not in this kernel", instead, modules)
        }
    };
    vec![
        part(
            "nexthop objects",
            host.nexthop,
            "the embedded speaker repoints whole tables with one message",
            Verdict::Fatal,
            "nothing: the embedded speaker cannot install routes",
        ),
        match (host.netem, host.wire) {
            (true, false) => finding(
                "netem",
                Verdict::Fallback,
                "in the kernel, but not the filters that lead links to it (clsact, matchall, mirred, gact)",
                RELAY,
                modules,
            ),
            (has, _) => part(
                "netem",
                has,
                "links are shaped and cut by the kernel; by backhoe's relay where a scenario drops exact numbers of packets (`--wire` chooses)",
                Verdict::Fallback,
                RELAY,
            ),
        },
        part(
            "WireGuard",
            host.wireguard,
            "tunnels use the kernel's",
            Verdict::Fallback,
            "boringtun, embedded; needs no /dev/net/tun; slower than the kernel's",
        ),
        part(
            "802.1Q VLAN",
            host.vlan,
            "present; one VIF a circuit still runs untagged in this version",
            Verdict::Fallback,
            "a circuit with one VIF runs untagged, and the report says so",
        ),
        part(
            "bonding",
            host.bond,
            "for LAGs",
            Verdict::Missing,
            "labs with a LAG will not run",
        ),
        part(
            "VRF",
            host.vrf,
            "for VRFs on a router",
            Verdict::Missing,
            "labs with a VRF will not run",
        ),
        part(
            "XFRM interfaces",
            host.xfrm,
            "for route-based IPsec",
            Verdict::Missing,
            "IPsec will have to run in user space",
        ),
        part(
            "TCP-MD5",
            host.tcp_md5,
            "for sessions with a key",
            Verdict::Missing,
            "sessions with an md5 key will not come up",
        ),
    ]
}

fn realtime(host: &HostProbe) -> Finding {
    if host.rtprio > 0 {
        finding(
            "realtime priority",
            Verdict::Good,
            format!("up to {}", host.rtprio),
            "relay, probe and BFD threads get SCHED_FIFO, as root through a process outside the lab's user namespace; a refusal is a warning in the report",
            None,
        )
    } else {
        finding(
            "realtime priority",
            Verdict::Fallback,
            "not permitted (RLIMIT_RTPRIO is 0)",
            "ordinary scheduling: on a busy host BFD below 50 ms may flap and pacing errors of milliseconds appear; the report warns",
            Some(
                "echo \"$USER - rtprio 50\" | sudo tee /etc/security/limits.d/backhoe.conf   # then log in again",
            ),
        )
    }
}

fn clock(host: &HostProbe) -> Finding {
    let good = matches!(
        host.clocksource.as_str(),
        "tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter"
    );
    finding(
        "clock source",
        if good {
            Verdict::Good
        } else {
            Verdict::Fallback
        },
        host.clocksource.clone(),
        if good {
            "cheap to read"
        } else {
            "slow to read: timestamps cost more"
        },
        None,
    )
}

fn sessions(host: &HostProbe) -> Finding {
    if host.kill_user_processes {
        finding(
            "login sessions",
            Verdict::Fallback,
            "logind ends a user's processes at logout (KillUserProcesses=yes)",
            "a lab that is up ends with your session",
            Some("loginctl enable-linger"),
        )
    } else {
        finding(
            "login sessions",
            Verdict::Good,
            "processes outlive a logout",
            "`up` stays up",
            None,
        )
    }
}

fn daemons() -> Vec<Finding> {
    [
        (Suite::Frr, "sudo apt-get install frr"),
        (Suite::Bird, "sudo apt-get install bird2"),
    ]
    .map(|(suite, install)| suite_finding(suite, install))
    .into()
}

fn suite_finding(suite: Suite, install: &'static str) -> Finding {
    let (name, word) = (suite.to_string(), suite.word());
    let Some(found) = Installed::find(suite, None) else {
        return finding(
            &name,
            Verdict::Missing,
            "not installed",
            &format!(
                "nodes with `daemon: {word}` will not run; the embedded speaker needs nothing"
            ),
            Some(install),
        );
    };
    let version = found.version();
    match known_defect(suite, version) {
        Some(defect) => finding(&name, Verdict::Fallback, version.to_string(), defect, None),
        None => finding(
            &name,
            Verdict::Good,
            format!("{version}: {}", found.place().display()),
            &format!("for nodes with `daemon: {word}`"),
            None,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_forbids_user_namespaces_is_told_the_one_command() {
        let host = HostProbe {
            userns_error: Some("Permission denied".into()),
            apparmor_restricts_userns: true,
            ..HostProbe::default()
        };
        let all = findings(&host);
        assert_eq!(all[0].verdict, Verdict::Fatal);
        assert!(
            all[0]
                .improve
                .as_deref()
                .unwrap()
                .contains("apparmor_restrict")
        );
    }

    #[test]
    fn netem_without_filters_is_no_wire() {
        let mut host = HostProbe {
            netem: true,
            ..HostProbe::default()
        };
        let verdict = |host: &HostProbe| {
            let all = findings(host);
            all.iter().find(|f| f.what == "netem").unwrap().verdict
        };
        assert_eq!(verdict(&host), Verdict::Fallback);
        host.wire = true;
        assert_eq!(verdict(&host), Verdict::Good);
    }

    #[test]
    fn everything_that_is_not_good_says_what_happens_instead() {
        for finding in findings(&HostProbe::default()) {
            assert!(!finding.uses.is_empty(), "{finding:?}");
        }
    }
}
