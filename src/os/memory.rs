//! How much memory is to be had.

use std::fs;

/// Bytes that new processes can have without anything being swapped out, as the kernel estimates;
/// `None` where it does not say.
pub fn available() -> Option<u64> {
    available_in(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_in(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_estimate_is_read() {
        let text = "MemTotal:  8000 kB\nMemFree:  1 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(available_in(text), Some(2 << 20));
        assert_eq!(available_in("MemTotal:  8000 kB\n"), None);
    }
}
