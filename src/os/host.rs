//! What this kernel and host can do, found out by trying: a child in namespaces of
//! its own asks the kernel for each thing and says what happened.
#![expect(
    unsafe_code,
    reason = "fork: the child only makes system calls and exits"
)]

mod netlink;
mod tcp;
mod timing;
mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Write},
};

use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, getrlimit},
        wait::waitpid,
    },
    unistd::{ForkResult, fork, getuid, pipe},
};
pub use timing::{Timing, timing};
use trial::{TRIED, UNTRIED, attempt};

/// Modules whose absence a lab can notice.
const MODULES: [&str; 9] = [
    "sch_netem",
    "cls_matchall",
    "wireguard",
    "8021q",
    "bonding",
    "vrf",
    "xfrm_interface",
    "nf_tables",
    "tun",
];

/// What the host offers. Every field was found by doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostProbe {
    /// A user namespace could be made; else why not.
    pub userns_error: Option<String>,
    /// Network namespaces inside it.
    pub netns: bool,
    /// Nexthop objects.
    pub nexthop: bool,
    /// The netem queueing discipline.
    pub netem: bool,
    /// Everything a wire in the kernel needs: netem, and filters that redirect and drop.
    pub wire: bool,
    /// The token bucket filter.
    pub tbf: bool,
    /// WireGuard in the kernel.
    pub wireguard: bool,
    /// 802.1Q.
    pub vlan: bool,
    /// Bonding.
    pub bond: bool,
    /// VRF devices.
    pub vrf: bool,
    /// XFRM interfaces.
    pub xfrm: bool,
    /// An ESP security association with AES-GCM.
    pub esp: bool,
    /// What clamps TCP's MSS: rules of nftables that set a TCP option.
    pub nftables: bool,
    /// /dev/net/tun can be opened by this user.
    pub tun: bool,
    /// A TUN device comes of it; tried by [`probe_all`] only.
    pub tun_device: bool,
    /// A PID namespace may have a /proc of its own.
    pub proc: bool,
    /// TCP-MD5 signatures (RFC 2385).
    pub tcp_md5: bool,
    /// The TCP Authentication Option (RFC 5925).
    pub tcp_ao: bool,
    /// A thread of this user's was given SCHED_FIFO.
    pub fifo: bool,
    /// The highest realtime priority this user may take; 0 is none.
    pub rtprio: u64,
    /// Pressure stall information.
    pub psi: bool,
    /// The kernel's clock source.
    pub clocksource: String,
    /// Kernel release.
    pub kernel: String,
    /// Ubuntu's AppArmor restriction of unprivileged user namespaces is on.
    pub apparmor_restricts_userns: bool,
    /// logind ends a user's processes at logout.
    pub kill_user_processes: bool,
    /// Uid of the user.
    pub uid: u32,
    /// The distribution's name for itself, `debian`, `ubuntu`; empty where it has none.
    pub distribution: String,
    /// This runs in a container, as far as one can see from inside.
    pub container: bool,
    /// The process is in a chroot, where the kernel makes no user namespace.
    pub chroot: bool,
    /// The kernel can load modules at all.
    pub loadable: bool,
    /// Which of the modules a lab may want this kernel has, loaded or not.
    pub modules: BTreeSet<String>,
    /// What was refused for another reason than that the kernel lacks it, with the
    /// kernel's word.
    pub refused: BTreeMap<String, String>,
}

/// Tries what a lab may need, in some 20 ms. The calling process must be
/// single-threaded.
pub fn probe() -> io::Result<HostProbe> {
    ask(false)
}

/// The host's name.
pub fn name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The kernel's release.
pub fn release() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

/// Tries everything. The calling process must be single-threaded.
pub fn probe_all() -> io::Result<HostProbe> {
    ask(true)
}

fn ask(everything: bool) -> io::Result<HostProbe> {
    let answers = ask_child(everything)?;
    let answer = |what: &str| {
        TRIED
            .iter()
            .position(|tried| *tried == what)
            .and_then(|at| answers.get(at).copied())
            .unwrap_or(UNTRIED)
    };
    let has = |what| answer(what) == 0;
    let read = |path: &str| {
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let is_root = getuid().is_root();
    Ok(HostProbe {
        userns_error: match answer("userns") {
            0 => None,
            errno => Some(Errno::from_raw(i32::from(errno)).desc().to_owned()),
        },
        netns: has("netns"),
        nexthop: has("nexthop"),
        netem: has("netem"),
        wire: has("wire"),
        tbf: has("tbf"),
        wireguard: has("wireguard"),
        vlan: has("vlan"),
        bond: has("bond"),
        vrf: has("vrf"),
        xfrm: has("xfrm"),
        esp: has("esp"),
        nftables: has("nftables"),
        tun: has("tun"),
        tun_device: has("tun-device"),
        proc: has("proc"),
        tcp_md5: tcp::md5(),
        tcp_ao: tcp::authentication_option(),
        fifo: has("fifo"),
        rtprio: if is_root {
            99
        } else {
            getrlimit(Resource::RLIMIT_RTPRIO).map_or(0, |(soft, _)| soft)
        },
        psi: fs::read_to_string("/proc/pressure/cpu").is_ok(),
        clocksource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        kernel: release(),
        apparmor_restricts_userns: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
            == "1",
        kill_user_processes: fs::read_to_string("/etc/systemd/logind.conf").is_ok_and(|conf| {
            conf.lines()
                .any(|line| line.trim().eq_ignore_ascii_case("KillUserProcesses=yes"))
        }),
        uid: getuid().as_raw(),
        distribution: distribution(),
        container: is_container(),
        chroot: is_chroot(),
        loadable: fs::exists("/proc/modules").unwrap_or(false),
        modules: modules(&read("/proc/sys/kernel/osrelease")),
        refused: TRIED
            .iter()
            .zip(&answers)
            .filter(|(_, errno)| !lacks(**errno) && **errno != UNTRIED)
            .map(|(what, errno)| {
                let word = Errno::from_raw(i32::from(*errno)).desc();
                ((*what).to_owned(), word.to_owned())
            })
            .collect(),
    })
}

/// Whether the answer is that it works, or that the kernel has no such thing.
fn lacks(answer: u8) -> bool {
    let absent = [
        Errno::EOPNOTSUPP,
        Errno::ENOENT,
        Errno::EPROTONOSUPPORT,
        Errno::EAFNOSUPPORT,
        Errno::ENODEV,
        Errno::ENXIO,
        Errno::ENOSYS,
    ];
    answer == 0
        || absent
            .iter()
            .any(|errno| *errno as i32 == i32::from(answer))
}

fn distribution() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("ID="))
        .unwrap_or_default()
        .trim_matches('"')
        .to_owned()
}

fn is_container() -> bool {
    fs::exists("/.dockerenv").unwrap_or(false)
        || fs::exists("/run/.containerenv").unwrap_or(false)
        || fs::exists("/run/systemd/container").unwrap_or(false)
}

/// Whether no mount is the root directory: what a chroot leaves of a mount table.
fn is_chroot() -> bool {
    fs::read_to_string("/proc/self/mountinfo").is_ok_and(|table| {
        let mut points = table.lines().map(|line| line.split(' ').nth(4));
        !points.any(|point| point == Some("/"))
    })
}

/// Which of [`MODULES`] are built for this kernel, as files or into it.
fn modules(release: &str) -> BTreeSet<String> {
    ["modules.dep", "modules.builtin"]
        .iter()
        .filter_map(|list| fs::read_to_string(format!("/lib/modules/{release}/{list}")).ok())
        .flat_map(|list| {
            let there = MODULES.into_iter().filter(|module| {
                list.lines().any(|line| {
                    let path = line.split(':').next().unwrap_or_default();
                    let file = path.rsplit('/').next().unwrap_or_default();
                    file.split('.').next() == Some(module)
                })
            });
            there.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// Forks, tries, and returns one byte for each thing tried: 0 or an errno.
fn ask_child(everything: bool) -> io::Result<Vec<u8>> {
    let (reader, writer) = pipe()?;
    // SAFETY: the caller is single-threaded, so the child may use the allocator;
    // it makes system calls, writes to the pipe and exits without unwinding.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let answers = attempt(everything);
            let _ = File::from(writer).write_all(&answers);
            // SAFETY: ends the child at once; no destructor or exit handler of the
            // parent's copy may run here.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut answers = Vec::new();
            File::from(reader).read_to_end(&mut answers)?;
            waitpid(child, None)?;
            Ok(answers)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_linux_has_a_release_and_the_answers_are_whole() {
        let probe = probe().unwrap();
        assert!(!probe.kernel.is_empty());
        // Either user namespaces work and then network namespaces do, or the reason is told.
        assert!(probe.netns || probe.userns_error.is_some());
    }
}
