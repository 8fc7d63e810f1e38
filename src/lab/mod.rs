//! What the user wants, from text to plan: `spec` → `model` → `plan` → `op`; and its picture,
//! `model` → `graph`; and what its failures would cut, `model` → `sweep`. Pure.

pub mod graph;
pub mod model;
pub mod op;
pub mod plan;
pub mod spec;
pub mod sweep;
