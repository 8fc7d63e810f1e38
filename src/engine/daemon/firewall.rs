//! nftables rules of the user's own in a node.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::starting::run_to_end;
use crate::{lab::plan::FIREWALL, os::process::PidFd, units::NodeName};

/// Where distributions have it; an ordinary user's PATH may lead to none of these.
const NFT: [&str; 3] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"];

/// Puts the rules of `node`, which are among its files, into force.
///
/// # Errors
/// nft is not there, or refuses them, with its own words.
pub fn load_firewall(node: &NodeName, holder: &PidFd) -> anyhow::Result<()> {
    let Some(nft) = NFT.into_iter().find(|path| Path::new(path).is_file()) else {
        bail!("`firewall` of {node} needs nft, which is not installed (Debian: nftables)");
    };
    let loaded = run_to_end(holder, nft, &["-f", FIREWALL])
        .with_context(|| format!("{node}: starting nft"))?;
    if let Err(text) = loaded {
        bail!("nft refuses `firewall` of {node}:\n  {}", text.trim());
    }
    Ok(())
}
