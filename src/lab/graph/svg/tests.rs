//! Nothing upon anything else, nothing outside, nothing forgotten: for every lab there is, and
//! for meshes that no lab is.

use std::{fs, path::Path};

use super::{
    draw::Drawing,
    laid_out,
    paint::{Area, Shape, Stroke},
    write,
};
use crate::lab::{
    graph::scene::{Carrier, Scene},
    spec,
};

type Points = Vec<(f64, f64)>;

/// A picture taken apart.
struct Seen {
    drawing: Drawing,
    /// What it says, where, and in which card or link.
    texts: Vec<(String, Area, Option<usize>)>,
    /// Of nodes: name and place, and which thing it is.
    cards: Vec<(String, Area, usize)>,
    pills: Vec<(Area, usize)>,
    frames: Vec<Area>,
    /// Points along each line, and the thing it is part of.
    lines: Vec<(Points, Option<usize>)>,
}

fn points(strokes: &[Stroke]) -> Points {
    let mut points: Points = Vec::new();
    for stroke in strokes {
        let from = points.last().copied().unwrap_or_default();
        let steps = (1..=40).map(|step| f64::from(step) / 40.0);
        match *stroke {
            Stroke::To(x, y) => points.push((x, y)),
            Stroke::Line(x, y) => {
                points
                    .extend(steps.map(|t| (from.0 + (x - from.0) * t, from.1 + (y - from.1) * t)));
            }
            Stroke::Curve([ax, ay, bx, by, x, y]) => points.extend(steps.map(|t| {
                let u = 1.0 - t;
                let mix = |p: f64, a: f64, b: f64, q: f64| {
                    u * u * u * p + 3.0 * u * u * t * a + 3.0 * u * t * t * b + t * t * t * q
                };
                (mix(from.0, ax, bx, x), mix(from.1, ay, by, y))
            })),
        }
    }
    points
}

impl Seen {
    fn of(scene: &Scene) -> Self {
        let drawing = laid_out(scene);
        let mut seen = Self {
            drawing,
            texts: Vec::new(),
            cards: Vec::new(),
            pills: Vec::new(),
            frames: Vec::new(),
            lines: Vec::new(),
        };
        let (mut things, mut open, mut title) = (0, None, String::new());
        for shape in &seen.drawing.shapes {
            match shape {
                Shape::Open { title: named, .. } => {
                    (open, title) = (Some(things), named.clone());
                    things += 1;
                }
                Shape::Close => open = None,
                Shape::Text { x, top, line } => {
                    let area = Area {
                        x: *x,
                        y: *top,
                        width: line.width(),
                        height: line.height(),
                    };
                    let said = format!("{}{}{}", line.bold, line.space(), line.plain);
                    seen.texts.push((said, area, open));
                }
                Shape::Rect { area, class, .. } => match (class.as_str(), open) {
                    ("card", Some(thing)) => {
                        let name = title.split(':').next().unwrap().to_owned();
                        seen.cards.push((name, *area, thing));
                    }
                    ("pill" | "row" | "chip", Some(thing)) => seen.pills.push((*area, thing)),
                    ("frame", None) => seen.frames.push(*area),
                    _ => {}
                },
                Shape::Path { strokes, .. } => seen.lines.push((points(strokes), open)),
                Shape::Dot { .. } | Shape::Ring { .. } | Shape::Icon { .. } => {}
            }
        }
        seen
    }

    fn faults(&self, scene: &Scene) -> Vec<String> {
        let mut faults = Vec::new();
        self.outside(&mut faults);
        self.upon(&mut faults);
        self.through(&mut faults);
        self.missing(scene, &mut faults);
        self.framed(scene, &mut faults);
        faults
    }

    fn outside(&self, faults: &mut Vec<String>) {
        let whole = Area {
            x: 0.0,
            y: 0.0,
            width: self.drawing.width,
            height: self.drawing.height,
        };
        for (said, area, _) in &self.texts {
            if !holds(whole, *area) {
                faults.push(format!("`{said}` is outside: {area:?}"));
            }
        }
        for (name, area, thing) in &self.cards {
            if !holds(whole, *area) {
                faults.push(format!("{name} is outside"));
            }
            let own = self.texts.iter().filter(|(.., of)| *of == Some(*thing));
            for (said, within, _) in own {
                if !holds(*area, *within) {
                    faults.push(format!("`{said}` leaves {name}"));
                }
            }
        }
        let points = self.lines.iter().flat_map(|(points, _)| points);
        for (x, y) in points {
            if *x < 0.0 || *y < 0.0 || *x > whole.width || *y > whole.height {
                faults.push(format!("a line is outside at {x} {y}"));
            }
        }
    }

    fn upon(&self, faults: &mut Vec<String>) {
        for (at, (said, area, _)) in self.texts.iter().enumerate() {
            for (other, there, _) in &self.texts[at + 1..] {
                if overlap(*area, *there) {
                    faults.push(format!("`{said}` upon `{other}`"));
                }
            }
        }
        for (at, (name, area, thing)) in self.cards.iter().enumerate() {
            for (other, there, _) in &self.cards[at + 1..] {
                if overlap(*area, *there) {
                    faults.push(format!("{name} upon {other}"));
                }
            }
            for (said, there, of) in &self.texts {
                if *of != Some(*thing) && overlap(*area, *there) {
                    faults.push(format!("`{said}` upon {name}"));
                }
            }
        }
        for (at, (area, thing)) in self.pills.iter().enumerate() {
            if self.pills[at + 1..]
                .iter()
                .any(|(there, _)| overlap(*area, *there))
            {
                faults.push(format!("two boxes at {area:?}"));
            }
            for (said, there, of) in &self.texts {
                if *of != Some(*thing) && overlap(*area, *there) {
                    faults.push(format!("`{said}` upon a box of another"));
                }
            }
        }
    }

    fn through(&self, faults: &mut Vec<String>) {
        for (points, part_of) in &self.lines {
            let runs_through = |area: &Area| {
                points.iter().any(|&(x, y)| {
                    x > area.x + 0.5
                        && x < area.x + area.width - 0.5
                        && y > area.y + 0.5
                        && y < area.y + area.height - 0.5
                })
            };
            for (said, area, _) in &self.texts {
                if runs_through(area) {
                    faults.push(format!("a line through `{said}`"));
                }
            }
            for (name, area, thing) in &self.cards {
                if *part_of != Some(*thing) && runs_through(area) {
                    faults.push(format!("a line through {name}"));
                }
            }
        }
    }

    fn missing(&self, scene: &Scene, faults: &mut Vec<String>) {
        let wires = scene
            .wires
            .iter()
            .filter(|wire| wire.carrier != Carrier::Attachment);
        let riders = scene.wires.iter().flat_map(|wire| &wire.riders);
        let riders = riders.chain(scene.tunnels.iter().map(|tunnel| &tunnel.rider));
        let hosts = scene.cards.iter().flat_map(|card| &card.hosts);
        let names = scene.cards.iter().map(|card| card.name.clone());
        let names = names
            .chain(wires.map(|wire| wire.name.clone()))
            .chain(riders.map(|rider| format!("{}\u{a0}\u{a0}{}", rider.name, rider.what)))
            .chain(scene.probes.iter().map(|flow| flow.title()))
            .chain(hosts.flat_map(|host| host.addresses.iter().cloned()));
        for name in names {
            if !self.texts.iter().any(|(said, ..)| said.contains(&name)) {
                faults.push(format!("{name} is missing"));
            }
        }
        for card in &scene.cards {
            if !self.cards.iter().any(|(name, ..)| *name == card.name) {
                faults.push(format!("no card of {}", card.name));
            }
        }
    }

    /// Each frame around all of its group's nodes and nobody else's.
    fn framed(&self, scene: &Scene, faults: &mut Vec<String>) {
        if self.frames.len() != scene.groups.len() {
            faults.push(format!("{} frames", self.frames.len()));
        }
        for frame in &self.frames {
            let captions = |caption: &&String| {
                let mut texts = self.texts.iter();
                texts.any(|(said, area, of)| {
                    of.is_none() && said == *caption && holds(*frame, *area)
                })
            };
            let Some(caption) = scene.groups.iter().find(captions) else {
                faults.push("a frame without a caption".to_owned());
                continue;
            };
            for (name, area, _) in &self.cards {
                let card = scene.cards.iter().find(|card| card.name == *name).unwrap();
                let belongs = card
                    .group
                    .is_some_and(|group| scene.groups[group] == *caption);
                if belongs != holds(*frame, *area) || (!belongs && overlap(*frame, *area)) {
                    faults.push(format!("{name} and the frame of {caption}"));
                }
            }
            if self
                .frames
                .iter()
                .filter(|other| overlap(*frame, **other))
                .count()
                > 1
            {
                faults.push(format!("the frame of {caption} is upon another"));
            }
        }
    }
}

fn holds(outer: Area, inner: Area) -> bool {
    inner.x >= outer.x
        && inner.y >= outer.y
        && inner.x + inner.width <= outer.x + outer.width
        && inner.y + inner.height <= outer.y + outer.height
}

fn overlap(a: Area, b: Area) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

fn scene(name: &str, text: &str) -> Scene {
    let checked = spec::check(name, text, &|_| Ok(String::new()));
    let found = checked.diagnostics.render(name, text);
    Scene::of(&checked.lab.unwrap_or_else(|| panic!("{found}")))
}

/// Every lab in these folders that is one.
fn labs(folders: &[&str]) -> Vec<(String, Scene)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                let text = fs::read_to_string(&path).unwrap();
                let name = path.display().to_string();
                found.push((name.clone(), scene(&name, &text)));
            }
        }
    }
    found
}

#[test]
fn in_every_lab_nothing_is_upon_anything_else_outside_or_missing() {
    let labs = labs(&["labs", "tests/golden/graph", "tests/golden/plan"]);
    assert!(labs.len() >= 20, "only {}", labs.len());
    for (name, scene) in labs {
        let faults = Seen::of(&scene).faults(&scene);
        assert_eq!(faults, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_labs_picture_is_xml_and_says_every_node_aloud() {
    for (name, scene) in labs(&["labs", "tests/golden/graph"]) {
        let text = write(&scene);
        let document =
            roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let root = document.root_element();
        let named = |tag: &str| root.children().find(|child| child.has_tag_name(tag));
        let desc = named("desc").and_then(|desc| desc.text()).unwrap();
        assert!(
            named("title")
                .and_then(|title| title.text())
                .unwrap()
                .contains(&scene.name)
        );
        assert_eq!(root.attribute("role"), Some("img"));
        for card in &scene.cards {
            assert!(desc.contains(&format!("{}: ", card.name)), "{name}: {desc}");
        }
        // Other namespaces would be programs, fonts or pictures from elsewhere.
        let foreign = |node: &roxmltree::Node<'_, '_>| {
            node.attributes()
                .any(|a| a.name() == "href" || a.name().starts_with("on"))
        };
        assert!(!document.descendants().any(|node| foreign(&node)), "{name}");
    }
}

/// Routers that are all linked with each other, and some with AWS: whatever crosses must cross.
fn mesh(routers: usize, sites: usize, to_aws: bool) -> String {
    let (mut nodes, mut links, mut sessions) = (String::new(), String::new(), String::new());
    for r in 0..routers {
        let site = format!(
            "site: \"site number {} of this customer\"",
            r % sites.max(1)
        );
        let site = if sites > 0 {
            site
        } else {
            "provider: p".to_owned()
        };
        nodes += &format!(
            "  r{r}: {{ kind: router, asn: {}, {site}, hosts: {{ h{r}: 10.{r}.0.10/24 }} }}\n",
            65001 + r
        );
        for other in r + 1..routers {
            links += &format!(
                "  l{r}-{other}: {{ ends: [r{r}, r{other}], delay: {}ms, loss: 1% }}\n",
                r + other
            );
            sessions += &format!("  s{r}-{other}: {{ ebgp: l{r}-{other}, bfd: 300ms/3 }}\n");
        }
        if to_aws {
            nodes += &format!("  d{r}: {{ kind: dx-location, location: L{} }}\n", r % 2);
            links +=
                &format!("  c{r}: {{ ends: [r{r}, d{r}] }}\n  b{r}: {{ ends: [d{r}, vgw] }}\n");
            sessions +=
                &format!("  v{r}: {{ vif: private, link: c{r}, gateway: vgw, vlan: 10{r} }}\n");
        }
    }
    if to_aws {
        nodes += "  vgw: { kind: vgw, asn: 64512 }\n";
    }
    format!("name: mesh\nnodes:\n{nodes}links:\n{links}sessions:\n{sessions}")
}

#[test]
fn in_meshes_too() {
    for (routers, sites, to_aws) in [
        (3, 0, false),
        (5, 2, false),
        (3, 2, true),
        (4, 1, true),
        (5, 3, true),
    ] {
        let scene = scene("mesh", &mesh(routers, sites, to_aws));
        let faults = Seen::of(&scene).faults(&scene);
        assert_eq!(faults, Vec::<String>::new(), "{routers} {sites} {to_aws}");
        roxmltree::Document::parse(&write(&scene)).unwrap();
    }
}

#[test]
fn the_checks_find_what_they_look_for() {
    let text = "name: pair\nnodes:\n  a: { kind: router }\n  b: { kind: router }\nlinks:\n  l: { ends: [a, b] }\n";
    let scene = scene("pair", text);
    let spoilt = |spoil: &dyn Fn(&mut Seen)| {
        let mut seen = Seen::of(&scene);
        assert_eq!(seen.faults(&scene), Vec::<String>::new());
        spoil(&mut seen);
        seen.faults(&scene)
    };
    let moved = spoilt(&|seen| seen.cards[1].1 = seen.cards[0].1);
    assert!(moved.iter().any(|fault| fault == "a upon b"), "{moved:?}");
    let outside = spoilt(&|seen| seen.drawing.width = 100.0);
    assert!(
        outside.iter().any(|fault| fault.contains("outside")),
        "{outside:?}"
    );
    let crossed = spoilt(&|seen| {
        let (_, area, _) = seen.texts[0].clone();
        let y = area.y + area.height / 2.0;
        seen.lines[0].0 = vec![(area.x + area.width / 2.0, y)];
    });
    assert!(
        crossed
            .iter()
            .any(|fault| fault.starts_with("a line through")),
        "{crossed:?}"
    );
    let silent = spoilt(&|seen| seen.texts.clear());
    assert!(
        silent.iter().any(|fault| fault == "l is missing"),
        "{silent:?}"
    );
}
