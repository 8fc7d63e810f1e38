//! What interfaces count, read through a process in their network namespace.

use std::{fs, io};

use crate::units::IfName;

/// The columns of bytes and packets received, and of those sent.
const TRAFFIC: [usize; 4] = [0, 1, 8, 9];
/// The column of transmit drops.
const TRANSMIT_DROPS: usize = 11;

/// What an interface has carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

/// What an interface has carried, of a [`table`]; none where it is not.
pub fn traffic(table: &str, interface: &str) -> Option<Traffic> {
    let counts = of(table, interface);
    let [rx_bytes, rx_packets, tx_bytes, tx_packets] =
        TRAFFIC.map(|column| counts.get(column).copied());
    Some(Traffic {
        rx_bytes: rx_bytes?,
        rx_packets: rx_packets?,
        tx_bytes: tx_bytes?,
        tx_packets: tx_packets?,
    })
}

/// Every interface of the namespace in which the process is, as /proc/net/dev tells.
///
/// # Errors
/// The process has ended.
pub fn table(pid: i32) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/net/dev"))
}

/// The counts of one interface by the column's number, from 0; none where it is not.
pub(super) fn of(table: &str, interface: &str) -> Vec<u64> {
    let line = table
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'));
    let counts = line.unwrap_or_default().split_whitespace();
    counts.map_while(|count| count.parse().ok()).collect()
}

/// Packets that a bond was given to send while it had no member to send them on.
///
/// # Errors
/// The process has ended.
pub fn without_member(pid: i32, bond: &IfName, members: &[IfName]) -> io::Result<u64> {
    Ok(without_member_in(&table(pid)?, bond, members))
}

/// A bond adds what its members dropped to its own count.
fn without_member_in(table: &str, bond: &IfName, members: &[IfName]) -> u64 {
    let drops = |interface: &IfName| {
        let counts = of(table, interface.as_str());
        counts.get(TRANSMIT_DROPS).copied().unwrap_or(0)
    };
    let of_members: u64 = members.iter().map(drops).sum();
    drops(bond).saturating_sub(of_members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_found_by_its_whole_name() {
        let text = "    lo: 1 2\n    dx:  3   4 5\ndx.101: 6\n";
        assert_eq!(of(text, "dx"), [3, 4, 5]);
        assert_eq!(of(text, "dx.101"), [6]);
        assert!(of(text, "d").is_empty());
    }

    #[test]
    fn traffic_is_both_ways() {
        let text = "a: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n";
        let seen = Traffic {
            rx_bytes: 10,
            rx_packets: 1,
            tx_bytes: 20,
            tx_packets: 2,
        };
        assert_eq!(traffic(text, "a"), Some(seen));
        assert_eq!(traffic(text, "b"), None);
    }

    #[test]
    fn this_kernel_has_the_column() {
        let own = i32::try_from(std::process::id()).unwrap();
        let text = table(own).unwrap();
        assert!(of(&text, "lo").len() > TRANSMIT_DROPS);
    }

    #[test]
    fn what_members_dropped_is_not_for_want_of_a_member() {
        let line =
            |name: &str, drops: u64| format!("{name}: 0 0 0 0 0 0 0 0 0 0 0 {drops} 0 0 0 0\n");
        let text = [line("c1", 2), line("c2", 1), line("dx", 35)].concat();
        let [c1, c2, dx] = ["c1", "c2", "dx"].map(|name| IfName::new(name).unwrap());
        assert_eq!(without_member_in(&text, &dx, &[c1, c2]), 32);
    }
}
