//! Columns that line up.

/// A table for reading.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|&text| text.to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether there is nothing under the headings.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &self.rows {
            let line: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// `-` for nothing.
pub(super) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A length of time as people say it: `850 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub(super) fn age(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// A rate in the lab file's units.
pub(super) fn rate(bits_per_second: u64) -> String {
    let b = bits_per_second as f64;
    match bits_per_second {
        0..1_000_000 => format!("{:.4} kbit", b / 1e3),
        1_000_000..1_000_000_000 => format!("{:.4} Mbit", b / 1e6),
        _ => format!("{:.4} Gbit", b / 1e9),
    }
    .replace(".0000", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_with_their_last_word() {
        let mut table = Table::new(&["NAME", "PATH"]);
        assert!(table.is_empty());
        table.row(["dc1 → east".to_owned(), "x".to_owned()]);
        table.row(["a".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "NAME        PATH\ndc1 → east  x\na\n");
    }

    #[test]
    fn times_and_rates_read_like_speech() {
        assert_eq!(age(850), "850 ms");
        assert_eq!(age(12_400), "12 s");
        assert_eq!(age(200_000), "3 min 20 s");
        assert_eq!(age(7_500_000), "2 h 5 min");
        assert_eq!(rate(1_000_000_000), "1 Gbit");
        assert_eq!(rate(500_000), "500 kbit");
    }
}
