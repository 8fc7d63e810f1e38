//! Operations as route netlink messages.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd},
};

use rtnetlink::{
    LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
    packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
        link::{InfoData, InfoVeth, LinkAttribute, LinkMessage},
        route::RouteType,
    },
};

use crate::{
    lab::op::{Netns, RouteTarget, VethEnd},
    os::netns::NetnsFd,
};

pub(super) type Message = NetlinkMessage<RouteNetlinkMessage>;

/// Segmentation offload on a wire makes frames of at most this many bytes, so
/// that the relay's ring has slots for many.
pub const WIRE_GSO_MAX: u32 = 16_384;

/// Both ends are placed at creation: moving a link afterwards costs 30 ms of RCU
/// grace periods, and a second queue doubles the price of the pair.
pub(super) fn add_veth(
    (a, a_ns): (&VethEnd, &NetnsFd),
    (b, b_ns): (&VethEnd, &NetnsFd),
    mtu: u32,
) -> Message {
    let wired = a.netns == Netns::Wire || b.netns == Netns::Wire;
    let peer = place(
        LinkMessageBuilder::<LinkUnspec>::new(),
        b,
        b_ns,
        (mtu, wired),
    )
    .build();
    let veth = LinkMessageBuilder::<LinkVeth>::new(a.name.as_str(), b.name.as_str())
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
    create(RouteNetlinkMessage::NewLink(
        place(veth, a, a_ns, (mtu, wired)).build(),
    ))
}

fn place<T>(
    builder: LinkMessageBuilder<T>,
    end: &VethEnd,
    netns: &NetnsFd,
    (mtu, wired): (u32, bool),
) -> LinkMessageBuilder<T> {
    let builder = if wired {
        builder.append_extra_attribute(LinkAttribute::GsoMaxSize(WIRE_GSO_MAX))
    } else {
        builder
    };
    builder
        .name(end.name.as_str())
        .index(end.index)
        .mtu(mtu)
        .setns_by_fd(netns.as_fd().as_raw_fd())
        .append_extra_attribute(LinkAttribute::NumTxQueues(1))
        .append_extra_attribute(LinkAttribute::NumRxQueues(1))
}

pub(super) fn add_bridge(name: &str, index: u32) -> Message {
    create(RouteNetlinkMessage::NewLink(
        LinkBridge::new(name).index(index).build(),
    ))
}

pub(super) fn set_master(port: u32, master: u32) -> Message {
    change(LinkUnspec::new_with_index(port).controller(master).build())
}

pub(super) fn set_up(index: u32) -> Message {
    change(LinkUnspec::new_with_index(index).up().build())
}

pub(super) fn set_down(index: u32) -> Message {
    change(LinkUnspec::new_with_index(index).down().build())
}

/// Without duplicate address detection: a tentative IPv6 address cannot send for a second.
pub(super) fn add_address(index: u32, address: ipnet::IpNet) -> Message {
    create(RouteNetlinkMessage::NewAddress(address_message(
        index, address,
    )))
}

pub(super) fn del_address(index: u32, address: ipnet::IpNet) -> Message {
    request(
        RouteNetlinkMessage::DelAddress(address_message(index, address)),
        0,
    )
}

fn address_message(index: u32, address: ipnet::IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix_len();
    message.header.family = match address {
        ipnet::IpNet::V4(_) => AddressFamily::Inet,
        ipnet::IpNet::V6(_) => AddressFamily::Inet6,
    };
    if matches!(address, ipnet::IpNet::V6(_)) {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![
        AddressAttribute::Local(address.addr()),
        AddressAttribute::Address(address.addr()),
    ];
    message
}

pub(super) fn add_route(prefix: ipnet::IpNet, to: &RouteTarget) -> io::Result<Message> {
    let invalid =
        |error: String| io::Error::new(io::ErrorKind::InvalidInput, format!("route: {error}"));
    let route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(prefix.network(), prefix.prefix_len())
        .map_err(|error| invalid(error.to_string()))?;
    let route = match to {
        RouteTarget::Via(gateway) => route
            .gateway(*gateway)
            .map_err(|error| invalid(error.to_string()))?,
        RouteTarget::Blackhole => route.kind(RouteType::BlackHole),
    };
    Ok(create(RouteNetlinkMessage::NewRoute(route.build())))
}

fn create(payload: RouteNetlinkMessage) -> Message {
    request(payload, NLM_F_CREATE | NLM_F_EXCL)
}

fn change(link: LinkMessage) -> Message {
    request(RouteNetlinkMessage::SetLink(link), 0)
}

fn request(payload: RouteNetlinkMessage, flags: u16) -> Message {
    let mut message = NetlinkMessage::new(
        rtnetlink::packet_core::NetlinkHeader::default(),
        NetlinkPayload::from(payload),
    );
    message.header.flags = NLM_F_REQUEST | flags;
    message
}
