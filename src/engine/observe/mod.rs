//! What every node's kernel does, seen through netlink: FIB changes and carrier.

mod fib;
mod routes;
mod watcher;

pub use routes::{Route, routes};
pub use watcher::{NodeWatch, Watcher};
