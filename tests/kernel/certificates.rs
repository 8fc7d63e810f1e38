//! Certificates of the user's own for the customer's end of an IPsec VPN.

use std::{fs, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::{
    common::{await_some, not_tested, tested},
    lab::User,
};

const SOON: Duration = Duration::from_secs(20);

const LAB: &str = "
nodes:
  dc1:  { kind: data-center, asn: 65001, hosts: { app: 10.0.1.10/24 } }
  vgw:  { kind: vgw, asn: 64512 }
  vpc1: { kind: vpc, attach: vgw, cidr: 172.31.0.0/16, hosts: { db: 172.31.1.10/24 } }
  isp:  { kind: internet }
links:
  uplink: { ends: [dc1, isp], delay: 1ms }
  edge:   { ends: [isp, vgw], delay: 1ms }
sessions:
  backup: { vpn: ipsec, ends: [dc1, vgw], over: isp, auth: { certificate: gw.pem, key: gw.key, ca: ca.pem } }
routing:
  dc1:
    backup: { announce: [10.0.0.0/15] }
";

/// A root, an authority below it, and a gateway's certificate until `year`. `below`: how
/// many authorities the root allows below its own.
fn write(user: &User, year: i32, below: BasicConstraints) {
    let params = |name: &str, authority: bool| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        (params, KeyPair::generate().unwrap())
    };
    let (mut root, root_key) = params("root", true);
    root.is_ca = IsCa::Ca(below);
    let (middle, middle_key) = params("middle", true);
    let (mut gateway, key) = params("gateway.example", false);
    gateway.not_after = date_time_ymd(year, 1, 1);
    let of_root = root.self_signed(&root_key).unwrap();
    let issuer = Issuer::from_params(&root, &root_key);
    let of_middle = middle.signed_by(&middle_key, &issuer).unwrap();
    let issuer = Issuer::from_params(&middle, &middle_key);
    let own = gateway.signed_by(&key, &issuer).unwrap();
    for (name, text) in [
        ("gw.pem", own.pem()),
        ("gw.key", key.serialize_pem()),
        ("ca.pem", of_root.pem() + &of_middle.pem()),
        ("lab.yaml", LAB.to_owned()),
    ] {
        fs::write(user.path(name), text).unwrap();
    }
}

#[test]
fn a_certificate_of_ones_own_brings_both_tunnels_up_and_an_expired_one_nothing() {
    let user = User::nobody();
    write(&user, 2020, BasicConstraints::Unconstrained);
    for command in ["check", "plan", "run"] {
        let refused = user.run(&[command, "lab.yaml"]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("gw.pem:1: error: "), "{said}");
        assert!(said.contains("expired Jan  1 00:00:00 2020"), "{said}");
    }
    write(&user, 2090, BasicConstraints::Unconstrained);
    let own = fs::read_to_string(user.path("gw.key")).unwrap();
    let others = KeyPair::generate().unwrap().serialize_pem();
    fs::write(user.path("gw.key"), others).unwrap();
    let refused = user.run(&["check", "lab.yaml"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    let place = "lab.yaml:11:88: error: `gw.key` is not the key of `gw.pem`";
    assert!(said.contains(place), "{said}");
    fs::write(user.path("gw.key"), &own).unwrap();
    let able = user.run(&["check", "--host", "lab.yaml"]);
    if able.status.code() == Some(3) {
        not_tested("own certificates", String::from_utf8_lossy(&able.stderr));
        return;
    }
    // The key is the user's, and not for a terminal's memory.
    let plan = user.run(&["plan", "lab.yaml"]);
    let plan = String::from_utf8_lossy(&plan.stdout);
    assert!(plan.contains("(the user's own key, gw.key)"), "{plan}");
    assert!(!plan.contains(own.lines().nth(1).unwrap()));

    let name = format!("certificates-{}", std::process::id());
    user.up_with(&["up", "lab.yaml", "--json", "--name", &name]);
    for end in ["backup.1", "backup.2"] {
        let gateway = format!("vgw.{end}");
        let asked = [
            "exec",
            "--lab",
            &name,
            &gateway,
            "--",
            "swanctl",
            "--list-sas",
        ];
        let sas = await_some("an SA at AWS's end", SOON, || {
            let answer = user.run(&asked);
            let sas = String::from_utf8_lossy(&answer.stdout).into_owned();
            sas.contains("INSTALLED").then_some(sas)
        });
        // As the certificate's subject, to an address.
        assert!(sas.contains("remote 'CN=gateway.example'"), "{sas}");
    }
    let down = user.run(&["down", &name]);
    assert!(down.status.success());
    tested("own certificates");
}

#[test]
fn a_certificate_that_aws_would_refuse_is_named_by_both_ends() {
    let user = User::nobody();
    // The authority that signed the gateway's is one too many.
    write(&user, 2090, BasicConstraints::Constrained(0));
    let able = user.run(&["check", "--host", "lab.yaml"]);
    if able.status.code() == Some(3) {
        not_tested(
            "refused certificates",
            String::from_utf8_lossy(&able.stderr),
        );
        return;
    }
    let name = format!("refused-{}", std::process::id());
    user.up_with(&["up", "lab.yaml", "--json", "--no-wait", "--name", &name]);
    await_some("both ends' reasons", SOON, || {
        let answer = user.run(&["status", &name]);
        let said = String::from_utf8_lossy(&answer.stdout).into_owned();
        let ends = [
            "tunnel backup.1 at dc1 (received AUTHENTICATION_FAILED)",
            "tunnel backup.1 at vgw (no trusted ECDSA public key found for 'CN=gateway.example')",
        ];
        ends.iter().all(|end| said.contains(end)).then_some(())
    });
    assert!(user.run(&["down", &name]).status.success());
    tested("refused certificates");
}
