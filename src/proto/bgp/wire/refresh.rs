//! ROUTE-REFRESH (RFC 2918).

use super::cursor::Cursor;
use super::frame::{MessageType, finish, header};
use super::nlri::{afi, family_from};
use crate::units::Family;

/// Asks for the peer's whole table of one family.
pub fn encode_refresh(family: Family) -> Vec<u8> {
    let mut message = header(MessageType::RouteRefresh);
    message.extend_from_slice(&afi(family).to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    finish(&mut message, 0);
    message
}

/// The family asked for; none when it is one we do not know or the message is
/// one of RFC 7313's markers, which we never offered.
pub fn decode_refresh(body: &[u8]) -> Option<Family> {
    let mut cursor = Cursor::new(body);
    let afi = cursor.u16()?;
    let [subtype, safi] = cursor.array()?;
    (subtype == 0).then(|| family_from(afi, safi)).flatten()
}
