//! FRR's BGP table in the one form.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::Deserialize;

use super::super::RouteView;
use crate::units::SessionName;

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    routes: BTreeMap<IpNet, Vec<Path>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Path {
    #[serde(default)]
    valid: bool,
    #[serde(default)]
    bestpath: bool,
    #[serde(default)]
    multipath: bool,
    path_from: Option<String>,
    loc_prf: Option<u32>,
    metric: Option<u32>,
    peer_id: Option<String>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    nexthops: Vec<Hop>,
}

#[derive(Deserialize)]
struct Hop {
    ip: Option<IpAddr>,
    #[serde(default)]
    used: bool,
}

/// Reads `show bgp FAMILY unicast json`; `sessions` names the peers.
pub fn rib(
    json: &str,
    sessions: &BTreeMap<IpAddr, SessionName>,
) -> Result<Vec<RouteView>, serde_json::Error> {
    let table: Table = serde_json::from_str(json)?;
    let routes = table.routes.iter().flat_map(|(prefix, paths)| {
        let mut paths: Vec<&Path> = paths.iter().collect();
        paths.sort_by_key(|path| !path.bestpath);
        paths.into_iter().map(|path| view(*prefix, path, sessions))
    });
    Ok(routes.collect())
}

fn view(prefix: IpNet, path: &Path, sessions: &BTreeMap<IpAddr, SessionName>) -> RouteView {
    let peer: Option<IpAddr> = path.peer_id.as_deref().and_then(|id| id.parse().ok());
    let source = match (peer, path.path_from.as_deref()) {
        (None, _) => "local",
        (Some(_), Some("internal")) => "ibgp",
        (Some(_), _) => "ebgp",
    };
    let used = path.nexthops.iter().find(|hop| hop.used);
    RouteView {
        table: None,
        prefix,
        best: path.bestpath,
        multipath: path.multipath || path.bestpath,
        reachable: path.valid,
        next_hop: used
            .or_else(|| path.nexthops.first())
            .and_then(|hop| hop.ip)
            .filter(|ip| !ip.is_unspecified()),
        as_path: path.path.clone(),
        local_pref: path.loc_prf,
        // For its own routes FRR prints a metric that no UPDATE carried.
        med: path.metric.filter(|_| peer.is_some()),
        communities: None,
        from: peer.map(|peer| {
            sessions
                .get(&peer)
                .map_or_else(|| peer.to_string(), ToString::to_string)
        }),
        source: source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frr_8_4_prints_of_its_table_is_understood() {
        let sessions = [(
            "169.254.75.181".parse().unwrap(),
            SessionName::new("prod").unwrap(),
        )];
        let text = include_str!("samples/table-8.4.4.json");
        let routes = rib(text, &sessions.into()).unwrap();
        let [own, learned, spare] = routes.as_slice() else {
            panic!("{routes:?}")
        };
        assert_eq!(
            (own.source.as_str(), own.next_hop, &own.from),
            ("local", None, &None)
        );
        assert!(own.best && learned.best && learned.reachable);
        assert_eq!(learned.prefix.to_string(), "172.31.0.0/16");
        assert_eq!(learned.next_hop, "169.254.75.181".parse().ok());
        assert_eq!(
            (learned.from.as_deref(), learned.source.as_str()),
            (Some("prod"), "ebgp")
        );
        assert_eq!(
            (learned.local_pref, learned.as_path.as_str()),
            (Some(200), "64512")
        );
        assert!(!spare.best && !spare.multipath && spare.reachable);
        assert_eq!(spare.from.as_deref(), Some("169.254.163.5"));
    }

    #[test]
    fn an_empty_table_has_no_routes() {
        assert!(rib("{}", &BTreeMap::new()).unwrap().is_empty());
        assert!(rib("% Unknown command", &BTreeMap::new()).is_err());
    }
}
