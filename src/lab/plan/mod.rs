//! The plan: everything the engine will do, decided before anything is done.

mod types;

pub use types::*;
