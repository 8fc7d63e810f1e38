//! Routing sessions: a VIF on a circuit, a VPN over the internet, or plain BGP on a link.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Ipsec, Node, aws};
use crate::units::{BfdConfig, Bytes, LinkName, NodeName, Span, TunnelCap};

/// Bytes a tunnel takes from the underlay's MTU: WireGuard over IPv6, the worst case
/// (IPv6 40, UDP 8, WireGuard 32).
pub const TUNNEL_OVERHEAD: u64 = 80;

/// A BGP session and what carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it is and what it runs over.
    pub kind: SessionKind,
    /// The two speakers. A VIF: the customer's router, then the `dx-location`.
    /// A VPN to AWS: the customer's router, then the `vgw`. Otherwise as
    /// declared (a VPN) or as the link declares them.
    pub ends: [NodeName; 2],
    /// What each end offers; the lower hold time of the two wins.
    pub timers: [BgpTimers; 2],
    /// BFD of each end; `None`: no BFD.
    pub bfd: Option<[BfdConfig; 2]>,
    /// Graceful restart (RFC 4724): the restart time that each end offers, whole seconds.
    pub graceful_restart: Option<[Span; 2]>,
    /// TCP-MD5 key (RFC 2385).
    pub md5: Option<String>,
    /// Addresses of each end. For a VIF and a VPN the inside addresses; for
    /// plain BGP always empty, the link's addresses serve. Both empty: derived
    /// from the session's name. A family that is present is present at both ends,
    /// in one network.
    pub addresses: [Vec<IpNet>; 2],
    /// The end that waits for the other to connect.
    pub passive: Option<NodeName>,
    /// The user insists on what AWS does not do.
    pub unlike_aws: bool,
    /// Line of the file.
    pub line: u32,
}

impl Session {
    /// The largest packet inside its tunnel, over an underlay of MTU `outer`. AWS's
    /// VPNs carry no jumbo frames, whatever is beneath.
    pub fn inner_mtu(&self, nodes: &BTreeMap<NodeName, Node>, outer: Bytes) -> Bytes {
        let inner = Bytes::new(outer.get().saturating_sub(TUNNEL_OVERHEAD));
        let mut ends = self.ends.iter().filter_map(|end| nodes.get(end));
        if ends.any(|node| node.kind.is_aws()) && !self.unlike_aws {
            inner.min(aws::VPN_MTU)
        } else {
            inner
        }
    }
}

/// What a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionKind {
    /// A Direct Connect virtual interface.
    Vif(Vif),
    /// A VPN with BGP inside, or with static routes.
    Vpn(Vpn),
    /// External BGP between two routers on a link; their ASNs differ.
    Ebgp {
        /// The link or LAG.
        link: LinkName,
    },
    /// Internal BGP between two routers on a link; their ASNs are equal.
    Ibgp {
        /// The link or LAG.
        link: LinkName,
        /// Each end, in the session's order, makes itself the next hop of what
        /// it passes on. True unless the file says `next-hop-self: false`.
        next_hop_self: bool,
    },
}

impl SessionKind {
    /// `private-vif`, `transit-vif`, `public-vif`, `vpn`, `ebgp` or `ibgp`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Vif(vif) => match vif.kind {
                VifKind::Private => "private-vif",
                VifKind::Transit => "transit-vif",
                VifKind::Public => "public-vif",
            },
            Self::Vpn(_) => "vpn",
            Self::Ebgp { .. } => "ebgp",
            Self::Ibgp { .. } => "ibgp",
        }
    }

    /// The link or LAG it runs on, unless it is a VPN.
    pub fn link(&self) -> Option<&LinkName> {
        match self {
            Self::Vif(vif) => Some(&vif.link),
            Self::Ebgp { link } | Self::Ibgp { link, .. } => Some(link),
            Self::Vpn(_) => None,
        }
    }
}

/// What is behind a virtual interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VifKind {
    /// A `vgw`, or a `dxgw` with vgws.
    Private,
    /// A `dxgw` with tgws.
    Transit,
    /// AWS's public network.
    Public,
}

/// A virtual interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vif {
    /// What is behind it.
    pub kind: VifKind,
    /// Its routes reach the other VIFs of its dxgw that have SiteLink too, and theirs it.
    pub sitelink: bool,
    /// Prefixes of each family AWS takes on it before it ends the session.
    pub prefix_limit: u32,
    /// The circuit: a link or LAG between a customer's router and a `dx-location`.
    pub link: LinkName,
    /// The `vgw`, `dxgw` or `aws-public` behind the location; linked to it.
    pub gateway: NodeName,
    /// The links between location and gateway: AWS's inside; at least one.
    pub backbones: Vec<LinkName>,
    /// 802.1Q tag, 1 to 4094; unique on the circuit. `None`: untagged, and the
    /// only VIF of the circuit.
    pub vlan: Option<u16>,
    /// Largest IP packet; at most the circuit's.
    pub mtu: Bytes,
    /// A hosted VIF: the connection is another account's.
    pub hosted: bool,
    /// A public VIF: the customer's public prefixes, as AWS has verified them.
    pub prefixes: Vec<IpNet>,
}

/// A VPN over the internet, or over Direct Connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpn {
    /// What encrypts.
    pub implementation: VpnKind,
    /// Who carries the outer packets: an `internet` node that both ends are linked to; or, over
    /// Direct Connect, the customer's router that the first end is linked to.
    pub over: NodeName,
    /// Who carries them at the second end: `over` again; or, over a public VIF, an `aws-public`,
    /// and over a transit VIF the `dxgw` that the tgw is associated with.
    pub beyond: NodeName,
    /// The link from the first end to `over`, and from the second to `beyond`.
    pub underlay: [LinkName; 2],
    /// What the user's ends make of TCP's MSS. `None`: [`Mss::Mtu`] where the other
    /// end is AWS's, else [`Mss::Unclamped`].
    pub mss: Option<Mss>,
    /// Static routes in place of BGP.
    pub fixed: Option<StaticVpn>,
    /// What AWS's gateway lets through each tunnel; none between routers of the user's own.
    pub cap: Option<TunnelCap>,
}

/// A VPN with static routes at both ends. Nothing in it tells one end what the other can
/// reach: a route stays while its tunnel is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticVpn {
    /// What AWS's end sends into the tunnels; the customer's end sends there what is for
    /// the ranges of the gateway's VPCs.
    pub routes: Vec<IpNet>,
    /// The customer's static routes yield to whatever BGP knows.
    pub floating: bool,
}

/// What a VPN's end makes of the MSS in TCP's SYNs that pass its tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mss {
    /// At most the tunnel's MTU less the headers of IP and TCP: 40 bytes, 60 with
    /// IPv6 ("Best practices for your customer gateway device").
    Mtu,
    /// At most this many bytes.
    Size(Bytes),
    /// Nothing.
    Unclamped,
}

/// What encrypts a VPN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VpnKind {
    /// WireGuard; AWS offers IPsec, so reports call it a stand-in. One tunnel.
    Wireguard,
    /// IPsec, as AWS has it; each tunnel carries a BGP session of its own.
    Ipsec(Box<Ipsec>),
}

impl Session {
    /// The static routes of a VPN that has them in place of BGP.
    pub fn fixed(&self) -> Option<&StaticVpn> {
        match &self.kind {
            SessionKind::Vpn(vpn) => vpn.fixed.as_ref(),
            SessionKind::Vif(_) | SessionKind::Ebgp { .. } | SessionKind::Ibgp { .. } => None,
        }
    }

    /// The VIF that it is.
    pub fn vif(&self) -> Option<&Vif> {
        match &self.kind {
            SessionKind::Vif(vif) => Some(vif),
            SessionKind::Vpn(_) | SessionKind::Ebgp { .. } | SessionKind::Ibgp { .. } => None,
        }
    }

    /// The IPsec of a VPN that has it.
    pub fn ipsec(&self) -> Option<&Ipsec> {
        match &self.kind {
            SessionKind::Vpn(Vpn {
                implementation: VpnKind::Ipsec(ipsec),
                ..
            }) => Some(ipsec),
            SessionKind::Vpn(_)
            | SessionKind::Vif(_)
            | SessionKind::Ebgp { .. }
            | SessionKind::Ibgp { .. } => None,
        }
    }
}

/// BGP timers of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BgpTimers {
    /// Offered hold time: whole seconds, 0 (never) or at least 3.
    pub hold: Span,
    /// Keepalive interval: whole seconds, less than the hold time; 0 with hold time 0.
    pub keepalive: Span,
    /// Wait before a failed connection is tried anew.
    pub connect_retry: Span,
}
