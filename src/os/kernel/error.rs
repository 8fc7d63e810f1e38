//! What the kernel refuses.

use std::io;

use crate::lab::op::Op;

/// Whether the kernel refused because what an operation is about is no longer there.
pub fn is_gone(source: &io::Error) -> bool {
    source.raw_os_error() == Some(libc::ENODEV)
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
