//! What interfaces count, read through a process in their network namespace.

use std::{fs, io};

use crate::units::IfName;

/// The column of transmit drops.
const TRANSMIT_DROPS: usize = 11;

/// Every interface of the namespace in which the process is, as /proc/net/dev tells.
pub(super) fn table(pid: i32) -> io::Result<String> {
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
