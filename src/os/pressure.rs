//! How long something on the host has had to wait for a processor.

use std::fs;

/// Microseconds in which at least one task was ready to run and had none, since
/// the host started; `None` where the kernel does not count them (`CONFIG_PSI`).
pub fn cpu_waited_us() -> Option<u64> {
    some_total(&fs::read_to_string("/proc/pressure/cpu").ok()?)
}

/// The total of the line `some`.
fn some_total(text: &str) -> Option<u64> {
    let mut words = text
        .lines()
        .find_map(|line| line.strip_prefix("some "))?
        .split(' ');
    words
        .find_map(|word| word.strip_prefix("total="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_some_is_read() {
        let text = "some avg10=71.59 avg60=80.49 avg300=59.36 total=1037985543\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(some_total(text), Some(1_037_985_543));
        assert_eq!(some_total("full total=7\n"), None);
    }
}
