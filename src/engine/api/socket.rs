//! The socket's name, and the labs that are up.

use std::{
    fs, io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
};

use crate::{os::userns::Owner, units::LabName};

/// Flags of a listening socket in /proc/net/unix (`__SO_ACCEPTCON`).
const LISTENING: &str = "00010000";

/// Listens for `lab` in the calling thread's network namespace. EADDRINUSE: it is up.
pub fn bind(owner: Owner, lab: &LabName) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&address(owner, lab)?)
}

/// The calling user's labs that are up, by name.
pub fn list() -> io::Result<Vec<LabName>> {
    let sockets = fs::read_to_string("/proc/net/unix")?;
    Ok(labs(&sockets, Owner::current()))
}

pub(super) fn address(owner: Owner, lab: &LabName) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("backhoe/{}/{lab}", owner.uid))
}

fn labs(sockets: &str, owner: Owner) -> Vec<LabName> {
    let prefix = format!("@backhoe/{}/", owner.uid);
    let mut labs: Vec<LabName> = sockets
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let flags = fields.nth(3)?;
            let name = fields.nth(3)?.strip_prefix(&prefix)?;
            (flags == LISTENING).then(|| LabName::new(name).ok())?
        })
        .collect();
    labs.sort();
    labs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_of_the_user_are_labs() {
        let sockets = "Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01  1 @backhoe/1000/zeta
0000000000000000: 00000003 00000000 00000000 0001 03  2 @backhoe/1000/zeta
0000000000000000: 00000002 00000000 00010000 0001 01  3 @backhoe/0/other
0000000000000000: 00000002 00000000 00010000 0001 01  4 @backhoe/1000/alpha
0000000000000000: 00000002 00000000 00010000 0001 01  5 /run/dbus
0000000000000000: 00000003 00000000 00000000 0001 03  6
";
        let owner = Owner { uid: 1000, gid: 0 };
        let names: Vec<_> = labs(sockets, owner).into_iter().map(String::from).collect();
        assert_eq!(names, ["alpha", "zeta"]);
    }
}
