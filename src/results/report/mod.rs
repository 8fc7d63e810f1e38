//! Results for people and machines: text out of a measured run. Nothing is measured here, and
//! nothing is printed that the run did not measure.

mod brief;
mod compare;
mod html;
mod json;
mod load;
mod markdown;
mod otg;
mod parquet;
mod pieces;
mod rfc;
mod terminal;
mod trials;
mod trials_markdown;
mod versions;
mod why;
mod words;

#[cfg(test)]
mod tests;

pub use brief::{headline, shortfalls};
pub use compare::{bench, bench_markdown, comparison, comparison_markdown};
pub use html::{html, html_of_bench, html_of_comparison, html_of_series, html_of_sweep};
pub use json::json;
pub use markdown::markdown;
pub use otg::{ConvergenceMetric, Otg, OtgEvent, OtgTransition, otg};
pub use parquet::{ParquetError, parquet};
pub use pieces::{
    chain, critical_path, drop_reasons, iso_8601, markdown_escape, outage_words, span, verdict,
};
pub use terminal::{Style, terminal};
pub use trials::trials;
pub use trials_markdown::trials_markdown;
