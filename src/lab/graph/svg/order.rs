//! What is above what: one order of all items, in which each group's are together. Each column
//! is then a part of that order, so that whatever must be above something else can be.

use super::items::{Course, Graph, Item, Port, Stop};
use crate::lab::graph::scene::Scene;

/// A crossing costs more than any detour.
const CROSSING: f64 = 1000.0;
/// A line down through something else.
const THROUGH: f64 = 700.0;
/// Nodes of a column in another order than the file's.
const TURNED: f64 = 4.0;
/// How much the search may compute: pairs of lines compared.
const BUDGET: usize = 60_000_000;

/// All items from top to bottom, and where each is.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Items that stay together, each by its own or those of a group.
    blocks: Vec<Vec<usize>>,
    place: Vec<usize>,
}

impl Order {
    fn of(blocks: Vec<Vec<usize>>, items: usize) -> Self {
        let mut place = vec![0; items];
        for (at, &item) in blocks.iter().flatten().enumerate() {
            place[item] = at;
        }
        Self { blocks, place }
    }

    /// Items from top to bottom.
    pub(super) fn items(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.blocks.iter().flatten().copied()
    }

    /// How far down an item is.
    pub(super) fn place(&self, item: usize) -> usize {
        self.place[item]
    }

    /// Whether nothing but `label` is between two items of a column.
    pub(super) fn is_free(&self, items: &[Item], a: usize, label: usize, b: usize) -> bool {
        self.between(items, a, label, b) == 0 && self.is_between(a, label, b)
    }

    fn is_between(&self, a: usize, label: usize, b: usize) -> bool {
        let [a, label, b] = [a, label, b].map(|item| self.place[item]);
        (a < label) == (label < b)
    }

    fn between(&self, items: &[Item], a: usize, label: usize, b: usize) -> usize {
        let column = items[a].column;
        let low = self.place[a].min(self.place[b]);
        let high = self.place[a].max(self.place[b]);
        let within = |&other: &usize| other != label && items[other].column == column;
        let order: Vec<usize> = self.items().skip(low + 1).take(high - low - 1).collect();
        order.iter().filter(|other| within(other)).count()
    }
}

/// A piece of line between neighbouring columns.
struct Piece {
    left: usize,
    ends: [Stop; 2],
}

fn pieces(graph: &Graph) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for run in graph.runs.iter().filter(|run| run.course == Course::Along) {
        for pair in run.stops.windows(2) {
            pieces.push(Piece {
                left: graph.items[pair[0].item].column,
                ends: [pair[0], pair[1]],
            });
        }
    }
    pieces
}

/// Looks for an order with few crossings and short lines.
struct Search<'g> {
    graph: &'g Graph,
    pieces: Vec<Piece>,
    cards: usize,
    spent: usize,
}

impl Search<'_> {
    fn cost(&mut self, order: &Order) -> f64 {
        self.spent += self.pieces.len() * self.pieces.len() / 2 + self.graph.items.len();
        let key = |stop: &Stop| {
            let row = match stop.port {
                Port::Row(row, _) => row + 1,
                Port::Side | Port::Line(_) => 0,
            };
            (order.place[stop.item], row)
        };
        let mut cost = 0.0;
        let keys: Vec<_> = self
            .pieces
            .iter()
            .map(|piece| (piece.left, key(&piece.ends[0]), key(&piece.ends[1])))
            .collect();
        for (at, (left, a, b)) in keys.iter().enumerate() {
            cost += a.0.abs_diff(b.0) as f64;
            for (other_left, c, d) in &keys[at + 1..] {
                let crosses = (a < c && b > d) || (a > c && b < d);
                if left == other_left && crosses {
                    cost += CROSSING;
                }
            }
        }
        for run in &self.graph.runs {
            let [first, label, last] = run.stops[..] else {
                continue;
            };
            let [first, label, last] = [first.item, label.item, last.item];
            if run.course == Course::Along {
                continue;
            }
            let apart = order.place[first].abs_diff(order.place[last]) as f64;
            cost += 2.0 * apart;
            if !order.is_between(first, label, last) {
                cost += THROUGH;
            }
            if run.course == Course::Down {
                let items = &self.graph.items;
                cost += THROUGH * order.between(items, first, label, last) as f64;
            }
        }
        cost + TURNED * self.turned(order) as f64
    }

    fn turned(&self, order: &Order) -> usize {
        let items = &self.graph.items;
        let is_turned = |&(a, b): &(usize, usize)| {
            items[a].column == items[b].column && order.place[a] > order.place[b]
        };
        let pairs = (0..self.cards).flat_map(|a| (a + 1..self.cards).map(move |b| (a, b)));
        pairs.filter(is_turned).count()
    }

    fn may_go_on(&self) -> bool {
        self.spent < BUDGET
    }

    /// Everything else between the cards that it belongs to.
    fn around_cards(&self, cards: &[Vec<usize>]) -> Order {
        let items = &self.graph.items;
        let mut key: Vec<f64> = vec![0.0; items.len()];
        for (at, &card) in cards.iter().flatten().enumerate() {
            key[card] = at as f64;
        }
        for (number, run) in self.graph.runs.iter().enumerate() {
            let (Some(first), Some(last)) = (run.stops.first(), run.stops.last()) else {
                continue;
            };
            let row = |stop: &Stop| matches!(stop.port, Port::Row(..));
            let lower = if row(first) || row(last) { 0.2 } else { 0.0 };
            let middle = f64::midpoint(key[first.item], key[last.item]);
            for stop in &run.stops[1..run.stops.len() - 1] {
                key[stop.item] = middle + lower + number as f64 * 1e-4;
            }
        }
        let mut blocks: Vec<(f64, Vec<usize>)> = Vec::new();
        let mut of_group: Vec<(usize, usize)> = Vec::new();
        for item in 0..items.len() {
            let known = items[item]
                .group
                .and_then(|group| of_group.iter().find(|(of, _)| *of == group));
            if let Some(&(_, block)) = known {
                blocks[block].1.push(item);
                continue;
            }
            of_group.extend(items[item].group.map(|group| (group, blocks.len())));
            blocks.push((key[item], vec![item]));
        }
        for (own, block) in &mut blocks {
            block.sort_by(|&a, &b| key[a].total_cmp(&key[b]));
            *own = block.iter().map(|&item| key[item]).sum::<f64>() / block.len() as f64;
        }
        blocks.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Order::of(
            blocks.into_iter().map(|(_, block)| block).collect(),
            items.len(),
        )
    }

    /// Moves one entry at a time to wherever it is best, as long as that helps.
    fn climb<T: Clone>(&mut self, mut best: Vec<T>, show: impl Fn(&Self, &[T]) -> Order) -> Vec<T> {
        let order = show(self, &best);
        let mut least = self.cost(&order);
        let mut improved = true;
        while improved && self.may_go_on() {
            improved = false;
            for from in 0..best.len() {
                for to in 0..best.len() {
                    if from == to || !self.may_go_on() {
                        continue;
                    }
                    let mut trial = best.clone();
                    let moved = trial.remove(from);
                    trial.insert(to, moved);
                    let order = show(self, &trial);
                    let cost = self.cost(&order);
                    if cost < least {
                        (best, least, improved) = (trial, cost, true);
                    }
                }
            }
        }
        best
    }
}

/// The best order found.
pub(super) fn search(scene: &Scene, graph: &Graph) -> Order {
    let mut search = Search {
        graph,
        pieces: pieces(graph),
        cards: scene.cards.len(),
        spent: 0,
    };
    let mut cards: Vec<Vec<usize>> = Vec::new();
    for (at, card) in scene.cards.iter().enumerate() {
        let same = |block: &&mut Vec<usize>| scene.cards[block[0]].group == card.group;
        match cards.iter_mut().find(same).filter(|_| card.group.is_some()) {
            Some(block) => block.push(at),
            None => cards.push(vec![at]),
        }
    }
    let total = graph.items.len();
    let mut cards = search.climb(cards, |search, cards| search.around_cards(cards));
    for group in 0..cards.len() {
        if cards[group].len() > 1 {
            let others = cards.clone();
            cards[group] = search.climb(cards[group].clone(), |search, inner| {
                let mut all = others.clone();
                all[group] = inner.to_vec();
                search.around_cards(&all)
            });
        }
    }
    let blocks = search.around_cards(&cards).blocks;
    let mut blocks = search.climb(blocks, |_, blocks| Order::of(blocks.to_vec(), total));
    for block in 0..blocks.len() {
        if blocks[block].len() > 1 {
            let others = blocks.clone();
            blocks[block] = search.climb(blocks[block].clone(), |_, inner| {
                let mut all = others.clone();
                all[block] = inner.to_vec();
                Order::of(all, total)
            });
        }
    }
    Order::of(blocks, total)
}
