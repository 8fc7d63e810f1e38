//! Results: what was declared beside what was measured, and the table of them.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Whether a measured value is where it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// Shown, and not judged.
    Shown,
}

/// One measured value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The case it belongs to.
    pub case: String,
    /// What was measured.
    pub what: String,
    /// What the link was declared to do.
    pub declared: String,
    /// What it did.
    pub measured: String,
    /// Where the value has to be.
    pub tolerance: String,
    /// Whether it is there.
    pub judgement: Judgement,
}

impl Row {
    /// A value between two bounds.
    pub(super) fn within(
        [case, what, declared]: [&str; 3],
        value: f64,
        (low, high): (f64, f64),
        unit: &str,
    ) -> Self {
        let tolerance = match (low.is_finite(), high.is_finite()) {
            (true, true) => format!("{} to {}{unit}", number(low), number(high)),
            (true, false) => format!("at least {}{unit}", number(low)),
            (false, true) => format!("at most {}{unit}", number(high)),
            (false, false) => String::new(),
        };
        let judgement = if tolerance.is_empty() {
            Judgement::Shown
        } else if (low..=high).contains(&value) {
            Judgement::Met
        } else {
            Judgement::Missed
        };
        Self {
            case: case.to_owned(),
            what: what.to_owned(),
            declared: declared.to_owned(),
            measured: format!("{}{unit}", number(value)),
            tolerance,
            judgement,
        }
    }

    /// Something that must be so.
    pub(super) fn must([case, what, declared]: [&str; 3], measured: String, met: bool) -> Self {
        Self {
            case: case.to_owned(),
            what: what.to_owned(),
            declared: declared.to_owned(),
            measured,
            tolerance: "exact".to_owned(),
            judgement: if met {
                Judgement::Met
            } else {
                Judgement::Missed
            },
        }
    }

    /// Takes the judgement back: the machine's clock is not to be trusted that far.
    pub(super) fn unjudged(mut self) -> Self {
        self.judgement = Judgement::Shown;
        self
    }
}

/// Three significant digits at least, and no zeros behind them.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => text,
    }
}

/// All rows of one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendReport {
    /// `relay` or `netem`.
    pub backend: String,
    /// In the order of the cases.
    pub rows: Vec<Row>,
}

/// What one host measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Kernel release.
    pub kernel: String,
    /// Processors the kernel has.
    pub processors: usize,
    /// Whether threads could have realtime priority.
    pub realtime: bool,
    /// Whether times were judged.
    pub times_judged: bool,
    /// One for each backend.
    pub backends: Vec<BackendReport>,
}

impl Report {
    /// Whether nothing was missed.
    pub fn is_met(&self) -> bool {
        let mut rows = self.backends.iter().flat_map(|backend| &backend.rows);
        rows.all(|row| row.judgement != Judgement::Missed)
    }

    /// One line for each value.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for backend in &self.backends {
            let _ = writeln!(text, "{} on kernel {}", backend.backend, self.kernel);
            for row in &backend.rows {
                let mark = match row.judgement {
                    Judgement::Met => "ok    ",
                    Judgement::Missed => "MISSED",
                    Judgement::Shown => "      ",
                };
                let _ = writeln!(
                    text,
                    "{mark} {:<11} {:<44} {:<24} {:>12}  {}",
                    row.case, row.what, row.declared, row.measured, row.tolerance
                );
            }
        }
        text
    }

    /// A table with one column for each backend of each report.
    pub fn markdown(reports: &[Self]) -> String {
        let columns: Vec<(&Self, &BackendReport)> = reports
            .iter()
            .flat_map(|report| report.backends.iter().map(move |backend| (report, backend)))
            .collect();
        let mut text = "| case | measured | declared | tolerance |".to_owned();
        for (report, backend) in &columns {
            let release = report.kernel.split('-').next().unwrap_or_default();
            let _ = write!(text, " {} on {release} |", backend.backend);
        }
        text.push_str("\n|---|---|---|---|");
        text.push_str(&"---|".repeat(columns.len()));
        text.push('\n');
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for row in columns.iter().flat_map(|(_, backend)| &backend.rows) {
            let key = (row.case.as_str(), row.what.as_str());
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let Row {
                case,
                what,
                declared,
                tolerance,
                ..
            } = row;
            let _ = write!(text, "| {case} | {what} | {declared} | {tolerance} |");
            for (_, backend) in &columns {
                let mut rows = backend.rows.iter();
                let found = rows.find(|row| (row.case.as_str(), row.what.as_str()) == key);
                let cell = found.map_or_else(|| "–".to_owned(), cell);
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text
    }
}

fn cell(row: &Row) -> String {
    match row.judgement {
        Judgement::Met => row.measured.clone(),
        Judgement::Missed => format!("**{}** missed", row.measured),
        Judgement::Shown => format!("({})", row.measured),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(kernel: &str, rows: Vec<Row>) -> Report {
        Report {
            kernel: kernel.to_owned(),
            processors: 2,
            realtime: true,
            times_judged: true,
            backends: vec![BackendReport {
                backend: "relay".to_owned(),
                rows,
            }],
        }
    }

    #[test]
    fn bounds_are_judged_and_said() {
        let names = ["delay", "median", "5 ms"];
        let row = |value, bounds| Row::within(names, value, bounds, " ms");
        let met = row(5.004, (4.9, 5.1));
        assert_eq!(met.judgement, Judgement::Met);
        assert_eq!((&*met.measured, &*met.tolerance), ("5 ms", "4.9 to 5.1 ms"));
        assert_eq!(row(5.2, (4.9, 5.1)).judgement, Judgement::Missed);
        assert_eq!(row(f64::NAN, (4.9, 5.1)).judgement, Judgement::Missed);
        assert_eq!(row(7.0, (f64::NEG_INFINITY, 8.0)).tolerance, "at most 8 ms");
        let shown = row(7.0, (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(shown.judgement, Judgement::Shown);
        assert!(report("6.1", vec![met.clone(), shown.clone()]).is_met());
        assert!(!report("6.1", vec![met, row(9.0, (0.0, 1.0))]).is_met());
    }

    #[test]
    fn a_table_has_a_column_for_each_and_a_gap_where_one_did_not_measure() {
        let one = Row::within(["delay", "median", "5 ms"], 5.01, (4.9, 5.1), " ms");
        let two = Row::must(["loss", "cut", "silent"], "7".to_owned(), false);
        let table = Report::markdown(&[
            report("6.18.44-x", vec![one.clone()]),
            report("6.1.0", vec![one.unjudged(), two]),
        ]);
        assert_eq!(
            table,
            "| case | measured | declared | tolerance | relay on 6.18.44 | relay on 6.1.0 |\n\
             |---|---|---|---|---|---|\n\
             | delay | median | 5 ms | 4.9 to 5.1 ms | 5.01 ms | (5.01 ms) |\n\
             | loss | cut | silent | exact | – | **7** missed |\n"
        );
    }
}
