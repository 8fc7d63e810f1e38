//! One thing of one node, read from its daemon or its kernel.

use std::sync::PoisonError;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{Live, daemons::Daemon};
use crate::{engine::observe, units::NodeName};

/// What can be asked for.
const KINDS: &str = "bgp, bfd, rib or fib";

impl Live {
    /// `bgp`, `bfd`, `rib` or `fib` of a node; the first two in the same form for
    /// every daemon.
    ///
    /// # Errors
    /// An unknown node or kind, or a daemon that does not answer.
    pub fn inspect(&self, node: &str, what: &str) -> anyhow::Result<Value> {
        let name = NodeName::new(node)?;
        if what == "fib" {
            let netns = self
                .namespaces()
                .get(&name)
                .with_context(|| format!("no node `{node}`"))?;
            return Ok(serde_json::to_value(observe::routes(netns)?)?);
        }
        let daemons = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        let daemon = daemons.get(&name)?;
        Ok(match what {
            "bgp" => serde_json::to_value(daemon.view()?.bgp)?,
            "bfd" => serde_json::to_value(daemon.view()?.bfd)?,
            "rib" => rib(daemon)?,
            _ => bail!("nothing is known as `{what}`; ask for {KINDS}"),
        })
    }
}

fn rib(daemon: &Daemon) -> anyhow::Result<Value> {
    match daemon {
        Daemon::Embedded(speaker) => Ok(serde_json::to_value(speaker.status()?.speaker.rib)?),
        Daemon::Frr(frr) => {
            let mut tables = json!({});
            for family in ["ipv4", "ipv6"] {
                let text = frr.command("bgpd", &format!("show bgp {family} unicast json"))?;
                let table: Value = serde_json::from_str(&text)?;
                tables[family] = table.get("routes").cloned().unwrap_or_default();
            }
            Ok(tables)
        }
    }
}
