//! BGP messages as bytes and as meaning. No input makes this module panic.

mod as_path;
mod attributes;
mod cursor;
mod decode;
mod encode;
mod frame;
mod nlri;
mod notification;
mod open;
mod refresh;

pub use as_path::{AsPath, Segment, SegmentKind};
pub use attributes::{Aggregator, Attributes, LargeCommunity, OriginCode, Unknown};
pub use decode::{Decoded, Fault, Reach, Remedy, SessionKind, decode_update};
pub use encode::{TooLarge, encode_announce, encode_end_of_rib, encode_withdraw};
pub use frame::{
    EXTENDED_BYTES_MAX, Frame, Framer, HEADER_BYTES, MESSAGE_BYTES_MAX, MessageType,
    encode_keepalive,
};
pub use notification::{Cease, Notification};
pub use open::{Capability, Open, Restart};
pub use refresh::{Refresh, decode_refresh, encode_refresh};

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
