//! Forwarding changes on their way into the kernel.

use std::collections::BTreeMap;

use super::control::Notice;
use crate::{
    os::{
        fib::{Change, Fib},
        link_watch::Interface,
    },
    proto::speaker::{FibChange, NextHop},
};

/// The kernel's FIB, by interface names.
#[derive(Debug)]
pub(super) struct Forwarding {
    fib: Fib,
    indices: BTreeMap<String, u32>,
}

impl Forwarding {
    /// Opens the table of this number in the calling thread's network namespace.
    pub(super) fn open(table: u8) -> std::io::Result<Self> {
        Ok(Self {
            fib: Fib::open(table)?,
            indices: BTreeMap::new(),
        })
    }

    /// The interfaces are these now.
    pub(super) fn set_interfaces(&mut self, interfaces: &[Interface]) {
        self.indices = interfaces
            .iter()
            .map(|interface| (interface.name.clone(), interface.index))
            .collect();
    }

    /// The interface lost its carrier or is gone, and its routes with it.
    pub(super) fn forget_interface(&mut self, index: u32) {
        self.fib.forget_interface(index);
    }

    /// Makes the changes, in order, and says what became of each.
    pub(super) fn apply(&mut self, changes: Vec<FibChange>) -> Vec<Notice> {
        let kernel: Vec<Change> = changes.iter().map(|change| self.resolve(change)).collect();
        let outcomes = match self.fib.apply(&kernel) {
            Ok(outcomes) => outcomes,
            Err(error) => return vec![warning("fib-socket", error.to_string())],
        };
        let mut notices = Vec::with_capacity(changes.len());
        for ((change, kernel), outcome) in changes.into_iter().zip(kernel).zip(outcomes) {
            match outcome {
                Ok(()) => notices.push(applied(change, &kernel)),
                Err(error) => {
                    notices.push(warning("fib-refused", error.to_string()));
                    notices.extend(self.withdraw(change));
                }
            }
        }
        notices
    }

    /// A refused route must not leave packets on the path it was to replace.
    fn withdraw(&mut self, change: FibChange) -> Option<Notice> {
        let prefix = change.prefix();
        match self.fib.remove(prefix) {
            Ok(()) => Some(applied(
                FibChange::Remove { prefix },
                &Change::Remove(prefix),
            )),
            Err(error) => Some(warning("fib-refused", error.to_string())),
        }
    }

    /// Next hops over interfaces that do not exist (any more) lead nowhere.
    fn resolve(&self, change: &FibChange) -> Change {
        match change {
            FibChange::Install { prefix, next_hops } => {
                let resolve = |next_hop: &NextHop| {
                    let index = self.indices.get(next_hop.interface.as_str())?;
                    Some((next_hop.gateway, *index))
                };
                Change::Install(*prefix, next_hops.iter().filter_map(resolve).collect())
            }
            FibChange::Blackhole { prefix } => Change::Blackhole(*prefix),
            FibChange::Remove { prefix } => Change::Remove(*prefix),
        }
    }
}

fn applied(change: FibChange, kernel: &Change) -> Notice {
    let prefix = change.prefix();
    let blackhole = matches!(change, FibChange::Blackhole { .. });
    let mut next_hops = match change {
        FibChange::Install { next_hops, .. } => next_hops,
        FibChange::Blackhole { .. } | FibChange::Remove { .. } => Vec::new(),
    };
    if let Change::Install(_, resolved) = kernel {
        next_hops.retain(|next_hop| {
            resolved
                .iter()
                .any(|(gateway, _)| *gateway == next_hop.gateway)
        });
    }
    Notice::FibApplied {
        prefix,
        next_hops,
        blackhole,
    }
}

pub(super) fn warning(code: &str, text: String) -> Notice {
    Notice::Warning {
        code: code.to_owned(),
        text,
    }
}
