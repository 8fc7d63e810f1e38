//! A plan made true: namespaces, links, and a process in every node.

mod build;
mod files;
mod holder;

pub use build::{Lab, NodeHandle, build};
