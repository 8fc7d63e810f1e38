//! Where everything is, from top to bottom: lines as straight as the room allows.
//!
//! What must hold is of the form "this is at least so far below that", which is true of the
//! middle of any two arrangements of which it is true. So each round pulls every item towards
//! its neighbours along the lines, then pushes everything down until all holds, and up until
//! all holds, and takes the middle.

use super::{
    items::{Course, Graph, Port, Stop},
    order::Order,
};

/// Above a group's topmost member, where its caption is.
pub(super) const GROUP_HEAD: f64 = 30.0;
/// Around the other sides of a group's members.
pub(super) const GROUP_PAD: f64 = 12.0;
/// Between a group and what is not in it.
const GROUP_MARGIN: f64 = 9.0;
const ROUNDS: usize = 300;
const SWEEPS: usize = 40;

/// A group's box.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// Index into the scene's groups.
    pub(super) group: usize,
    pub(super) columns: [usize; 2],
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// Tops, in whole pixels from 0.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) top: Vec<f64>,
    pub(super) frames: Vec<Frame>,
    /// Where each stop of each run is on its item.
    pub(super) offsets: Vec<Vec<f64>>,
    pub(super) height: f64,
}

impl Placed {
    /// The height at which a run passes its stop.
    pub(super) fn at(&self, graph: &Graph, run: usize, stop: usize) -> f64 {
        self.top[graph.runs[run].stops[stop].item] + self.offsets[run][stop]
    }
}

pub(super) fn place(graph: &Graph, order: &Order) -> Placed {
    let offsets = offsets(graph, order);
    let springs = springs(graph, &offsets);
    let mut top = vec![0.0; graph.items.len()];
    let downwards = Way::down(graph, order);
    let upwards = Way::up(graph, order);
    downwards.push(&mut top);
    centre(graph, &mut top);
    for _ in 0..ROUNDS {
        pull(&mut top, &springs);
        let mut down = top.clone();
        downwards.push(&mut down);
        let mut up: Vec<f64> = top
            .iter()
            .zip(&graph.items)
            .map(|(y, item)| -y - item.height)
            .collect();
        upwards.push(&mut up);
        for (at, y) in top.iter_mut().enumerate() {
            *y = f64::midpoint(down[at], -up[at] - graph.items[at].height);
        }
    }
    let mut best = (unrest(&top, &springs), top.clone());
    for sweep in 0..SWEEPS {
        straighten(&mut top, &springs, &downwards, sweep % 2 == 0);
        let now = unrest(&top, &springs);
        if now < best.0 {
            best = (now, top.clone());
        }
    }
    top = best.1;
    for y in &mut top {
        *y = y.round();
    }
    let frames = downwards.push(&mut top);
    let tops = top.iter().chain(frames.iter().map(|frame| &frame.top));
    let least = tops.copied().fold(f64::INFINITY, f64::min);
    let ends = top
        .iter()
        .zip(&graph.items)
        .map(|(y, item)| y + item.height);
    let most = ends
        .chain(frames.iter().map(|frame| frame.bottom))
        .fold(f64::NEG_INFINITY, f64::max);
    let moved = |frame: Frame| Frame {
        top: frame.top - least,
        bottom: frame.bottom - least,
        ..frame
    };
    Placed {
        top: top.iter().map(|y| y - least).collect(),
        frames: frames.into_iter().map(moved).collect(),
        offsets,
        height: (most - least).max(0.0),
    }
}

/// Begins with all columns about one line.
fn centre(graph: &Graph, top: &mut [f64]) {
    for column in 0..graph.columns {
        let within = |item: &usize| graph.items[*item].column == column;
        let members: Vec<usize> = (0..top.len()).filter(within).collect();
        let low = members
            .iter()
            .map(|&item| top[item])
            .fold(f64::INFINITY, f64::min);
        let ends = members
            .iter()
            .map(|&item| top[item] + graph.items[item].height);
        let middle = f64::midpoint(low, ends.fold(f64::NEG_INFINITY, f64::max));
        for item in members {
            top[item] -= middle;
        }
    }
}

/// Something wants `b` to be `apart` below `a`, tops measured.
struct Spring {
    a: usize,
    b: usize,
    apart: f64,
    weight: f64,
}

fn springs(graph: &Graph, offsets: &[Vec<f64>]) -> Vec<Spring> {
    let mut springs = Vec::new();
    for (run, offsets) in graph.runs.iter().zip(offsets) {
        let is_straight = run.course == Course::Along;
        for (at, pair) in run.stops.windows(2).enumerate() {
            let inner = |stop: &Stop| matches!(stop.port, Port::Line(_));
            let weight = match (is_straight, inner(&pair[0]), inner(&pair[1])) {
                (false, ..) => 0.5,
                (true, true, true) => 8.0,
                (true, false, false) => 1.0,
                (true, ..) => 3.0,
            };
            springs.push(Spring {
                a: pair[0].item,
                b: pair[1].item,
                apart: offsets[at] - offsets[at + 1],
                weight,
            });
        }
    }
    springs
}

fn pull(top: &mut [f64], springs: &[Spring]) {
    let mut wish = vec![(0.0, 0.0); top.len()];
    for spring in springs {
        let (a, b) = (top[spring.a], top[spring.b]);
        let mut add = |item: usize, at: f64| {
            wish[item].0 += at * spring.weight;
            wish[item].1 += spring.weight;
        };
        add(spring.b, a + spring.apart);
        add(spring.a, b - spring.apart);
    }
    for (y, (sum, weight)) in top.iter_mut().zip(wish) {
        if weight > 0.0 {
            *y += 0.6 * (sum / weight - *y);
        }
    }
}

/// How many pieces of line are not straight, and how far.
fn unrest(top: &[f64], springs: &[Spring]) -> f64 {
    let apart = |spring: &Spring| (top[spring.a] + spring.apart - top[spring.b]).abs();
    let cost = |slant: f64| if slant > 0.5 { 40.0 + slant } else { 0.0 };
    springs.iter().map(|spring| cost(apart(spring))).sum()
}

/// Moves items one by one to where most of their lines are straight, as far as that leaves the
/// others where they are. Two straight pieces with a bend look better than three slanted ones.
/// Between two that are as good it takes the one to the left or to the right, so that in turns
/// whole chains move.
fn straighten(top: &mut [f64], springs: &[Spring], way: &Way<'_>, to_left: bool) {
    for item in 0..top.len() {
        let mut wishes: Vec<Wish> = Vec::new();
        for spring in springs {
            let (at, is_left) = match (spring.a == item, spring.b == item) {
                (_, true) => (top[spring.a] + spring.apart, true),
                (true, _) => (top[spring.b] - spring.apart, false),
                (false, false) => continue,
            };
            wishes.push(Wish {
                at,
                weight: spring.weight,
                is_first: is_left == to_left,
            });
        }
        let from = top[item];
        let mut reach = median(&mut wishes).map_or(0.0, |to| to - from);
        for _ in 0..6 {
            if reach.abs() < 0.25 {
                break;
            }
            top[item] = from + reach;
            if way.holds(top) {
                break;
            }
            top[item] = from;
            reach /= 2.0;
        }
    }
}

/// Where a line would be straight.
struct Wish {
    at: f64,
    weight: f64,
    /// Taken if it is one of two that are as good.
    is_first: bool,
}

/// The wish that half of all weight is on either side of.
fn median(wishes: &mut [Wish]) -> Option<f64> {
    wishes.sort_by(|a, b| a.at.total_cmp(&b.at));
    let total: f64 = wishes.iter().map(|wish| wish.weight).sum();
    let mut sum = 0.0;
    for (here, next) in wishes.iter().zip(wishes.iter().skip(1)) {
        sum += here.weight;
        if sum * 2.0 > total || (sum * 2.0 == total && here.is_first >= next.is_first) {
            return Some(here.at);
        }
        if sum * 2.0 == total {
            return Some(next.at);
        }
    }
    wishes.last().map(|wish| wish.at)
}

/// Where runs touch their items, from the items' tops.
fn offsets(graph: &Graph, order: &Order) -> Vec<Vec<f64>> {
    let mut offsets: Vec<Vec<f64>> = Vec::new();
    // What touches each side of a card: what is beyond, and which stop of which run.
    let mut sides: Vec<[Vec<(usize, usize, usize)>; 2]> =
        vec![[Vec::new(), Vec::new()]; graph.items.len()];
    for (number, run) in graph.runs.iter().enumerate() {
        let mut own = Vec::new();
        for (at, stop) in run.stops.iter().enumerate() {
            let item = &graph.items[stop.item];
            own.push(match stop.port {
                Port::Row(_, y) | Port::Line(y) => y,
                Port::Side => (item.height / 2.0).round(),
            });
            let is_end = at == 0 || at + 1 == run.stops.len();
            if stop.port == Port::Side && is_end && run.course != Course::Down {
                let beyond = if at == 0 {
                    run.stops[1]
                } else {
                    run.stops[at - 1]
                };
                let column = graph.items[beyond.item].column;
                let side = usize::from(column >= item.column);
                sides[stop.item][side].push((order.place(beyond.item), number, at));
            }
        }
        offsets.push(own);
    }
    for (item, sides) in sides.iter_mut().enumerate() {
        let height = rowless(graph, item);
        for side in sides {
            side.sort_unstable();
            let steps = side.len().saturating_sub(1) as f64;
            let step = (height - 24.0).max(0.0) / steps.max(1.0);
            let step = step.min(26.0);
            for (rank, (_, run, stop)) in side.iter().enumerate() {
                let middle = (height / 2.0).round();
                offsets[*run][*stop] = (middle + (rank as f64 - steps / 2.0) * step).round();
            }
        }
    }
    offsets
}

/// The part of an item that is not for tunnels' rows.
fn rowless(graph: &Graph, item: usize) -> f64 {
    let stops = graph.runs.iter().flat_map(|run| &run.stops);
    let rows = stops
        .filter(|stop| stop.item == item)
        .filter_map(|stop| match stop.port {
            Port::Row(_, y) => Some(y - 16.0),
            Port::Side | Port::Line(_) => None,
        });
    rows.fold(graph.items[item].height, f64::min)
}

/// The order and its measures, as seen from above or, upside down, from below.
struct Way<'g> {
    graph: &'g Graph,
    order: Vec<usize>,
    ranges: Vec<(usize, [usize; 2])>,
    head: f64,
    foot: f64,
}

/// The end of what is already placed in a column, and half the room it wants after it.
#[derive(Clone, Copy)]
struct Floor {
    at: f64,
    /// `None`: what comes may touch it.
    margin: Option<f64>,
}

impl Floor {
    /// Where something with this margin may begin.
    fn below(self, margin: f64) -> f64 {
        self.at + self.margin.map_or(0.0, |own| own + margin)
    }
}

impl<'g> Way<'g> {
    fn down(graph: &'g Graph, order: &Order) -> Self {
        let mut ranges: Vec<(usize, [usize; 2])> = Vec::new();
        for item in &graph.items {
            let Some(group) = item.group else { continue };
            let column = item.column;
            match ranges.iter_mut().find(|(known, _)| *known == group) {
                Some((_, [low, high])) => {
                    (*low, *high) = ((*low).min(column), (*high).max(column));
                }
                None => ranges.push((group, [column, column])),
            }
        }
        Self {
            graph,
            order: order.items().collect(),
            ranges,
            head: GROUP_HEAD,
            foot: GROUP_PAD,
        }
    }

    fn up(graph: &'g Graph, order: &Order) -> Self {
        let down = Self::down(graph, order);
        Self {
            order: order.items().rev().collect(),
            head: down.foot,
            foot: down.head,
            ..down
        }
    }

    /// Moves everything down by no more than must be.
    fn push(&self, top: &mut [f64]) -> Vec<Frame> {
        let nothing = Floor {
            at: f64::NEG_INFINITY,
            margin: None,
        };
        let mut floors = vec![nothing; self.graph.columns];
        let mut frames: Vec<Frame> = Vec::new();
        let mut open: Option<Frame> = None;
        for &item in &self.order {
            let group = self.graph.items[item].group;
            if let Some(frame) = open.filter(|frame| Some(frame.group) != group) {
                frames.push(self.close(frame, &mut floors, top));
                open = None;
            }
            if let (Some(group), None) = (group, open) {
                open = Some(self.open(group, &mut floors, top));
            }
            self.settle(item, &mut floors, top);
        }
        frames.extend(open.map(|frame| self.close(frame, &mut floors, top)));
        frames
    }

    /// Whether nothing must be moved.
    fn holds(&self, top: &[f64]) -> bool {
        let mut pushed = top.to_vec();
        self.push(&mut pushed);
        top.iter().zip(pushed).all(|(a, b)| b - a < 1e-6)
    }

    fn settle(&self, item: usize, floors: &mut [Floor], top: &mut [f64]) {
        let own = &self.graph.items[item];
        let floor = &mut floors[own.column];
        top[item] = top[item].max(floor.below(own.margin()));
        *floor = Floor {
            at: top[item] + own.height,
            margin: Some(own.margin()),
        };
    }

    fn members(&self, group: usize) -> impl Iterator<Item = usize> {
        let items = &self.graph.items;
        (0..items.len()).filter(move |&item| items[item].group == Some(group))
    }

    fn open(&self, group: usize, floors: &mut [Floor], top: &[f64]) -> Frame {
        let range = self.ranges.iter().find(|(of, _)| *of == group);
        let columns = range.map_or([0, 0], |(_, range)| *range);
        let wished = self
            .members(group)
            .map(|item| top[item])
            .fold(f64::INFINITY, f64::min);
        let least = floors[columns[0]..=columns[1]]
            .iter()
            .map(|floor| floor.below(GROUP_MARGIN))
            .fold(wished - self.head, f64::max);
        for floor in &mut floors[columns[0]..=columns[1]] {
            *floor = Floor {
                at: least + self.head,
                margin: None,
            };
        }
        Frame {
            group,
            columns,
            top: least,
            bottom: least,
        }
    }

    fn close(&self, frame: Frame, floors: &mut [Floor], top: &[f64]) -> Frame {
        let items = &self.graph.items;
        let ends = self
            .members(frame.group)
            .map(|item| top[item] + items[item].height);
        let bottom = ends.fold(frame.top, f64::max) + self.foot;
        for floor in &mut floors[frame.columns[0]..=frame.columns[1]] {
            *floor = Floor {
                at: bottom,
                margin: Some(GROUP_MARGIN),
            };
        }
        Frame { bottom, ..frame }
    }
}
