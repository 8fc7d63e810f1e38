//! What a picture says.

use super::{Format, render, scene::Scene};
use crate::lab::{model::Lab, spec};

fn lab(text: &str) -> Lab {
    let checked = spec::check("lab.yaml", text, &|_| Ok(String::new()));
    let found = checked.diagnostics.render("lab.yaml", text);
    checked.lab.unwrap_or_else(|| panic!("{found}"))
}

/// Two routers, with these further keys of the link and the session.
fn pair(link: &str, session: &str) -> Scene {
    Scene::of(&lab(&format!(
        "name: pair\nnodes:\n  a: {{ kind: router, asn: 65001 }}\n  b: {{ kind: router, asn: 65002 }}\n\
         links:\n  l: {{ ends: [a, b]{link} }}\nsessions:\n  s: {{ ebgp: l{session} }}\n"
    )))
}

#[test]
fn links_say_what_they_do_to_packets() {
    for (keys, said) in [
        ("", vec![]),
        (", delay: 4ms", vec!["4 ms"]),
        (", delay: 250us, rate: 10mbit", vec!["250 µs · 10 Mbit/s"]),
        (
            ", delay: 4ms, jitter: 1ms, loss: 0.5%",
            vec!["4 ms ± 1 ms", "0.5% lost"],
        ),
        (
            ", mtu: 9001B, provider: acme",
            vec!["MTU 9001 · provider acme"],
        ),
        (
            ", delay: { a: 4ms, b: 6ms }",
            vec!["from a: 4 ms", "from b: 6 ms"],
        ),
    ] {
        assert_eq!(pair(keys, "").wires[0].lines, said, "{keys}");
    }
}

#[test]
fn sessions_say_how_soon_they_notice() {
    for (keys, said) in [
        ("", "hold 90 s"),
        (", hold: 9s", "hold 9 s"),
        (", bfd: 300ms/3", "BFD 300 ms × 3 · hold 90 s"),
        (
            ", bfd: { tx: 50ms, rx: 100ms, multiplier: 5 }",
            "BFD 100 ms × 5 · hold 90 s",
        ),
    ] {
        assert_eq!(pair("", keys).wires[0].riders[0].lines, [said], "{keys}");
    }
}

#[test]
fn words_of_the_users_own_are_text_in_every_language() {
    let lab = lab(
        "name: odd\nnodes:\n  end: { kind: router, site: '<b>\"x\\y\"&#;`</b>' }\n  a.b: { kind: router }\n  \
         a-b: { kind: router }\nlinks:\n  l: { ends: [end, a.b] }\n  m: { ends: [end, a-b] }\n",
    );
    let mermaid = render(&lab, Format::Mermaid);
    assert!(
        mermaid.contains("[\"site #60;b#62;#34;x\\y#34;#38;#35;#59;#96;#60;/b#62;\"]"),
        "{mermaid}"
    );
    assert!(
        mermaid.contains("n_a_b(") && mermaid.contains("n_a_b_2("),
        "{mermaid}"
    );
    let dot = render(&lab, Format::Dot);
    assert!(dot.contains(r#"label="site <b>\"x\\y\"&#;`</b>""#), "{dot}");
    let svg = render(&lab, Format::Svg);
    assert!(
        svg.contains("site &lt;b&gt;&quot;x\\y&quot;&amp;#;`&lt;/b&gt;"),
        "{svg}"
    );
}

#[test]
fn the_files_name_says_the_format() {
    for (extension, format) in [
        ("svg", Some(Format::Svg)),
        ("SVG", Some(Format::Svg)),
        ("gv", Some(Format::Dot)),
        ("mmd", Some(Format::Mermaid)),
        ("png", None),
    ] {
        assert_eq!(Format::of_extension(extension), format);
    }
}
