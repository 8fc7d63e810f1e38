//! What the user wants, from text to plan: `spec` → `model` → `plan` → `op`. Pure.

pub mod model;
pub mod op;
pub mod plan;
pub mod spec;
