//! IPsec tunnels: which backend, which keys, and the daemon in every endpoint.

use std::{collections::BTreeMap, net::IpAddr};

use sha2::{Digest, Sha256};

use super::{
    CharonPlan, IpsecBackend, PlanError,
    config::{
        certificate,
        swanctl::{self, EndConfig, Secret},
    },
    facts::{HostFacts, TunDevice},
    net::{Net, TunnelPorts},
    statics::outer_address,
};
use crate::{
    lab::model::{
        Authentication, DEFAULT_MTU, Ipsec, LIBIPSEC_MTU, OwnCredentials, Session, SessionKind,
    },
    units::{Bytes, LabName, NodeName, SessionName},
};

/// Where Debian's strongSwan looks.
const STRONGSWAN_CONF: &str = "/etc/strongswan.conf";
const SWANCTL_CONF: &str = "/etc/swanctl/swanctl.conf";
/// The daemon's name in its own configuration.
const DAEMON: &str = "charon-systemd";
const KEY_LENGTH: usize = 32;
const KEY_LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What runs in an endpoint, and the files it sees.
pub(super) struct EndpointPlan {
    pub(super) daemon: CharonPlan,
    pub(super) files: BTreeMap<String, String>,
}

/// Every endpoint by its namespace.
///
/// # Errors
/// What this host lacks for the first VPN that needs it.
pub(super) fn endpoints(
    net: &Net<'_>,
    host: &HostFacts,
) -> Result<BTreeMap<NodeName, EndpointPlan>, PlanError> {
    let mut plans = BTreeMap::new();
    for (name, session) in &net.lab.sessions {
        let Some(ipsec) = session.ipsec() else {
            continue;
        };
        let backend = backend(name, host)?;
        for (index, tunnel) in net.tunnels.get(name).into_iter().flatten().enumerate() {
            let Some(endpoints) = &tunnel.endpoints else {
                continue;
            };
            for side in [0, 1] {
                let local = outer_address(net, &endpoints[side])?.addr();
                let remote = outer_address(net, &endpoints[1 - side])?.addr();
                let end = End {
                    ipsec,
                    index,
                    side,
                    backend,
                    outer: [local, remote],
                    mtu: mtu(net, session, ipsec, backend),
                };
                let plan = end.plan(&net.lab.name, tunnel, &endpoints[side])?;
                plans.insert(endpoints[side].clone(), plan);
            }
        }
    }
    Ok(plans)
}

/// The kernel's ESP where there is an XFRM interface to route into it, else
/// strongSwan's own in user space.
///
/// # Errors
/// What the host lacks.
pub(super) fn backend(session: &SessionName, host: &HostFacts) -> Result<IpsecBackend, PlanError> {
    let session = session.clone();
    let Some(facts) = &host.ipsec else {
        return Err(PlanError::NoStrongswan { session });
    };
    if host.xfrm {
        Ok(IpsecBackend::Kernel)
    } else if !facts.libipsec {
        Err(PlanError::NoLibipsec { session })
    } else {
        let refused = match host.tun {
            TunDevice::Opens => return Ok(IpsecBackend::Libipsec),
            TunDevice::Refused => true,
            TunDevice::Absent => false,
        };
        Err(PlanError::NoTun { session, refused })
    }
}

/// The largest packet a tunnel carries whole.
pub(super) fn mtu(net: &Net<'_>, session: &Session, ipsec: &Ipsec, backend: IpsecBackend) -> Bytes {
    let underlay = match &session.kind {
        SessionKind::Vpn(vpn) => vpn.underlay.as_slice(),
        SessionKind::Vif(_) | SessionKind::Ebgp { .. } | SessionKind::Ibgp { .. } => &[],
    };
    let outer = underlay
        .iter()
        .filter_map(|link| net.links.get(link))
        .map(|cable| cable.mtu)
        .min()
        .unwrap_or(DEFAULT_MTU)
        .get();
    let is_aws = |end| {
        net.lab
            .nodes
            .get(end)
            .is_some_and(|node| node.kind.is_aws())
    };
    // AWS's VPNs carry no jumbo frames, whatever is beneath.
    let outer = if session.ends.iter().any(is_aws) && !session.unlike_aws {
        outer.min(DEFAULT_MTU.get())
    } else {
        outer
    };
    Bytes::new(match backend {
        IpsecBackend::Kernel => ipsec.esp.sizes.inner_mtu(outer, ipsec.nat_t),
        IpsecBackend::Libipsec => ipsec.esp.sizes.inner_mtu(outer, true).min(LIBIPSEC_MTU),
    })
}

struct End<'a> {
    ipsec: &'a Ipsec,
    /// Which tunnel of the VPN.
    index: usize,
    /// Which end of it.
    side: usize,
    backend: IpsecBackend,
    /// Its own outer address, then the peer's.
    outer: [IpAddr; 2],
    mtu: Bytes,
}

impl End<'_> {
    fn plan(
        &self,
        lab: &LabName,
        tunnel: &TunnelPorts,
        endpoint: &NodeName,
    ) -> Result<EndpointPlan, PlanError> {
        let port = &tunnel.ends[self.side];
        let own = self.ipsec.tunnels.get(self.index);
        let derived;
        let psk = match own.and_then(|tunnel| tunnel.psk.as_deref()) {
            Some(given) => given,
            None => {
                derived = derived_key(tunnel);
                &derived
            }
        };
        // As with AWS's default startup action: the customer begins, AWS waits.
        let initiates = self.side == 0;
        let config = own
            .and_then(|tunnel| tunnel.config.as_ref())
            .filter(|_| initiates);
        let if_id = config.map_or(port.index, |own| own.if_id);
        let text = config.map_or_else(
            || {
                EndConfig {
                    ipsec: self.ipsec,
                    local: self.outer[0],
                    remote: self.outer[1],
                    secret: match (self.ipsec.auth, &self.ipsec.own) {
                        (Authentication::PreSharedKey, _) => Secret::Key(psk),
                        (Authentication::Certificate, None) => Secret::Certificate,
                        (Authentication::Certificate, Some(_)) if initiates => {
                            Secret::OwnCertificate
                        }
                        (Authentication::Certificate, Some(own)) => {
                            Secret::AgainstOwn(own.authorities.len())
                        }
                    },
                    initiates,
                    backend: self.backend,
                    if_id,
                }
                .swanctl()
            },
            |own| own.file.text.clone(),
        );
        let mut files = BTreeMap::from([
            (
                STRONGSWAN_CONF.to_owned(),
                swanctl::strongswan(DAEMON, self.ipsec.dpd, self.backend),
            ),
            (SWANCTL_CONF.to_owned(), text),
        ]);
        if self.ipsec.auth == Authentication::Certificate {
            files.extend(self.credentials(lab, endpoint)?);
        }
        Ok(EndpointPlan {
            daemon: CharonPlan {
                tunnel: tunnel.tunnel.clone(),
                node: port.node.clone(),
                interface: port.interface.clone(),
                index: port.index,
                inside: port.addresses.clone(),
                mtu: self.mtu,
                backend: self.backend,
                initiates,
                if_id,
                own_config: config.map(|own| own.file.path.clone()),
                own_key: self.own_key().map(|own| own.key.path.clone()),
            },
            files,
        })
    }

    /// What the user brought, at the end it is for.
    fn own_key(&self) -> Option<&OwnCredentials> {
        self.ipsec.own.as_ref().filter(|_| self.side == 0)
    }

    /// The lab's own authority vouches for every end but that of the user's certificate.
    fn credentials(
        &self,
        lab: &LabName,
        endpoint: &NodeName,
    ) -> Result<Vec<(String, String)>, PlanError> {
        let [local, _] = self.outer;
        let derived = certificate::identity(lab.as_str(), endpoint.as_str(), local)
            .map_err(|error| PlanError::Broken(format!("a certificate: {error}")))?;
        let (certificate, key) = match self.own_key() {
            Some(own) => (own.certificate.text.clone(), own.key.text.clone()),
            None => (derived.certificate, derived.key),
        };
        let trusted = match &self.ipsec.own {
            Some(own) if self.side == 1 => own.authorities.clone(),
            _ => vec![derived.ca],
        };
        let mut files: Vec<(String, String)> = (1..)
            .zip(trusted)
            .map(|(number, text)| {
                let name = swanctl::authority(number);
                (format!("{}/{name}", swanctl::AUTHORITIES), text)
            })
            .collect();
        files.push((swanctl::CERTIFICATE.to_owned(), certificate));
        files.push((swanctl::KEY.to_owned(), key));
        Ok(files)
    }
}

/// A key that AWS would take, the same for every run of the lab, whatever it is called then:
/// it may stand in a configuration of the user's own.
fn derived_key(tunnel: &TunnelPorts) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"psk");
    hasher.update(tunnel.tunnel.as_str());
    let digest = hasher.finalize();
    let letters = digest.iter().take(KEY_LENGTH);
    // The first of them never is the 0 that AWS refuses.
    let first = std::iter::once('k');
    first
        .chain(letters.skip(1).map(|byte| {
            let at = usize::from(*byte) % KEY_LETTERS.len();
            char::from(KEY_LETTERS.get(at).copied().unwrap_or(b'x'))
        }))
        .collect()
}
