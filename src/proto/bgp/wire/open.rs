//! OPEN (RFC 4271 §4.2) and its capabilities (RFC 5492).

use std::net::Ipv4Addr;

use super::Notification;
use super::cursor::Cursor;
use super::frame::{MessageType, finish, header};
use super::nlri::{UNICAST, afi, family_from};
use crate::units::{Asn, Family};

const VERSION: u8 = 4;
const PARAMETER_CAPABILITIES: u8 = 2;
/// RFC 9072: both the length and the first type say that lengths have two bytes.
const EXTENDED: u8 = 255;
const EXTENDED_MESSAGE: u8 = 6;
const GRACEFUL_RESTART: u8 = 64;
const ENHANCED_REFRESH: u8 = 70;
/// Restart State: the highest of the four flags before the restart time (RFC 4724 §3).
const RESTARTING: u16 = 0x8000;
const RESTART_TIME: u16 = 0x0FFF;
/// Forwarding State: the highest flag of a family.
const FORWARDING_PRESERVED: u8 = 0x80;

/// What a speaker can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// A family (RFC 4760 §8) that we know.
    Multiprotocol(Family),
    /// ROUTE-REFRESH (RFC 2918).
    RouteRefresh,
    /// Messages of more than 4096 bytes (RFC 8654).
    ExtendedMessage,
    /// Markers around a refreshed table (RFC 7313).
    EnhancedRefresh,
    /// Four-octet AS numbers (RFC 6793) and the speaker's own number.
    FourOctetAs(u32),
    /// Graceful restart (RFC 4724 §3).
    GracefulRestart(Restart),
    /// Any other.
    Other {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

/// What a speaker offers of graceful restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// It has restarted, and waits for nobody who has, too.
    pub restarting: bool,
    /// How long its peers may have to wait for it, in seconds; below 4096.
    pub time_s: u16,
    /// The families whose routes its peers shall keep, each with whether its forwarding has been
    /// preserved.
    pub families: Vec<(Family, bool)>,
}

/// An OPEN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// My Autonomous System: two bytes, AS_TRANS when it does not fit.
    pub my_as: u16,
    /// Hold Time in seconds.
    pub hold_s: u16,
    /// BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Capabilities in the order sent.
    pub capabilities: Vec<Capability>,
}

impl Open {
    /// The OPEN of a speaker with these properties.
    pub fn ours(
        asn: Asn,
        hold_s: u16,
        router_id: Ipv4Addr,
        families: &[Family],
        restart: Option<Restart>,
    ) -> Self {
        let trans = Asn::TRANS.get() as u16;
        let mut capabilities: Vec<_> = families
            .iter()
            .map(|&family| Capability::Multiprotocol(family))
            .collect();
        capabilities.push(Capability::RouteRefresh);
        capabilities.push(Capability::EnhancedRefresh);
        capabilities.push(Capability::ExtendedMessage);
        capabilities.push(Capability::FourOctetAs(asn.get()));
        capabilities.extend(restart.map(Capability::GracefulRestart));
        Self {
            my_as: u16::try_from(asn.get()).unwrap_or(trans),
            hold_s,
            router_id,
            capabilities,
        }
    }

    /// The sender's AS; its four octets when it has them (RFC 6793 §4.1).
    pub fn asn(&self) -> u32 {
        self.four_octet_as()
            .unwrap_or_else(|| u32::from(self.my_as))
    }

    /// The number in the four-octet AS capability.
    pub fn four_octet_as(&self) -> Option<u32> {
        self.capabilities
            .iter()
            .find_map(|capability| match capability {
                Capability::FourOctetAs(asn) => Some(*asn),
                Capability::Multiprotocol(_)
                | Capability::RouteRefresh
                | Capability::ExtendedMessage
                | Capability::EnhancedRefresh
                | Capability::GracefulRestart(_)
                | Capability::Other { .. } => None,
            })
    }

    /// What the sender offers of graceful restart; the last of several (RFC 4724 §3).
    pub fn graceful_restart(&self) -> Option<&Restart> {
        let capabilities = self.capabilities.iter().rev();
        capabilities
            .filter_map(|capability| match capability {
                Capability::GracefulRestart(restart) => Some(restart),
                Capability::Multiprotocol(_)
                | Capability::RouteRefresh
                | Capability::ExtendedMessage
                | Capability::EnhancedRefresh
                | Capability::FourOctetAs(_)
                | Capability::Other { .. } => None,
            })
            .next()
    }

    /// A family's capability as it stands in an OPEN.
    pub fn multiprotocol_bytes(family: Family) -> Vec<u8> {
        encode_capability(&Capability::Multiprotocol(family))
    }

    /// Whether the sender offers just this.
    pub fn has(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }

    /// The families offered; IPv4 unicast when the sender does not know of
    /// families at all (RFC 4760 §8).
    pub fn offers(&self, family: Family) -> bool {
        let mut silent = true;
        for capability in &self.capabilities {
            match capability {
                Capability::Multiprotocol(offered) if *offered == family => return true,
                Capability::Multiprotocol(_) | Capability::Other { code: 1, .. } => silent = false,
                Capability::RouteRefresh
                | Capability::ExtendedMessage
                | Capability::EnhancedRefresh
                | Capability::FourOctetAs(_)
                | Capability::GracefulRestart(_)
                | Capability::Other { .. } => {}
            }
        }
        silent && family == Family::Ipv4Unicast
    }

    /// Reads the body after the header.
    ///
    /// # Errors
    /// The OPEN Message Error to send (RFC 4271 §6.2).
    pub fn decode(body: &[u8]) -> Result<Self, Notification> {
        let unspecific = || Notification::new(2, 0);
        let mut cursor = Cursor::new(body);
        if cursor.u8().ok_or_else(unspecific)? != VERSION {
            // The data names the version we support.
            return Err(Notification::with(2, 1, u16::from(VERSION).to_be_bytes()));
        }
        let my_as = cursor.u16().ok_or_else(unspecific)?;
        let hold_s = cursor.u16().ok_or_else(unspecific)?;
        let router_id = Ipv4Addr::from(cursor.array::<4>().ok_or_else(unspecific)?);
        let parameters = Parameters::new(cursor).ok_or_else(unspecific)?;
        let mut capabilities = Vec::new();
        for parameter in parameters {
            let (kind, value) = parameter.ok_or_else(unspecific)?;
            if kind != PARAMETER_CAPABILITIES {
                return Err(Notification::new(2, 4));
            }
            let mut cursor = Cursor::new(value);
            while !cursor.is_empty() {
                capabilities.push(decode_capability(&mut cursor).ok_or_else(unspecific)?);
            }
        }
        Ok(Self {
            my_as,
            hold_s,
            router_id,
            capabilities,
        })
    }

    /// The whole message. Capabilities beyond the room of one parameter are
    /// left out; ours never come near.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = header(MessageType::Open);
        message.push(VERSION);
        message.extend_from_slice(&self.my_as.to_be_bytes());
        message.extend_from_slice(&self.hold_s.to_be_bytes());
        message.extend_from_slice(&self.router_id.octets());
        let mut value = Vec::new();
        for capability in &self.capabilities {
            let bytes = encode_capability(capability);
            if value.len() + bytes.len() <= usize::from(EXTENDED) - 3 {
                value.extend_from_slice(&bytes);
            }
        }
        if value.is_empty() {
            message.push(0);
        } else {
            message.push(value.len() as u8 + 2);
            message.extend_from_slice(&[PARAMETER_CAPABILITIES, value.len() as u8]);
            message.extend_from_slice(&value);
        }
        finish(&mut message, 0);
        message
    }
}

/// The optional parameters; yields none once when one is cut short.
struct Parameters<'a> {
    cursor: Cursor<'a>,
    extended: bool,
}

impl<'a> Parameters<'a> {
    fn new(mut cursor: Cursor<'a>) -> Option<Self> {
        let length = cursor.u8()?;
        let extended = length == EXTENDED && cursor.rest().first() == Some(&EXTENDED);
        let length = if extended {
            cursor.u8()?;
            usize::from(cursor.u16()?)
        } else {
            usize::from(length)
        };
        (length == cursor.len()).then_some(Self { cursor, extended })
    }

    fn parameter(&mut self) -> Option<(u8, &'a [u8])> {
        let kind = self.cursor.u8()?;
        let length = if self.extended {
            usize::from(self.cursor.u16()?)
        } else {
            usize::from(self.cursor.u8()?)
        };
        Some((kind, self.cursor.take(length)?))
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Option<(u8, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let parameter = self.parameter();
        if parameter.is_none() {
            self.cursor = Cursor::new(&[]);
        }
        Some(parameter)
    }
}

fn decode_capability(cursor: &mut Cursor<'_>) -> Option<Capability> {
    let code = cursor.u8()?;
    let length = usize::from(cursor.u8()?);
    let value = cursor.take(length)?;
    Some(match (code, value) {
        (1, &[high, low, _, safi]) => match family_from(u16::from_be_bytes([high, low]), safi) {
            Some(family) => Capability::Multiprotocol(family),
            None => Capability::Other {
                code,
                value: value.to_vec(),
            },
        },
        (2, &[]) => Capability::RouteRefresh,
        (EXTENDED_MESSAGE, &[]) => Capability::ExtendedMessage,
        (ENHANCED_REFRESH, &[]) => Capability::EnhancedRefresh,
        (65, &[a, b, c, d]) => Capability::FourOctetAs(u32::from_be_bytes([a, b, c, d])),
        (1 | 65, _) => return None,
        // One of another length says nothing that could be relied on.
        (GRACEFUL_RESTART, &[high, low, ref tuples @ ..]) if tuples.len() % 4 == 0 => {
            Capability::GracefulRestart(decode_restart([high, low], tuples))
        }
        _ => Capability::Other {
            code,
            value: value.to_vec(),
        },
    })
}

fn decode_restart(head: [u8; 2], tuples: &[u8]) -> Restart {
    let head = u16::from_be_bytes(head);
    let family = |tuple: &[u8]| {
        let &[high, low, safi, flags] = tuple else {
            return None;
        };
        let family = family_from(u16::from_be_bytes([high, low]), safi)?;
        Some((family, flags & FORWARDING_PRESERVED != 0))
    };
    Restart {
        restarting: head & RESTARTING != 0,
        time_s: head & RESTART_TIME,
        families: tuples.chunks_exact(4).filter_map(family).collect(),
    }
}

fn encode_restart(restart: &Restart) -> Vec<u8> {
    let state = if restart.restarting { RESTARTING } else { 0 };
    let head = (state | restart.time_s & RESTART_TIME).to_be_bytes();
    let mut bytes = vec![GRACEFUL_RESTART, 2 + 4 * restart.families.len() as u8];
    bytes.extend_from_slice(&head);
    for (family, preserved) in &restart.families {
        bytes.extend_from_slice(&afi(*family).to_be_bytes());
        bytes.push(UNICAST);
        bytes.push(if *preserved { FORWARDING_PRESERVED } else { 0 });
    }
    bytes
}

fn encode_capability(capability: &Capability) -> Vec<u8> {
    match capability {
        Capability::Multiprotocol(family) => {
            let [high, low] = afi(*family).to_be_bytes();
            vec![1, 4, high, low, 0, UNICAST]
        }
        Capability::RouteRefresh => vec![2, 0],
        Capability::ExtendedMessage => vec![EXTENDED_MESSAGE, 0],
        Capability::EnhancedRefresh => vec![ENHANCED_REFRESH, 0],
        Capability::FourOctetAs(asn) => {
            let [a, b, c, d] = asn.to_be_bytes();
            vec![65, 4, a, b, c, d]
        }
        Capability::GracefulRestart(restart) => encode_restart(restart),
        Capability::Other { code, value } => {
            let value = value.get(..250).unwrap_or(value);
            let mut bytes = vec![*code, value.len() as u8];
            bytes.extend_from_slice(value);
            bytes
        }
    }
}
