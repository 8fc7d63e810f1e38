//! What a VPN's ends make of TCP's MSS.

use super::{
    super::{keys::MSS, reader::Fields},
    Lower,
};
use crate::{
    lab::model::{MAX_MTU, Mss, aws},
    units::Bytes,
};

/// What every host takes (RFC 9293 §3.7.1), and the headers before it.
const LEAST: Bytes = Bytes::new(536);
const HEADERS: u64 = 40;

impl Lower<'_> {
    pub(super) fn mss(&mut self, fields: &Fields<'_>, like_aws: bool) -> Option<Mss> {
        let text = fields.text(&mut self.f, "mss")?;
        let at = fields.at_value("mss");
        match text {
            "mtu" => return Some(Mss::Mtu),
            "unclamped" => return Some(Mss::Unclamped),
            _ => {}
        }
        let Ok(size) = text.parse::<Bytes>() else {
            let message =
                format!("`mss` is `mtu`, `unclamped` or a size (`1379B`), but this is `{text}`");
            let found = self.f.error(at, "bad-value", message);
            if text.bytes().all(|b| b.is_ascii_digit()) {
                found.help(format!("write `{text}B`"));
            } else {
                found.did_you_mean(text, MSS.iter().copied());
            }
            return None;
        };
        let fits = |mtu: Bytes| Bytes::new(mtu.get() - HEADERS);
        let most = fits(MAX_MTU);
        if !(LEAST..=most).contains(&size) {
            let message = format!("`mss` is {size}, but may be {LEAST} to {most}");
            self.f.error(at, "out-of-range", message);
            return None;
        }
        if like_aws && size > fits(aws::VPN_MTU) {
            let message = format!(
                "a VPN to AWS carries packets of {} at most, so an MSS of {size} does not fit; {} does",
                aws::VPN_MTU,
                fits(aws::VPN_MTU)
            );
            self.f.error(at, "aws-mss", message).help(
                "left out, it is the tunnel's MTU less 40; `unlike-aws: true` on the session insists (Site-to-Site VPN User Guide, \"Best practices for your customer gateway device\")",
            );
        }
        Some(Mss::Size(size))
    }
}
