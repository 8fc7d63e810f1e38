//! Asks a kernel where it would send a packet (RTM_GETROUTE of rtnetlink(7)).

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::net::if_::if_nametoindex;

use super::{
    netlink::{Messages, attributes, messages, u32_at},
    netns::NetnsFd,
};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLM_F_REQUEST: u16 = 1;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
/// RTM_F_FIB_MATCH: the route that covers the destination, in place of what became of it.
const FIB_MATCH: u32 = 0x2000;
/// Length of `struct rtmsg`.
const RTMSG_LEN: usize = 12;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// What the kernel would do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send it out of this interface.
    Out(u32),
    /// Take it itself.
    Here,
    /// Neither.
    Drop,
}

/// Where a packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its source address.
    pub source: IpAddr,
    /// The interface it came in by.
    pub index: u32,
}

/// The route by which a packet would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covering {
    /// Its prefix.
    pub prefix: IpNet,
    /// Who put it there (RTPROT_…).
    pub protocol: u8,
}

/// Questions to one namespace's kernel.
#[derive(Debug)]
pub struct RouteLookup {
    socket: Socket,
}

impl RouteLookup {
    /// Opens in `netns`.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn open(netns: &NetnsFd) -> io::Result<Self> {
        let socket = netns.run(|| {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        })?;
        Ok(Self { socket })
    }

    /// The route for a packet to `destination` that the node itself sends; none: there is none.
    ///
    /// # Errors
    /// Of the socket.
    pub fn covering(&self, destination: IpAddr) -> io::Result<Option<Covering>> {
        let mut header = header(destination);
        header[8..].copy_from_slice(&FIB_MATCH.to_ne_bytes());
        let mut request = Messages::default();
        request.begin(RTM_GETROUTE, NLM_F_REQUEST, &header);
        request.attribute(RTA_DST, &bytes(destination));
        let answer = self.answer(&request)?;
        let route = messages(&answer).find(|message| message.kind == RTM_NEWROUTE);
        Ok(route.and_then(|route| covering(header[0], route.body)))
    }

    /// Where a packet to `destination` goes that came in by `arrival`, or that the node itself
    /// sends. Policy rules count as they do for packets.
    ///
    /// # Errors
    /// Of the socket; that there is no route is none.
    pub fn ask(&self, destination: IpAddr, arrival: Option<Arrival>) -> io::Result<Decision> {
        let mut header = header(destination);
        header[2] = if arrival.is_some() { header[1] } else { 0 };
        let mut request = Messages::default();
        request.begin(RTM_GETROUTE, NLM_F_REQUEST, &header);
        request.attribute(RTA_DST, &bytes(destination));
        if let Some(Arrival { source, index }) = arrival {
            request.attribute(RTA_SRC, &bytes(source));
            request.attribute(RTA_IIF, &index.to_ne_bytes());
        }
        let answer = self.answer(&request)?;
        let route = messages(&answer).find(|message| message.kind == RTM_NEWROUTE);
        let Some(route) = route else {
            return Ok(Decision::Drop);
        };
        let out = attributes(route.body, RTMSG_LEN)
            .get(&RTA_OIF)
            .and_then(|value| u32_at(value, 0));
        Ok(match (route.body.get(7), out) {
            (Some(&RTN_LOCAL), _) => Decision::Here,
            (Some(&RTN_UNICAST), Some(index)) => Decision::Out(index),
            _ => Decision::Drop,
        })
    }

    fn answer(&self, request: &Messages) -> io::Result<Vec<u8>> {
        self.socket.send(request.as_bytes(), 0)?;
        Ok(self.socket.recv_from_full()?.0)
    }
}

/// The head of a question for the route to an address: its family and its length.
fn header(destination: IpAddr) -> [u8; RTMSG_LEN] {
    let mut header = [0; RTMSG_LEN];
    [header[0], header[1]] = match destination {
        IpAddr::V4(_) => [AF_INET, 32],
        IpAddr::V6(_) => [AF_INET6, 128],
    };
    header
}

/// Those of a namespace's interfaces that have these names, by index.
///
/// # Errors
/// The namespace cannot be entered.
pub fn interfaces<'n>(
    netns: &NetnsFd,
    names: impl Iterator<Item = &'n String> + Send,
) -> io::Result<BTreeMap<u32, String>> {
    netns.run(|| {
        let known =
            names.filter_map(|name| Some((if_nametoindex(name.as_str()).ok()?, name.clone())));
        Ok(known.collect())
    })
}

/// What `struct rtmsg` and RTA_DST say of a route.
fn covering(family: u8, body: &[u8]) -> Option<Covering> {
    let length = *body.get(1)?;
    let destination = attributes(body, RTMSG_LEN).get(&RTA_DST).copied();
    let destination = match (family, destination) {
        (AF_INET, None) => Ipv4Addr::UNSPECIFIED.into(),
        (AF_INET, Some(value)) => Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).into(),
        (_, None) => Ipv6Addr::UNSPECIFIED.into(),
        (_, Some(value)) => Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).into(),
    };
    Some(Covering {
        prefix: IpNet::new(destination, length).ok()?,
        protocol: *body.get(5)?,
    })
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
