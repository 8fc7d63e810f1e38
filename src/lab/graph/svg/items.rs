//! What takes room, in columns, and the runs of line between. Cards stand in odd columns; in
//! the even ones before, between and after them stand the labels of wires. A run that passes a
//! column without anything to say there has a bend in it.

use super::{
    order::Order,
    sizes::{AROUND_LINE, ASIDE, Boxes},
};
use crate::lab::graph::scene::Scene;

/// Something in a column.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) what: What,
    pub(super) column: usize,
    pub(super) width: f64,
    pub(super) height: f64,
    /// Index into [`Scene::groups`], if all that it belongs to is in there.
    pub(super) group: Option<usize>,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Index into [`Scene::cards`].
    Card(usize),
    /// Index into [`Scene::wires`]: the line goes across.
    Across(usize),
    /// The same, the line at its left side.
    Beside(usize),
    /// A line only.
    Bend,
}

impl Item {
    /// Half of the room that neighbours in the column leave each other.
    pub(super) fn margin(&self) -> f64 {
        match self.what {
            What::Card(_) => 15.0,
            What::Across(_) => 11.0,
            What::Beside(_) => 4.0,
            What::Bend => 7.0,
        }
    }
}

/// Where on an item a run begins or ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Port {
    /// Wherever its side has room.
    Side,
    /// At a row of a card, counted from 0; in pixels from its top.
    Row(usize, f64),
    /// Where the line is in a label.
    Line(f64),
}

/// A stop of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub(super) item: usize,
    pub(super) port: Port,
}

/// How a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// From left to right, a column at each stop.
    Along,
    /// Down a column, from card to card, with the label between them.
    Down,
    /// From a card around to another of the same column, the label to the right of the turn.
    Around,
}

/// Whose a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Index into [`Scene::wires`].
    Wire(usize),
    /// Index into [`Scene::tunnels`].
    Tunnel(usize),
}

/// A line from card to card.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) owner: Owner,
    pub(super) course: Course,
    pub(super) stops: Vec<Stop>,
}

/// Everything that has a place.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) items: Vec<Item>,
    pub(super) runs: Vec<Run>,
    pub(super) columns: usize,
}

impl Graph {
    pub(super) fn of(scene: &Scene, boxes: &Boxes) -> Self {
        let cards = scene.cards.iter().zip(&boxes.cards).enumerate();
        let items: Vec<Item> = cards
            .map(|(at, (card, size))| Item {
                what: What::Card(at),
                column: 2 * card.rank + 1,
                width: size.width,
                height: size.height,
                group: card.group,
            })
            .collect();
        let last = scene.cards.iter().map(|card| card.rank).max();
        let mut graph = Self {
            items,
            runs: Vec::new(),
            columns: 2 * last.unwrap_or_default() + 3,
        };
        for wire in 0..scene.wires.len() {
            graph.wire(scene, boxes, wire);
        }
        for tunnel in 0..scene.tunnels.len() {
            graph.tunnel(scene, boxes, tunnel);
        }
        graph
    }

    fn push(&mut self, what: What, column: usize, size: (f64, f64), group: Option<usize>) -> usize {
        self.items.push(Item {
            what,
            column,
            width: size.0,
            height: size.1,
            group,
        });
        self.items.len() - 1
    }

    /// The group of two cards that are in the same.
    fn shared(&self, [a, b]: [usize; 2]) -> Option<usize> {
        self.items[a]
            .group
            .filter(|_| self.items[a].group == self.items[b].group)
    }

    fn wire(&mut self, scene: &Scene, boxes: &Boxes, wire: usize) {
        let [mut a, mut b] = scene.wires[wire].ends;
        if self.items[a].column > self.items[b].column {
            (a, b) = (b, a);
        }
        let group = self.shared([a, b]);
        let label = boxes.labels[wire].as_ref();
        let (from, to) = (self.items[a].column, self.items[b].column);
        let side = |item| Stop {
            item,
            port: Port::Side,
        };
        let mut stops = vec![side(a)];
        if from == to {
            let size = label.map_or((0.0, 14.0), |label| {
                (
                    label.width() + ASIDE,
                    label.height_beside() + 2.0 * AROUND_LINE,
                )
            });
            let item = self.push(What::Beside(wire), from, size, group);
            stops.push(side(item));
        }
        let middle = usize::midpoint(from, to);
        let labelled = if middle % 2 == 0 { middle } else { middle - 1 };
        for column in from + 1..to {
            let (what, size, line) = match label.filter(|_| column == labelled) {
                Some(label) => {
                    let size = (label.width(), label.height());
                    (What::Across(wire), size, label.line())
                }
                None => (What::Bend, (0.0, 4.0), 2.0),
            };
            let item = self.push(what, column, size, group);
            stops.push(Stop {
                item,
                port: Port::Line(line),
            });
        }
        stops.push(side(b));
        self.runs.push(Run {
            owner: Owner::Wire(wire),
            course: if from == to {
                Course::Down
            } else {
                Course::Along
            },
            stops,
        });
    }

    /// From each of its ends to its row in the node that carries it.
    fn tunnel(&mut self, scene: &Scene, boxes: &Boxes, number: usize) {
        let over = scene.tunnels[number].over;
        let rows = &boxes.cards[over].rows;
        let row = rows.iter().position(|(tunnel, _)| *tunnel == number);
        let row = row.unwrap_or_default();
        let top = rows.get(row).map_or(0.0, |(_, top)| *top);
        let carried = Stop {
            item: over,
            port: Port::Row(row, top + AROUND_LINE),
        };
        for end in scene.tunnels[number].ends {
            let own = Stop {
                item: end,
                port: Port::Side,
            };
            let group = self.shared([end, over]);
            let columns = [end, over].map(|item| self.items[item].column);
            let (first, last, course) = match columns {
                [own_column, other] if own_column < other => (own, carried, Course::Along),
                [own_column, other] if own_column > other => (carried, own, Course::Along),
                _ => (own, carried, Course::Around),
            };
            let mut stops = vec![first];
            let [from, to] = [first, last].map(|stop| self.items[stop.item].column);
            for column in from + 1..to {
                let item = self.push(What::Bend, column, (0.0, 4.0), group);
                stops.push(Stop {
                    item,
                    port: Port::Line(2.0),
                });
            }
            stops.push(last);
            self.runs.push(Run {
                owner: Owner::Tunnel(number),
                course,
                stops,
            });
        }
    }

    /// Lets lines that would run down through another card go around it instead. Whether there
    /// were any.
    pub(super) fn bend_around(&mut self, order: &Order, boxes: &Boxes) -> bool {
        let mut any = false;
        for run in &mut self.runs {
            let [first, label, last] = run.stops[..] else {
                continue;
            };
            if run.course != Course::Down
                || order.is_free(&self.items, first.item, label.item, last.item)
            {
                continue;
            }
            any = true;
            run.course = Course::Around;
            let column = self.items[first.item].column;
            let item = &mut self.items[label.item];
            // Around the outside: left of the first column, right of any other.
            item.column = if column == 1 { 0 } else { column + 1 };
            if let What::Beside(wire) = item.what {
                let height = boxes.labels[wire]
                    .as_ref()
                    .map_or(14.0, |label| label.height_beside());
                item.height = height;
            }
        }
        any
    }
}
