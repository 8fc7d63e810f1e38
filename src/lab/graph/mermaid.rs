//! The picture as a Mermaid flowchart.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    ranks::Zone,
    scene::{Card, Carrier, Rider, Scene},
};

const CLASSES: &str = "    classDef customer fill:#dbeafe,stroke:#2563eb,color:#0f172a
    classDef between fill:#ede9fe,stroke:#7c3aed,color:#0f172a
    classDef aws fill:#ffedd5,stroke:#c2410c,color:#0f172a
    classDef host fill:#f1f5f9,stroke:#64748b,color:#0f172a
";

/// Inside quotes Mermaid reads `#name;` as a character.
fn text(plain: &str) -> String {
    let mut safe = String::new();
    for c in plain.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' | ';' => {
                let _ = write!(safe, "#{};", u32::from(c));
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    let safe: Vec<String> = lines.into_iter().map(|line| text(&line)).collect();
    safe.join("<br/>")
}

/// Words that a flowchart may hold: each name once, and none of Mermaid's own.
#[derive(Default)]
struct Ids {
    known: BTreeMap<String, String>,
}

impl Ids {
    fn of(&mut self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let word: String = format!("n_{name}").chars().map(plain).collect();
        let taken = |id: &String| {
            self.known
                .iter()
                .any(|(of, known)| of != name && known == id)
        };
        let mut id = word.clone();
        let mut number = 2;
        while taken(&id) {
            id = format!("{word}_{number}");
            number += 1;
        }
        self.known.insert(name.to_owned(), id.clone());
        id
    }
}

/// Writes it.
pub(in crate::lab::graph) fn write(scene: &Scene) -> String {
    let mut ids = Ids::default();
    let mut out = format!("flowchart LR\n    accTitle: {}\n", text(&scene.name));
    let mut boxed: BTreeMap<String, Vec<&Card>> = BTreeMap::new();
    for card in &scene.cards {
        match (card.group, card.zone) {
            (Some(group), _) => boxed
                .entry(scene.groups[group].clone())
                .or_default()
                .push(card),
            (None, Zone::Aws(_)) => boxed.entry("AWS".to_owned()).or_default().push(card),
            (None, Zone::Customer | Zone::Between) => node(&mut out, &mut ids, card, "    "),
        }
    }
    for (number, (caption, cards)) in boxed.into_iter().enumerate() {
        let _ = writeln!(out, "    subgraph g{number}[\"{}\"]", text(&caption));
        for card in cards {
            node(&mut out, &mut ids, card, "        ");
        }
        out += "    end\n";
    }
    edges(&mut out, &mut ids, scene);
    out + CLASSES
}

fn node(out: &mut String, ids: &mut Ids, card: &Card, indent: &str) {
    let (open, close) = match card.kind {
        "internet" => ("([", "])"),
        "router" | "switch" => ("(", ")"),
        "vpc" => ("[[", "]]"),
        "host" => ("(", ")"),
        _ if matches!(card.zone, Zone::Aws(_)) => ("{{", "}}"),
        _ => ("[", "]"),
    };
    let class = match (card.kind, card.zone) {
        ("host", _) => "host",
        (_, Zone::Customer) => "customer",
        (_, Zone::Between) => "between",
        (_, Zone::Aws(_)) => "aws",
    };
    let said = std::iter::once(card.name.clone())
        .chain(card.lines.iter().cloned())
        .chain(card.faults.iter().map(|fault| format!("× {fault}")));
    let id = ids.of(&card.name);
    let _ = writeln!(
        out,
        "{indent}{id}{open}\"{}\"{close}:::{class}",
        lines(said)
    );
    for chip in card.hosts.iter().filter(|chip| chip.name != card.name) {
        let said = std::iter::once(chip.name.clone()).chain(chip.addresses.iter().cloned());
        let host = ids.of(&format!("{}.{}", card.name, chip.name));
        let _ = writeln!(out, "{indent}{host}([\"{}\"]):::host", lines(said));
        let _ = match card.zone {
            Zone::Customer => writeln!(out, "{indent}{host} --- {id}"),
            Zone::Between | Zone::Aws(_) => writeln!(out, "{indent}{id} --- {host}"),
        };
    }
}

fn edges(out: &mut String, ids: &mut Ids, scene: &Scene) {
    let name = |at: usize| scene.cards[at].name.as_str();
    for wire in &scene.wires {
        let [mut a, mut b] = wire.ends;
        if scene.cards[a].rank > scene.cards[b].rank {
            (a, b) = (b, a);
        }
        let (a, b) = (ids.of(name(a)), ids.of(name(b)));
        let line = match (wire.carrier, wire.strands) {
            (Carrier::Circuit, _) | (_, 2..) => "===",
            (Carrier::Inside | Carrier::Link | Carrier::Attachment, _) => "---",
        };
        if wire.carrier == Carrier::Attachment {
            let _ = writeln!(out, "    {a} {line} {b}");
            continue;
        }
        let faults = wire.faults.iter().map(|fault| format!("× {fault}"));
        let own = std::iter::once(wire.name.clone()).chain(wire.lines.iter().cloned());
        let said = own
            .chain(faults)
            .chain(wire.riders.iter().flat_map(Rider::said));
        let _ = writeln!(out, "    {a} {line}|\"{}\"| {b}", lines(said));
    }
    for tunnel in &scene.tunnels {
        let [a, b] = tunnel.ends.map(|end| ids.of(name(end)));
        let over = format!("over {}", name(tunnel.over));
        let said = tunnel.rider.said().into_iter().chain([over]);
        let _ = writeln!(out, "    {a} -.-|\"{}\"| {b}", lines(said));
    }
    for flow in &scene.probes {
        let [a, b] = [&flow.ends[0], &flow.ends[1]].map(|end| ids.of(end));
        let said = lines([flow.title(), flow.what.clone()]);
        let arrow = if flow.goes_back() { "<-.->" } else { "-.->" };
        let _ = writeln!(out, "    {a} {arrow}|\"{said}\"| {b}");
    }
}
