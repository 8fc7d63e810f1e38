use super::*;

const LAB: &str = "\
# A lab.
nodes:
  dc1: { asn: 65001 } # the customer
  vgw:
    kind: vgw
    asn: 64512
links:
  circuit: { ends: [dc1, vgw], delay: 4ms }
sessions:
  prod: { link: circuit, bfd: 300ms/3 }
  spare:
empty: {}
scenario:
  - cut: circuit
  - sleep: 1s
";

fn line(text: &str, containing: &str) -> String {
    let found = text.lines().find(|line| line.contains(containing));
    found.unwrap_or_default().to_owned()
}

#[test]
fn a_value_is_exchanged_in_its_place() {
    let varied = set(LAB, "sessions.prod.bfd", "50ms/3").unwrap();
    assert_eq!(
        line(&varied, "prod:"),
        "  prod: { link: circuit, bfd: 50ms/3 }"
    );
    assert_eq!(varied.lines().count(), LAB.lines().count());
    assert_eq!(line(&varied, "dc1:"), line(LAB, "dc1:"));
    let varied = set(LAB, "nodes.vgw.asn", "64513").unwrap();
    assert_eq!(line(&varied, "645"), "    asn: 64513");
    let varied = set(LAB, "links.circuit.ends", "[vgw, dc1]").unwrap();
    assert_eq!(
        line(&varied, "circuit: {"),
        "  circuit: { ends: [vgw, dc1], delay: 4ms }"
    );
    let varied = set(LAB, "scenario.1.sleep", "2s").unwrap();
    assert_eq!(varied, LAB.replace("sleep: 1s", "sleep: 2s"));
    let varied = set(LAB, "nodes.vgw", "{ kind: router }").unwrap();
    assert_eq!(
        varied,
        LAB.replace("kind: vgw\n    asn: 64512", "{ kind: router }")
    );
}

#[test]
fn a_key_that_is_not_there_is_added() {
    let varied = set(LAB, "nodes.dc1.daemon", "frr").unwrap();
    assert_eq!(
        line(&varied, "dc1:"),
        "  dc1: { daemon: frr, asn: 65001 } # the customer"
    );
    let varied = set(LAB, "nodes.vgw.daemon", "bird").unwrap();
    assert_eq!(
        varied,
        LAB.replace("    kind: vgw", "    daemon: bird\n    kind: vgw")
    );
    let varied = set(LAB, "sessions.spare", "{ link: circuit }").unwrap();
    assert_eq!(line(&varied, "spare"), "  spare: { link: circuit }");
    let varied = set(LAB, "empty.a.b", "1").unwrap();
    assert_eq!(line(&varied, "empty"), "empty: { a: { b: 1 } }");
    let varied = set(LAB, "fast", "10").unwrap();
    assert_eq!(varied, LAB.replace("nodes:\n", "fast: 10\nnodes:\n"));
}

#[test]
fn unset_takes_a_key_out() {
    let varied = set(LAB, "sessions.prod.bfd", UNSET).unwrap();
    assert_eq!(line(&varied, "prod:"), "  prod: { link: circuit }");
    let varied = set(LAB, "links.circuit.ends", UNSET).unwrap();
    assert_eq!(line(&varied, "circuit: {"), "  circuit: { delay: 4ms }");
    let varied = set(LAB, "nodes.vgw.kind", UNSET).unwrap();
    assert_eq!(varied, LAB.replace("kind: vgw\n    asn", "asn"));
    let varied = set(LAB, "nodes.vgw.asn", UNSET).unwrap();
    assert_eq!(varied, LAB.replace("\n    asn: 64512", ""));
    assert_eq!(
        line(&set(LAB, "nodes.dc1.asn", UNSET).unwrap(), "dc1:"),
        "  dc1: {} # the customer"
    );
    assert_eq!(set(LAB, "nodes.dc1.daemon", UNSET).unwrap(), LAB);
}

#[test]
fn a_key_that_leads_nowhere_is_refused() {
    let refused = |key: &str| set(LAB, key, "1").unwrap_err().to_string();
    let way = "write sections and keys with dots: `sessions.prod.bfd`";
    assert_eq!(refused(""), format!("`` names no key; {way}"));
    assert_eq!(
        refused("sessions..bfd"),
        format!("`sessions..bfd` names no key; {way}")
    );
    assert_eq!(
        refused("nodes.dc1.asn.x"),
        "`nodes.dc1.asn` holds no keys, so `x` cannot be varied"
    );
    for item in ["7", "cut"] {
        assert_eq!(
            refused(&format!("scenario.{item}.cut")),
            format!("`scenario` has 2 items, counted from 0, so there is no `{item}`")
        );
    }
    assert_eq!(
        set(LAB, "scenario.0", UNSET).unwrap_err(),
        VaryError::Item("scenario.0".to_owned())
    );
    assert_eq!(set("a: [", "a", "1").unwrap_err(), VaryError::Syntax);
    let alias = "a: &x { b: 1 }\nc: *x\n";
    let error = set(alias, "c.b", "2").unwrap_err();
    assert_eq!(error, VaryError::Alias("c".to_owned()));
}

#[test]
fn values_are_divided_by_commas_outside_of_brackets() {
    assert_eq!(values("50ms/3, unset"), ["50ms/3", "unset"]);
    assert_eq!(
        values("[a, b],{ c: 1, d: 2 },\"e, f\""),
        ["[a, b]", "{ c: 1, d: 2 }", "\"e, f\""]
    );
}
