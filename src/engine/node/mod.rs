//! Inside a node, by hand: `exec` and `shell`.

mod exec;

pub use exec::exec;
