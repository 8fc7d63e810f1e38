//! Removing what a daemon that died left in the kernel.

use std::{io, net::IpAddr};

use ipnet::IpNet;

use super::{BATCH, PROTOCOL_BGP, message, objects::ids};
use crate::os::netlink::{Attributes, Messages, Refusal, RouteSocket, attributes, u32_at};

/// Deletes every nexthop object with an id of ours for this table (its routes go with it)
/// and every blackhole route of ours in it.
pub(super) fn sweep(socket: &mut RouteSocket, table: u8) -> io::Result<()> {
    let mut request = Messages::default();
    message::dump_nexthops(&mut request);
    let mut objects = Vec::new();
    socket.dump(&request, |kind, body| {
        let id = attributes(body, 8)
            .get(&message::NHA_ID)
            .and_then(|value| u32_at(value, 0));
        if kind == message::RTM_NEWNEXTHOP {
            objects.extend(id.filter(|id| ids(table).contains(id)));
        }
    })?;
    for batch in objects.chunks(BATCH) {
        let mut requests = Messages::default();
        for id in batch {
            message::remove_nexthop(&mut requests, *id);
        }
        removed(socket.acknowledged(&requests)?)?;
    }

    let mut request = Messages::default();
    message::dump_routes(&mut request);
    let mut blackholes = Vec::new();
    socket.dump(&request, |kind, body| {
        if kind == message::RTM_NEWROUTE {
            blackholes.extend(our_blackhole(body, table));
        }
    })?;
    for batch in blackholes.chunks(BATCH) {
        let mut requests = Messages::default();
        for prefix in batch {
            message::remove_route(&mut requests, table, prefix);
        }
        removed(socket.acknowledged(&requests)?)?;
    }
    Ok(())
}

/// Gone already is as good as gone; anything else would leave stale routes behind.
fn removed(answers: Vec<Result<(), Refusal>>) -> io::Result<()> {
    for refusal in answers.into_iter().filter_map(Result::err) {
        if !matches!(refusal.errno, libc::ENOENT | libc::ESRCH) {
            return Err(io::Error::from_raw_os_error(refusal.errno));
        }
    }
    Ok(())
}

fn our_blackhole(body: &[u8], of: u8) -> Option<IpNet> {
    let &[family, length, _, _, table, protocol, _, kind] = body.first_chunk()?;
    if (table, protocol, kind) != (of, PROTOCOL_BGP, message::RTN_BLACKHOLE) {
        return None;
    }
    IpNet::new(destination(family, &attributes(body, 12))?, length).ok()
}

/// RTA_DST; a default route has none.
fn destination(family: u8, attributes: &Attributes<'_>) -> Option<IpAddr> {
    let value = attributes.get(&message::RTA_DST);
    if i32::from(family) == libc::AF_INET {
        let raw: [u8; 4] = value.map_or(Some([0; 4]), |value| (*value).try_into().ok())?;
        Some(raw.into())
    } else {
        let raw: [u8; 16] = value.map_or(Some([0; 16]), |value| (*value).try_into().ok())?;
        Some(raw.into())
    }
}
