//! rtnetlink without an allocation per attribute: for what must be fast
//! ([`fib`](super::fib)) or merely listens ([`link_watch`](super::link_watch)).

mod message;
mod socket;

pub(super) use message::{
    Attributes, Messages, attribute, attributes, messages, put_attribute, u32_at,
};
pub(super) use socket::{NetfilterSocket, Refusal, RouteSocket};
