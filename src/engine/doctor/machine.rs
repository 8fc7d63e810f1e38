//! Time, priority and sessions of the machine.

use super::finding::{Finding, Verdict, finding};
use crate::os::host::{HostProbe, Timing};

pub(super) fn findings(host: &HostProbe, timed: Option<Timing>) -> Vec<Finding> {
    vec![
        realtime(host),
        clock(host, timed),
        pressure(host),
        sessions(host),
    ]
}

fn realtime(host: &HostProbe) -> Finding {
    if host.fifo {
        return finding(
            "realtime priority",
            Verdict::Good,
            format!("SCHED_FIFO is given, up to {}", host.rtprio),
            "relay, probe and BFD threads get it, as root through a process outside the lab's user namespace; a refusal is a warning in the report",
            None,
        );
    }
    let found = if host.rtprio == 0 {
        "SCHED_FIFO is refused (RLIMIT_RTPRIO is 0)".to_owned()
    } else {
        let word = host
            .refused
            .get("fifo")
            .map_or("for no reason it gives", String::as_str);
        format!("SCHED_FIFO is refused: {word}")
    };
    let improve = if host.container {
        "docker run --cap-add SYS_NICE --ulimit rtprio=50 …"
    } else {
        "echo \"$USER - rtprio 50\" | sudo tee /etc/security/limits.d/backhoe.conf   # then log in again"
    };
    finding(
        "realtime priority",
        Verdict::Fallback,
        found,
        "ordinary scheduling, and the report warns",
        Some(improve),
    )
    .costing("on a busy host BFD below 50 ms may flap, and probes leave milliseconds late")
}

fn clock(host: &HostProbe, timed: Option<Timing>) -> Finding {
    let good = matches!(
        host.clocksource.as_str(),
        "tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter"
    );
    let measured = timed.map_or_else(String::new, |timing| {
        format!(", {:.0} ns a look", timing.clock_ns)
    });
    let source = if host.clocksource.is_empty() {
        "unknown"
    } else {
        &host.clocksource
    };
    let found = format!("{source}{measured}");
    if good {
        finding(
            "clock source",
            Verdict::Good,
            found,
            "every packet is stamped",
            None,
        )
    } else {
        finding(
            "clock source",
            Verdict::Fallback,
            found,
            "every packet is stamped all the same",
            Some("cat /sys/devices/system/clocksource/clocksource0/available_clocksource   # tsc or kvm-clock among them: boot with clocksource=tsc"),
        )
        .costing("a look at the clock is a system call or a slow device: fewer packets a second")
    }
}

fn pressure(host: &HostProbe) -> Finding {
    let (found, uses) = if host.psi {
        (
            "the kernel tells how long tasks wait for a core",
            "a run says when something had to wait for half of it",
        )
    } else {
        (
            "not in this kernel, or off (boot with psi=1)",
            "an overloaded host shows as late probes and frames only",
        )
    };
    finding("pressure (PSI)", Verdict::Good, found, uses, None)
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
