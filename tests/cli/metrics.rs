//! AWS's metrics of a lab that is up, by the command and by the socket alone.

use std::{
    io::{Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
};

use serde_json::Value;

use crate::bench::{Bench, headline, until};

/// The value of the one metric of this name and VIF, VPN or connection.
fn value(metrics: &Value, name: &str, id: &str) -> Option<f64> {
    let mut all = metrics["metrics"].as_array().unwrap().iter();
    let is = |metric: &&Value| {
        let dimensions = metric["dimensions"].as_object().unwrap();
        metric["name"] == name && dimensions.values().any(|value| value == id)
    };
    all.find(is)?["value"].as_f64()
}

/// What `curl --abstract-unix-socket` is answered.
fn get(lab: &str, path: &str) -> String {
    let uid = std::process::Command::new("id").arg("-u").output().unwrap();
    let uid = String::from_utf8(uid.stdout).unwrap();
    let name = format!("backhoe/{}/{lab}", uid.trim());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let mut stream = UnixStream::connect_addr(&address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn aws_metrics_follow_what_happens_to_circuit_session_and_tunnel() {
    let mut bench = Bench::new("metrics");
    let lab = bench.name("metrics");
    bench.ok(&["up", &headline(), "--name", &lab]);
    let now = || bench.json(&["metrics", &lab, "--json"]);
    let is = |name: &str, id: &str, wanted: f64| value(&now(), name, id) == Some(wanted);
    until("all states at 1", || {
        let metrics = now();
        let states = [
            ("ConnectionState", "circuit"),
            ("VirtualInterfaceBgpStatus", "prod"),
            ("TunnelState", "backup"),
        ];
        states
            .iter()
            .all(|(name, id)| value(&metrics, name, id) == Some(1.0))
    });
    // Ten packets of 1000 bytes each way leave their mark on circuit and VIF.
    let ping = [
        "exec", "--lab", &lab, "app", "--", "ping", "-c", "10", "-i", "0.05", "-s", "972",
    ];
    bench.ok(&[&ping[..], &["172.31.1.10"]].concat());
    for name in ["ConnectionBpsIngress", "VirtualInterfaceBpsEgress"] {
        let seen = value(
            &now(),
            name,
            if name.starts_with('C') {
                "circuit"
            } else {
                "prod"
            },
        );
        assert!(seen.unwrap() > 40_000.0, "{name}: {seen:?}");
    }
    let text = bench.ok(&["metrics", "--lab", &lab]);
    let line = format!(
        "VirtualInterfaceBgpStatus{{lab=\"{lab}\",ConnectionId=\"circuit\",VirtualInterfaceId=\"prod\"}} 1\n"
    );
    assert!(text.contains(&line), "{text}");
    let answer = get(&lab, "/v1/metrics");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains(&line), "{answer}");

    // The light stays on in a silent cut, and BGP does not stay up.
    bench.ok(&["cut", "--lab", &lab, "circuit"]);
    until("BGP of the VIF at 0", || {
        is("VirtualInterfaceBgpStatus", "prod", 0.0)
    });
    assert!(is("ConnectionState", "circuit", 1.0));
    bench.ok(&["restore", "--lab", &lab, "circuit"]);
    bench.ok(&["cut", "--lab", &lab, "circuit", "--how", "carrier"]);
    until("no light", || is("ConnectionState", "circuit", 0.0));
    assert!(is("TunnelState", "backup", 1.0));
    let table = bench.ok(&["metrics", &lab, "--cloudwatch"]);
    let state = table.lines().find(|line| line.contains("ConnectionState"));
    let words: Vec<&str> = state.unwrap().split_whitespace().collect();
    assert_eq!(
        words[..4],
        ["now", "ConnectionState", "ConnectionId=circuit", "0"]
    );
    assert_eq!(words[5..], ["0", "1", "-"]);
}
