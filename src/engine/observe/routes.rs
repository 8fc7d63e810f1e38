//! A namespace's main table as it is now.

use std::{io, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::fib::{Change, FibMirror};
use crate::os::{fib_watch::FibWatch, netns::NetnsFd};

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to.
    pub prefix: IpNet,
    /// Gateways; none for a connected or blackhole route.
    pub via: Vec<IpAddr>,
    /// Outgoing interfaces; none for a blackhole.
    pub dev: Vec<String>,
}

/// Reads the routes of a namespace.
///
/// # Errors
/// Netlink's refusal.
pub fn routes(netns: &NetnsFd) -> io::Result<Vec<Route>> {
    let mut mirror = FibMirror::default();
    for notice in FibWatch::open(netns)?.snapshot()? {
        mirror.handle(notice);
    }
    let routes = mirror
        .routes()
        .into_iter()
        .filter_map(|change| match change {
            Change::Route {
                prefix, via, dev, ..
            } => Some(Route { prefix, via, dev }),
            Change::Carrier { .. }
            | Change::Lacp { .. }
            | Change::Neighbour { .. }
            | Change::Overrun => None,
        });
    Ok(routes.collect())
}
