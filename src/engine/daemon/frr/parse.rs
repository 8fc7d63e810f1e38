//! FRR's JSON in the one form.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;

use super::super::{BfdView, BgpView, NodeView};

/// Builds the view from `show bgp neighbors json` and `show bfd peers json`.
pub fn view(neighbors_json: &str, bfd_json: &str) -> Result<NodeView, serde_json::Error> {
    let neighbors: BTreeMap<String, serde_json::Value> = serde_json::from_str(neighbors_json)?;
    let bgp = neighbors
        .into_iter()
        // Beside neighbours FRR lists things like the VRF's name under plain keys.
        .filter_map(|(key, value)| Some((key.parse::<IpAddr>().ok()?, value)))
        .map(|(remote, value)| Ok(bgp_view(remote, serde_json::from_value(value)?)))
        .collect::<Result<_, serde_json::Error>>()?;
    let peers: Vec<BfdPeer> = serde_json::from_str(bfd_json)?;
    Ok(NodeView {
        bgp,
        bfd: peers.iter().filter_map(bfd_view).collect(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Neighbor {
    remote_as: u32,
    bgp_state: String,
    bgp_timer_up_msec: Option<u64>,
    bgp_timer_hold_time_msecs: Option<u64>,
    bgp_timer_keep_alive_interval_msecs: Option<u64>,
    last_reset_due_to: Option<String>,
    #[serde(default)]
    address_family_info: BTreeMap<String, FamilyInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FamilyInfo {
    accepted_prefix_counter: Option<u64>,
    sent_prefix_counter: Option<u64>,
}

fn bgp_view(remote: IpAddr, neighbor: Neighbor) -> BgpView {
    let sum = |count: fn(&FamilyInfo) -> Option<u64>| {
        neighbor
            .address_family_info
            .values()
            .filter_map(count)
            .reduce(|a, b| a + b)
    };
    BgpView {
        remote,
        remote_asn: neighbor.remote_as,
        accepted: sum(|family| family.accepted_prefix_counter),
        advertised: sum(|family| family.sent_prefix_counter),
        uptime_ms: neighbor.bgp_timer_up_msec,
        hold_ms: neighbor.bgp_timer_hold_time_msecs,
        keepalive_ms: neighbor.bgp_timer_keep_alive_interval_msecs,
        reason: neighbor
            .last_reset_due_to
            .map(|reason| reason.replace("\\/", "/")),
        state: neighbor.bgp_state,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct BfdPeer {
    peer: String,
    status: String,
    diagnostic: Option<String>,
    detect_multiplier: Option<u64>,
    receive_interval: Option<u64>,
    transmit_interval: Option<u64>,
    remote_detect_multiplier: Option<u64>,
    remote_receive_interval: Option<u64>,
    remote_transmit_interval: Option<u64>,
}

fn bfd_view(peer: &BfdPeer) -> Option<BfdView> {
    let state = match peer.status.as_str() {
        "up" => "Up",
        "down" => "Down",
        "init" => "Init",
        "shutdown" => "AdminDown",
        other => other,
    };
    // FRR prints configured intervals in milliseconds; what is in force is the
    // slower of what one side wants to send and the other to receive (RFC 5880 §6.8.7).
    let slower = |ours: Option<u64>, theirs: Option<u64>| Some(ours?.max(theirs?) * 1000);
    let tx_us = slower(peer.transmit_interval, peer.remote_receive_interval);
    let rx_us = slower(peer.receive_interval, peer.remote_transmit_interval);
    Some(BfdView {
        remote: peer.peer.parse().ok()?,
        state: state.to_owned(),
        diagnostic: peer.diagnostic.clone(),
        tx_us,
        rx_us,
        detect_us: rx_us
            .zip(peer.remote_detect_multiplier.or(peer.detect_multiplier))
            .map(|(interval, multiplier)| interval * multiplier),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frr_8_4_prints_of_an_established_session_is_understood() {
        let view = view(
            include_str!("samples/neighbors-8.4.4.json"),
            include_str!("samples/bfd-8.4.4.json"),
        )
        .unwrap();
        let [bgp] = view.bgp.as_slice() else {
            panic!("{view:?}")
        };
        assert!(bgp.is_established());
        assert_eq!(
            (bgp.remote.to_string().as_str(), bgp.remote_asn),
            ("10.9.0.2", 2)
        );
        assert_eq!((bgp.hold_ms, bgp.keepalive_ms), (Some(9000), Some(3000)));
        assert_eq!((bgp.accepted, bgp.advertised), (Some(1), Some(2)));
        let [bfd] = view.bfd.as_slice() else {
            panic!("{view:?}")
        };
        assert_eq!(bfd.state, "Up");
        assert_eq!(
            (bfd.tx_us, bfd.rx_us, bfd.detect_us),
            (Some(300_000), Some(300_000), Some(900_000))
        );
    }

    #[test]
    fn a_daemon_without_sessions_has_an_empty_view() {
        assert_eq!(view("{}", "[\n]\n").unwrap(), NodeView::default());
        assert!(view("% Unknown command", "[]").is_err());
    }
}
