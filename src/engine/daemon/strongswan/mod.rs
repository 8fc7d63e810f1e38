//! strongSwan: one charon for each end of each IPsec tunnel, in a namespace of its
//! own, driven through vici. Its interface is handed to the router and is up while
//! a Child SA is, as the line protocol of a vendor's tunnel interface is.

mod charon;
mod find;
mod initiator;
mod message;
mod refusal;
mod trouble;
mod vici;

pub use charon::{Charon, CharonStart, CharonStatus, Rising};
pub use find::find;
pub use refusal::check;
