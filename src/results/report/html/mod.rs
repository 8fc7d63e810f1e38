//! `report.html`: a page that explains a run, or a series of trials, to people who were not there.
//!
//! One file that loads nothing: its style, its script and its data are in it, so that it can be
//! mailed and opened in ten years. Tables and phases are plain HTML; charts of time and of
//! distributions are drawn by uPlot (vendored below `vendor/`), from data that is in the page once,
//! as JSON. A lab file's texts are not trusted: [`markup`] escapes whatever is not this program's.

mod bench;
mod gantt;
mod lanes;
mod load;
mod markup;
mod page;
mod parts;
mod rfc;
mod run;
mod series;
mod sums;
mod sweep;
mod table;
mod traffic;

#[cfg(test)]
mod tests;

pub use bench::{html_of_bench, html_of_comparison};
pub use run::html;
pub use series::html_of_series;
pub use sweep::html_of_sweep;
