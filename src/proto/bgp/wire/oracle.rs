//! An independent codec must read in our messages what we meant.

use std::io::Cursor;

use ipnet::IpNet;
use netgauze_bgp_pkt::BgpMessage;
use netgauze_bgp_pkt::path_attribute::{AsPath as TheirPath, PathAttributeValue};
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;
use proptest::prelude::*;

use super::proptests::{FAMILIES, attributes, prefixes4, prefixes6};
use super::*;
use crate::units::Asn;

/// Cuts a stream by the lengths in its headers.
fn messages(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while !stream.is_empty() {
        let length = usize::from(u16::from_be_bytes([stream[16], stream[17]]));
        let (message, rest) = stream.split_at(length);
        all.push(message);
        stream = rest;
    }
    all
}

/// Their reading, after checking that they would write the same bytes.
fn theirs(message: &[u8]) -> BgpMessage {
    let mut context = BgpParsingContext::asn2_default();
    context.set_asn4(true);
    let read = BgpMessage::parse(&mut SliceReader::new(message), &mut context)
        .unwrap_or_else(|error| panic!("{error:?} in {message:02x?}"));
    let mut written = Vec::new();
    read.write(&mut Cursor::new(&mut written))
        .expect("writable");
    assert_eq!(written, message);
    read
}

fn their_attributes(message: &BgpMessage) -> impl Iterator<Item = &PathAttributeValue> {
    let BgpMessage::Update(update) = message else {
        panic!("not an UPDATE");
    };
    update
        .path_attributes()
        .iter()
        .map(|attribute| attribute.value())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "kinds that we never write")]
fn assert_agrees(value: &PathAttributeValue, ours: &Attributes) {
    match value {
        PathAttributeValue::Origin(origin) => assert_eq!(*origin as u8, ours.origin as u8),
        PathAttributeValue::AsPath(TheirPath::As4PathSegments(segments)) => {
            let theirs: Vec<(u8, Vec<u32>)> = segments
                .iter()
                .map(|one| (one.segment_type() as u8, one.as_numbers().to_vec()))
                .collect();
            let segments = ours.as_path.segments.iter();
            let ours: Vec<_> = segments
                .map(|one| (one.kind as u8, one.asns.clone()))
                .collect();
            assert_eq!(theirs, ours);
        }
        PathAttributeValue::NextHop(next_hop) => assert_eq!(next_hop.next_hop(), ours.next_hop),
        PathAttributeValue::MultiExitDiscriminator(med) => {
            assert_eq!(Some(med.metric()), ours.med);
        }
        PathAttributeValue::LocalPreference(preference) => {
            assert_eq!(Some(preference.metric()), ours.local_pref);
        }
        PathAttributeValue::Communities(list) => {
            assert_eq!(list.communities().len(), ours.communities.len());
        }
        PathAttributeValue::LargeCommunities(list) => {
            assert_eq!(list.communities().len(), ours.large_communities.len());
        }
        PathAttributeValue::Originator(id) => assert_eq!(Some(id.id()), ours.originator_id),
        PathAttributeValue::ClusterList(list) => {
            assert_eq!(list.cluster_list().len(), ours.cluster_list.len());
        }
        PathAttributeValue::UnknownAttribute(unknown) => {
            assert_eq!(unknown.value(), ours.unknown[0].value);
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn they_read_our_announcements(ours in attributes(), prefixes in prefixes4()) {
        let mut bytes = Vec::new();
        encode_announce(&ours, &prefixes, true, MESSAGE_BYTES_MAX, &mut bytes).expect("fits");
        let mut seen = Vec::new();
        for message in messages(&bytes) {
            let read = theirs(message);
            their_attributes(&read).for_each(|value| assert_agrees(value, &ours));
            let BgpMessage::Update(update) = &read else { unreachable!() };
            seen.extend(update.nlri().iter().map(|one| IpNet::V4(one.network().address())));
        }
        // Theirs refuses nothing we wrote and has the same prefixes in order.
        prop_assert_eq!(seen, prefixes);
    }

    #[test]
    fn they_read_our_withdrawals(four in prefixes4(), six in prefixes6()) {
        for prefixes in [four, six] {
            let mut bytes = Vec::new();
            encode_withdraw(&prefixes, MESSAGE_BYTES_MAX, &mut bytes);
            for message in messages(&bytes) {
                theirs(message);
            }
        }
    }
}

#[test]
fn they_read_our_other_messages() {
    let asn = Asn::new(4_200_000_000).expect("a number");
    let restart = Restart {
        restarting: true,
        time_s: 120,
        families: FAMILIES.map(|family| (family, true)).into(),
    };
    let open = Open::ours(asn, 90, [192, 0, 2, 1].into(), &FAMILIES, Some(restart));
    assert!(matches!(theirs(&open.encode()), BgpMessage::Open(_)));
    assert!(matches!(theirs(&encode_keepalive()), BgpMessage::KeepAlive));
    for family in FAMILIES {
        assert!(matches!(
            theirs(&encode_refresh(Refresh::Request, family)),
            BgpMessage::RouteRefresh(_)
        ));
        let mut bytes = Vec::new();
        encode_end_of_rib(family, &mut bytes);
        let BgpMessage::Update(update) = theirs(&bytes) else {
            panic!("not an UPDATE");
        };
        assert!(update.end_of_rib().is_some(), "{family:?}");
    }
    for notification in [
        Notification::HOLD_TIMER_EXPIRED,
        Notification::bad_length(7),
        Notification::cease(Cease::CollisionResolution),
    ] {
        assert!(matches!(
            theirs(&notification.encode()),
            BgpMessage::Notification(_)
        ));
    }
}
