//! What a network namespace's IP counts, read through a process in it.

use std::{fs, io};

/// Where a counter is: the file below /proc/PID/net, its table, its name.
const NO_ROUTE: [(&str, &str, &str); 2] = [
    ("netstat", "IpExt:", "InNoRoutes"),
    ("snmp", "Ip:", "OutNoRoutes"),
];
const NO_ROUTE_6: [&str; 2] = ["Ip6InNoRoutes", "Ip6OutNoRoutes"];

/// Packets that came, or were to be sent, and for which there was no route (RFC 4293,
/// `ipSystemStatsInNoRoutes` and `ipSystemStatsOutNoRoutes`, both families).
///
/// # Errors
/// The process has ended.
pub fn no_route(pid: i32) -> io::Result<u64> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}"));
    let mut count = 0;
    for (file, table, name) in NO_ROUTE {
        count += in_table(&read(file)?, table, name).unwrap_or(0);
    }
    // A kernel without IPv6 has no such file.
    let six = match read("snmp6") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let of_six = |name: &str| -> Option<u64> {
        let line = six.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Ok(count + NO_ROUTE_6.into_iter().filter_map(of_six).sum::<u64>())
}

const TOO_LARGE: (&str, &str, &str) = ("snmp", "Ip:", "FragFails");
const TOO_LARGE_6: &str = "Ip6FragFails";

/// Packets that were too large for where they were to go and must not be fragmented (RFC
/// 4293, `ipSystemStatsOutFragFails`, both families).
///
/// # Errors
/// The process has ended.
pub fn too_large(pid: i32) -> io::Result<u64> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}"));
    let (file, table, name) = TOO_LARGE;
    let four = in_table(&read(file)?, table, name).unwrap_or(0);
    let six = match read("snmp6") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let line = six.lines().find_map(|line| line.strip_prefix(TOO_LARGE_6));
    Ok(four + line.and_then(|line| line.trim().parse().ok()).unwrap_or(0))
}

/// A table is a line of names and a line of numbers, both after its own name.
fn in_table(text: &str, table: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(table));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut pairs = names.split_whitespace().zip(numbers.split_whitespace());
    pairs.find(|(each, _)| *each == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_below_its_name() {
        let text = "TcpExt: SyncookiesSent A\nTcpExt: 7 8\nIpExt: InNoRoutes B\nIpExt: 42 0\n";
        assert_eq!(in_table(text, "IpExt:", "InNoRoutes"), Some(42));
        assert_eq!(in_table(text, "IpExt:", "C"), None);
        assert_eq!(in_table(text, "Ip:", "B"), None);
    }

    #[test]
    fn this_kernel_counts() {
        let own = i32::try_from(std::process::id()).unwrap();
        no_route(own).unwrap();
        too_large(own).unwrap();
    }
}
