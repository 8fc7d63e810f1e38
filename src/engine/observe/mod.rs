//! What every node's kernel does, seen through netlink: FIB changes and carrier.

mod fib;
mod watcher;

pub use watcher::{NodeWatch, Watcher};
