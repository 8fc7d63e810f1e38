//! ROUTE-REFRESH (RFC 2918) and its subtypes (RFC 7313).

use super::Notification;
use super::cursor::Cursor;
use super::frame::{MessageType, finish, header};
use super::nlri::{UNICAST, afi, family_from};
use crate::units::Family;

/// What a ROUTE-REFRESH says of a family's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Refresh {
    /// Tell it again.
    Request = 0,
    /// BoRR: it is told again from here on.
    Begin = 1,
    /// EoRR: it has been told again; what has not come since the beginning is no more.
    End = 2,
}

/// A ROUTE-REFRESH.
pub fn encode_refresh(refresh: Refresh, family: Family) -> Vec<u8> {
    let mut message = header(MessageType::RouteRefresh);
    message.extend_from_slice(&afi(family).to_be_bytes());
    message.extend_from_slice(&[refresh as u8, UNICAST]);
    finish(&mut message, 0);
    message
}

/// What is said, and of which family; none of a family or subtype that we do not know, nor of a
/// marker when the two ends have not agreed on them.
///
/// # Errors
/// The ROUTE-REFRESH Message Error to send (RFC 7313 §5).
pub fn decode_refresh(
    body: &[u8],
    markers: bool,
) -> Result<Option<(Refresh, Family)>, Notification> {
    let mut cursor = Cursor::new(body);
    let (Some(afi), Some([subtype, safi])) = (cursor.u16(), cursor.array()) else {
        return Ok(None);
    };
    let refresh = match subtype {
        0 => Refresh::Request,
        1 if markers => Refresh::Begin,
        2 if markers => Refresh::End,
        _ => return Ok(None),
    };
    if refresh != Refresh::Request && !cursor.is_empty() {
        let mut whole = header(MessageType::RouteRefresh);
        whole.extend_from_slice(body);
        finish(&mut whole, 0);
        return Err(Notification::with(7, 1, whole));
    }
    Ok(family_from(afi, safi).map(|family| (refresh, family)))
}
