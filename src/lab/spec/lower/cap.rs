//! What a tunnel to AWS carries at most.

use super::{
    super::{keys::CAP, reader::Fields},
    Lower,
};
use crate::{
    lab::model::aws::VPN_TUNNEL_CAP,
    units::{Rate, TunnelCap},
};

/// What `unlike-aws` may ask for.
const MOST_PACKETS: u32 = 10_000_000;

impl Lower<'_> {
    /// The cap of each tunnel; none where neither end is AWS's.
    pub(super) fn cap(
        &mut self,
        fields: &Fields<'_>,
        to_aws: bool,
        unlike_aws: bool,
    ) -> Option<TunnelCap> {
        let mut cap = VPN_TUNNEL_CAP;
        let Some((at, tree)) = fields.get("cap") else {
            return to_aws.then_some(cap);
        };
        if !to_aws {
            self.f
                .error(
                    fields.at_key("cap"),
                    "foreign-key",
                    "`cap` is of AWS's end of a tunnel, and neither end of this one is AWS's",
                )
                .help("what your own tunnels carry is limited by a `rate` on the link beneath");
            return None;
        }
        let inner = self.f.fields(tree, &CAP, at)?;
        if let Some(rate) = inner.parse::<Rate>(&mut self.f, "rate") {
            cap.bits = rate.bits_per_second();
        }
        if let Some(packets) = self.packet_rate(&inner, "packets", MOST_PACKETS) {
            cap.packets = packets;
        }
        let most = VPN_TUNNEL_CAP;
        let mut refuse = |key: &str, asked: String, most: String| {
            let message = format!("a tunnel to AWS carries {most} at most, not {asked}");
            self.f
                .error(inner.at_value(key), "aws-cap", message)
                .help("less is fine, to see the effect with less traffic (\"Site-to-Site VPN quotas\"); `unlike-aws: true` on the session insists");
        };
        if cap.bits > most.bits && !unlike_aws {
            refuse("rate", cap.bits_in_words(), most.bits_in_words());
        }
        if cap.packets > most.packets && !unlike_aws {
            refuse("packets", cap.packets_in_words(), most.packets_in_words());
        }
        Some(cap)
    }
}
