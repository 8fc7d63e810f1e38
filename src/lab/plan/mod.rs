//! The plan: everything the engine will do, decided before anything is done.

pub mod address;
pub mod config;
pub mod facts;
mod types;

pub use types::*;
