//! The tunnel's interfaces, through rtnetlink and one ethtool request.
#![expect(unsafe_code, reason = "ethtool is an ioctl")]

use std::{io, os::fd::AsFd, os::fd::AsRawFd};

use futures_util::TryStreamExt;
use netlink_packet_route::{
    address::AddressHeaderFlags,
    link::{
        AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute,
        LinkMessage,
    },
};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkWireguard};
use tokio::runtime::Runtime;

use super::{Settings, wire::Inner};
use crate::os::netns::NetnsFd;

/// Name of the pair's other end, in a namespace where it is alone.
const INNER_NAME: &str = "tunnel";

/// Talks to the kernel about links of one namespace.
pub(super) struct Links {
    runtime: Runtime,
    handle: Handle,
}

impl Links {
    /// Opens in the calling thread's namespace.
    pub(super) fn open() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let guard = runtime.enter();
        let (connection, handle, _) = rtnetlink::new_connection()?;
        drop(guard);
        runtime.spawn(connection);
        Ok(Self { runtime, handle })
    }

    /// Deletes an interface, with its peer if it has one.
    pub(super) fn delete_if_there(&mut self, name: &str) -> io::Result<()> {
        let Some(index) = self.index_of(name)? else {
            return Ok(());
        };
        let deleted = self
            .runtime
            .block_on(self.handle.link().del(index).execute());
        match deleted.map_err(into_io) {
            // The pair's other namespace may be going away at this very moment.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    fn index_of(&mut self, name: &str) -> io::Result<Option<u32>> {
        let mut found = self
            .handle
            .link()
            .get()
            .match_name(name.to_owned())
            .execute();
        match self.runtime.block_on(found.try_next()).map_err(into_io) {
            Ok(message) => Ok(message.map(|message| message.header.index)),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the kernel makes WireGuard links, found out by making one.
    pub(super) fn kernel_has_wireguard(&mut self, settings: &Settings) -> io::Result<bool> {
        match self.add_wireguard(settings) {
            Ok(()) => {
                self.delete_if_there(settings.interface.as_str())?;
                Ok(true)
            }
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn add_wireguard(&mut self, settings: &Settings) -> io::Result<()> {
        let message = LinkMessageBuilder::<LinkWireguard>::new(settings.interface.as_str())
            .index(settings.index)
            .mtu(settings.mtu)
            .build();
        self.add(message)
    }

    /// Adds the node's visible interface and its other end in `hidden`, the
    /// latter up. Nothing is resolved on either: the pair has no ARP.
    pub(super) fn add_bridged_pair(
        &mut self,
        settings: &Settings,
        hidden: &NetnsFd,
    ) -> io::Result<Inner> {
        let visible_mac = mac(0x02, settings.index);
        // With equal indices at both ends the kernel delays news of carrier loss.
        let inner_index = settings.index.wrapping_add(1).max(2);
        let peer = LinkUnspec::new_with_name(INNER_NAME)
            .index(inner_index)
            .mtu(settings.mtu)
            .address(mac(0x06, settings.index).to_vec())
            .append_extra_attribute(LinkAttribute::NumTxQueues(1))
            .append_extra_attribute(LinkAttribute::NumRxQueues(1))
            .setns_by_fd(hidden.as_fd().as_raw_fd())
            .build();
        let message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(settings.interface.as_str())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .index(settings.index)
            .mtu(settings.mtu)
            .address(visible_mac.to_vec())
            .append_extra_attribute(LinkAttribute::NumTxQueues(1))
            .append_extra_attribute(LinkAttribute::NumRxQueues(1))
            .append_extra_attribute(LinkAttribute::TxQueueLen(1000))
            .build();
        self.add(message)?;
        // What leaves the node must be whole: without this the node's kernel
        // hands over segments of 64 kB with checksums still to be computed.
        checksum_before_sending(settings.interface.as_str())?;
        hidden.run(|| {
            // The inner end speaks no IP; a read-only /proc leaves it without an address anyway.
            let _ = std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
            let mut links = Self::open()?;
            let message = LinkUnspec::new_with_index(inner_index)
                .arp(false)
                .multicast(false)
                .up();
            links.change(no_link_local(message).build())
        })?;
        Ok(Inner {
            index: inner_index,
            visible_mac,
        })
    }

    /// Adds the inside addresses and brings the interface up.
    pub(super) fn address_and_raise(&mut self, settings: &Settings) -> io::Result<()> {
        let message = LinkUnspec::new_with_index(settings.index)
            .arp(false)
            .multicast(false);
        self.change(no_link_local(message).build())?;
        for net in &settings.inside {
            let mut request =
                self.handle
                    .address()
                    .add(settings.index, net.addr(), net.prefix_len());
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            self.runtime.block_on(request.execute()).map_err(into_io)?;
        }
        let up = LinkUnspec::new_with_index(settings.index).up();
        self.change(up.build())
    }

    fn add(&mut self, message: LinkMessage) -> io::Result<()> {
        self.runtime
            .block_on(self.handle.link().add(message).execute())
            .map_err(into_io)
    }

    fn change(&mut self, message: LinkMessage) -> io::Result<()> {
        self.runtime
            .block_on(self.handle.link().change(message).execute())
            .map_err(into_io)
    }
}

/// A WireGuard interface has no link-local address, so neither has its stand-in.
fn no_link_local(message: LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec> {
    message.append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(
        vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)],
    )]))
}

/// A locally administered address that tells the two ends apart.
fn mac(first: u8, index: u32) -> [u8; 6] {
    let [a, b, c, d] = index.to_be_bytes();
    [first, 0xb0, a, b, c, d]
}

fn into_io(error: rtnetlink::Error) -> io::Error {
    if let rtnetlink::Error::NetlinkError(message) = &error {
        message.to_io()
    } else {
        io::Error::other(error.to_string())
    }
}

fn checksum_before_sending(interface: &str) -> io::Result<()> {
    /// ETHTOOL_STXCSUM of linux/ethtool.h; segmentation offload goes with it.
    const SET_TX_CHECKSUM: u32 = 0x17;
    #[repr(C)]
    struct EthtoolValue {
        command: u32,
        data: u32,
    }
    let mut value = EthtoolValue {
        command: SET_TX_CHECKSUM,
        data: 0,
    };
    // SAFETY: ifreq is plain data for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes().take(15)) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    // SAFETY: the request names an interface and points at an ethtool_value; both outlive the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
