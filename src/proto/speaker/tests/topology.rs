//! Random topologies against a reference computed without any protocol.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::super::sim::{Builder, Sim};

/// The AS path every node must end up with towards `target`: the shortest, and
/// among the shortest the one through the neighbour with the lowest router-id
/// at every hop. Nodes are numbered in the order of their router-ids.
fn reference(nodes: usize, links: &[(usize, usize)], target: usize) -> Vec<Option<Vec<u32>>> {
    let neighbours = |node: usize| {
        let mut list: Vec<usize> = links
            .iter()
            .filter_map(|&(a, b)| match (a == node, b == node) {
                (true, _) => Some(b),
                (_, true) => Some(a),
                _ => None,
            })
            .collect();
        list.sort_unstable();
        list
    };
    let mut paths: Vec<Option<Vec<u32>>> = vec![None; nodes];
    paths[target] = Some(Vec::new());
    let mut distance = vec![usize::MAX; nodes];
    distance[target] = 0;
    let mut queue = VecDeque::from([target]);
    while let Some(node) = queue.pop_front() {
        for next in neighbours(node) {
            if distance[next] == usize::MAX {
                distance[next] = distance[node] + 1;
                queue.push_back(next);
            }
        }
    }
    let mut order: Vec<usize> = (0..nodes)
        .filter(|&node| distance[node] != usize::MAX)
        .collect();
    order.sort_by_key(|&node| distance[node]);
    for node in order.into_iter().skip(1) {
        let parent = neighbours(node)
            .into_iter()
            .find(|&next| distance[next] + 1 == distance[node])
            .expect("somebody is nearer");
        let mut path = vec![64_512 + parent as u32];
        path.extend(paths[parent].clone().expect("nearer nodes come first"));
        paths[node] = Some(path);
    }
    paths
}

fn check(sim: &Sim, nodes: usize, links: &[(usize, usize)]) {
    for target in 0..nodes {
        let prefix = format!("192.168.{target}.0/24");
        for (node, expected) in reference(nodes, links, target).into_iter().enumerate() {
            let best = sim.best(node, &prefix).map(|route| route.as_path);
            let expected = expected.map(|path| {
                let text: Vec<String> = path.iter().map(u32::to_string).collect();
                text.join(" ")
            });
            assert_eq!(best, expected, "from {node} to {target}");
            let walk = sim.walk(node, &prefix).expect("no forwarding loop");
            let hops: Vec<String> = walk.iter().map(|at| (64_512 + at).to_string()).collect();
            assert_eq!(
                Some(hops.join(" ")),
                expected.or_else(|| Some(String::new()))
            );
        }
    }
}

fn topology() -> impl Strategy<Value = (usize, Vec<(usize, usize)>, Vec<u64>, u64)> {
    (2_usize..9, any::<u64>()).prop_flat_map(|(nodes, seed)| {
        let pair = (0..nodes, 0..nodes);
        let links = prop::collection::vec(pair, 1..14).prop_map(|pairs| {
            let mut unique = BTreeSet::new();
            for (a, b) in pairs {
                if a != b {
                    unique.insert((a.min(b), a.max(b)));
                }
            }
            unique.into_iter().collect::<Vec<_>>()
        });
        let delays = prop::collection::vec(0_u64..50, 14);
        (Just(nodes), links, delays, Just(seed))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_speaker_agrees_with_the_reference((nodes, links, delays, seed) in topology()) {
        let mut lab = Builder::new();
        for node in 0..nodes {
            lab.node(64_512 + node as u32);
            lab.originate(node, &format!("192.168.{node}.0/24"));
        }
        for (&(a, b), &delay) in links.iter().zip(&delays) {
            lab.link(a, b, delay);
        }
        let mut sim = lab.start(seed);
        sim.run_ms(8_000);
        check(&sim, nodes, &links);
        if links.is_empty() {
            return Ok(());
        }
        // Cut one, let the hold timers find it, and compare again; then back.
        let victim = (seed % links.len() as u64) as usize;
        sim.cut(victim);
        sim.run_ms(15_000);
        let mut left = links.clone();
        left.remove(victim);
        check(&sim, nodes, &left);
        sim.restore(victim);
        sim.run_ms(8_000);
        check(&sim, nodes, &links);
    }
}

/// Twenty speakers in a ring with chords.
#[test]
fn twenty_speakers_converge() {
    let nodes = 20;
    let mut links: Vec<(usize, usize)> = (0..nodes).map(|n| (n, (n + 1) % nodes)).collect();
    links.extend((0..nodes / 2).map(|n| (n, n + nodes / 2)));
    let mut lab = Builder::new();
    for node in 0..nodes {
        lab.node(64_512 + node as u32);
        lab.originate(node, &format!("192.168.{node}.0/24"));
    }
    for &(a, b) in &links {
        lab.link(a, b, 3);
    }
    let mut sim = lab.start(20);
    sim.run_ms(5_000);
    check(&sim, nodes, &links);
}
