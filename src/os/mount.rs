//! Mounts of the calling process's own mount namespace.

use std::{io, path::Path};

use nix::mount::{MsFlags, mount};

/// Cuts every mount's ties to the namespace it was copied from.
pub fn make_all_private() -> io::Result<()> {
    Ok(mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )?)
}

/// Mounts a /proc that shows the calling process's PID namespace.
pub fn proc() -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        flags,
        None::<&str>,
    )?)
}

/// Mounts an empty tmpfs on `path`, with `mode` as chmod(1) would write it.
pub fn tmpfs(path: impl AsRef<Path>, mode: &str) -> io::Result<()> {
    Ok(mount(
        Some("tmpfs"),
        path.as_ref(),
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(format!("mode={mode}").as_str()),
    )?)
}

/// Makes a file or directory appear at another path as well.
pub fn bind(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    Ok(mount(
        Some(from.as_ref()),
        to.as_ref(),
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?)
}
