//! IPsec as AWS Site-to-Site VPN does it: IKEv2, route-based, two tunnels a connection.

use ipnet::Ipv4Net;

use super::OwnConfig;
use crate::units::Span;

/// The MTU of strongSwan's user-space ESP, bytes: kernel-libipsec reads packets
/// into a buffer of this size (`TUN_DEFAULT_MTU` of its router).
pub const LIBIPSEC_MTU: u64 = 1400;

/// Everything of an IPsec VPN that is not common to all VPNs. Both ends use it;
/// what AWS does at its own end (it waits, and clears what is dead) is in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipsec {
    /// One or two; two towards AWS.
    pub tunnels: Vec<IpsecTunnel>,
    /// Over Direct Connect: where the first end's outer addresses are taken from, with room
    /// for a /30 for each tunnel. `None`: derived from names.
    pub outer: Option<Ipv4Net>,
    /// How the ends prove who they are.
    pub auth: Authentication,
    /// Certificate and key of the first end, in place of the lab's own.
    pub own: Option<OwnCredentials>,
    /// Dead peer detection.
    pub dpd: Dpd,
    /// Longest life of an IKE SA; whole seconds.
    pub ike_lifetime: Span,
    /// Longest life of a Child SA; whole seconds.
    pub child_lifetime: Span,
    /// Proposal for IKE.
    pub ike: Proposal,
    /// Proposal for ESP.
    pub esp: Proposal,
    /// ESP in UDP (RFC 3948) even without a NAT between the ends.
    pub nat_t: bool,
}

/// How the ends of a tunnel prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// By a key that both know.
    PreSharedKey,
    /// By certificates that the lab's own authority has signed.
    Certificate,
}

/// The certificate of the first end that the user brought, in PEM and known to fit
/// together; one for all tunnels, as a customer gateway has at AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCredentials {
    /// The end's certificate, alone in its file.
    pub certificate: OwnConfig,
    /// Its private key, PKCS #8.
    pub key: OwnConfig,
    /// The path of the file with the authorities.
    pub ca: String,
    /// Their certificates, each by itself: a root, and what is between it and the end.
    pub authorities: Vec<String>,
    /// All of them are valid from here,
    pub since: Moment,
    /// to here.
    pub until: Moment,
}

/// An instant of the calendar. Ordered by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Seconds since 1970.
    pub seconds: i64,
    /// As people read it.
    pub text: String,
}

/// One tunnel of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpsecTunnel {
    /// Its inside network, a /30: AWS's end (the second of the session's) has the
    /// first address, the customer's the second. `None`: derived from its name.
    pub inside: Option<Ipv4Net>,
    /// Pre-shared key. `None`: derived from the tunnel's name.
    pub psk: Option<String>,
    /// The first end's own `swanctl.conf`, used as it is.
    pub config: Option<OwnSwanctl>,
}

/// A `swanctl.conf` that the user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSwanctl {
    /// The file.
    pub file: OwnConfig,
    /// The XFRM interface id that its child names (`if_id_in`, `if_id_out`).
    pub if_id: u32,
}

/// What a tunnel and the BGP session inside it are called; `number` is 1 or 2.
pub fn tunnel_name(session: &str, number: usize) -> String {
    format!("{session}.{number}")
}

/// Whether a tunnel, or the session inside it, is one of a VPN's.
pub fn is_tunnel_of(tunnel: &str, session: &str) -> bool {
    [1, 2]
        .into_iter()
        .any(|number| tunnel_name(session, number) == tunnel)
}

/// What the namespace is called in which a tunnel's IKE daemon runs, behind `node`.
pub fn endpoint_name(node: &str, session: &str, number: usize) -> String {
    format!("{node}.{}", tunnel_name(session, number))
}

/// Dead peer detection (RFC 7296 §2.4, liveness checks).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dpd {
    /// Silence after which the peer is asked; whole seconds.
    pub delay: Span,
    /// Silence after which it is dead: it is asked three times in between.
    pub timeout: Span,
}

/// Algorithms in strongSwan's words, known to fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// `aes256gcm16-modp2048`.
    pub text: String,
    /// What ESP with it adds to a packet.
    pub sizes: EspSizes,
}

/// Bytes that an ESP transform adds (RFC 4303 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EspSizes {
    /// Initialisation vector.
    pub iv: u64,
    /// Padding aligns the encrypted part to this.
    pub block: u64,
    /// Integrity check value.
    pub icv: u64,
}

impl EspSizes {
    /// The largest inner packet that fits in an outer IPv4 packet of `outer` bytes;
    /// `udp` with NAT traversal. Gives AWS's table of MTU by algorithm ("Best
    /// practices for your customer gateway device": 1446 for AES-GCM on 1500).
    pub fn inner_mtu(self, outer: u64, udp: bool) -> u64 {
        const IPV4: u64 = 20;
        const UDP: u64 = 8;
        const SPI_AND_SEQUENCE: u64 = 8;
        const PAD_LENGTH_AND_NEXT_HEADER: u64 = 2;
        let around = IPV4 + if udp { UDP } else { 0 } + SPI_AND_SEQUENCE + self.iv + self.icv;
        let room = outer.saturating_sub(around);
        (room / self.block * self.block).saturating_sub(PAD_LENGTH_AND_NEXT_HEADER)
    }
}

/// Encryption and integrity of ESP and IKE, as AWS has them.
const CIPHERS: [&str; 4] = ["aes128", "aes256", "aes128gcm16", "aes256gcm16"];
const INTEGRITY: [(&str, u64); 4] = [("sha1", 12), ("sha256", 16), ("sha384", 24), ("sha512", 32)];
const PRF: [&str; 4] = ["prfsha1", "prfsha256", "prfsha384", "prfsha512"];
/// Diffie-Hellman groups 2, 14 to 18 and 19 to 24.
const GROUPS: [&str; 12] = [
    "modp1024",
    "modp2048",
    "modp3072",
    "modp4096",
    "modp6144",
    "modp8192",
    "ecp256",
    "ecp384",
    "ecp521",
    "modp1024s160",
    "modp2048s224",
    "modp2048s256",
];

/// What a proposal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Key exchange: a Diffie-Hellman group is needed, and with GCM a PRF.
    Ike,
    /// Packets: a group means perfect forward secrecy at every rekeying.
    Esp,
}

impl Proposal {
    /// Reads `cipher[-integrity][-prf][-group]`.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence.
    pub fn parse(text: &str, purpose: For) -> Result<Self, String> {
        let mut words = text.split('-');
        let cipher = words.next().unwrap_or_default();
        if !CIPHERS.contains(&cipher) {
            return Err(format!(
                "`{cipher}` is no cipher AWS has: {}",
                CIPHERS.join(", ")
            ));
        }
        let gcm = cipher.ends_with("gcm16");
        let (mut icv, mut prf, mut group) = (None, false, false);
        for word in words {
            if let Some((_, size)) = INTEGRITY.iter().find(|(name, _)| *name == word) {
                icv = Some(*size);
            } else if PRF.contains(&word) {
                prf = true;
            } else if GROUPS.contains(&word) {
                group = true;
            } else {
                return Err(format!(
                    "`{word}` is neither an integrity algorithm, a PRF nor a group AWS has"
                ));
            }
        }
        if gcm && icv.is_some() {
            return Err(format!(
                "`{cipher}` checks integrity itself and takes no other algorithm for it"
            ));
        }
        if !gcm && icv.is_none() {
            return Err(format!("`{cipher}` needs an integrity algorithm: `sha256`"));
        }
        if purpose == For::Esp && prf {
            return Err("ESP has no PRF".to_owned());
        }
        if purpose == For::Ike && gcm && !prf {
            return Err(format!("IKE with `{cipher}` needs a PRF: `prfsha256`"));
        }
        if purpose == For::Ike && !group {
            return Err("IKE needs a Diffie-Hellman group: `modp2048`".to_owned());
        }
        let sizes = if gcm {
            EspSizes {
                iv: 8,
                block: 4,
                icv: 16,
            }
        } else {
            EspSizes {
                iv: 16,
                block: 16,
                icv: icv.unwrap_or_default(),
            }
        };
        Ok(Self {
            text: text.to_owned(),
            sizes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_mtus_are_those_of_awss_table() {
        for (proposal, plain, udp) in [
            ("aes256gcm16", 1446, 1438),
            ("aes128-sha1", 1438, 1422),
            ("aes256-sha256", 1438, 1422),
            ("aes256-sha384", 1422, 1422),
            ("aes256-sha512", 1422, 1406),
        ] {
            let sizes = Proposal::parse(proposal, For::Esp).unwrap().sizes;
            let mtus = (sizes.inner_mtu(1500, false), sizes.inner_mtu(1500, true));
            assert_eq!(mtus, (plain, udp), "{proposal}");
        }
    }

    #[test]
    fn proposals_that_do_not_fit_together_are_refused() {
        for (text, purpose) in [
            ("des-sha1", For::Esp),
            ("aes256", For::Esp),
            ("aes256gcm16-sha256", For::Esp),
            ("aes256-sha256-prfsha256", For::Esp),
            ("aes256-sha256", For::Ike),
            ("aes256gcm16-modp2048", For::Ike),
            ("aes256-sha256-modp768", For::Ike),
        ] {
            assert!(Proposal::parse(text, purpose).is_err(), "{text}");
        }
        assert!(Proposal::parse("aes256gcm16-prfsha384-ecp384", For::Ike).is_ok());
    }
}
