//! The run's directory, held open: the lab covers /run and other paths with its
//! own mounts, but what is open stays reachable.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

/// The lab's picture in the run's directory, an SVG. Who launches a lab from a file puts it there.
pub const TOPOLOGY: &str = "topology.svg";

/// An open directory.
#[derive(Debug)]
pub struct RunDir(OwnedFd);

impl RunDir {
    /// Opens an existing directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let directory = File::open(path)?;
        if directory.metadata()?.is_dir() {
            Ok(Self(directory.into()))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// Another handle of the same directory.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// A path that leads there from this process, whatever is mounted over the real one.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// Whether somebody has removed it. What is open can still be used, but nobody
    /// will find it.
    pub fn is_deleted(&self) -> bool {
        // The kernel's own mark in proc(5); a file system need not count links to a
        // directory.
        fs::read_link(self.path())
            .is_ok_and(|path| path.as_os_str().as_bytes().ends_with(b" (deleted)"))
    }

    /// Creates (or empties) a file.
    pub fn create(&self, name: impl AsRef<Path>) -> io::Result<File> {
        let path = self.inside(name.as_ref())?;
        File::create(path)
    }

    /// Writes a file.
    pub fn write(&self, name: impl AsRef<Path>, contents: &[u8]) -> io::Result<()> {
        let name = name.as_ref();
        let told =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", name.display()));
        fs::write(self.inside(name).map_err(told)?, contents).map_err(told)
    }

    /// Opens a file for appending, for a log that several processes share.
    pub fn append(&self, name: impl AsRef<Path>) -> io::Result<File> {
        let path = self.inside(name.as_ref())?;
        OpenOptions::new().append(true).create(true).open(path)
    }

    /// Reads a file.
    pub fn read(&self, name: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        fs::read(self.path().join(name))
    }

    fn inside(&self, name: &Path) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        if let Some(parent) = name.parent().filter(|parent| *parent != Path::new("")) {
            fs::create_dir_all(self.path().join(parent))?;
        }
        Ok(path)
    }
}
