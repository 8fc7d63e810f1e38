//! The link emulator: `offer(packet, now)`, `poll(now)`, next deadline. Pure.
