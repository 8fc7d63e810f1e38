use super::{
    message::{netem_options, requests, tbf_options},
    statistics::{link, queue},
    *,
};
use crate::os::netlink::{attributes, u32_at};

fn netem() -> Netem {
    Netem {
        delay: Span::from_millis(20),
        jitter: Span::from_millis(3),
        loss: NetemLoss::Random(u32::MAX / 100),
        limit: 1000,
        seed: 0x0102_0304_0506_0708,
        ..Netem::default()
    }
}

/// Kind, flags, `tcmsg` words and attributes of the one message of an operation.
fn message(op: QdiscOp) -> (u16, u16, [u32; 5], Vec<u8>) {
    let requests = requests(&[op]);
    assert_eq!(requests.count(), 1);
    let bytes = requests.as_bytes();
    assert_eq!(u32_at(bytes, 0), Some(bytes.len() as u32));
    let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    let word = |n: usize| u32_at(bytes, 16 + 4 * n).unwrap();
    let place = [word(0), word(1), word(2), word(3), word(4)];
    (half(4), half(6), place, bytes[36..].to_vec())
}

#[test]
fn an_entrance_is_a_clsact() {
    let (kind, flags, place, rest) = message(QdiscOp::AddEntrance { dev: 7 });
    assert_eq!((kind, flags), (36, 0x605));
    assert_eq!(place, [0, 7, 0xFFFF_0000, 0xFFFF_FFF1, 0]);
    let attributes = attributes(&rest, 0);
    assert_eq!(attributes.get(&1), Some(&&b"clsact\0"[..]));
    assert_eq!(attributes.len(), 1);
}

#[test]
fn netem_says_delays_in_nanoseconds_and_keeps_order_by_a_rate() {
    let options = netem_options(&netem(), false);
    let head: Vec<_> = (0..6).map(|n| u32_at(&options, 4 * n).unwrap()).collect();
    assert_eq!(head, [0, 1000, u32::MAX / 100, 0, 0, 0]);
    let attributes = attributes(&options, 24);
    let long = |kind: u16| u64::from_ne_bytes(attributes[&kind].try_into().unwrap());
    assert_eq!(u32_at(attributes[&6], 0), Some(u32::MAX));
    assert_eq!(attributes[&6].len(), 16);
    assert!(long(8) > 1_000_000_000_000);
    assert_eq!((long(10), long(11)), (20_000_000, 3_000_000));
    assert_eq!(long(14), 0x0102_0304_0506_0708);
}

#[test]
fn a_change_is_no_creation() {
    let add = message(QdiscOp::AddNetem {
        dev: 3,
        netem: netem(),
    });
    let change = message(QdiscOp::ChangeNetem {
        dev: 3,
        netem: netem(),
    });
    assert_eq!((add.0, add.1, change.0, change.1), (36, 0x605, 36, 5));
    assert_eq!(add.2, [0, 3, 0x1_0000, u32::MAX, 0]);
    assert_eq!(add.2, change.2);
    // The table says "uniform" anew: without one, an earlier one would stay.
    let table = |rest: &[u8]| {
        let outer = attributes(rest, 0);
        attributes(outer[&2], 24).get(&2).map(|table| table.len())
    };
    assert_eq!((table(&add.3), table(&change.3)), (None, Some(8192)));
}

#[test]
fn every_effect_of_netem_has_its_place() {
    let all = Netem {
        distribution: Distribution::Normal,
        loss: NetemLoss::Gilbert { begin: 11, end: 12 },
        duplicate: 13,
        corrupt: 14,
        reorder: 15,
        ..netem()
    };
    let options = netem_options(&all, true);
    let head: Vec<_> = (0..6).map(|n| u32_at(&options, 4 * n).unwrap()).collect();
    assert_eq!(
        head,
        [0, 1000, 0, 1, 13, 0],
        "no random loss beside the model"
    );
    let by_kind = attributes(&options, 24);
    let words = |bytes: &[u8]| -> Vec<u32> {
        (0..bytes.len() / 4)
            .map(|n| u32_at(bytes, 4 * n).unwrap())
            .collect()
    };
    assert_eq!(words(by_kind[&3]), [15, 0]);
    assert_eq!(words(by_kind[&4]), [14, 0]);
    let model = attributes(by_kind[&5], 0);
    assert_eq!(words(model[&2]), [11, 12, 0, 0]);
    // Half of a table of quantiles is below zero, and a sixth beyond one deviation.
    let table: Vec<i16> = by_kind[&2]
        .chunks(2)
        .map(|pair| i16::from_ne_bytes([pair[0], pair[1]]))
        .collect();
    let share = |chosen: &dyn Fn(i16) -> bool| {
        table.iter().filter(|&&value| chosen(value)).count() as f64 / table.len() as f64
    };
    assert!((share(&|value| value < 0) - 0.5).abs() < 0.001);
    assert!((share(&|value| value > 8192) - 0.1587).abs() < 0.001);
    assert_eq!(table.len(), 4096);
    // What is not wished for is taken back by name.
    let plain = netem_options(&netem(), true);
    let by_kind = attributes(&plain, 24);
    assert_eq!(
        (words(by_kind[&3]), words(by_kind[&4])),
        (vec![0, 0], vec![0, 0])
    );
    assert!(!by_kind.contains_key(&5));
}

#[test]
fn a_rate_stands_behind_netem_with_exact_bytes() {
    let bucket = Bucket {
        bytes_per_second: 12_500_000_000,
        burst: 125_000,
        queue: 1_250_000,
    };
    let (_, _, place, _) = message(QdiscOp::AddRate { dev: 3, bucket });
    assert_eq!(place, [0, 3, 0x2_0000, 0x1_0001, 0]);
    let options = tbf_options(&bucket);
    let attributes = attributes(&options, 0);
    let parameters = attributes[&1];
    assert_eq!(parameters.len(), 36);
    assert_eq!(parameters[1], 1, "Ethernet: no table of rates is needed");
    assert_eq!(u32_at(parameters, 8), Some(u32::MAX));
    assert_eq!(u32_at(parameters, 24), Some(1_250_000));
    assert_eq!(attributes[&4], 12_500_000_000_u64.to_ne_bytes());
    assert_eq!(attributes[&6], 125_000_u32.to_ne_bytes());
}

/// The first action of a matchall filter: its kind and its parameters' words.
fn action_of(rest: &[u8]) -> (Vec<u8>, Vec<u32>) {
    let outer = attributes(rest, 0);
    assert_eq!(outer[&1], b"matchall\0");
    let actions = attributes(outer[&2], 0);
    let first = attributes(actions[&2], 0);
    let action = attributes(first[&1], 0);
    let options = attributes(action[&2], 0);
    let words = options[&2].chunks(4).map(|w| u32_at(w, 0).unwrap());
    (action[&1].to_vec(), words.collect())
}

#[test]
fn a_drop_is_asked_before_a_redirection() {
    let all = u32::from(3_u16.to_be());
    let (kind, flags, place, rest) = message(QdiscOp::AddRedirect { dev: 7, to: 9 });
    assert_eq!((kind, flags), (44, 0x605));
    assert_eq!(place, [0, 7, 1, 0xFFFF_FFF2, 2 << 16 | all]);
    let (name, words) = action_of(&rest);
    assert_eq!(name, b"mirred\0");
    assert_eq!(words, [0, 0, 4, 0, 0, 1, 9]);

    let (_, _, place, rest) = message(QdiscOp::AddDrop { dev: 7 });
    assert_eq!(place, [0, 7, 1, 0xFFFF_FFF2, 1 << 16 | all]);
    assert_eq!(action_of(&rest), (b"gact\0".to_vec(), vec![0, 0, 2, 0, 0]));

    let (kind, flags, place, rest) = message(QdiscOp::RemoveDrop { dev: 7 });
    assert_eq!((kind, flags, rest.len()), (45, 5, 0));
    assert_eq!(place, [0, 7, 0, 0xFFFF_FFF2, 1 << 16 | all]);
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out
}

#[test]
fn counts_are_read_for_each_interface() {
    let mut all = Statistics::new();
    for (handle, words) in [
        (0x1_0000_u32, [5, 7_000, 11, 0, 0_u32]),
        (0x2_0000, [3, 4_500, 4, 0, 0]),
        (0xFFFF_0000, [9, 9, 9, 9, 9]),
    ] {
        let mut body = vec![0; 20];
        body[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        body[8..12].copy_from_slice(&handle.to_ne_bytes());
        let words: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        body.extend(attribute(7, &attribute(3, &words)));
        queue(&mut all, &body);
    }
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&7_u32.to_ne_bytes());
    let counts: Vec<u8> = [100_u64, 90, 10_000, 9_000, 0]
        .iter()
        .flat_map(|n| n.to_ne_bytes())
        .collect();
    body.extend(attribute(23, &counts));
    link(&mut all, &body);
    let expected = LinkStatistics {
        rx_packets: 100,
        rx_bytes: 10_000,
        tx_packets: 90,
        tx_bytes: 9_000,
        queued: 5,
        rate_backlog: 4_500,
        netem_drops: 11,
        rate_drops: 4,
    };
    assert_eq!(all, Statistics::from([(7, expected)]));
}

#[test]
fn half_a_message_counts_nothing() {
    let mut all = Statistics::new();
    for length in 0..24 {
        queue(&mut all, &vec![1; length]);
        link(&mut all, &vec![1; length]);
    }
    assert!(all.is_empty());
}

#[test]
fn every_change_says_what_it_is() {
    assert_eq!(
        QdiscOp::AddRedirect { dev: 7, to: 9 }.to_string(),
        "redirection from interface 7 to 9"
    );
}
