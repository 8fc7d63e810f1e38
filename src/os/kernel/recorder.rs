//! A kernel that only remembers what it was asked.

use super::{Kernel, OpError};
use crate::lab::op::Op;

/// Remembers every operation in order.
#[derive(Debug, Default)]
pub struct Recorder {
    /// What was asked so far.
    pub ops: Vec<Op>,
}

impl Kernel for Recorder {
    fn apply(&mut self, ops: &[Op]) -> Result<(), OpError> {
        self.ops.extend_from_slice(ops);
        Ok(())
    }
}
