//! `backhoe inspect`: one node's sessions and routes, whatever daemon it runs.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Exit,
    args::{InspectArgs, Inspectable},
    ls, output,
    table::{Table, age, or_dash},
};
use crate::engine::{
    api::Client,
    daemon::{BfdView, BgpView, RouteView},
    observe::Route,
};

pub(super) fn run(args: &InspectArgs) -> Result<(), Exit> {
    let client = Client::new(ls::choose(args.which.lab.as_deref())?);
    let what = match args.what {
        Inspectable::Bgp => "bgp",
        Inspectable::Bfd => "bfd",
        Inspectable::Rib => "rib",
        Inspectable::Fib => "fib",
    };
    let answer = client.inspect(&args.node, what)?;
    if args.output.json {
        return output::json(&answer);
    }
    let table = match args.what {
        Inspectable::Bgp => bgp(&read(answer)?),
        Inspectable::Bfd => bfd(&read(answer)?),
        Inspectable::Rib => rib(&read(answer)?),
        Inspectable::Fib => fib(&read(answer)?),
    };
    if table.is_empty() {
        output::talk(&format!("{}: no {what} to show", args.node));
        return Ok(());
    }
    output::data(&table.to_string())
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<Vec<T>, Exit> {
    Ok(serde_json::from_value(answer).map_err(anyhow::Error::from)?)
}

fn bgp(sessions: &[BgpView]) -> Table {
    let mut table = Table::new(&[
        "PEER",
        "AS",
        "STATE",
        "FOR",
        "HOLD",
        "KEEPALIVE",
        "IN",
        "OUT",
        "LAST REASON",
    ]);
    for s in sessions {
        table.row([
            s.remote.to_string(),
            s.remote_asn.to_string(),
            s.state.clone(),
            or_dash(s.uptime_ms.filter(|_| s.is_established()).map(age)),
            or_dash(s.hold_ms.map(age)),
            or_dash(s.keepalive_ms.map(age)),
            or_dash(s.accepted),
            or_dash(s.advertised),
            or_dash(s.reason.clone()),
        ]);
    }
    table
}

fn bfd(sessions: &[BfdView]) -> Table {
    let mut table = Table::new(&[
        "PEER",
        "STATE",
        "SENDS EVERY",
        "EXPECTS EVERY",
        "DETECTS IN",
        "DIAGNOSTIC",
    ]);
    for s in sessions {
        table.row([
            s.remote.to_string(),
            s.state.clone(),
            or_dash(s.tx_us.map(us)),
            or_dash(s.rx_us.map(us)),
            or_dash(s.detect_us.map(us)),
            or_dash(s.diagnostic.clone()),
        ]);
    }
    table
}

fn rib(routes: &[RouteView]) -> Table {
    // Most nodes have one table, which then needs no name.
    let has_tables = routes.iter().any(|r| r.table.is_some());
    let mut headings = vec![
        "",
        "PREFIX",
        "NEXT HOP",
        "FROM",
        "AS PATH",
        "LOCAL-PREF",
        "MED",
        "COMMUNITIES",
    ];
    headings.extend(has_tables.then_some("TABLE"));
    let mut table = Table::new(&headings);
    for r in routes {
        let mark = match (r.best, r.multipath, r.reachable) {
            (true, ..) => "*",
            (false, true, _) => "=",
            (false, false, true) => "",
            (false, false, false) => "x",
        };
        let mut cells = vec![
            mark.to_owned(),
            r.prefix.to_string(),
            or_dash(r.next_hop),
            r.from.clone().unwrap_or_else(|| r.source.clone()),
            or_dash(Some(&r.as_path).filter(|path| !path.is_empty())),
            or_dash(r.local_pref),
            or_dash(r.med),
            match &r.communities {
                Some(all) if all.is_empty() => "-".to_owned(),
                Some(all) => all.join(" "),
                None => "not shown".to_owned(),
            },
        ];
        cells.extend(has_tables.then(|| or_dash(r.table.clone())));
        table.row(cells);
    }
    table
}

fn fib(routes: &[Route]) -> Table {
    // Most nodes have one table, which then needs no name.
    let has_vrfs = routes.iter().any(|r| r.vrf.is_some());
    let mut headings = vec!["PREFIX", "VIA", "DEV"];
    headings.extend(has_vrfs.then_some("TABLE"));
    let mut table = Table::new(&headings);
    for r in routes {
        let via: Vec<String> = r.via.iter().map(ToString::to_string).collect();
        let how = match (via.is_empty(), r.dev.is_empty()) {
            (true, true) => "nowhere: dropped".to_owned(),
            (true, false) => "connected".to_owned(),
            (false, _) => via.join(", "),
        };
        let mut cells = vec![r.prefix.to_string(), how, r.dev.join(", ")];
        cells.extend(has_vrfs.then(|| or_dash(r.vrf.clone())));
        table.row(cells);
    }
    table
}

fn us(value: u64) -> String {
    format!("{} ms", value as f64 / 1e3)
}
