//! An address that an interface has only for a while.

use std::{io, net::IpAddr};

use ipnet::IpNet;

use super::{message, socket::RouteSocket};
use crate::os::netns::NetnsFd;

/// The interface has the address until this is dropped.
pub struct LentAddress {
    socket: RouteSocket,
    index: u32,
    address: IpNet,
}

impl std::fmt::Debug for LentAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LentAddress")
            .field("index", &self.index)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl LentAddress {
    /// Gives the interface with this index in `netns` the address.
    ///
    /// # Errors
    /// The kernel refused it: no such interface, or the address is there already.
    pub fn new(netns: &NetnsFd, index: u32, address: IpNet) -> io::Result<Self> {
        let mut socket = netns.run(RouteSocket::open)?;
        socket
            .request(vec![message::add_address(index, address)])
            .map_err(|refused| refused.source)?;
        Ok(Self {
            socket,
            index,
            address,
        })
    }

    /// The address without its prefix length.
    pub fn address(&self) -> IpAddr {
        self.address.addr()
    }
}

impl Drop for LentAddress {
    fn drop(&mut self) {
        // A namespace that has gone has taken the address along.
        let _ = self
            .socket
            .request(vec![message::del_address(self.index, self.address)]);
    }
}
