//! Routing policy: ordered rules, first match decides, no match means reject.

use std::{fmt, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Asn, QuantityError, SessionName};

/// Ordered rules; the first whose every match holds decides. A route that no
/// rule matches is rejected, so an empty policy is RFC 8212's default deny.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// The rules in order.
    pub rules: Vec<Rule>,
}

impl Policy {
    /// One rule that lets everything through unchanged.
    pub fn accept_all() -> Self {
        Self {
            rules: vec![Rule {
                matches: Vec::new(),
                verdict: Verdict::Accept,
                set: Vec::new(),
            }],
        }
    }
}

/// One rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// All must hold; none means the rule matches every route.
    pub matches: Vec<Match>,
    /// What becomes of a matching route.
    pub verdict: Verdict,
    /// Changes made to an accepted route, in order.
    pub set: Vec<Set>,
}

/// What a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The route passes, with the rule's changes.
    Accept,
    /// The route is dropped here.
    Reject,
}

/// One condition on a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// The prefix matches one of these.
    Prefix(Vec<PrefixMatch>),
    /// The route carries at least one of these communities.
    Community(Vec<Community>),
    /// The AS_PATH holds this number anywhere.
    AsPathContains(Asn),
    /// The AS_PATH ends in this number (its originator).
    AsPathOrigin(Asn),
    /// The AS_PATH is empty.
    AsPathEmpty,
    /// Where the route came from; meaningful on export.
    From(Vec<PolicySource>),
}

/// A prefix with a range of lengths, as in `ip prefix-list … ge … le …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixMatch {
    /// The covering prefix.
    pub prefix: IpNet,
    /// The shortest matching length; at least the prefix's own.
    pub ge: u8,
    /// The longest matching length.
    pub le: u8,
}

impl PrefixMatch {
    /// Only this very prefix.
    pub fn exact(prefix: IpNet) -> Self {
        Self {
            prefix,
            ge: prefix.prefix_len(),
            le: prefix.prefix_len(),
        }
    }

    /// Whether `candidate` is covered and its length is in range.
    pub fn covers(&self, candidate: &IpNet) -> bool {
        (self.ge..=self.le).contains(&candidate.prefix_len()) && self.prefix.contains(candidate)
    }
}

/// Where a route came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicySource {
    /// Originated here.
    Local,
    /// Learned over this session.
    Session(SessionName),
}

/// One change to a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// LOCAL_PREF becomes this.
    LocalPref(u32),
    /// MULTI_EXIT_DISC becomes this.
    Med(u32),
    /// The speaker's own ASN is put in front this many further times.
    Prepend(u8),
    /// This community is added.
    AddCommunity(Community),
    /// This community is taken away.
    RemoveCommunity(Community),
    /// NEXT_HOP becomes the speaker's own address on the session.
    NextHopSelf,
}

/// An RFC 1997 community, written `64512:100`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Community(pub u32);

impl Community {
    /// RFC 1997: do not advertise outside the confederation or AS.
    pub const NO_EXPORT: Self = Self(0xFFFF_FF01);
    /// RFC 1997: do not advertise to any peer.
    pub const NO_ADVERTISE: Self = Self(0xFFFF_FF02);
    /// RFC 1997: do not advertise to external peers.
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xFFFF_FF03);
}

impl FromStr for Community {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        match text {
            "no-export" => return Ok(Self::NO_EXPORT),
            "no-advertise" => return Ok(Self::NO_ADVERTISE),
            "no-export-subconfed" => return Ok(Self::NO_EXPORT_SUBCONFED),
            _ => {}
        }
        text.split_once(':')
            .and_then(|(high, low)| Some((high.parse::<u16>().ok()?, low.parse::<u16>().ok()?)))
            .map(|(high, low)| Self(u32::from(high) << 16 | u32::from(low)))
            .ok_or_else(|| QuantityError::Malformed {
                text: text.to_owned(),
                what: "community",
                example: "`7224:7300` or `no-export`",
            })
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NO_EXPORT => f.pad("no-export"),
            Self::NO_ADVERTISE => f.pad("no-advertise"),
            Self::NO_EXPORT_SUBCONFED => f.pad("no-export-subconfed"),
            Self(value) => f.pad(&format!("{}:{}", value >> 16, value & 0xFFFF)),
        }
    }
}

impl fmt::Debug for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Community {
    type Error = QuantityError;
    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl From<Community> for String {
    fn from(community: Community) -> Self {
        community.to_string()
    }
}
