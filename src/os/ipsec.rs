//! Interfaces of IPsec tunnels: made where the IKE daemon is, used where the
//! router is. A TUN device and an XFRM interface both keep working for the
//! namespace they were made in after they have moved to another.

mod losses;

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use ipnet::IpNet;
use netlink_sys::{Socket, SocketAddr};
use nix::net::if_::if_nametoindex;

use super::{
    netlink::{Messages, RouteSocket, attribute},
    netns::NetnsFd,
};
use crate::units::IfName;

pub use losses::{Losses, losses, since};

/// What strongSwan's kernel-libipsec calls its TUN device.
const TUN: &str = "ipsec0";

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
/// NLM_F_REQUEST | NLM_F_ACK.
const CHANGE: u16 = 0x5;
/// CHANGE | NLM_F_EXCL | NLM_F_CREATE.
const CREATE: u16 = 0x605;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_NEW_IFINDEX: u16 = 49;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_XFRM_IF_ID: u16 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFF_UP: u32 = 1;
const NETLINK_XFRM: isize = 6;
const XFRM_MSG_FLUSHSA: u16 = 0x1c;
const XFRM_MSG_FLUSHPOLICY: u16 = 0x1d;

/// A tunnel's interface as the router is to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: IfName,
    /// Its ifindex.
    pub index: u32,
    /// The id of an XFRM interface, by which policies know it.
    pub if_id: u32,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Addresses.
    pub addresses: Vec<IpNet>,
}

/// Hands the TUN device that charon has made in its own namespace to the router.
/// It stays down.
///
/// Charon goes on to route into a device of the old name; a bridge without ports
/// takes its place.
///
/// # Errors
/// No such device, or the kernel refuses to move it.
pub fn adopt_tun(daemon: &NetnsFd, router: &NetnsFd, to: &Interface) -> io::Result<()> {
    daemon.run(|| {
        let index = if_nametoindex(TUN)?;
        move_to(router, index, to)?;
        let mut requests = Messages::default();
        requests.begin(RTM_NEWLINK, CREATE, &link(0, IFF_UP, IFF_UP));
        requests.attribute(IFLA_IFNAME, &text(TUN));
        requests.attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, b"bridge"));
        done(&requests)
    })?;
    configure(router, to)
}

/// Makes an XFRM interface whose packets the IKE daemon's namespace encrypts, and
/// hands it to the router. It stays down.
///
/// # Errors
/// A kernel without XFRM interfaces, or a name in use.
pub fn add_xfrm(daemon: &NetnsFd, router: &NetnsFd, to: &Interface) -> io::Result<()> {
    daemon.run(|| {
        let mut info = attribute(IFLA_INFO_KIND, b"xfrm");
        let id = attribute(IFLA_XFRM_IF_ID, &to.if_id.to_ne_bytes());
        info.extend(attribute(IFLA_INFO_DATA, &id));
        let mut requests = Messages::default();
        requests.begin(RTM_NEWLINK, CREATE, &link(0, 0, 0));
        requests.attribute(IFLA_IFNAME, &text(to.name.as_str()));
        requests.attribute(IFLA_LINKINFO, &info);
        done(&requests)?;
        move_to(router, if_nametoindex(to.name.as_str())?, to)
    })?;
    configure(router, to)
}

/// Removes what an earlier daemon has left: the router's interface, the stand-in
/// of its TUN device, and every SA and policy.
///
/// # Errors
/// What the kernel refuses to remove.
pub fn clear(daemon: &NetnsFd, router: &NetnsFd, interface: &IfName) -> io::Result<()> {
    router.run(|| delete(interface.as_str()))?;
    daemon.run(|| {
        delete(TUN)?;
        flush_xfrm()
    })
}

/// Brings the router's interface up or down.
///
/// # Errors
/// It is gone, or the kernel refuses.
pub fn set_up(router: &NetnsFd, interface: &IfName, up: bool) -> io::Result<()> {
    router.run(|| {
        let index = if_nametoindex(interface.as_str())?;
        let flags = if up { IFF_UP } else { 0 };
        let mut requests = Messages::default();
        requests.begin(RTM_SETLINK, CHANGE, &link(index, flags, IFF_UP));
        done(&requests)
    })
}

fn move_to(router: &NetnsFd, index: u32, to: &Interface) -> io::Result<()> {
    let mut requests = Messages::default();
    // It may not be up while it is renamed.
    requests.begin(RTM_SETLINK, CHANGE, &link(index, 0, IFF_UP));
    requests.begin(RTM_SETLINK, CHANGE, &link(index, 0, 0));
    requests.attribute(
        IFLA_NET_NS_FD,
        &router.as_fd().as_raw_fd().cast_unsigned().to_ne_bytes(),
    );
    requests.attribute(IFLA_IFNAME, &text(to.name.as_str()));
    requests.attribute(IFLA_NEW_IFINDEX, &to.index.to_ne_bytes());
    done(&requests)
}

fn configure(router: &NetnsFd, to: &Interface) -> io::Result<()> {
    router.run(|| {
        let index = if_nametoindex(to.name.as_str())?;
        let mut requests = Messages::default();
        requests.begin(RTM_SETLINK, CHANGE, &link(index, 0, 0));
        requests.attribute(IFLA_MTU, &to.mtu.to_ne_bytes());
        for net in &to.addresses {
            let bytes = match net {
                IpNet::V4(net) => net.addr().octets().to_vec(),
                IpNet::V6(net) => net.addr().octets().to_vec(),
            };
            let family = match net {
                IpNet::V4(_) => libc::AF_INET,
                IpNet::V6(_) => libc::AF_INET6,
            };
            let mut body = vec![family as u8, net.prefix_len(), 0, 0];
            body.extend(index.to_ne_bytes());
            requests.begin(RTM_NEWADDR, CREATE, &body);
            requests.attribute(IFA_LOCAL, &bytes);
            requests.attribute(IFA_ADDRESS, &bytes);
        }
        done(&requests)
    })
}

fn delete(name: &str) -> io::Result<()> {
    let Ok(index) = if_nametoindex(name) else {
        return Ok(());
    };
    let mut requests = Messages::default();
    requests.begin(RTM_DELLINK, CHANGE, &link(index, 0, 0));
    match done(&requests) {
        // A TUN device goes by itself when its daemon does.
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

/// Charon never removes SAs that another one has left.
fn flush_xfrm() -> io::Result<()> {
    let mut socket = match Socket::new(NETLINK_XFRM) {
        Ok(socket) => socket,
        // A kernel without XFRM has nothing to flush.
        Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => return Ok(()),
        Err(error) => return Err(error),
    };
    socket.bind(&SocketAddr::new(0, 0))?;
    let mut requests = Messages::default();
    // struct xfrm_usersa_flush: every protocol.
    requests.begin(XFRM_MSG_FLUSHSA, 0x1, &[0]);
    requests.begin(XFRM_MSG_FLUSHPOLICY, 0x1, &[]);
    socket.send_to(requests.as_bytes(), &SocketAddr::new(0, 0), 0)?;
    Ok(())
}

/// `struct ifinfomsg` (rtnetlink(7)).
fn link(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&flags.to_ne_bytes());
    body[12..].copy_from_slice(&change.to_ne_bytes());
    body
}

fn text(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Sends the requests in the calling thread's namespace; all must succeed.
fn done(requests: &Messages) -> io::Result<()> {
    for answer in RouteSocket::open(0)?.acknowledged(requests)? {
        answer.map_err(|refusal| {
            let error = io::Error::from_raw_os_error(refusal.errno);
            if refusal.text.is_empty() {
                error
            } else {
                io::Error::new(error.kind(), format!("{} ({error})", refusal.text))
            }
        })?;
    }
    Ok(())
}
