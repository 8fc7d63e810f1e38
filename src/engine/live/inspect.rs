//! One thing of one node, read from its daemon or its kernel.

use anyhow::{Context, bail};
use serde_json::Value;

use super::Live;
use crate::{engine::observe, units::NodeName};

impl Live {
    /// What [`Self::inspect`] knows.
    pub const INSPECTABLE: [&str; 4] = ["bgp", "bfd", "rib", "fib"];

    /// One of [`Self::INSPECTABLE`] of a node, in the same form for every daemon.
    ///
    /// # Errors
    /// An unknown node or kind; a daemon that is [`Unresponsive`](super::Unresponsive); a
    /// [`Conflict`](super::Conflict) where a fault is why.
    pub fn inspect(&self, node: &str, what: &str) -> anyhow::Result<Value> {
        let name = NodeName::new(node)?;
        if what == "fib" {
            let netns = self
                .namespaces()
                .get(&name)
                .with_context(|| format!("no node `{node}`"))?;
            return Ok(serde_json::to_value(observe::routes(
                netns,
                self.plan().table_names(&name),
            )?)?);
        }
        if let Some(silence) = self.silence(&name) {
            return Err(silence.conflict(&name).into());
        }
        self.asked(&name, |daemon| {
            Ok(match what {
                "bgp" => serde_json::to_value(daemon.view()?.bgp)?,
                "bfd" => serde_json::to_value(daemon.view()?.bfd)?,
                "rib" => serde_json::to_value(daemon.rib()?)?,
                _ => bail!("nothing of a node is called `{what}`"),
            })
        })
    }
}
