//! A namespace's main table and its VRFs' as they are now.

use std::{collections::BTreeMap, io, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::fib::{Change, FibMirror};
use crate::os::{fib_watch::FibWatch, netns::NetnsFd};

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The VRF or route table it is in; absent: the main table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrf: Option<String>,
    /// Where to.
    pub prefix: IpNet,
    /// Gateways; none for a connected or blackhole route.
    pub via: Vec<IpAddr>,
    /// Outgoing interfaces; none for a blackhole.
    pub dev: Vec<String>,
}

/// Reads the routes of a namespace. `tables` are names of tables by number that no VRF's
/// device tells.
///
/// # Errors
/// Netlink's refusal.
pub fn routes(netns: &NetnsFd, tables: BTreeMap<u32, String>) -> io::Result<Vec<Route>> {
    let mut mirror = FibMirror::new(Vec::new(), tables);
    for notice in FibWatch::open(netns)?.snapshot()? {
        mirror.handle(notice);
    }
    let routes = mirror
        .routes()
        .into_iter()
        .filter_map(|change| match change {
            Change::Route {
                vrf,
                prefix,
                via,
                dev,
                ..
            } => Some(Route {
                vrf,
                prefix,
                via,
                dev,
            }),
            Change::Carrier { .. }
            | Change::Lacp { .. }
            | Change::Neighbour { .. }
            | Change::Overrun => None,
        });
    Ok(routes.collect())
}
