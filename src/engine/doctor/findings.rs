//! From what was found by trying to what it means for a lab.

use super::{
    finding::{Finding, Verdict, finding},
    kernel, machine,
};
use crate::{
    engine::daemon::{Installed, known_defect, strongswan},
    lab::plan::IpsecFacts,
    os::host::{HostProbe, Timing},
    units::Suite,
};

/// Everything worth knowing, most important first.
pub fn findings(host: &HostProbe, timing: Option<Timing>) -> Vec<Finding> {
    let mut all = of_host(host, timing);
    all.extend(daemons());
    all.push(ike(host, strongswan::find()));
    all
}

/// Why no lab runs here, if so.
pub fn fatal(host: &HostProbe) -> Option<Finding> {
    of_host(host, None)
        .into_iter()
        .find(|finding| finding.verdict == Verdict::Fatal)
}

/// What the facts alone say.
fn of_host(host: &HostProbe, timing: Option<Timing>) -> Vec<Finding> {
    let mut all = vec![user_namespaces(host)];
    // Where no namespace could be made, nothing was tried inside one.
    if host.netns {
        all.push(own_proc(host));
        all.extend(kernel::parts(host, timing));
    }
    all.extend(machine::findings(host, timing));
    all
}

fn user_namespaces(host: &HostProbe) -> Finding {
    let what = "user namespaces";
    let uses = "nothing: a lab cannot be built";
    if host.netns {
        let found = format!(
            "uid {} can make them, with network namespaces inside",
            host.uid
        );
        let good = "every lab lives in its own; no root, no setuid";
        return finding(what, Verdict::Good, found, good, None);
    }
    let found = match &host.userns_error {
        Some(error) if host.chroot => {
            format!("refused: {error}; the kernel makes none inside a chroot")
        }
        Some(error) => format!("refused: {error}"),
        None => format!(
            "can be made, but without rights: a network namespace inside is refused{}",
            host.refused
                .get("netns")
                .map(|word| format!(" ({word})"))
                .unwrap_or_default()
        ),
    };
    // ENOSPC: the limit, and no rule, is what refuses.
    let is_limit = host.userns_error.as_deref() == Some("No space left on device");
    let improve = if is_limit {
        "sudo sysctl -w user.max_user_namespaces=65536"
    } else if host.chroot {
        "systemd-nspawn -D DIRECTORY   # or pivot_root: a root that is no chroot"
    } else if host.container {
        "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …"
    } else if host.apparmor_restricts_userns {
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    } else {
        "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    };
    let found = if host.apparmor_restricts_userns && !host.container {
        format!("{found}; AppArmor's rule for unprivileged user namespaces is on")
    } else {
        found
    };
    finding(what, Verdict::Fatal, found, uses, Some(improve))
}

fn own_proc(host: &HostProbe) -> Finding {
    if host.proc {
        return finding(
            "/proc of a lab",
            Verdict::Good,
            "can be mounted",
            "a lab sees its own processes only",
            None,
        );
    }
    let word = host
        .refused
        .get("proc")
        .map(|word| format!(": {word}"))
        .unwrap_or_default();
    finding(
        "/proc of a lab",
        Verdict::Fatal,
        format!("the mount is refused{word}; a container that masks parts of /proc does that"),
        "nothing: a lab cannot be built",
        Some(
            "docker run --security-opt systempaths=unconfined …   # podman: --security-opt unmask=ALL",
        ),
    )
}

fn daemons() -> Vec<Finding> {
    [
        (Suite::Frr, "sudo apt-get install frr"),
        (Suite::Bird, "sudo apt-get install bird2"),
    ]
    .map(|(suite, install)| suite_finding(suite, install))
    .to_vec()
}

/// strongSwan does IKE on every kernel, and ESP where the kernel cannot.
fn ike(host: &HostProbe, installed: Option<IpsecFacts>) -> Finding {
    const INSTALL: &str = "sudo apt-get install charon-systemd strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins";
    let what = "strongSwan";
    let Some(facts) = installed else {
        return finding(
            what,
            Verdict::Missing,
            "not installed",
            "labs with `vpn: ipsec` will not run; `vpn: wireguard` needs nothing",
            Some(INSTALL),
        );
    };
    let in_kernel = kernel::has_ipsec(host);
    let found = if facts.libipsec {
        facts.version
    } else {
        format!("{}, without kernel-libipsec", facts.version)
    };
    match (in_kernel, facts.libipsec) {
        (true, _) => finding(
            what,
            Verdict::Good,
            found,
            "for `vpn: ipsec`: IKEv2, with the kernel's ESP",
            None,
        ),
        (false, true) => finding(
            what,
            Verdict::Good,
            found,
            "for `vpn: ipsec`: IKEv2, with its own ESP (kernel-libipsec)",
            None,
        ),
        (false, false) => finding(
            what,
            Verdict::Missing,
            found,
            "labs with `vpn: ipsec` will not run: ESP is neither in the kernel nor here",
            Some("sudo apt-get install libcharon-extra-plugins"),
        ),
    }
}

fn suite_finding(suite: Suite, install: &str) -> Finding {
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
        Some(defect) => finding(
            &name,
            Verdict::Fallback,
            version.to_string(),
            &format!("for nodes with `daemon: {word}`, or another release by `daemon: {{ {word}: PATH }}`"),
            Some(&format!("{install} --only-upgrade")),
        )
        .costing(defect),
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
mod tests;
