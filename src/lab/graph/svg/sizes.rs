//! How large each card and label is, and what text stands where in it.

use super::font;
use crate::lab::graph::scene::{Card, Carrier, Rider, Scene, Wire};

/// Around a card's contents.
pub(super) const PAD: f64 = 12.0;
/// A card's icon is square.
pub(super) const ICON: f64 = 30.0;
/// From the icon to the text beside it.
const BESIDE: f64 = 10.0;
/// A host's own box.
pub(super) const CHIP: f64 = 24.0;
const CHIP_GAP: f64 = 6.0;
/// The dots in a chip, one a probe.
pub(super) const DOT: f64 = 12.0;
/// Above and below the line through a label.
pub(super) const AROUND_LINE: f64 = 7.0;
/// Between a LAG's members as drawn.
pub(super) const STRAND: f64 = 5.0;
/// Between the boxes of sessions.
const PILL_GAP: f64 = 6.0;
pub(super) const PILL_PAD: f64 = 8.0;
/// From the line of a link that runs down to its text.
pub(super) const ASIDE: f64 = 38.0;

/// A line of text: a word in bold, and the rest.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) bold: String,
    pub(super) plain: String,
    pub(super) size: f64,
    pub(super) class: &'static str,
}

impl Line {
    pub(super) fn new(bold: &str, plain: &str, size: f64, class: &'static str) -> Self {
        Self {
            bold: bold.to_owned(),
            plain: plain.to_owned(),
            size,
            class,
        }
    }

    /// What stands between the two.
    pub(super) fn space(&self) -> &'static str {
        match self.bold.is_empty() || self.plain.is_empty() {
            true => "",
            // Spaces that XML keeps.
            false => "\u{a0}\u{a0}",
        }
    }

    pub(super) fn width(&self) -> f64 {
        let rest = format!("{}{}", self.space(), self.plain);
        (font::width(&self.bold, self.size, true) + font::width(&rest, self.size, false)).ceil()
    }

    /// From one baseline to the next.
    pub(super) fn height(&self) -> f64 {
        (self.size * 1.3).ceil()
    }
}

fn stacked(lines: &[Line]) -> f64 {
    lines.iter().map(Line::height).sum()
}

fn widest(lines: &[Line]) -> f64 {
    lines.iter().map(Line::width).fold(0.0, f64::max)
}

/// What is drawn of a session: a box of lines.
#[derive(Debug)]
pub(super) struct Pill {
    pub(super) lines: Vec<Line>,
}

impl Pill {
    fn of(rider: &Rider) -> Self {
        let mut lines = vec![Line::new(&rider.name, &rider.what, 12.0, "session")];
        let plain = |text| Line::new("", text, 11.0, "dim");
        lines.extend(rider.lines.iter().map(|line| plain(line)));
        lines.extend(faults(&rider.faults));
        Self { lines }
    }

    pub(super) fn width(&self) -> f64 {
        widest(&self.lines) + 2.0 * PILL_PAD
    }

    pub(super) fn height(&self) -> f64 {
        stacked(&self.lines) + PILL_PAD
    }
}

fn faults(faults: &[String]) -> impl Iterator<Item = Line> {
    faults
        .iter()
        .map(|fault| Line::new(&format!("× {fault}"), "", 11.0, "fault"))
}

/// A node's card.
#[derive(Debug)]
pub(super) struct CardBox {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Beside the icon.
    pub(super) head: Vec<Line>,
    /// The tops of chips, from the card's.
    pub(super) chips: Vec<f64>,
    /// VPNs through the node, and the tops of their rows.
    pub(super) rows: Vec<(usize, f64)>,
}

impl CardBox {
    /// Where text begins, from the card's left edge.
    pub(super) const TEXT: f64 = PAD + ICON + BESIDE;

    fn of(scene: &Scene, at: usize, pills: &[Pill]) -> Self {
        let card = &scene.cards[at];
        let mut head = vec![Line::new(&card.name, "", 15.0, "name")];
        let mut lines = card.lines.iter();
        head.extend(lines.next().map(|what| Line::new("", what, 11.5, "dim")));
        head.extend(lines.map(|line| Line::new("", line, 11.5, "fact")));
        head.extend(faults(&card.faults));
        let head_height = PAD + stacked(&head).max(ICON);
        let mut width = (Self::TEXT + widest(&head) + PAD).max(150.0);
        // A group's caption stands above the first of its columns.
        let caption = card
            .group
            .map(|group| caption(&scene.groups[group]).width());
        width = width.max(caption.unwrap_or_default());
        let mut bottom = head_height;
        let mut chips = Vec::new();
        for host in shown_hosts(card) {
            chips.push(bottom + CHIP_GAP);
            bottom += CHIP_GAP + CHIP;
            width = width.max(chip_width(card, host) + 2.0 * PAD);
        }
        let mut rows = Vec::new();
        for (number, tunnel) in scene.tunnels.iter().enumerate() {
            if tunnel.over == at {
                rows.push((number, bottom + PILL_GAP));
                bottom += PILL_GAP + 2.0 * AROUND_LINE + pills[number].height();
                width = width.max(pills[number].width() + 2.0 * PAD);
            }
        }
        Self {
            width: width.ceil(),
            height: (bottom + PAD).ceil(),
            head,
            chips,
            rows,
        }
    }
}

/// The words above a group.
pub(super) fn caption(text: &str) -> Line {
    Line::new(text, "", 11.0, "caption")
}

/// Hosts behind a node; of a node that is a host only its dots.
fn shown_hosts(card: &Card) -> std::ops::Range<usize> {
    let is_itself = |chip: &crate::lab::graph::scene::Chip| chip.name == card.name;
    let bare = card
        .hosts
        .iter()
        .all(|chip| is_itself(chip) && chip.probes.is_empty());
    0..if bare { 0 } else { card.hosts.len() }
}

/// A host's words.
pub(super) fn chip_line(card: &Card, host: usize) -> Line {
    let chip = &card.hosts[host];
    match chip.name == card.name {
        true => Line::new("", "probed", 11.0, "fact"),
        false => Line::new(&chip.name, &chip.addresses.join(", "), 11.0, "fact"),
    }
}

fn chip_width(card: &Card, host: usize) -> f64 {
    let dots = card.hosts[host].probes.len() as f64 * DOT;
    chip_line(card, host).width() + dots + 22.0
}

/// What is written at a wire.
#[derive(Debug)]
pub(super) struct LabelBox {
    /// Above the line, or beside it where it runs down.
    pub(super) own: Vec<Line>,
    pub(super) pills: Vec<Pill>,
    strands: usize,
}

impl LabelBox {
    fn of(wire: &Wire) -> Option<Self> {
        if wire.carrier == Carrier::Attachment {
            return None;
        }
        let mut own = vec![Line::new(&wire.name, "", 13.0, "name")];
        own.extend(
            wire.lines
                .iter()
                .map(|line| Line::new("", line, 11.0, "dim")),
        );
        own.extend(faults(&wire.faults));
        Some(Self {
            own,
            pills: wire.riders.iter().map(Pill::of).collect(),
            strands: wire.strands,
        })
    }

    pub(super) fn width(&self) -> f64 {
        let pills = self.pills.iter().map(Pill::width);
        pills.fold(widest(&self.own) + 16.0, f64::max).ceil()
    }

    /// The room that the line takes.
    fn line_height(&self) -> f64 {
        2.0 * AROUND_LINE + (self.strands - 1) as f64 * STRAND
    }

    /// The line through the label, from its top.
    pub(super) fn line(&self) -> f64 {
        (stacked(&self.own) + self.line_height() / 2.0).ceil()
    }

    fn pills_height(&self) -> f64 {
        let each = self.pills.iter().map(|pill| pill.height() + PILL_GAP);
        (each.sum::<f64>() - PILL_GAP).max(0.0)
    }

    /// With a line across.
    pub(super) fn height(&self) -> f64 {
        (stacked(&self.own) + self.line_height() + self.pills_height()).ceil()
    }

    /// With the line at its side.
    pub(super) fn height_beside(&self) -> f64 {
        (stacked(&self.own) + AROUND_LINE + self.pills_height()).ceil()
    }

    /// The tops of the pills, from the label's.
    pub(super) fn pill_tops(&self, beside: bool) -> Vec<f64> {
        let gap = if beside {
            AROUND_LINE
        } else {
            self.line_height()
        };
        let mut top = stacked(&self.own) + gap;
        let mut tops = Vec::new();
        for pill in &self.pills {
            tops.push(top);
            top += pill.height() + PILL_GAP;
        }
        tops
    }
}

/// Everything measured.
#[derive(Debug)]
pub(super) struct Boxes {
    /// By index into [`Scene::cards`].
    pub(super) cards: Vec<CardBox>,
    /// By index into [`Scene::wires`]; an attachment has none.
    pub(super) labels: Vec<Option<LabelBox>>,
    /// By index into [`Scene::tunnels`].
    pub(super) tunnels: Vec<Pill>,
}

impl Boxes {
    pub(super) fn of(scene: &Scene) -> Self {
        let tunnels: Vec<Pill> = scene
            .tunnels
            .iter()
            .map(|one| Pill::of(&one.rider))
            .collect();
        Self {
            cards: (0..scene.cards.len())
                .map(|at| CardBox::of(scene, at, &tunnels))
                .collect(),
            labels: scene.wires.iter().map(LabelBox::of).collect(),
            tunnels,
        }
    }
}
