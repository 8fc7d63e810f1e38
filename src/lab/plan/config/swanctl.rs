//! strongSwan's files for one end of one tunnel: a charon of its own.

use std::{fmt::Write as _, net::IpAddr};

use crate::{
    lab::{
        model::{Dpd, Ipsec, aws},
        plan::IpsecBackend,
    },
    units::Span,
};

/// The connection's and its child's name.
pub const CONNECTION: &str = "tunnel";

/// One end of a tunnel.
#[derive(Debug, Clone, Copy)]
pub struct EndConfig<'a> {
    /// The VPN's own settings.
    pub ipsec: &'a Ipsec,
    /// Outer address of this end; also its identity, as at AWS.
    pub local: IpAddr,
    /// Outer address of the other end.
    pub remote: IpAddr,
    /// What it knows or has that nobody else does.
    pub secret: Secret<'a>,
    /// Whether this end begins, and begins anew when the peer is dead.
    pub initiates: bool,
    /// What encrypts packets.
    pub backend: IpsecBackend,
    /// Ties policies to an XFRM interface; of no meaning in user space.
    pub if_id: u32,
}

/// By what an end proves who it is.
#[derive(Debug, Clone, Copy)]
pub enum Secret<'a> {
    /// A pre-shared key.
    Key(&'a str),
    /// The key of a certificate, in files of its own.
    Certificate,
    /// The same, but the certificate is the user's: it need not name the end's address,
    /// so the end is called as the certificate's subject.
    OwnCertificate,
    /// The peer has such a certificate, for which so many authorities vouch.
    AgainstOwn(usize),
}

/// Where an end has the certificates of authorities it trusts, its own, and its own key.
pub const AUTHORITIES: &str = "/etc/swanctl/x509ca";
/// See [`AUTHORITIES`].
pub const CERTIFICATE: &str = "/etc/swanctl/x509/end.pem";
/// See [`AUTHORITIES`].
pub const KEY: &str = "/etc/swanctl/private/end.pem";

/// What the `number`th authority's file is called, from 1.
pub fn authority(number: usize) -> String {
    if number == 1 {
        "ca.pem".to_owned()
    } else {
        format!("ca-{number}.pem")
    }
}

impl EndConfig<'_> {
    /// `/etc/swanctl/swanctl.conf`.
    pub fn swanctl(&self) -> String {
        let Self {
            ipsec,
            local,
            remote,
            ..
        } = self;
        let (action, backend) = if self.initiates {
            ("restart", self.backend)
        } else {
            ("clear", self.backend)
        };
        let ike = Rekey::of(ipsec.ike_lifetime);
        let child = Rekey::of(ipsec.child_lifetime);
        let encap = match backend {
            // User space has no raw socket for ESP.
            IpsecBackend::Libipsec => true,
            IpsecBackend::Kernel => ipsec.nat_t,
        };
        let mut text = format!(
            "connections {{
  {CONNECTION} {{
    version = 2
    local_addrs = {local}
    remote_addrs = {remote}
    encap = {encap}
    mobike = no
    unique = replace
    keyingtries = 0
    proposals = {ike_proposal}
    rekey_time = {ike_rekey}s
    rand_time = {ike_rand}s
    over_time = {ike_over}s
    dpd_delay = {dpd}s
    local {{
      auth = {auth}
      {local_id}
    }}
    remote {{
      auth = {auth}
      {remote_id}
    }}
    children {{
      {CONNECTION} {{
        local_ts = 0.0.0.0/0
        remote_ts = 0.0.0.0/0
        esp_proposals = {esp_proposal}
        rekey_time = {child_rekey}s
        rand_time = {child_rand}s
        life_time = {child_life}s
        replay_window = {window}
        start_action = none
        dpd_action = {action}
",
            auth = match self.secret {
                Secret::Key(_) => "psk",
                Secret::Certificate | Secret::OwnCertificate | Secret::AgainstOwn(_) => "pubkey",
            },
            local_id = match self.secret {
                Secret::OwnCertificate => "certs = end.pem".to_owned(),
                Secret::Key(_) | Secret::Certificate | Secret::AgainstOwn(_) => {
                    format!("id = {local}")
                }
            },
            remote_id = match self.secret {
                Secret::AgainstOwn(count) => {
                    let names: Vec<String> = (1..=count).map(authority).collect();
                    format!("id = %any\n      cacerts = {}", names.join(", "))
                }
                Secret::Key(_) | Secret::Certificate | Secret::OwnCertificate => {
                    format!("id = {remote}")
                }
            },
            encap = yes_no(encap),
            ike_proposal = ipsec.ike.text,
            ike_rekey = ike.at,
            ike_rand = ike.spread,
            ike_over = ike.over,
            dpd = ipsec.dpd.delay.as_secs(),
            esp_proposal = ipsec.esp.text,
            child_rekey = child.at,
            child_rand = child.spread,
            child_life = ipsec.child_lifetime.as_secs(),
            window = aws::REPLAY_WINDOW,
        );
        if backend == IpsecBackend::Kernel {
            let id = self.if_id;
            writeln!(
                text,
                "        if_id_in = {id}\n        if_id_out = {id}\n        reqid = {id}"
            )
            .unwrap_or_default();
        }
        text.push_str("      }\n    }\n  }\n}\n");
        if let Secret::Key(key) = self.secret {
            write!(
                text,
                "secrets {{
  ike-{CONNECTION} {{
    id-1 = {local}
    id-2 = {remote}
    secret = \"{key}\"
  }}
}}
"
            )
            .unwrap_or_default();
        }
        text
    }
}

/// `/etc/strongswan.conf`: what the daemon itself does. `program` is the daemon's name.
pub fn strongswan(program: &str, dpd: Dpd, backend: IpsecBackend) -> String {
    let kernel = match backend {
        IpsecBackend::Kernel => "kernel-netlink",
        // In this order: the first that offers ESP has it.
        IpsecBackend::Libipsec => "kernel-libipsec kernel-netlink",
    };
    // Three requests without an answer, evenly spread, end at the timeout.
    let patience = dpd.timeout.as_nanos().saturating_sub(dpd.delay.as_nanos());
    let each = patience as f64 / 3e9;
    format!(
        "{program} {{
  load = random nonce openssl aes sha1 sha2 hmac kdf gcm gmp curve25519 pem pkcs1 pkcs8 x509 pubkey revocation constraints {kernel} socket-default vici
  install_routes = no
  install_virtual_ip = no
  retransmit_timeout = {each:.2}
  retransmit_base = 1
  retransmit_tries = 2
  filelog {{
    stderr {{
      default = 1
      ike = 2
      flush_line = yes
      time_format = %T
      time_add_ms = yes
    }}
  }}
  journal {{
    default = -1
  }}
  plugins {{
    vici {{
      socket = unix:///run/charon.vici
    }}
    kernel-netlink {{
      roam_events = no
    }}
  }}
}}
"
    )
}

/// AWS's margin and fuzz: an SA is renewed between two margins and one margin
/// before its end, at a random instant. Of a short life a quarter is the margin.
struct Rekey {
    at: u64,
    spread: u64,
    over: u64,
}

impl Rekey {
    fn of(lifetime: Span) -> Self {
        let life = lifetime.as_secs();
        let margin = aws::REKEY_MARGIN.as_secs().min(life / 4);
        Self {
            at: life.saturating_sub(margin),
            spread: margin,
            over: margin,
        }
    }
}

fn yes_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}
