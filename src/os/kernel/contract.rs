//! What a kernel is to the rest of the program.

use std::io;

use crate::lab::op::Op;

/// Something that makes operations true.
pub trait Kernel {
    /// Applies `ops`. Operations in different namespaces may be regrouped between
    /// two creations of namespaces or links; within a namespace the order is kept.
    ///
    /// # Errors
    /// The first operation that was refused, with the kernel's own words. What
    /// came before it has been done, and some of what came after it may have been.
    fn apply(&mut self, ops: &[Op]) -> Result<(), OpError>;
}

/// An operation that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("{op}: {source}")]
pub struct OpError {
    /// What was asked.
    pub op: Box<Op>,
    /// What the kernel said.
    pub source: io::Error,
}

impl OpError {
    pub(super) fn new(op: &Op, source: io::Error) -> Self {
        Self {
            op: Box::new(op.clone()),
            source,
        }
    }
}
