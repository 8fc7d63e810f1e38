//! The picture in Graphviz's DOT.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    ranks::Zone,
    scene::{Card, Carrier, Rider, Scene},
};

const HEAD: &str = r##"    rankdir=LR; nodesep=0.5; ranksep=1.2;
    fontname="Helvetica,Arial,sans-serif"; fontcolor="#475569";
    node [shape=box style="rounded,filled" fontname="Helvetica,Arial,sans-serif" fontsize=11];
    edge [fontname="Helvetica,Arial,sans-serif" fontsize=10 color="#475569"];
"##;

/// A quoted string; a line each.
fn quoted(lines: impl IntoIterator<Item = String>) -> String {
    let safe = |line: String| {
        line.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
    };
    let lines: Vec<String> = lines.into_iter().map(safe).collect();
    format!("\"{}\"", lines.join("\\n"))
}

fn one(text: &str) -> String {
    quoted([text.to_owned()])
}

/// Writes it.
pub(in crate::lab::graph) fn write(scene: &Scene) -> String {
    let mut out = format!("graph {} {{\n", one(&scene.name));
    let _ = writeln!(
        out,
        "    label={}; labelloc=t; fontsize=18;",
        one(&scene.name)
    );
    out += HEAD;
    let mut boxed: BTreeMap<String, Vec<&Card>> = BTreeMap::new();
    for card in &scene.cards {
        match (card.group, card.zone) {
            (Some(group), _) => boxed
                .entry(scene.groups[group].clone())
                .or_default()
                .push(card),
            (None, Zone::Aws(_)) => boxed.entry("AWS".to_owned()).or_default().push(card),
            (None, Zone::Customer | Zone::Between) => node(&mut out, card, "    "),
        }
    }
    for (number, (caption, cards)) in boxed.into_iter().enumerate() {
        let _ = writeln!(out, "    subgraph cluster_{number} {{");
        let caption = one(&caption);
        let _ = writeln!(
            out,
            "        label={caption}; fontsize=11; style=\"rounded,filled\";"
        );
        out += "        color=\"#cbd5e1\"; fillcolor=\"#f8fafc\";\n";
        for card in cards {
            node(&mut out, card, "        ");
        }
        out += "    }\n";
    }
    edges(&mut out, scene);
    out + "}\n"
}

fn node(out: &mut String, card: &Card, indent: &str) {
    let (fill, line) = match (card.kind, card.zone) {
        ("host", _) => ("#f1f5f9", "#64748b"),
        (_, Zone::Customer) => ("#dbeafe", "#2563eb"),
        (_, Zone::Between) => ("#ede9fe", "#7c3aed"),
        (_, Zone::Aws(_)) => ("#ffedd5", "#c2410c"),
    };
    let said = std::iter::once(card.name.clone())
        .chain(card.lines.iter().cloned())
        .chain(card.faults.iter().map(|fault| format!("× {fault}")));
    let (id, label) = (one(&card.name), quoted(said));
    let _ = writeln!(
        out,
        "{indent}{id} [label={label} fillcolor=\"{fill}\" color=\"{line}\"];"
    );
    for chip in card.hosts.iter().filter(|chip| chip.name != card.name) {
        let host = one(&format!("{}.{}", card.name, chip.name));
        let said = std::iter::once(chip.name.clone()).chain(chip.addresses.iter().cloned());
        let label = quoted(said);
        let colours = "fillcolor=\"#f1f5f9\" color=\"#64748b\"";
        let _ = writeln!(
            out,
            "{indent}{host} [label={label} shape=ellipse {colours}];"
        );
        let _ = match card.zone {
            Zone::Customer => writeln!(out, "{indent}{host} -- {id};"),
            Zone::Between | Zone::Aws(_) => writeln!(out, "{indent}{id} -- {host};"),
        };
    }
}

fn edges(out: &mut String, scene: &Scene) {
    for wire in &scene.wires {
        let [mut a, mut b] = wire.ends.map(|end| &scene.cards[end]);
        if a.rank > b.rank {
            (a, b) = (b, a);
        }
        let mut attributes = match wire.carrier {
            Carrier::Circuit => "penwidth=2.5".to_owned(),
            Carrier::Inside => "color=\"#c2410c\"".to_owned(),
            Carrier::Link => "penwidth=1.5".to_owned(),
            Carrier::Attachment => "color=\"#94a3b8\"".to_owned(),
        };
        if wire.strands > 1 {
            // Colours in a row are drawn as lines beside each other.
            let each = vec!["#475569"; wire.strands];
            attributes = format!("penwidth=2 color=\"{}\"", each.join(":invis:"));
        }
        if wire.carrier != Carrier::Attachment {
            let faults = wire.faults.iter().map(|fault| format!("× {fault}"));
            let own = std::iter::once(wire.name.clone()).chain(wire.lines.iter().cloned());
            let said = own
                .chain(faults)
                .chain(wire.riders.iter().flat_map(Rider::said));
            attributes = format!("label={} {attributes}", quoted(said));
        }
        let (a, b) = (one(&a.name), one(&b.name));
        let _ = writeln!(out, "    {a} -- {b} [{attributes}];");
    }
    for tunnel in &scene.tunnels {
        let [a, b] = tunnel.ends.map(|end| one(&scene.cards[end].name));
        let over = format!("over {}", scene.cards[tunnel.over].name);
        let label = quoted(tunnel.rider.said().into_iter().chain([over]));
        let _ = writeln!(
            out,
            "    {a} -- {b} [label={label} style=dashed color=\"#0f766e\"];"
        );
    }
    for flow in &scene.probes {
        let [a, b] = [&flow.ends[0], &flow.ends[1]].map(|end| one(end));
        let label = quoted([flow.title(), flow.what.clone()]);
        let way = if flow.goes_back() { "both" } else { "forward" };
        let dotted = format!("style=dotted constraint=false dir={way} color=\"#be185d\"");
        let _ = writeln!(out, "    {a} -- {b} [label={label} {dotted}];");
    }
}
