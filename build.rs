//! Says which commit a release is built from, for the evidence that it leaves behind.
//!
//! The version becomes `0.1.0+g1a2b3c4d5e6f`, with `.dirty` behind it where sources differ from
//! that commit (build metadata, Semantic Versioning 2.0 §10). Without git, or outside a work tree of
//! its own, as in a source tarball, it stays `0.1.0`; `BACKHOE_COMMIT` names the commit for those
//! who build there. A build for development has the version alone, so that a commit that changes
//! no source does not compile everything again.

use std::{env, path::Path, process::Command};

/// What the program is made from.
const SOURCES: [&str; 4] = ["src", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    let mut version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo:rerun-if-env-changed=BACKHOE_COMMIT");
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    for source in SOURCES.into_iter().filter(|_| release) {
        println!("cargo:rerun-if-changed={source}");
    }
    if !release {
        println!("cargo:rerun-if-changed=build.rs");
    }
    let named = env::var("BACKHOE_COMMIT").ok().filter(|name| is_word(name));
    let commit = named.or_else(|| release.then(commit).flatten());
    if let Some(commit) = commit {
        version += &format!("+{commit}");
    }
    println!("cargo:rustc-env=BACKHOE_VERSION={version}");
}

/// What may be said behind the plus.
fn is_word(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    !name.is_empty() && name.chars().all(allowed)
}

/// The commit of the work tree whose top this package is.
fn commit() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = env::var("CARGO_MANIFEST_DIR").ok()?;
    let is_ours = Path::new(&top).canonicalize().ok()? == Path::new(&here).canonicalize().ok()?;
    if !is_ours {
        return None;
    }
    // Written at every commit, checkout and merge; a path that is not there would be looked for
    // at every build.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let dirty = match git(&status)?.is_empty() {
        true => "",
        false => ".dirty",
    };
    Some(format!("g{commit}{dirty}"))
}

/// What git prints; `None` without git, or where it refuses.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
