//! What is wrong with a lab file, and where.

use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The lab can be built, but a result may surprise.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A stretch of one line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Line, from 1.
    pub line: u32,
    /// First character, from 1.
    pub column: u32,
    /// Characters; at least 1, never past the line's end but for a caret after it.
    pub length: u32,
}

impl At {
    /// The beginning of the file.
    pub const START: Self = Self {
        line: 1,
        column: 1,
        length: 1,
    };
}

/// The width of each line in characters.
pub(super) struct Widths(Vec<u32>);

impl Widths {
    pub(super) fn of(text: &str) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self(
            text.lines()
                .map(|line| count(line.chars().count()))
                .collect(),
        )
    }

    /// A place that is certainly inside the text: at most one past a line's end.
    pub(super) fn clamp(&self, line: u64, column: u64, length: u64) -> At {
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
        let lines = u32::try_from(self.0.len()).unwrap_or(u32::MAX).max(1);
        let inside = number(line).min(lines);
        let nth = usize::try_from(inside - 1).unwrap_or(usize::MAX);
        let end = self.0.get(nth).copied().unwrap_or(0) + 1;
        let column = if inside == number(line) {
            number(column).min(end)
        } else {
            end
        };
        At {
            line: inside,
            column,
            length: number(length).min((end - column).max(1)),
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file is refused.
    pub severity: Severity,
    /// Line, from 1.
    pub line: u32,
    /// First character, from 1.
    pub column: u32,
    /// Characters, at least 1.
    pub length: u32,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// A stable short name of the rule, `unknown-key` or `aws-bfd`.
    pub code: &'static str,
}

/// Everything found in one file, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// The findings as text: for each `FILE:LINE:COLUMN: error: message`, the
    /// line of the source, a line of carets, and `help:` where there is one.
    pub fn render(&self, file: &str, text: &str) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let mut out = String::new();
        for found in &self.0 {
            let index = usize::try_from(found.line.saturating_sub(1)).unwrap_or(usize::MAX);
            render_one(
                &mut out,
                found,
                file,
                lines.get(index).copied().unwrap_or_default(),
            );
        }
        out
    }
}

/// A source line is shown at most this wide; a longer one is cut around the finding.
const SHOWN: usize = 160;

fn render_one(out: &mut String, found: &Diagnostic, file: &str, source: &str) {
    use fmt::Write as _;
    let Diagnostic {
        severity,
        line,
        column,
        message,
        ..
    } = found;
    let start = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
    let skip = if start > SHOWN / 2 && source.chars().count() > SHOWN {
        start - SHOWN / 4
    } else {
        0
    };
    // A tab is one character but many columns wide: shown as one blank, the caret stays below.
    let shown: String = source
        .chars()
        .skip(skip)
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let width = shown.chars().count();
    let indent = (start - skip).min(width);
    let carets = usize::try_from(found.length)
        .unwrap_or(1)
        .min(width.saturating_sub(indent))
        .max(1);
    let number = line.to_string();
    let gutter = number.len();
    // The file's own words are quoted in messages; what would steer a terminal is not.
    let message = printable(message);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{file}:{line}:{column}: {severity}: {message}");
    let _ = writeln!(out, " {number} | {}", shown.trim_end());
    let _ = writeln!(
        out,
        " {:gutter$} | {:indent$}{}",
        "",
        "",
        "^".repeat(carets)
    );
    if let Some(help) = &found.help {
        let _ = writeln!(out, " {:gutter$} = help: {}", "", printable(help));
    }
}

fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

impl fmt::Display for Diagnostics {
    /// One line each, without the source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(
                f,
                "{}:{}: {}: {}",
                found.line, found.column, found.severity, found.message
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
