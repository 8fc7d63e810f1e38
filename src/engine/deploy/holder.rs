//! The process that is a node: it holds the node's mounts and host name, and sleeps.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use anyhow::{Context as _, bail};

use super::files;
use crate::{
    lab::plan::NodePlan,
    os::{
        mount,
        netns::{self, MountNsFd, NetnsFd},
        process::{self, PidFd},
    },
};

/// A holder that has been started.
pub(super) struct Rising {
    holder: PidFd,
    word: UnixStream,
}

/// Forks the node's holder; it settles while the caller goes on.
pub(super) fn start(
    node: &NodePlan,
    template: &MountNsFd,
    net: &NetnsFd,
) -> anyhow::Result<Rising> {
    let (word, mut its_word) = UnixStream::pair()?;
    let pid = process::fork(|| {
        let text = match settle(node, template, net) {
            Ok(()) => String::new(),
            Err(error) => format!("{error:#}"),
        };
        let failed = !text.is_empty();
        let told = its_word.write_all(format!("{text}\n").as_bytes());
        if failed || told.is_err() || process::keep_only(None).is_err() {
            return 1;
        }
        process::pause_forever()
    })?;
    Ok(Rising {
        holder: PidFd::open(pid)?,
        word,
    })
}

impl Rising {
    /// Waits until the node is settled.
    pub(super) fn settled(mut self) -> anyhow::Result<PidFd> {
        let mut text = Vec::new();
        let mut buffer = [0; 512];
        while !text.ends_with(b"\n") {
            match self.word.read(&mut buffer)? {
                0 => bail!("its process ended while it was set up"),
                got => text.extend_from_slice(buffer.get(..got).unwrap_or_default()),
            }
        }
        match String::from_utf8_lossy(&text).trim_end() {
            "" => Ok(self.holder),
            why => bail!("{why}"),
        }
    }
}

fn settle(node: &NodePlan, template: &MountNsFd, net: &NetnsFd) -> anyhow::Result<()> {
    process::die_with_parent()?;
    process::set_title(&format!("node {}", node.name));
    netns::enter_new_node(template, net).context("namespaces")?;
    process::set_host_name(node.name.as_str()).context("host name")?;
    mount::tmpfs("/run", "755").context("/run")?;
    files::place(node)
}
