//! Which column each node stands in: the customer left, locations and the
//! internet in the middle, AWS right.

use std::collections::VecDeque;

/// What decides a node's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Zone {
    /// The user's own.
    Customer,
    /// Between the customer and AWS.
    Between,
    /// AWS's own, and how deep inside it.
    Aws(u8),
}

impl Zone {
    /// Of a kind's word. An AWS kind that is not known here is a gateway.
    pub(super) fn of(word: &str, is_aws: bool) -> Self {
        match word {
            "dx-location" | "internet" => Self::Between,
            "dxgw" | "aws-public" => Self::Aws(0),
            "vpc" => Self::Aws(2),
            _ if is_aws => Self::Aws(1),
            _ => Self::Customer,
        }
    }
}

/// A column for every node, from 0 without gaps, and whether the lab has a side of AWS's at all.
/// `wires` join nodes by their places in `zones`, which are in the file's order.
pub(super) fn ranks(zones: &[Zone], wires: &[[usize; 2]]) -> Vec<usize> {
    let has_aws = zones.iter().any(|zone| matches!(zone, Zone::Aws(_)));
    let raw = match has_aws {
        true => by_zone(zones, wires),
        false => by_distance(zones.len(), wires),
    };
    let mut used: Vec<i64> = raw.clone();
    used.sort_unstable();
    used.dedup();
    raw.iter()
        .map(|rank| used.binary_search(rank).unwrap_or_default())
        .collect()
}

/// The customer's nodes by how many hops they are from what is not the customer's.
fn by_zone(zones: &[Zone], wires: &[[usize; 2]]) -> Vec<i64> {
    let outer: Vec<usize> = (0..zones.len())
        .filter(|&node| zones[node] != Zone::Customer)
        .collect();
    let mut hops = vec![None; zones.len()];
    spread(&mut hops, wires, &outer);
    let rank = |(zone, hops): (&Zone, &Option<i64>)| match zone {
        Zone::Customer => -hops.unwrap_or(1),
        Zone::Between => 0,
        Zone::Aws(depth) => 1 + i64::from(*depth),
    };
    zones.iter().zip(&hops).map(rank).collect()
}

/// Without an AWS the picture begins at one end of the lab.
fn by_distance(nodes: usize, wires: &[[usize; 2]]) -> Vec<i64> {
    let mut ranks = vec![None; nodes];
    while let Some(first) = ranks.iter().position(Option::is_none) {
        let mut trial = vec![None; nodes];
        spread(&mut trial, wires, &[first]);
        let reach = |hops: &[Option<i64>]| hops.iter().flatten().max().copied().unwrap_or_default();
        let far = (0..nodes).rev().max_by_key(|&node| trial[node]);
        let mut from_far = vec![None; nodes];
        spread(&mut from_far, wires, &[far.unwrap_or(first)]);
        let best = match reach(&from_far) > reach(&trial) {
            true => from_far,
            false => trial,
        };
        // What is declared first is rather left than right.
        let (end, begin) = (reach(&best), best[first].unwrap_or_default());
        let turned = |rank| if begin * 2 > end { end - rank } else { rank };
        for (rank, found) in ranks.iter_mut().zip(best) {
            *rank = rank.or(found.map(turned));
        }
    }
    ranks.into_iter().map(Option::unwrap_or_default).collect()
}

/// Breadth first: hops from `sources` to whatever they reach.
fn spread(hops: &mut [Option<i64>], wires: &[[usize; 2]], sources: &[usize]) {
    let mut queue: VecDeque<(usize, i64)> = sources.iter().map(|&node| (node, 0)).collect();
    while let Some((node, distance)) = queue.pop_front() {
        if hops[node].is_some() {
            continue;
        }
        hops[node] = Some(distance);
        for &[a, b] in wires {
            if a == node {
                queue.push_back((b, distance + 1));
            } else if b == node {
                queue.push_back((a, distance + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_customer_stands_left_by_his_distance_and_aws_right() {
        let word = |word| Zone::of(word, matches!(word, "vgw" | "vpc" | "dx-location" | "new"));
        let zones = [
            "host",
            "router",
            "dx-location",
            "internet",
            "vgw",
            "vpc",
            "new",
        ]
        .map(word);
        let wires = [[0, 1], [1, 2], [1, 3], [2, 4], [3, 4], [4, 5], [2, 6]];
        assert_eq!(ranks(&zones, &wires), [0, 1, 2, 2, 3, 4, 3]);
    }

    #[test]
    fn without_aws_the_picture_begins_at_an_end() {
        let chain = [Zone::Customer; 4];
        assert_eq!(ranks(&chain, &[[0, 1], [0, 2], [2, 3]]), [1, 0, 2, 3]);
        assert_eq!(ranks(&chain[..2], &[[1, 0]]), [0, 1]);
        assert_eq!(ranks(&chain[..3], &[[0, 1]]), [0, 1, 0]);
    }
}
