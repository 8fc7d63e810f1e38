//! What the kernel refuses.

use std::io;

use crate::lab::op::Op;

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
