//! What AWS does at its own end: closed values, from AWS's public documentation.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::units::{BfdConfig, Bytes, Rate, Span, TunnelCap};

/// Hold time AWS offers on a VIF.
pub const VIF_HOLD: Span = Span::from_secs(90);
/// Keepalive interval AWS offers on a VIF.
pub const VIF_KEEPALIVE: Span = Span::from_secs(30);
/// Restart time AWS offers on a VIF.
pub const GRACEFUL_RESTART: Span = Span::from_secs(120);
/// Smallest hold time AWS accepts on a VIF.
pub const MIN_HOLD: Span = Span::from_secs(3);
/// Hold time of AWS's sample configurations for VPNs.
pub const VPN_HOLD: Span = Span::from_secs(30);
/// Keepalive interval of AWS's sample configurations for VPNs.
pub const VPN_KEEPALIVE: Span = Span::from_secs(10);
/// Silence after which AWS asks a VPN's peer whether it lives.
pub const DPD_DELAY: Span = Span::from_secs(10);
/// Silence after which AWS takes a VPN's peer for dead; also the least it can be set to.
pub const DPD_TIMEOUT: Span = Span::from_secs(30);
/// Lifetimes AWS takes for IKE SAs; the longest is the default.
pub const IKE_LIFETIME: std::ops::RangeInclusive<Span> =
    Span::from_secs(900)..=Span::from_secs(28_800);
/// Lifetimes AWS takes for Child SAs, below that of the IKE SA; the longest is the default.
pub const CHILD_LIFETIME: std::ops::RangeInclusive<Span> =
    Span::from_secs(900)..=Span::from_secs(3_600);
/// AWS rekeys this long before an SA's end, less a random part of it.
pub const REKEY_MARGIN: Span = Span::from_secs(270);
/// Anti-replay window of AWS's endpoints, packets.
pub const REPLAY_WINDOW: u32 = 1024;
/// Characters of a pre-shared key.
pub const PSK_LENGTH: std::ops::RangeInclusive<usize> = 8..=64;
/// AWS's BFD on a VIF: 300 ms, multiplier 3, and no faster.
pub const VIF_BFD: BfdConfig = BfdConfig {
    min_tx: Span::from_millis(300),
    min_rx: Span::from_millis(300),
    multiplier: 3,
};
/// What one tunnel of a Site-to-Site VPN carries at most (Site-to-Site VPN User Guide,
/// "Site-to-Site VPN quotas").
pub const VPN_TUNNEL_CAP: TunnelCap = TunnelCap {
    bits: 1_250_000_000,
    packets: 140_000,
};
/// Prefixes AWS accepts on a private or transit VIF, for each family, before it ends the session,
/// unless it has raised the quota.
pub const VIF_MAX_PREFIX: u32 = 100;
/// As far as it raises that quota.
pub const VIF_RAISED_PREFIX: u32 = 1000;
/// Prefixes AWS accepts on a public VIF before it ends the session.
pub const PUBLIC_VIF_MAX_PREFIX: u32 = 1000;
/// The ASN of Amazon's end of a public VIF.
pub const PUBLIC_ASN: u32 = 7224;
/// The length of an AS_PATH that AWS announces on a public VIF, at least.
pub const PUBLIC_PATH: u8 = 3;
/// Prefixes a VGW accepts on a VPN.
pub const VPN_MAX_PREFIX: u32 = 100;
/// Static routes of a VPN connection.
pub const VPN_STATIC_ROUTES: usize = 100;
/// Prefixes a TGW accepts on a VPN.
pub const TGW_VPN_MAX_PREFIX: u32 = 1000;
/// Regions in November 2026, of all partitions.
pub const REGIONS: [&str; 38] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];
/// Route tables of a TGW (Transit Gateway quotas).
pub const TGW_MAX_TABLES: usize = 20;
/// Prefixes that are advertised for one TGW on a transit VIF, IPv4 and IPv6 together (Direct
/// Connect quotas).
pub const TGW_MAX_ALLOWED: usize = 200;
/// Transit VIFs of one dedicated connection or LAG (Direct Connect quotas).
pub const MAX_TRANSIT_VIFS: usize = 4;
/// Private and public VIFs of one dedicated connection or LAG (Direct Connect quotas).
pub const MAX_OTHER_VIFS: usize = 50;
/// VIFs of every sort of one dedicated connection or LAG (Direct Connect quotas).
pub const MAX_VIFS: usize = 51;
/// Private and transit VIFs of one Direct Connect gateway, unless AWS grants more (Direct Connect
/// quotas).
pub const DXGW_MAX_VIFS: usize = 30;
/// Direct Connect gateways of one TGW (Transit Gateway quotas).
pub const TGW_MAX_DXGWS: usize = 20;
/// VGWs of one Direct Connect gateway.
pub const DXGW_MAX_VGWS: usize = 20;
/// TGWs of one Direct Connect gateway.
pub const DXGW_MAX_TGWS: usize = 6;
/// Equally good ways that AWS's gateways use at once. AWS publishes no number; four
/// VIFs of two locations fit.
pub const MULTIPATH: u8 = 16;
/// The MTU of a private VIF that was not given one.
pub const VIF_MTU: Bytes = Bytes::new(1500);
/// The MTUs a private VIF may have.
pub const PRIVATE_VIF_MTUS: [Bytes; 2] = [VIF_MTU, Bytes::new(9001)];
/// The MTUs a transit VIF may have.
pub const TRANSIT_VIF_MTUS: [Bytes; 2] = [VIF_MTU, Bytes::new(8500)];
/// The largest packet inside a VPN, at best; AWS's VPNs carry no jumbo frames.
pub const VPN_MTU: Bytes = Bytes::new(1446);
/// Speeds of a dedicated connection's port, bits a second (Direct Connect User Guide, "Link
/// aggregation groups (LAGs)").
pub const PORT_SPEEDS_BPS: [u64; 4] = [
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
    400_000_000_000,
];
/// Characters of a VIF's MD5 key (Direct Connect API Reference, "NewPrivateVirtualInterface").
pub const VIF_MD5_LENGTH: std::ops::RangeInclusive<usize> = 6..=80;
/// Most members of a LAG, by the rate of each.
pub fn lag_members(rate: Option<Rate>) -> usize {
    const HUNDRED_GBIT: u64 = 100_000_000_000;
    match rate {
        Some(rate) if rate.bits_per_second() >= HUNDRED_GBIT => 2,
        Some(_) | None => 4,
    }
}
/// MED of what is announced over a tunnel whose endpoint is about to be replaced. AWS says only
/// that the other tunnel's is lower ("Routing during VPN tunnel endpoint updates").
pub const REPLACED_MED: u32 = 200;
/// And over the other tunnel.
pub const KEPT_MED: u32 = 100;
/// Time from that until the endpoint is gone. AWS publishes none.
pub const MAINTENANCE_NOTICE: Span = Span::from_secs(3);
/// Members a LAG needs to be up, unless it was given a number: none.
pub const LAG_MIN_LINKS: u8 = 0;
/// The ASN of an Amazon gateway that was not given one.
pub const DEFAULT_ASN: u32 = 64512;
/// Private ASNs an Amazon gateway may have (RFC 6996, less 65535).
pub const GATEWAY_ASNS: [std::ops::RangeInclusive<u32>; 2] =
    [64_512..=65_534, 4_200_000_000..=4_294_967_294];

const fn net30(c: u8, d: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, c, d), 30)
}

/// Blocks of 169.254.0.0/16 that AWS keeps for itself; an inside /30 is none of them.
pub const RESERVED_INSIDE: [Ipv4Net; 7] = [
    net30(0, 0),
    net30(1, 0),
    net30(2, 0),
    net30(3, 0),
    net30(4, 0),
    net30(5, 0),
    net30(169, 252),
];
