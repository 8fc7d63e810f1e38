//! What every node's kernel does, seen through netlink: FIB changes, carrier and neighbours.

mod fib;
mod routes;
mod watcher;

pub use routes::{Route, routes};
pub use watcher::{NodeWatch, Watcher};
