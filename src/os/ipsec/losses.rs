//! Packets that IPsec took and did not pass on, by the kernel's own counters.

use std::{collections::BTreeMap, fs, io};

use crate::{os::device_counters, units::IfName};

/// Counts by the kernel's name for the reason; of the interface as well.
pub type Losses = BTreeMap<String, u64>;

/// Columns of /proc/net/dev, from 0, of what an interface could not pass on.
const COLUMNS: [(usize, &str); 6] = [
    (2, "receive errors"),
    (3, "receive drops"),
    (10, "transmit errors"),
    (11, "transmit drops"),
    (12, "transmit overruns"),
    (14, "no way out"),
];

/// What has been lost since the namespaces were made: in the one where `endpoint` is,
/// whose SAs they were, and at `interface` in the one where `router` is.
///
/// # Errors
/// A process has ended.
pub fn losses(endpoint: i32, router: i32, interface: &IfName) -> io::Result<Losses> {
    let mut all = match fs::read_to_string(format!("/proc/{endpoint}/net/xfrm_stat")) {
        Ok(text) => of_states(&text),
        // A kernel without XFRM, or one that does not count.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Losses::new(),
        Err(error) => return Err(error),
    };
    let text = device_counters::table(router)?;
    all.extend(of_interface(&text, interface.as_str()));
    Ok(all)
}

fn of_states(text: &str) -> Losses {
    text.lines()
        .filter_map(|line| {
            let (name, count) = line.split_once(char::is_whitespace)?;
            Some((name.to_owned(), count.trim().parse().ok()?))
        })
        .collect()
}

fn of_interface(text: &str, interface: &str) -> Losses {
    let counts = device_counters::of(text, interface);
    COLUMNS
        .iter()
        .filter_map(|(column, name)| Some((format!("{interface} {name}"), *counts.get(*column)?)))
        .collect()
}

/// What was added to `before`, where anything was. An interface that was made anew
/// counts from nothing.
pub fn since(before: &Losses, now: Losses) -> Losses {
    now.into_iter()
        .map(|(name, count)| {
            let then = before.get(&name).copied().unwrap_or(0);
            let added = if count < then { count } else { count - then };
            (name, added)
        })
        .filter(|(_, added)| *added > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
backup.1:    100       2    3    4    0     0          0         0     7200      80    5    6    0     0       9          0
";

    #[test]
    fn both_tables_are_read() {
        let states = of_states("XfrmInError             \t0\nXfrmInStateSeqError     \t12\n");
        assert_eq!(states.get("XfrmInStateSeqError"), Some(&12));
        let dev = of_interface(DEV, "backup.1");
        let count = |name: &str| dev.get(&format!("backup.1 {name}")).copied();
        assert_eq!(
            [
                "receive errors",
                "receive drops",
                "transmit errors",
                "transmit drops",
                "no way out"
            ]
            .map(count),
            [3, 4, 5, 6, 9].map(Some)
        );
        assert!(of_interface(DEV, "backup").is_empty());
    }

    #[test]
    fn only_what_was_added_is_told() {
        let of = |counts: [u64; 3]| -> Losses {
            let names = ["a", "b", "c"].map(str::to_owned);
            names.into_iter().zip(counts).collect()
        };
        let added = since(&of([1, 5, 9]), of([1, 8, 2]));
        assert_eq!(added, [("b".to_owned(), 3), ("c".to_owned(), 2)].into());
    }
}
