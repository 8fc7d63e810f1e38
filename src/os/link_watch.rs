//! The interfaces of a network namespace, and word of their changes.
#![expect(unsafe_code, reason = "AsyncFd wants a promise about the descriptor")]

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
};

use ipnet::IpNet;
use tokio::io::unix::AsyncFd;

use super::netlink::{Messages, RouteSocket, attributes, u32_at};

const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const IFLA_IFNAME: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFF_UP: u32 = 0x1;
const IFF_LOWER_UP: u32 = 0x1_0000;
/// Lengths in bytes of `struct ifinfomsg` and `struct ifaddrmsg`.
const IFINFOMSG_LEN: usize = 16;
const IFADDRMSG_LEN: usize = 8;
/// A dump that changes under our eyes is taken again, this often.
const DUMP_ATTEMPTS: usize = 8;

/// One interface at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index in the namespace.
    pub index: u32,
    /// Whether packets can pass: administratively up, and with carrier.
    pub up: bool,
    /// Its own addresses, each with its prefix length.
    pub addresses: Vec<IpNet>,
    /// The subnets it is connected to; for a point-to-point address, the peer's.
    pub connected: Vec<IpNet>,
}

/// What changed since the last call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Anything at all: worth a new snapshot.
    pub any: bool,
    /// Interfaces (by index) that could not carry packets, or were gone, at some
    /// moment since the last call, even if they can again: their nexthop objects
    /// have vanished. In the order of the news.
    pub lost: Vec<u32>,
    /// Messages were missed; anything may have happened in between.
    pub overflow: bool,
}

/// A subscription in one network namespace.
#[derive(Debug)]
pub struct LinkWatch {
    news: RouteSocket,
    questions: RouteSocket,
}

impl LinkWatch {
    /// Subscribes in the calling thread's namespace. Changes from now on are seen.
    ///
    /// # Errors
    /// When no route socket can be had.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            news: RouteSocket::open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)?,
            questions: RouteSocket::open(0)?,
        })
    }

    /// The same with room for so many bytes of news, as far as the kernel allows it.
    ///
    /// # Errors
    /// When no route socket can be had.
    pub fn with_buffer(bytes: u32) -> io::Result<Self> {
        let mut watch = Self::open()?;
        watch.news.set_receive_buffer(bytes)?;
        Ok(watch)
    }

    /// The same, to be awaited in the current tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch the descriptor.
    pub fn into_async(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: `as_fd` and `as_raw_fd` return the same socket for as long as the
        // value lives, which owns it and closes it only when dropped.
        Ok(unsafe { AsyncFd::register(self) }?)
    }

    /// All interfaces by index, as they are now.
    ///
    /// # Errors
    /// When the kernel cannot be asked, or the tables never hold still.
    pub fn snapshot(&mut self) -> io::Result<Vec<Interface>> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(interfaces) = self.try_snapshot()? {
                return Ok(interfaces);
            }
        }
        Err(io::Error::other(
            "interfaces change faster than they can be listed",
        ))
    }

    /// Takes in all waiting news; never blocks. The descriptor of
    /// [`AsFd::as_fd`] is readable when there is some.
    ///
    /// # Errors
    /// When the socket fails. An overflow is not an error, see [`Changes::overflow`].
    pub fn changes(&mut self) -> io::Result<Changes> {
        let mut changes = Changes::default();
        loop {
            let more = self.news.notification(|kind, body| {
                changes.any = true;
                let index = u32_at(body, 4);
                let flags = u32_at(body, 8).unwrap_or(0);
                let lost = kind == RTM_DELLINK || (kind == RTM_NEWLINK && !carries(flags));
                // A bridge port's news (family AF_BRIDGE) is not the interface's own.
                let own = body.first() == Some(&0);
                changes.lost.extend(index.filter(|_| lost && own));
            });
            match more {
                Ok(true) => {}
                Ok(false) => return Ok(changes),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    changes.any = true;
                    changes.overflow = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn try_snapshot(&mut self) -> io::Result<Option<Vec<Interface>>> {
        let mut interfaces = BTreeMap::new();
        let mut links = Messages::default();
        links.begin(RTM_GETLINK, NLM_F_REQUEST_DUMP, &[0; IFINFOMSG_LEN]);
        let mut consistent = self.questions.dump(&links, |kind, body| {
            if kind == RTM_NEWLINK
                && let Some(interface) = link(body)
            {
                interfaces.insert(interface.index, interface);
            }
        })?;
        let mut addresses = Messages::default();
        addresses.begin(RTM_GETADDR, NLM_F_REQUEST_DUMP, &[0; IFADDRMSG_LEN]);
        consistent &= self.questions.dump(&addresses, |kind, body| {
            if kind == RTM_NEWADDR
                && let Some((index, address, connected)) = interface_address(body)
                && let Some(interface) = interfaces.get_mut(&index)
            {
                interface.addresses.push(address);
                interface.connected.push(connected);
            }
        })?;
        Ok(consistent.then(|| interfaces.into_values().collect()))
    }
}

impl AsFd for LinkWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

impl AsRawFd for LinkWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.news.as_fd().as_raw_fd()
    }
}

fn carries(flags: u32) -> bool {
    flags & IFF_UP != 0 && flags & IFF_LOWER_UP != 0
}

fn link(body: &[u8]) -> Option<Interface> {
    let attributes = attributes(body, IFINFOMSG_LEN);
    let name = attributes.get(&IFLA_IFNAME)?;
    Some(Interface {
        name: String::from_utf8_lossy(name)
            .trim_end_matches('\0')
            .to_owned(),
        index: u32_at(body, 4)?,
        up: carries(u32_at(body, 8)?),
        addresses: Vec::new(),
        connected: Vec::new(),
    })
}

/// The interface's index, its own address, and the subnet it connects to.
fn interface_address(body: &[u8]) -> Option<(u32, IpNet, IpNet)> {
    let length = *body.get(1)?;
    let index = u32_at(body, 4)?;
    let attributes = attributes(body, IFADDRMSG_LEN);
    let read = |kind| {
        let value: &[u8] = attributes.get(&kind)?;
        let address = match value.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(value).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(value).ok()?),
        };
        IpNet::new(address, length).ok()
    };
    let far = read(IFA_ADDRESS);
    let own = read(IFA_LOCAL).or(far)?;
    Some((index, own, far.unwrap_or(own).trunc()))
}
