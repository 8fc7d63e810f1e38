//! Labs as the spec pass would make them.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::{
    lab::model::{
        Announce, BgpTimers, DEFAULT_MTU, Daemon, Endpoint, Expect, ExpectAfter, Fault, Host, Kind,
        Lab, Link, Node, Probe, Routing, Session, SessionKind, Shape, Shorthand, Step, StepKind,
        Tags, Vif, VifKind, Vpn, VpnKind, aws,
    },
    units::{
        Asn, Bytes, Family, HostName, LabName, LinkName, NodeName, ProbeName, SessionName, Span,
    },
};

pub(super) fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

pub(super) fn link_name(text: &str) -> LinkName {
    LinkName::new(text).unwrap()
}

pub(super) fn session_name(text: &str) -> SessionName {
    SessionName::new(text).unwrap()
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(super) fn empty() -> Lab {
    Lab {
        name: LabName::new("test").unwrap(),
        nodes: BTreeMap::new(),
        links: BTreeMap::new(),
        lags: BTreeMap::new(),
        sessions: BTreeMap::new(),
        routing: BTreeMap::new(),
        services: BTreeMap::new(),
        probes: BTreeMap::new(),
        load: BTreeMap::new(),
        scenario: Vec::new(),
        expect: Vec::new(),
        load_expect: Vec::new(),
        survives: Vec::new(),
        notes: Vec::new(),
        fast: None,
        scaled: None,
    }
}

pub(super) fn node(kind: Kind, asn: Option<u32>, daemon: Daemon) -> Node {
    Node {
        kind,
        asn: asn.and_then(Asn::new),
        daemon,
        router_id: None,
        vrfs: BTreeMap::new(),
        multipath: 1,
        originate: Vec::new(),
        hosts: BTreeMap::new(),
        routes: Vec::new(),
        tags: Tags::default(),
        region: None,
        firewall: None,
        line: 0,
    }
}

pub(super) fn with_host(mut node: Node, host: &str, addresses: &[&str]) -> Node {
    let host = HostName::new(host).unwrap();
    let addresses = addresses.iter().map(|text| net(text)).collect();
    node.hosts.insert(host, Host { addresses, line: 0 });
    node
}

pub(super) fn link(a: &str, b: &str, delay_ms: u64) -> Link {
    let shape = Shape {
        delay: Span::from_millis(delay_ms),
        ..Shape::default()
    };
    Link {
        ends: [name(a), name(b)],
        shape: [shape.clone(), shape],
        mtu: DEFAULT_MTU,
        addresses: [Vec::new(), Vec::new()],
        hosted: false,
        shaped: delay_ms > 0,
        tags: Tags::default(),
        line: 0,
    }
}

pub(super) fn timers(hold: u64, keepalive: u64) -> BgpTimers {
    BgpTimers {
        hold: Span::from_secs(hold),
        keepalive: Span::from_secs(keepalive),
        connect_retry: Span::from_secs(1),
    }
}

pub(super) fn session(kind: SessionKind, ends: [&str; 2], timers: BgpTimers) -> Session {
    Session {
        kind,
        ends: ends.map(name),
        timers: [timers; 2],
        bfd: None,
        graceful_restart: None,
        md5: None,
        addresses: [Vec::new(), Vec::new()],
        passive: None,
        unlike_aws: false,
        line: 0,
    }
}

pub(super) fn announce(prefixes: &[&str], local_pref: Option<u32>) -> Routing {
    Routing::Shorthand(Shorthand {
        announce: prefixes
            .iter()
            .map(|text| Announce {
                prefix: net(text),
                while_known: None,
            })
            .collect(),
        local_pref,
        ..Shorthand::default()
    })
}

pub(super) fn vif(link: &str, gateway: &str, backbone: &str) -> SessionKind {
    SessionKind::Vif(Vif {
        kind: VifKind::Private,
        sitelink: false,
        prefix_limit: aws::VIF_MAX_PREFIX,
        link: link_name(link),
        gateway: name(gateway),
        backbones: vec![link_name(backbone)],
        vlan: Some(101),
        mtu: DEFAULT_MTU,
        hosted: false,
        prefixes: Vec::new(),
    })
}

fn wireguard(over: &str, underlay: [&str; 2]) -> SessionKind {
    SessionKind::Vpn(Vpn {
        implementation: VpnKind::Wireguard,
        over: name(over),
        beyond: name(over),
        underlay: underlay.map(link_name),
        mss: None,
        fixed: None,
        cap: Some(aws::VPN_TUNNEL_CAP),
    })
}

/// The headline lab: a Direct Connect circuit with a VPN as its backup.
pub(super) fn dx_vpn_backup() -> Lab {
    let mut lab = empty();
    let dc1 = node(Kind::DataCenter, Some(65001), Daemon::Embedded);
    let vpc = Kind::Vpc {
        attach: name("vgw"),
        propagate: true,
        cidrs: vec![net("172.31.0.0/16")],
        subnets: BTreeMap::new(),
    };
    lab.nodes = BTreeMap::from([
        (name("dc1"), with_host(dc1, "app", &["10.0.1.10/24"])),
        (name("east"), node(Kind::DxLocation, None, Daemon::Embedded)),
        (name("vgw"), node(Kind::Vgw, Some(64512), Daemon::Embedded)),
        (
            name("vpc1"),
            with_host(node(vpc, None, Daemon::None), "db", &["172.31.1.10/24"]),
        ),
        (name("isp"), node(Kind::Internet, None, Daemon::None)),
    ]);
    lab.links = BTreeMap::from([
        (link_name("circuit"), link("dc1", "east", 4)),
        (link_name("backbone"), link("east", "vgw", 1)),
        (link_name("uplink"), link("dc1", "isp", 12)),
        (link_name("edge"), link("isp", "vgw", 2)),
    ]);
    let mut prod = session(
        vif("circuit", "vgw", "backbone"),
        ["dc1", "east"],
        timers(90, 30),
    );
    prod.bfd = Some([aws::VIF_BFD; 2]);
    let over_isp = wireguard("isp", ["uplink", "edge"]);
    let backup = session(over_isp, ["dc1", "vgw"], timers(30, 10));
    lab.sessions = BTreeMap::from([
        (session_name("prod"), prod),
        (session_name("backup"), backup),
    ]);
    let routing = BTreeMap::from([
        (session_name("prod"), announce(&["10.0.0.0/15"], Some(200))),
        (
            session_name("backup"),
            announce(&["10.0.0.0/15"], Some(100)),
        ),
    ]);
    lab.routing.insert(name("dc1"), routing);
    story(&mut lab);
    lab
}

fn story(lab: &mut Lab) {
    let app = ProbeName::new("app").unwrap();
    let end = |node: &str, host: &str| Endpoint::Behind {
        node: name(node),
        host: HostName::new(host).unwrap(),
    };
    lab.probes.insert(
        app.clone(),
        Probe {
            ends: [end("dc1", "app"), end("vpc1", "db")],
            family: Family::Ipv4Unicast,
            rate: 1000,
            size: Bytes::new(200),
            isolated: None,
            dont_fragment: false,
            line: 0,
        },
    );
    let label = "cut".to_owned();
    let fault = Fault::Silent {
        link: link_name("circuit"),
        from: None,
    };
    let kinds = [
        StepKind::Fault {
            label: label.clone(),
            fault,
        },
        StepKind::WaitRecovered {
            probe: app.clone(),
            within: Span::from_secs(5),
        },
        StepKind::Restore {
            label: label.clone(),
        },
    ];
    lab.scenario = kinds.map(|kind| Step { kind, line: 0 }).into();
    lab.expect = vec![Expect {
        after: ExpectAfter::Fault(label),
        probe: app,
        outage_max: Some(Span::from_millis(1200)),
        lost: None,
        via: Some(session_name("backup")),
        recovered: None,
        alert: None,
        loss: None,
        delay: None,
        delay_p99: None,
        further: crate::lab::model::Further::default(),
        line: 30,
    }];
}
