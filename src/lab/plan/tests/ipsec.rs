//! What IPsec becomes, on hosts with and without it.

use super::{super::*, invariants, labs};
use crate::lab::model::{
    Authentication, Dpd, For, Ipsec, IpsecTunnel, Lab, Mss, Proposal, SessionKind, VpnKind, aws,
};
use crate::lab::op::{Netns, Op};

fn host(xfrm: bool) -> HostFacts {
    HostFacts {
        xfrm,
        tun: TunDevice::Opens,
        ipsec: Some(IpsecFacts {
            version: "5.9.8".to_owned(),
            libipsec: true,
        }),
        ..HostFacts::default()
    }
}

fn lab() -> Lab {
    let mut lab = labs::dx_vpn_backup();
    let backup = lab.sessions.get_mut("backup").unwrap();
    let SessionKind::Vpn(vpn) = &mut backup.kind else {
        panic!("the backup is a VPN");
    };
    let tunnel = IpsecTunnel {
        inside: None,
        psk: None,
        config: None,
    };
    vpn.implementation = VpnKind::Ipsec(Box::new(Ipsec {
        outer: None,
        tunnels: vec![tunnel.clone(), tunnel],
        auth: Authentication::PreSharedKey,
        own: None,
        dpd: Dpd {
            delay: aws::DPD_DELAY,
            timeout: aws::DPD_TIMEOUT,
        },
        ike_lifetime: *aws::IKE_LIFETIME.end(),
        child_lifetime: *aws::CHILD_LIFETIME.end(),
        ike: Proposal::parse("aes256-sha256-modp2048", For::Ike).unwrap(),
        esp: Proposal::parse("aes256gcm16-modp2048", For::Esp).unwrap(),
        nat_t: false,
    }));
    lab
}

fn file<'p>(plan: &'p Plan, node: &str, path: &str) -> &'p str {
    let node = plan.node(node);
    node.unwrap().files.get(path).unwrap()
}

#[test]
fn a_vpn_is_cut_as_a_whole_or_by_its_tunnels() {
    let plan = plan(&lab(), &host(false)).unwrap();
    for (target, wanted) in [
        ("backup", &["backup.1", "backup.2"][..]),
        ("backup.2", &["backup.2"]),
        ("prod", &["prod"]),
    ] {
        let ask = Cut {
            target,
            how: None,
            from: None,
            at: None,
        };
        let fault = cut(&plan, &ask).unwrap();
        assert_eq!(
            (fault.name(), fault.target().as_str()),
            ("bgp-shutdown", target)
        );
        let sessions = plan.sessions_of(target);
        let names: Vec<&str> = sessions.iter().map(|s| s.session.as_str()).collect();
        assert_eq!(names, wanted);
        assert_eq!(what_is(&plan, target), Some("session"));
    }
}

#[test]
fn two_tunnels_are_two_sessions_and_four_daemons() {
    let plan = plan(&lab(), &host(false)).unwrap();
    invariants::hold(&plan);
    let sessions: Vec<&str> = plan.sessions.iter().map(|s| s.session.as_str()).collect();
    assert_eq!(sessions, ["backup.1", "backup.2", "prod", "aws-backbone"]);
    let charons: Vec<&str> = plan
        .nodes
        .iter()
        .filter(|node| matches!(node.daemon, DaemonPlan::Charon(_)))
        .map(|node| node.name.as_str())
        .collect();
    assert_eq!(
        charons,
        [
            "dc1.backup.1",
            "vgw.backup.1",
            "dc1.backup.2",
            "vgw.backup.2"
        ]
    );
    let dc1 = plan
        .nodes
        .iter()
        .find(|n| n.name.as_str() == "dc1")
        .unwrap();
    let DaemonPlan::Embedded(speaker) = &dc1.daemon else {
        panic!("dc1 runs a speaker");
    };
    let preference = |name: &str| {
        let peer = speaker.peers.iter().find(|p| p.session.as_str() == name);
        peer.unwrap().import.clone()
    };
    assert_eq!(preference("backup.1"), preference("backup.2"));
    assert_ne!(preference("backup.1"), preference("prod"));
}

#[test]
fn both_ends_share_a_key_and_no_two_tunnels_do() {
    let plan = plan(&lab(), &host(false)).unwrap();
    let key = |node: &str| {
        let text = file(&plan, node, "/etc/swanctl/swanctl.conf");
        let line = text.lines().find(|line| line.contains("secret =")).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    assert_eq!(key("dc1.backup.1"), key("vgw.backup.1"));
    assert_ne!(key("dc1.backup.1"), key("dc1.backup.2"));
    let key = key("dc1.backup.1");
    assert!(aws::PSK_LENGTH.contains(&key.len()) && !key.starts_with('0'));
    assert!(key.chars().all(|c| c.is_ascii_alphanumeric()));
}

#[test]
fn the_kernels_esp_is_tied_to_its_interface_and_carries_more() {
    let [kernel, user] = [true, false].map(|xfrm| plan(&lab(), &host(xfrm)).unwrap());
    assert_eq!(kernel.tunnels[0].mtu.get(), 1446);
    assert_eq!(user.tunnels[0].mtu.get(), 1400);
    let conf = |plan: &Plan| file(plan, "dc1.backup.1", "/etc/swanctl/swanctl.conf").to_owned();
    let id = kernel.tunnels[0].ends[0].index;
    assert!(conf(&kernel).contains(&format!("if_id_out = {id}\n")));
    assert!(conf(&kernel).contains("encap = no\n"));
    assert!(!conf(&user).contains("if_id"));
    // Without a raw socket for ESP there is only UDP.
    assert!(conf(&user).contains("encap = yes\n"));
}

#[test]
fn a_host_without_it_is_told_the_one_command() {
    let bare = HostFacts::default();
    let tun = |tun| HostFacts { tun, ..host(false) };
    let mut no_libipsec = host(false);
    no_libipsec.ipsec = Some(IpsecFacts {
        version: "5.9.8".to_owned(),
        libipsec: false,
    });
    for (facts, command) in [
        (bare, "apt-get install charon-systemd"),
        (tun(TunDevice::Refused), "chmod 0666 /dev/net/tun"),
        (tun(TunDevice::Absent), "modprobe tun"),
        (no_libipsec, "apt-get install libcharon-extra-plugins"),
    ] {
        let errors = plan(&lab(), &facts).unwrap_err();
        assert!(errors.iter().all(PlanError::is_lack_of_host));
        let text: String = errors.iter().map(ToString::to_string).collect();
        assert!(text.contains(command), "{text}");
        assert_eq!(errors.len(), 1, "{text}");
    }
}

/// Where TCP's MSS is clamped, and to what.
fn clamps(lab: &Lab, host: &HostFacts) -> Vec<(String, u16)> {
    let plan = plan(lab, host).unwrap();
    invariants::hold(&plan);
    let clamped = plan.ops.iter().filter_map(|op| {
        let Op::ClampMss {
            netns: Netns::Node(node),
            dev,
            ipv6: false,
            mss,
        } = op
        else {
            return None;
        };
        Some((format!("{node} {dev}"), *mss))
    });
    clamped.collect()
}

fn asking(mss: Option<Mss>) -> Lab {
    let mut lab = lab();
    let backup = lab.sessions.get_mut("backup").unwrap();
    if let SessionKind::Vpn(vpn) = &mut backup.kind {
        vpn.mss = mss;
    }
    lab
}

#[test]
fn the_customers_end_clamps_and_awss_does_not() {
    let able = |xfrm| HostFacts {
        nftables: true,
        ..host(xfrm)
    };
    let both = |mss| {
        ["dc1 backup.1", "dc1 backup.2"]
            .map(|end| (end.to_owned(), mss))
            .to_vec()
    };
    assert_eq!(clamps(&asking(None), &able(true)), both(1406));
    assert_eq!(clamps(&asking(Some(Mss::Mtu)), &able(false)), both(1360));
    let size = Some(Mss::Size(crate::units::Bytes::new(1379)));
    assert_eq!(clamps(&asking(size), &able(true)), both(1379));
    assert_eq!(clamps(&asking(Some(Mss::Unclamped)), &able(true)), []);
}

#[test]
fn without_nftables_a_default_is_a_note_and_a_wish_is_refused() {
    let notes = |mss| plan(&asking(mss), &host(true)).map(|plan| plan.notes.join("\n"));
    assert_eq!(clamps(&asking(None), &host(true)), []);
    assert!(notes(None).unwrap().contains("MSS is not clamped"));
    assert!(!notes(Some(Mss::Unclamped)).unwrap().contains("MSS"));
    let errors = notes(Some(Mss::Mtu)).unwrap_err();
    assert!(errors.iter().all(PlanError::is_lack_of_host));
    assert_eq!(
        errors[0].to_string(),
        "`mss` of `backup` needs nftables (module nf_tables), which this kernel lacks"
    );
}
