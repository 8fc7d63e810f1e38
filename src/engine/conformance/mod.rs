//! What links really do, measured: each case builds two namespaces and a wire
//! between them, declares something, sends packets and compares. The same cases
//! for every backend of the [`wire`](super::wire).

mod cases;
mod pair;
mod row;
mod run;
mod statistics;
mod traffic;

pub(in crate::engine) use pair::{LINK, Pair, Side};
pub use row::{BackendReport, Judgement, Report, Row};
pub use run::{Options, run};
