//! A node's files, at the paths its programs expect, without writing one byte to
//! the host: everything lives in the node's own /run and is mounted over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::{
    lab::plan::{DaemonPlan, NodePlan},
    os::mount,
};

/// Where files live before (and, when their place does not exist on the host,
/// instead of) being mounted over it.
const STORE: &str = "/run/backhoe";
/// Directories that daemons expect in /run.
const RUN_DIRS: [&str; 3] = [STORE, "/run/frr", "/run/bird"];
/// Mounted over as a whole: the host's own files in there must not show through.
const WHOLE_DIRS: [&str; 2] = ["/etc/frr", "/etc/swanctl"];

/// Puts the files of `node` into the calling process's mount namespace, whose
/// /run must be a fresh tmpfs.
pub(super) fn place(node: &NodePlan) -> anyhow::Result<()> {
    for directory in RUN_DIRS {
        fs::create_dir_all(directory).context(directory)?;
    }
    let mut files: BTreeMap<&str, &str> = node
        .files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let group;
    if matches!(node.daemon, DaemonPlan::Frr { .. }) {
        let hosts = fs::read_to_string("/etc/group").unwrap_or_default();
        group = frr_group(&hosts);
        files.insert("/etc/group", &group);
    }
    let mut whole = BTreeSet::new();
    for (path, text) in files {
        let stored = store(path, text).with_context(|| path.to_owned())?;
        if let Some(directory) = WHOLE_DIRS
            .iter()
            .find(|dir| Path::new(path).starts_with(dir))
        {
            whole.insert(*directory);
        } else if !path.starts_with("/run/") && Path::new(path).is_file() {
            mount::bind(&stored, path).with_context(|| path.to_owned())?;
        }
    }
    for directory in whole {
        if Path::new(directory).is_dir() {
            mount::bind(under(STORE, directory), directory).context(directory)?;
        }
    }
    Ok(())
}

fn store(path: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(path);
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(plain) {
        bail!("a node's file needs an absolute path without `..`");
    }
    let stored = if path.starts_with("/run") {
        path.to_owned()
    } else {
        under(STORE, path)
    };
    if let Some(parent) = stored.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&stored, text)?;
    Ok(stored)
}

fn under(root: &str, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    Path::new(root).join(path.strip_prefix("/").unwrap_or(path))
}

/// FRR refuses to run as root unless root is in its groups.
fn frr_group(hosts: &str) -> String {
    let mut text: String = hosts
        .lines()
        .filter(|line| !line.starts_with("frr:") && !line.starts_with("frrvty:"))
        .flat_map(|line| [line, "\n"])
        .collect();
    text.push_str("frr:x:0:root\nfrrvty:x:0:root\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_frr_groups_give_way() {
        assert_eq!(
            frr_group("root:x:0:\nfrrvty:x:107:frr\nfrr:x:108:\nadm:x:4:\n"),
            "root:x:0:\nadm:x:4:\nfrr:x:0:root\nfrrvty:x:0:root\n"
        );
    }

    #[test]
    fn paths_that_climb_are_refused() {
        assert!(store("/etc/../root/x", "").is_err());
        assert!(store("etc/hosts", "").is_err());
    }
}
