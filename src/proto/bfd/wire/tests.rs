use proptest::prelude::*;

use super::*;

/// A packet captured from no one: written out by hand from RFC 5880 §4.1.
const UP_POLL: [u8; PACKET_LEN] = [
    0x21, 0xE0, 3, 24, // version 1, diag 1, Up, Poll
    0, 0, 0, 7, 0, 0, 0, 9, // discriminators
    0x00, 0x04, 0x93, 0xE0, // 300,000 us
    0x00, 0x00, 0xC3, 0x50, // 50,000 us
    0, 0, 0, 0,
];

fn up_poll() -> Packet {
    Packet {
        diag: Diag::ControlDetectionTimeExpired,
        state: State::Up,
        poll: true,
        final_: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        my_discriminator: NonZeroU32::new(7).unwrap(),
        your_discriminator: 9,
        desired_min_tx_us: 300_000,
        required_min_rx_us: 50_000,
        required_min_echo_rx_us: 0,
    }
}

#[test]
fn a_packet_reads_and_writes_as_the_rfc_draws_it() {
    assert_eq!(Packet::decode(&UP_POLL), Ok(up_poll()));
    assert_eq!(up_poll().encode(), UP_POLL);
}

#[test]
fn every_discard_rule_has_its_error() {
    let with = |index: usize, value: u8| {
        let mut bytes = UP_POLL.to_vec();
        bytes[index] = value;
        Packet::decode(&bytes)
    };
    assert_eq!(
        Packet::decode(&UP_POLL[..23]),
        Err(PacketError::TooShort(23))
    );
    assert_eq!(with(0, 0x41), Err(PacketError::Version(2)));
    assert_eq!(
        with(3, 23),
        Err(PacketError::Length {
            length: 23,
            available: 24
        })
    );
    assert_eq!(
        with(3, 25),
        Err(PacketError::Length {
            length: 25,
            available: 24
        })
    );
    assert_eq!(with(2, 0), Err(PacketError::ZeroMultiplier));
    assert_eq!(with(1, 0xE1), Err(PacketError::Multipoint));
    assert_eq!(with(7, 0), Err(PacketError::ZeroMyDiscriminator));
    assert_eq!(
        with(11, 0),
        Err(PacketError::ZeroYourDiscriminator(State::Up))
    );
    // The A bit lengthens the least packet to 26 bytes before it is refused.
    assert_eq!(
        with(1, 0xE4),
        Err(PacketError::Length {
            length: 24,
            available: 24
        })
    );
    let mut authenticated = UP_POLL.to_vec();
    authenticated.extend([1, 2]);
    authenticated[1] |= AUTHENTICATION;
    authenticated[3] = 26;
    assert_eq!(
        Packet::decode(&authenticated),
        Err(PacketError::Authenticated)
    );
}

#[test]
fn a_zero_your_discriminator_is_fine_while_down() {
    for state in [State::Down, State::AdminDown] {
        let packet = Packet {
            your_discriminator: 0,
            state,
            ..up_poll()
        };
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
}

#[test]
fn bytes_after_the_length_field_are_ignored() {
    let mut padded = UP_POLL.to_vec();
    padded.extend([0xFF; 8]);
    assert_eq!(Packet::decode(&padded), Ok(up_poll()));
}

fn packets() -> impl Strategy<Value = Packet> {
    (
        (any::<u8>(), 0..4u8, any::<[bool; 4]>(), any::<NonZeroU8>()),
        (any::<NonZeroU32>(), any::<NonZeroU32>(), any::<[u32; 3]>()),
    )
        .prop_map(
            |((diag, state, flags, multiplier), (mine, yours, intervals))| Packet {
                diag: Diag::from_code(diag),
                state: State::from_bits(state),
                poll: flags[0],
                final_: flags[1],
                control_plane_independent: flags[2],
                demand: flags[3],
                multiplier,
                my_discriminator: mine,
                your_discriminator: yours.get(),
                desired_min_tx_us: intervals[0],
                required_min_rx_us: intervals[1],
                required_min_echo_rx_us: intervals[2],
            },
        )
}

proptest! {
    #[test]
    fn packets_survive_the_wire(packet in packets()) {
        prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(packet) = Packet::decode(&bytes) {
            prop_assert_eq!(&packet.encode()[..3], &bytes[..3]);
            prop_assert_eq!(&packet.encode()[4..], &bytes[4..PACKET_LEN]);
        }
    }
}
