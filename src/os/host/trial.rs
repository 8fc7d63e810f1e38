//! What a child in namespaces of its own asks the kernel for. It makes system calls
//! only; with it goes everything it made.

use std::{
    fs::OpenOptions,
    os::fd::{AsRawFd, OwnedFd},
};

use netlink_sys::protocols::{NETLINK_ROUTE, NETLINK_XFRM};
use nix::{
    errno::Errno,
    sched::CloneFlags,
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Pid},
};

use super::netlink::{CREATE, exchange, message};
use crate::os::{
    mount,
    netlink::{attribute, put_attribute},
    netns, nftables,
    qdisc::Qdiscs,
    sched,
};

/// What is tried, in the order of the answer's bytes.
pub(super) const TRIED: [&str; 18] = [
    "fifo",
    "userns",
    "netns",
    "nexthop",
    "wire",
    "netem",
    "tbf",
    "veth",
    "wireguard",
    "vlan",
    "bond",
    "vrf",
    "xfrm",
    "esp",
    "nftables",
    "tun",
    "tun-device",
    "proc",
];

/// The answer where nothing could be tried.
pub(super) const UNTRIED: u8 = u8::MAX;

/// The first link that is made, for those that stand on another.
const VETH: u32 = 11;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWQDISC: u16 = 36;
const RTM_NEWNEXTHOP: u16 = 104;

/// One byte for each thing tried: 0, or the errno of the refusal.
pub(super) fn attempt(everything: bool) -> Vec<u8> {
    let mut answers = vec![
        byte(fifo()),
        byte(netns::isolate(CloneFlags::CLONE_NEWUSER)),
    ];
    if answers[1] == 0 {
        answers.push(byte(netns::isolate(CloneFlags::CLONE_NEWNET)));
        // Where rights end at the user namespace, the rest would be tried on the host.
        if answers[2] == 0 {
            inside(&mut answers, everything);
        }
    }
    answers.resize(TRIED.len(), UNTRIED);
    answers
}

fn inside(answers: &mut Vec<u8>, everything: bool) {
    // In the order of `TRIED`. The wire leaves `lo` as it was, and the single parts do not.
    answers.extend(
        [
            nexthop_blackhole(),
            wire(),
            qdisc(b"netem\0", &netem_options()),
            qdisc(b"tbf\0", &[]),
            link("p0", b"veth\0", &[], Some(VETH), None),
            link("p1", b"wireguard\0", &[], None, None),
            link(
                "p2",
                b"vlan\0",
                &attribute(1, &101_u16.to_ne_bytes()),
                None,
                Some(VETH),
            ),
            // 802.3ad.
            link("p3", b"bond\0", &attribute(1, &[4]), None, None),
            link(
                "p4",
                b"vrf\0",
                &attribute(1, &10_u32.to_ne_bytes()),
                None,
                None,
            ),
            link(
                "p5",
                b"xfrm\0",
                &attribute(2, &7_u32.to_ne_bytes()),
                None,
                None,
            ),
            security_association(),
            nftables::try_here(),
        ]
        .map(byte),
    );
    answers.extend(tun(everything));
    answers.push(byte(proc()));
}

fn byte(result: Result<(), Errno>) -> u8 {
    // Every errno of Linux fits; 0 is success.
    result.map_or_else(
        |errno| u8::try_from(errno as i32).unwrap_or(UNTRIED),
        |()| 0,
    )
}

fn fifo() -> Result<(), Errno> {
    let errno =
        |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EPERM));
    sched::try_fifo_for(0, 1).map_err(errno)?;
    sched::back_to_ordinary().map_err(errno)
}

/// A link of this kind; an unknown kind is EOPNOTSUPP.
fn link(
    name: &str,
    kind: &[u8],
    data: &[u8],
    index: Option<u32>,
    parent: Option<u32>,
) -> Result<(), Errno> {
    const IFLA_IFNAME: u16 = 3;
    const IFLA_LINK: u16 = 5;
    const IFLA_LINKINFO: u16 = 18;
    const INFO_KIND: u16 = 1;
    const INFO_DATA: u16 = 2;
    let mut body = vec![0_u8; 16];
    body[4..8].copy_from_slice(&index.unwrap_or(0).to_ne_bytes());
    put_attribute(&mut body, IFLA_IFNAME, format!("{name}\0").as_bytes());
    if let Some(parent) = parent {
        put_attribute(&mut body, IFLA_LINK, &parent.to_ne_bytes());
    }
    let mut info = attribute(INFO_KIND, kind);
    if !data.is_empty() {
        put_attribute(&mut info, INFO_DATA, data);
    }
    put_attribute(&mut body, IFLA_LINKINFO, &info);
    exchange(NETLINK_ROUTE, &message(RTM_NEWLINK, CREATE, &body))
}

/// A queueing discipline on `lo`: an unknown one is ENOENT. Any other refusal is about
/// the options left out here and means that the kind is known.
fn qdisc(kind: &[u8], options: &[u8]) -> Result<(), Errno> {
    let mut body = vec![0_u8; 20];
    body[4..8].copy_from_slice(&1_i32.to_ne_bytes());
    body[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
    put_attribute(&mut body, 1, kind);
    if !options.is_empty() {
        put_attribute(&mut body, 2, options);
    }
    // NLM_F_CREATE | NLM_F_REPLACE
    match exchange(NETLINK_ROUTE, &message(RTM_NEWQDISC, 0x500, &body)) {
        Err(Errno::ENOENT) => Err(Errno::ENOENT),
        _ => Ok(()),
    }
}

/// What a lab tries before it lets the kernel carry its links.
fn wire() -> Result<(), Errno> {
    Qdiscs::open_here()
        .map_err(|_| Errno::EOPNOTSUPP)?
        .try_all()
        .map_err(|_| Errno::EOPNOTSUPP)
}

/// `struct tc_netem_qopt` with a limit of 1000 packets.
fn netem_options() -> [u8; 24] {
    let mut options = [0_u8; 24];
    options[4..8].copy_from_slice(&1000_u32.to_ne_bytes());
    options
}

fn nexthop_blackhole() -> Result<(), Errno> {
    const NHA_ID: u16 = 1;
    const NHA_BLACKHOLE: u16 = 4;
    // The blackhole stands on `lo`, which must be up.
    let mut up = vec![0_u8; 16];
    for field in [4, 8, 12] {
        up[field..field + 4].copy_from_slice(&1_u32.to_ne_bytes());
    }
    exchange(NETLINK_ROUTE, &message(RTM_NEWLINK, 0, &up))?;
    let mut body = vec![2_u8, 0, 0, 0, 0, 0, 0, 0];
    put_attribute(&mut body, NHA_ID, &1_u32.to_ne_bytes());
    put_attribute(&mut body, NHA_BLACKHOLE, &[]);
    exchange(NETLINK_ROUTE, &message(RTM_NEWNEXTHOP, CREATE, &body))
}

/// An ESP security association in tunnel mode, AES-GCM: `struct xfrm_usersa_info`
/// of linux/xfrm.h and one algorithm.
fn security_association() -> Result<(), Errno> {
    const XFRM_MSG_NEWSA: u16 = 0x10;
    const XFRMA_ALG_AEAD: u16 = 18;
    const FAMILY_V4: u16 = 2;
    const KEY_BYTES: usize = 20;
    let mut body = vec![0_u8; 224];
    body[40..42].copy_from_slice(&FAMILY_V4.to_ne_bytes());
    // id: destination, SPI, protocol.
    body[56..60].copy_from_slice(&[192, 0, 2, 1]);
    body[72..76].copy_from_slice(&0x1000_u32.to_be_bytes());
    body[76] = libc::IPPROTO_ESP as u8;
    body[80..84].copy_from_slice(&[192, 0, 2, 2]);
    // No limit of bytes or packets, soft or hard.
    body[96..128].fill(0xff);
    body[212..214].copy_from_slice(&FAMILY_V4.to_ne_bytes());
    // Tunnel mode.
    body[214] = 1;
    let mut algorithm = vec![0_u8; 64];
    algorithm[..17].copy_from_slice(b"rfc4106(gcm(aes))");
    algorithm.extend_from_slice(&(8 * KEY_BYTES as u32).to_ne_bytes());
    algorithm.extend_from_slice(&128_u32.to_ne_bytes());
    algorithm.extend_from_slice(&[0x5a; KEY_BYTES]);
    put_attribute(&mut body, XFRMA_ALG_AEAD, &algorithm);
    exchange(NETLINK_XFRM, &message(XFRM_MSG_NEWSA, CREATE, &body))
}

/// /dev/net/tun can be opened; and a device comes of it. Its end costs the kernel
/// some 30 ms, which a run has better uses for.
fn tun(everything: bool) -> [u8; 2] {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    match opened {
        Ok(file) if everything => [0, byte(tun_device(&file.into()))],
        Ok(_) => [0, UNTRIED],
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
            [byte(Err(errno)); 2]
        }
    }
}

#[expect(unsafe_code, reason = "TUNSETIFF has no safe wrapper")]
fn tun_device(tun: &OwnedFd) -> Result<(), Errno> {
    // IFF_TUN | IFF_NO_PI
    const FLAGS: u16 = 0x1001;
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"p6");
    request[16..18].copy_from_slice(&FLAGS.to_ne_bytes());
    // SAFETY: the request is a whole `struct ifreq`, and outlives the call.
    let done = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) };
    Errno::result(done).map(drop)
}

/// A /proc of an own PID namespace, in a child: the first process of the namespace.
#[expect(unsafe_code, reason = "fork: the child mounts and exits")]
fn proc() -> Result<(), Errno> {
    netns::isolate(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EIO);
    // SAFETY: the process has one thread; the child makes system calls and exits
    // without unwinding.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => {
            let mounted = mount::make_all_private().and_then(|()| mount::proc());
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(mounted.map_or_else(errno, |()| 0)) }
        }
        ForkResult::Parent { child } => match waited(child)? {
            0 => Ok(()),
            errno => Err(Errno::from_raw(errno)),
        },
    }
}

fn waited(child: Pid) -> Result<i32, Errno> {
    if let WaitStatus::Exited(_, status) = waitpid(child, None)? {
        Ok(status)
    } else {
        Ok(libc::EIO)
    }
}
