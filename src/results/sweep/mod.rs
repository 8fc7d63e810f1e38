//! A resilience sweep: what every failure did to every flow, held against what the drawing says.

mod judge;
mod markdown;
mod merge;
mod model;
mod text;

#[cfg(test)]
mod tests;

pub use judge::{cells, conclude};
pub use markdown::markdown;
pub use merge::merge;
pub use model::{
    Cell, Drawn, Experiment, FORMAT, Fate, Finding, FindingKind, LeftOut, Outcome, Part, Survives,
    Sweep, SweptFlow, Weakness,
};
pub use text::{cell_words, conclusion, drawn, text};
pub(in crate::results) use text::{drawing, drawn_words, heads, same_as};
