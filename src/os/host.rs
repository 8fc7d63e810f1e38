//! What this kernel and host can do, found out by trying: a child in namespaces of
//! its own asks the kernel for each thing and says what happened.
#![expect(
    unsafe_code,
    reason = "fork: the child only makes system calls and exits"
)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::fd::AsFd,
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::{
    errno::Errno,
    sched::CloneFlags,
    sys::{
        resource::{Resource, getrlimit},
        wait::waitpid,
    },
    unistd::{ForkResult, fork, getuid, pipe},
};

use super::qdisc::Qdiscs;

/// What was tried in the child, in the order of its answer's bytes.
const TRIED: [&str; 11] = [
    "userns",
    "netns",
    "nexthop",
    "wire",
    "netem",
    "tbf",
    "wireguard",
    "vlan",
    "bond",
    "vrf",
    "xfrm",
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
    /// /dev/net/tun can be opened by this user.
    pub tun: bool,
    /// TCP-MD5 signatures.
    pub tcp_md5: bool,
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
}

/// Tries everything. The calling process must be single-threaded.
pub fn probe() -> io::Result<HostProbe> {
    let answers = ask_child()?;
    let answer = |what: &str| {
        TRIED
            .iter()
            .position(|tried| *tried == what)
            .and_then(|at| answers.get(at).copied())
            .unwrap_or(u8::MAX)
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
        tun: OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .is_ok(),
        tcp_md5: tcp_md5(),
        rtprio: if is_root {
            99
        } else {
            getrlimit(Resource::RLIMIT_RTPRIO).map_or(0, |(soft, _)| soft)
        },
        psi: fs::read_to_string("/proc/pressure/cpu").is_ok(),
        clocksource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        kernel: read("/proc/sys/kernel/osrelease"),
        apparmor_restricts_userns: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
            == "1",
        kill_user_processes: fs::read_to_string("/etc/systemd/logind.conf").is_ok_and(|conf| {
            conf.lines()
                .any(|line| line.trim().eq_ignore_ascii_case("KillUserProcesses=yes"))
        }),
        uid: getuid().as_raw(),
    })
}

/// Forks, tries, and returns one byte for each thing tried: 0 or an errno.
fn ask_child() -> io::Result<Vec<u8>> {
    let (reader, writer) = pipe()?;
    // SAFETY: the caller is single-threaded, so the child may use the allocator;
    // it makes system calls, writes to the pipe and exits without unwinding.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let answers = attempt();
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

fn attempt() -> Vec<u8> {
    let mut answers = Vec::with_capacity(TRIED.len());
    if let Err(errno) = super::netns::isolate(CloneFlags::CLONE_NEWUSER) {
        answers.push(errno as u8);
        answers.resize(TRIED.len(), u8::MAX);
        return answers;
    }
    answers.push(0);
    answers.push(match super::netns::isolate(CloneFlags::CLONE_NEWNET) {
        Ok(()) => 0,
        Err(errno) => errno as u8,
    });
    answers.push(nexthop_blackhole());
    // First: it leaves `lo` as it was, and the single parts do not.
    answers.push(wire());
    answers.push(qdisc(b"netem\0", &netem_options()));
    answers.push(qdisc(b"tbf\0", &[]));
    for kind in [
        &b"wireguard\0"[..],
        b"vlan\0",
        b"bond\0",
        b"vrf\0",
        b"xfrm\0",
    ] {
        answers.push(link_kind(kind));
    }
    answers
}

/// A link of this kind: an unknown kind is EOPNOTSUPP, any other refusal is about
/// the arguments left out here and means that the kind is known.
fn link_kind(kind: &[u8]) -> u8 {
    let mut body = vec![0_u8; 16];
    push(&mut body, 3, b"probe0\0");
    let mut info = Vec::new();
    push(&mut info, 1, kind);
    push(&mut body, 18, &info);
    match request(16, 0x600, &body) {
        Err(Errno::EOPNOTSUPP) => Errno::EOPNOTSUPP as u8,
        _ => {
            // The next kind wants the name again.
            let mut gone = vec![0_u8; 16];
            push(&mut gone, 3, b"probe0\0");
            let _ = request(17, 0, &gone);
            0
        }
    }
}

/// A queueing discipline on `lo`: an unknown one is ENOENT.
fn qdisc(kind: &[u8], options: &[u8]) -> u8 {
    let mut body = vec![0_u8; 20];
    body[4..8].copy_from_slice(&1_i32.to_ne_bytes());
    body[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
    push(&mut body, 1, kind);
    if !options.is_empty() {
        push(&mut body, 2, options);
    }
    match request(36, 0x500, &body) {
        Err(Errno::ENOENT) => Errno::ENOENT as u8,
        _ => 0,
    }
}

/// What a lab tries before it lets the kernel carry its links.
fn wire() -> u8 {
    let tried = Qdiscs::open_here().is_ok_and(|mut qdiscs| qdiscs.try_all().is_ok());
    if tried { 0 } else { Errno::EOPNOTSUPP as u8 }
}

/// `struct tc_netem_qopt` with a limit of 1000 packets.
fn netem_options() -> [u8; 24] {
    let mut options = [0_u8; 24];
    options[4..8].copy_from_slice(&1000_u32.to_ne_bytes());
    options
}

fn nexthop_blackhole() -> u8 {
    let mut body = vec![2_u8, 0, 0, 0, 0, 0, 0, 0];
    push(&mut body, 1, &1_u32.to_ne_bytes());
    push(&mut body, 4, &[]);
    // The blackhole stands on `lo`, which must be up.
    let mut up = vec![0_u8; 16];
    up[4..8].copy_from_slice(&1_u32.to_ne_bytes());
    up[8..12].copy_from_slice(&1_u32.to_ne_bytes());
    up[12..16].copy_from_slice(&1_u32.to_ne_bytes());
    let _ = request(16, 0, &up);
    request(104, 0x600, &body).map_or_else(|errno| errno as u8, |()| 0)
}

fn push(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// One request and its acknowledgement.
fn request(kind: u16, flags: u16, body: &[u8]) -> Result<(), Errno> {
    let io = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let socket = Socket::new(NETLINK_ROUTE).map_err(io)?;
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend_from_slice(&u32::try_from(16 + body.len()).unwrap_or(0).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    // NLM_F_REQUEST | NLM_F_ACK
    message.extend_from_slice(&(0x5 | flags).to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(body);
    socket
        .send_to(&message, &SocketAddr::new(0, 0), 0)
        .map_err(io)?;
    let (reply, _) = socket.recv_from_full().map_err(io)?;
    let code = reply
        .get(16..20)
        .and_then(|b| b.try_into().ok())
        .map_or(0, i32::from_ne_bytes);
    if code == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw(-code))
    }
}

/// Whether a TCP socket takes an MD5 key.
fn tcp_md5() -> bool {
    let Ok(socket) = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
    else {
        return false;
    };
    // struct tcp_md5sig for 127.0.0.1 with a key of one byte.
    let mut signature = [0_u8; 216];
    signature[..2].copy_from_slice(&2_u16.to_ne_bytes());
    signature[4..8].copy_from_slice(&[127, 0, 0, 1]);
    signature[130..132].copy_from_slice(&1_u16.to_ne_bytes());
    signature[136] = b'k';
    // SAFETY: the pointer and length describe `signature`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd()),
            libc::IPPROTO_TCP,
            libc::TCP_MD5SIG,
            signature.as_ptr().cast(),
            216,
        )
    };
    result == 0
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
