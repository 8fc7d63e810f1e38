//! From places to shapes.

use super::{
    items::{Course, Graph, Owner, Port, Run, What},
    paint::{Area, Shape, Stroke},
    place::{Frame, GROUP_PAD, Placed},
    sizes::{
        self, AROUND_LINE, Boxes, CHIP, CardBox, DOT, ICON, LabelBox, Line, PAD, PILL_PAD, Pill,
        STRAND, chip_line,
    },
};
use crate::lab::graph::{
    ranks::Zone,
    scene::{Card, Carrier, Scene},
};

/// Around everything.
const MARGIN: f64 = 28.0;
/// From a zone's nodes to the edge of its ground.
const BAND_PAD: f64 = 20.0;
/// Above a zone's nodes, where its caption is.
const BAND_HEAD: f64 = 44.0;
const TITLE: f64 = 40.0;
/// Between columns: at least, beside an empty one, and where lines climb steeply.
const GAP: f64 = 38.0;
const NARROW: f64 = 22.0;
const WIDE: f64 = 96.0;
/// Where the line of a link down a column is.
const DOWN_LINE: f64 = 24.0;

/// A finished picture.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

pub(super) fn draw(scene: &Scene, boxes: &Boxes, graph: &Graph, placed: &Placed) -> Drawing {
    let mut artist = Artist {
        scene,
        boxes,
        graph,
        placed,
        columns: columns(graph, placed),
        top: MARGIN + TITLE + if scene.has_aws { BAND_HEAD } else { BAND_PAD },
        shapes: Vec::new(),
    };
    artist.frames();
    for run in 0..graph.runs.len() {
        artist.run(run);
    }
    for item in 0..graph.items.len() {
        artist.item(item);
    }
    artist.finish()
}

/// Left edge and width of each column.
fn columns(graph: &Graph, placed: &Placed) -> Vec<(f64, f64)> {
    let width = |column: usize| {
        let within = graph.items.iter().filter(|item| item.column == column);
        within.map(|item| item.width).fold(0.0, f64::max)
    };
    let widths: Vec<f64> = (0..graph.columns).map(width).collect();
    let mut gaps = vec![0.0_f64; graph.columns];
    for column in 1..graph.columns {
        let pair = [widths[column - 1], widths[column]];
        let is_outside = (column == 1 || column + 1 == graph.columns) && pair.contains(&0.0);
        gaps[column] = match (is_outside, pair.contains(&0.0)) {
            (true, _) => 0.0,
            (false, true) => NARROW,
            (false, false) => GAP,
        };
    }
    for (number, run) in graph.runs.iter().enumerate() {
        for (at, pair) in run.stops.windows(2).enumerate() {
            let [a, b] = [pair[0].item, pair[1].item].map(|item| graph.items[item].column);
            let climb = (placed.at(graph, number, at) - placed.at(graph, number, at + 1)).abs();
            let gap = match run.course {
                Course::Along => &mut gaps[b],
                Course::Around => &mut gaps[if a == b { a + 1 } else { a.max(b) }],
                Course::Down => continue,
            };
            let wanted = match run.course {
                Course::Along => (climb * 0.3).min(WIDE),
                Course::Around | Course::Down => GAP + 14.0,
            };
            *gap = gap.max(wanted);
        }
    }
    let mut x = 0.0;
    let mut columns = Vec::new();
    for (gap, width) in gaps.into_iter().zip(widths) {
        x += gap.ceil();
        columns.push((x, width));
        x += width;
    }
    columns
}

struct Artist<'s> {
    scene: &'s Scene,
    boxes: &'s Boxes,
    graph: &'s Graph,
    placed: &'s Placed,
    columns: Vec<(f64, f64)>,
    /// Of the topmost item.
    top: f64,
    shapes: Vec<Shape>,
}

impl Artist<'_> {
    /// Left edge of the picture's contents.
    fn left(&self) -> f64 {
        MARGIN
            + if self.scene.has_aws {
                BAND_PAD
            } else {
                GROUP_PAD
            }
    }

    /// Left and right edge of a column.
    fn column(&self, column: usize) -> [f64; 2] {
        let (x, width) = self.columns[column];
        [self.left() + x, self.left() + x + width]
    }

    fn bottom(&self) -> f64 {
        self.top + self.placed.height + BAND_PAD
    }

    fn right(&self) -> f64 {
        let end = self.columns.last().map_or(0.0, |(x, width)| x + width);
        self.left()
            + end
            + if self.scene.has_aws {
                BAND_PAD
            } else {
                GROUP_PAD
            }
    }

    fn area(&self, item: usize) -> Area {
        let own = &self.graph.items[item];
        let [left, right] = self.column(own.column);
        Area {
            x: left,
            y: self.top + self.placed.top[item],
            width: right - left,
            height: own.height,
        }
    }

    fn rect(&mut self, area: Area, radius: f64, class: &str) {
        self.shapes.push(Shape::Rect {
            area,
            radius,
            class: class.to_owned(),
        });
    }

    fn path(&mut self, strokes: Vec<Stroke>, class: &str) {
        self.shapes.push(Shape::Path {
            strokes,
            class: class.to_owned(),
        });
    }

    fn text(&mut self, x: f64, top: f64, line: &Line) {
        self.shapes.push(Shape::Text {
            x,
            top,
            line: line.clone(),
        });
    }

    fn frames(&mut self) {
        for frame in &self.placed.frames {
            let [left, _] = self.column(frame.columns[0]);
            let [_, right] = self.column(frame.columns[1]);
            let caption = self.scene.groups[frame.group].clone();
            let line = sizes::caption(&caption);
            let area = Area {
                x: left - GROUP_PAD,
                y: self.top + frame.top,
                width: right - left + 2.0 * GROUP_PAD,
                height: frame.bottom - frame.top,
            };
            self.rect(area, 10.0, "frame");
            let aside = if self.is_entered(frame) {
                DOWN_LINE + 12.0
            } else {
                0.0
            };
            self.text(left + aside, area.y + 8.0, &line);
        }
    }

    /// Whether a line comes down upon the place of a group's caption.
    fn is_entered(&self, frame: &Frame) -> bool {
        let column = frame.columns[0];
        let comes_down = |run: &Run| {
            let tops = run.stops.iter().map(|stop| self.placed.top[stop.item]);
            let high = tops.clone().fold(f64::INFINITY, f64::min);
            let low = tops.fold(f64::NEG_INFINITY, f64::max);
            let is_here = self.graph.items[run.stops[0].item].column == column;
            is_here && high < frame.top && low > frame.top
        };
        let mut runs = self.graph.runs.iter();
        runs.any(|run| run.course == Course::Down && comes_down(run))
    }

    fn run(&mut self, number: usize) {
        let run = &self.graph.runs[number];
        let (classes, strands) = self.look(run);
        for strand in 0..strands {
            let aside = (strand as f64 - (strands - 1) as f64 / 2.0) * STRAND;
            let strokes = match run.course {
                Course::Along => self.along(number, aside),
                Course::Down => self.down(run, aside),
                Course::Around => self.around(number, aside),
            };
            self.path(strokes, classes);
        }
        let Owner::Wire(_) = run.owner else { return };
        if strands > 1 && run.course == Course::Along {
            for stop in &run.stops {
                if let (What::Across(_), Port::Line(line)) =
                    (self.graph.items[stop.item].what, stop.port)
                {
                    let area = self.area(stop.item);
                    let ry = strands as f64 * STRAND / 2.0 + 3.0;
                    for x in [area.x, area.x + area.width] {
                        self.shapes.push(Shape::Ring {
                            x,
                            y: area.y + line,
                            radii: [3.5, ry],
                        });
                    }
                }
            }
        }
    }

    /// How a run's line looks, and how many there are.
    fn look(&self, run: &Run) -> (&'static str, usize) {
        match run.owner {
            Owner::Tunnel(tunnel) => ("line vpn", self.scene.tunnels[tunnel].strands),
            Owner::Wire(wire) => {
                let wire = &self.scene.wires[wire];
                let class = match (wire.carrier, wire.strands) {
                    (_, 2..) => "line strand",
                    (Carrier::Circuit, _) => "line circuit",
                    (Carrier::Inside, _) => "line inside",
                    (Carrier::Link, _) => "line",
                    (Carrier::Attachment, _) => "line attachment",
                };
                (class, wire.strands)
            }
        }
    }

    fn along(&self, number: usize, aside: f64) -> Vec<Stroke> {
        let run = &self.graph.runs[number];
        let mut strokes = Vec::new();
        for (at, pair) in run.stops.windows(2).enumerate() {
            let [_, from] = self.column(self.graph.items[pair[0].item].column);
            let [to, end] = self.column(self.graph.items[pair[1].item].column);
            let [y, then] = [at, at + 1]
                .map(|stop| self.top + self.placed.at(self.graph, number, stop) + aside);
            if at == 0 {
                strokes.push(Stroke::To(from, y));
            }
            let half = f64::midpoint(from, to);
            strokes.push(Stroke::Curve([half, y, half, then, to, then]));
            if at + 2 < run.stops.len() {
                strokes.push(Stroke::Line(end, then));
            }
        }
        strokes
    }

    fn down(&self, run: &Run, aside: f64) -> Vec<Stroke> {
        let [first, last] = [run.stops[0].item, run.stops[run.stops.len() - 1].item];
        let [mut a, mut b] = [first, last].map(|item| self.area(item));
        if a.y > b.y {
            (a, b) = (b, a);
        }
        let x = a.x + DOWN_LINE + aside;
        vec![Stroke::To(x, a.y + a.height), Stroke::Line(x, b.y)]
    }

    /// Around the outside of a column, between it and its neighbour.
    fn around(&self, number: usize, aside: f64) -> Vec<Stroke> {
        let run = &self.graph.runs[number];
        let last = run.stops.len() - 1;
        let column = self.graph.items[run.stops[0].item].column;
        let is_left = run
            .stops
            .iter()
            .any(|stop| self.graph.items[stop.item].column < column);
        let [left, right] = self.column(column);
        let others = self.graph.runs[..number].iter();
        let before = others
            .filter(|other| other.course == Course::Around)
            .count() as f64;
        let out = 16.0 + aside + 6.0 * (before % 4.0);
        let (edge, turn) = if is_left {
            (left, left - out)
        } else {
            (right, right + out)
        };
        let [y, then] = [0, last].map(|stop| self.top + self.placed.at(self.graph, number, stop));
        let (y, then) = (y.min(then), y.max(then));
        let round = ((then - y) / 2.0).min(24.0);
        vec![
            Stroke::To(edge, y),
            Stroke::Curve([turn, y, turn, y, turn, y + round]),
            Stroke::Line(turn, then - round),
            Stroke::Curve([turn, then, turn, then, edge, then]),
        ]
    }

    fn item(&mut self, item: usize) {
        let area = self.area(item);
        match self.graph.items[item].what {
            What::Card(card) => self.card(card, area),
            What::Across(wire) => self.label(wire, area, false),
            What::Beside(wire) => self.label(wire, area, true),
            What::Bend => {}
        }
    }

    fn card(&mut self, at: usize, area: Area) {
        let (card, size) = (&self.scene.cards[at], &self.boxes.cards[at]);
        self.shapes.push(Shape::Open {
            class: "node",
            title: format!("{}: {}", card.name, card.lines.join(", ")),
        });
        self.rect(area, 9.0, "card");
        let icon = Area {
            x: area.x + PAD,
            y: area.y + PAD,
            width: ICON,
            height: ICON,
        };
        self.rect(icon, 7.0, colour(card));
        self.shapes.push(Shape::Icon {
            x: icon.x + 4.0,
            y: icon.y + 4.0,
            size: ICON - 8.0,
            kind: card.kind,
        });
        let mut top = area.y + PAD - 2.0;
        for line in &size.head {
            self.text(area.x + CardBox::TEXT, top, line);
            top += line.height();
        }
        for (host, chip) in size.chips.iter().enumerate() {
            self.chip(card, host, area, area.y + chip);
        }
        for (tunnel, row) in &size.rows {
            self.row(at, *tunnel, area, area.y + row);
        }
        self.shapes.push(Shape::Close);
    }

    fn chip(&mut self, card: &Card, host: usize, area: Area, top: f64) {
        let chip = Area {
            x: area.x + PAD,
            y: top,
            width: area.width - 2.0 * PAD,
            height: CHIP,
        };
        self.rect(chip, CHIP / 2.0, "chip");
        let line = chip_line(card, host);
        self.text(chip.x + 11.0, top + (CHIP - line.height()) / 2.0, &line);
        let mut x = chip.x + chip.width - 12.0;
        for probe in card.hosts[host].probes.iter().rev() {
            self.dot(x, top + CHIP / 2.0, *probe);
            x -= DOT;
        }
    }

    fn dot(&mut self, x: f64, y: f64, probe: usize) {
        self.shapes.push(Shape::Dot {
            x,
            y,
            radius: 4.5,
            class: format!("p{}", probe % 6),
        });
    }

    /// A VPN on its way through the node that carries it.
    fn row(&mut self, over: usize, tunnel: usize, area: Area, top: f64) {
        let y = top + AROUND_LINE;
        let touches = |last: bool| {
            self.graph.runs.iter().any(|run| {
                let stop = if last {
                    run.stops.last()
                } else {
                    run.stops.first()
                };
                run.owner == Owner::Tunnel(tunnel) && stop.is_some_and(|stop| stop.item == over)
            })
        };
        let middle = area.x + area.width / 2.0;
        let from = if touches(true) { area.x } else { middle };
        let to = if touches(false) {
            area.x + area.width
        } else {
            middle
        };
        let strands = self.scene.tunnels[tunnel].strands;
        for strand in 0..strands {
            let y = y + (strand as f64 - (strands - 1) as f64 / 2.0) * STRAND;
            self.path(vec![Stroke::To(from, y), Stroke::Line(to, y)], "line vpn");
        }
        let pill = &self.boxes.tunnels[tunnel];
        self.pill(pill, middle, y + AROUND_LINE, "row");
    }

    fn pill(&mut self, pill: &Pill, middle: f64, top: f64, class: &str) {
        let width = pill.width();
        let area = Area {
            x: (middle - width / 2.0).round(),
            y: top,
            width,
            height: pill.height(),
        };
        self.rect(area, 6.0, class);
        let mut y = top + PILL_PAD / 2.0;
        for line in &pill.lines {
            let mut line = line.clone();
            if class == "row" && line.class == "session" {
                line.class = "tunnel";
            }
            self.text((middle - line.width() / 2.0).round(), y, &line);
            y += line.height();
        }
    }

    fn label(&mut self, wire: usize, area: Area, beside: bool) {
        let Some(label) = &self.boxes.labels[wire] else {
            return;
        };
        let is_around = beside
            && self
                .graph
                .items
                .iter()
                .any(|item| item.what == What::Beside(wire) && item.column % 2 == 0);
        let text = Area {
            x: match (beside, is_around) {
                (true, false) => area.x + DOWN_LINE + 12.0,
                _ => area.x,
            },
            y: area.y
                + if beside && !is_around {
                    AROUND_LINE
                } else {
                    0.0
                },
            width: match beside {
                true => label.width(),
                false => area.width,
            },
            height: match beside {
                true => label.height_beside(),
                false => label.height(),
            },
        };
        let name = &self.scene.wires[wire].name;
        self.shapes.push(Shape::Open {
            class: "link",
            title: name.clone(),
        });
        self.lines(label, text, beside);
        self.shapes.push(Shape::Close);
    }

    fn lines(&mut self, label: &LabelBox, text: Area, beside: bool) {
        let middle = text.x + text.width / 2.0;
        let mut y = text.y;
        for line in &label.own {
            let x = match beside {
                true => text.x,
                false => (middle - line.width() / 2.0).round(),
            };
            self.text(x, y, line);
            y += line.height();
        }
        for (pill, top) in label.pills.iter().zip(label.pill_tops(beside)) {
            let middle = match beside {
                true => text.x + pill.width() / 2.0,
                false => middle,
            };
            self.pill(pill, middle, text.y + top, "pill");
        }
    }

    /// Ground and words around the whole.
    fn finish(mut self) -> Drawing {
        let title = Line::new(&self.scene.name, "", 21.0, "title");
        let legend = self.legend();
        let right = self.right().max(MARGIN + title.width());
        let mut right = right.max(MARGIN + legend.iter().map(Entry::width).fold(0.0, f64::max));
        let drawn = std::mem::take(&mut self.shapes);
        if self.scene.has_aws {
            right = right.max(self.bands());
        }
        let bands = std::mem::take(&mut self.shapes);
        self.text(MARGIN, MARGIN, &title);
        let bottom = self.entries(&legend, right);
        let words = std::mem::take(&mut self.shapes);
        let (width, height) = ((right + MARGIN).ceil(), (bottom + MARGIN).ceil());
        self.rect(
            Area {
                x: 0.0,
                y: 0.0,
                width,
                height,
            },
            14.0,
            "canvas",
        );
        let canvas = std::mem::take(&mut self.shapes);
        Drawing {
            width,
            height,
            shapes: [canvas, bands, drawn, words]
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// The ground of each zone; how far right they go.
    fn bands(&mut self) -> f64 {
        let zone = |card: &Card| match card.zone {
            Zone::Customer => 0,
            Zone::Between => 1,
            Zone::Aws(_) => 2,
        };
        let mut farthest = 0.0_f64;
        for (number, class) in ["band", "band", "band band-aws"].into_iter().enumerate() {
            let members: Vec<&Card> = self
                .scene
                .cards
                .iter()
                .filter(|card| zone(card) == number)
                .collect();
            let ranks = members.iter().map(|card| card.rank);
            let (Some(low), Some(high)) = (ranks.clone().min(), ranks.max()) else {
                continue;
            };
            let caption = match number {
                0 => "CUSTOMER",
                2 => "AWS",
                _ if members.iter().all(|card| card.kind == "internet") => "INTERNET",
                _ if members.iter().all(|card| card.kind == "dx-location") => "DIRECT CONNECT",
                _ => "DIRECT CONNECT · INTERNET",
            };
            let line = sizes::caption(caption);
            let [left, _] = self.column(2 * low + 1);
            let [_, right] = self.column(2 * high + 1);
            let area = Area {
                x: left - BAND_PAD,
                y: self.top - BAND_HEAD,
                width: (right - left).max(line.width()) + 2.0 * BAND_PAD,
                height: self.placed.height + BAND_HEAD + BAND_PAD,
            };
            self.rect(area, 12.0, class);
            self.text(left, area.y + 14.0, &line);
            farthest = farthest.max(area.x + area.width);
        }
        farthest
    }

    /// What the dots and lines mean.
    fn legend(&self) -> Vec<Entry> {
        let probes = self.scene.probes.iter().enumerate();
        let mut entries: Vec<Entry> = probes
            .map(|(number, flow)| Entry {
                sample: Sample::Dot(number),
                line: Line::new(&flow.title(), &flow.said(), 11.5, "fact"),
            })
            .collect();
        let runs = &self.graph.runs;
        let kinds = [
            ("line circuit", "circuit"),
            ("line strand", "LAG"),
            ("line inside", "inside AWS, modelled"),
            ("line vpn", "VPN"),
        ];
        for (class, meaning) in kinds {
            if runs.iter().any(|run| self.look(run).0 == class) {
                entries.push(Entry {
                    sample: Sample::Line(class),
                    line: Line::new("", meaning, 11.0, "dim"),
                });
            }
        }
        entries
    }

    /// Puts the legend below everything, in as many rows as it takes; where it ends.
    fn entries(&mut self, entries: &[Entry], right: f64) -> f64 {
        let mut y = self.bottom() + 18.0;
        let mut x = MARGIN;
        let mut is_dots = true;
        for entry in entries {
            let turns = is_dots && matches!(entry.sample, Sample::Line(_));
            is_dots = matches!(entry.sample, Sample::Dot(_));
            if x > MARGIN && (x + entry.width() > right || turns) {
                (x, y) = (MARGIN, y + 22.0);
            }
            match entry.sample {
                Sample::Dot(probe) => self.dot(x + 5.0, y + 7.0, probe),
                Sample::Line("line strand") => {
                    for y in [y + 4.5, y + 9.5] {
                        let strokes = vec![Stroke::To(x, y), Stroke::Line(x + 28.0, y)];
                        self.path(strokes, "line strand");
                    }
                }
                Sample::Line(class) => {
                    let strokes = vec![Stroke::To(x, y + 7.0), Stroke::Line(x + 28.0, y + 7.0)];
                    self.path(strokes, class);
                }
            }
            self.text(x + entry.sample.width(), y, &entry.line);
            x += entry.width() + 26.0;
        }
        match entries.is_empty() {
            true => self.bottom(),
            false => y + 14.0,
        }
    }
}

/// What stands before a word of the legend.
enum Sample {
    Dot(usize),
    Line(&'static str),
}

impl Sample {
    fn width(&self) -> f64 {
        match self {
            Self::Dot(_) => 16.0,
            Self::Line(_) => 36.0,
        }
    }
}

/// A word of the legend.
struct Entry {
    sample: Sample,
    line: Line,
}

impl Entry {
    fn width(&self) -> f64 {
        self.sample.width() + self.line.width()
    }
}

/// An icon's ground.
fn colour(card: &Card) -> &'static str {
    match (card.kind, card.zone) {
        ("host", _) => "host",
        ("internet", _) => "internet",
        ("vpc", _) => "vpc",
        (_, Zone::Customer) => "customer",
        (_, Zone::Between) => "location",
        (_, Zone::Aws(_)) => "gateway",
    }
}
