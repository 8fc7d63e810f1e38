//! Names. A value of one of these types is known to be usable as what it says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a name may not be empty")]
    Empty,
    /// The name is longer than its kind allows.
    #[error("`{name}` has {len} bytes; a {kind} name has at most {max}")]
    TooLong {
        /// What was written.
        name: String,
        /// Its length in bytes.
        len: usize,
        /// The longest allowed length in bytes.
        max: usize,
        /// What the name would have named.
        kind: &'static str,
    },
    /// The name holds a character its kind does not allow.
    #[error(
        "`{name}` holds `{bad}`; a {kind} name is made of a-z, A-Z, 0-9, `-`, `_` and `.`, and begins with a letter or digit"
    )]
    BadCharacter {
        /// What was written.
        name: String,
        /// The first offending character.
        bad: char,
        /// What the name would have named.
        kind: &'static str,
    },
}

fn validate(name: &str, kind: &'static str, max: usize) -> Result<(), NameError> {
    let Some(first) = name.chars().next() else {
        return Err(NameError::Empty);
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let bad = name
        .chars()
        .find(|&c| !plain(c))
        .or_else(|| (!first.is_ascii_alphanumeric()).then_some(first));
    if let Some(bad) = bad {
        return Err(NameError::BadCharacter {
            name: name.to_owned(),
            bad,
            kind,
        });
    }
    if name.len() > max {
        return Err(NameError::TooLong {
            name: name.to_owned(),
            len: name.len(),
            max,
            kind,
        });
    }
    Ok(())
}

/// The candidate that `written` was most likely meant to be, if any is close.
pub fn nearest<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    if written.chars().count() > 64 {
        return None;
    }
    let normal = |s: &str| s.to_ascii_lowercase().replace(['_', ' '], "-");
    let written = normal(written);
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&written, &normal(c)), c))
        .filter(|(distance, c)| *distance <= c.chars().count().max(written.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The longest allowed length in bytes.
            pub const MAX: usize = $max;

            /// Checks length and characters.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                validate(&name, $kind, $max)?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// A lab's name; part of its API socket's name.
    LabName, "lab", 40
);
name!(
    /// A namespace of the lab: a declared node or a host behind one.
    /// It becomes a host name (RFC 1123 label) and a file name.
    NodeName, "node", 40
);
name!(
    /// A host behind a node, unique within the node.
    HostName, "host", 40
);
name!(
    /// A link between two nodes.
    LinkName, "link", 40
);
name!(
    /// A routing session.
    SessionName, "session", 40
);
name!(
    /// One tunnel of a VPN.
    TunnelName, "tunnel", 40
);
name!(
    /// A probe, that is a pair of flows in opposite directions.
    ProbeName, "probe", 40
);
name!(
    /// Background load between two hosts.
    LoadName, "load", 40
);
name!(
    /// A route table of a transit gateway.
    RouteTableName, "route table", 40
);
name!(
    /// A subnet of a VPC, unique within the VPC.
    SubnetName, "subnet", 40
);
name!(
    /// A Region of AWS's.
    RegionName, "Region", 40
);
name!(
    /// A network interface; the kernel's IFNAMSIZ leaves 15 bytes.
    IfName, "interface", 15
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_name_has_at_most_fifteen_bytes() {
        assert!(IfName::new("abcdefghijklmno").is_ok());
        assert!(matches!(
            IfName::new("abcdefghijklmnop"),
            Err(NameError::TooLong {
                len: 16,
                max: 15,
                ..
            })
        ));
    }

    #[test]
    fn names_refuse_what_a_path_or_shell_would_trip_over() {
        for bad in ["", "a/b", "a b", "-a", "ü", ".."] {
            assert!(NodeName::new(bad).is_err(), "{bad:?}");
        }
    }
}
