//! Memory for frames on their way, used again and again. Fresh memory means page
//! faults, and those wait for the process's memory map, which other threads of
//! the supervisor hold while they fork or map; so the relay touches its memory
//! before the first frame comes.

use crate::os::kernel::WIRE_GSO_MAX;

/// Room for an ordinary frame, and for the longest offloaded one.
const SIZES: [usize; 2] = [2_048, WIRE_GSO_MAX as usize + 512];
/// Buffers there from the beginning: a megabyte of each.
const READY: [usize; 2] = [512, 31];
/// Buffers kept at most: some 32 MB of each.
const KEPT: [usize; 2] = [16_384, 1_000];

/// Buffers nobody uses at the moment, by size.
#[derive(Debug, Default)]
pub(super) struct Pool([Vec<Vec<u8>>; 2]);

impl Pool {
    /// With buffers whose memory is really there.
    pub(super) fn ready() -> Self {
        let mut pool = Self::default();
        for ((free, size), ready) in pool.0.iter_mut().zip(SIZES).zip(READY) {
            free.reserve(KEPT[0].min(4 * ready));
            for _ in 0..ready {
                let mut buffer = vec![1; size];
                buffer.clear();
                free.push(buffer);
            }
        }
        pool
    }

    /// An empty buffer with room for `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Vec<u8> {
        for (free, size) in self.0.iter_mut().zip(SIZES) {
            if length <= size {
                return free.pop().unwrap_or_else(|| Vec::with_capacity(size));
            }
        }
        Vec::with_capacity(length)
    }

    /// Takes a buffer back.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let mut classes = self.0.iter_mut().zip(SIZES).zip(KEPT);
        if let Some(((free, _), kept)) = classes.find(|((_, size), _)| buffer.capacity() == *size)
            && free.len() < kept
        {
            buffer.clear();
            free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_taken_again() {
        let mut pool = Pool::ready();
        let mut buffer = pool.take(1_514);
        assert_eq!((buffer.len(), buffer.capacity()), (0, SIZES[0]));
        buffer.extend([7; 1_514]);
        let place = buffer.as_ptr();
        pool.give(buffer);
        let again = pool.take(60);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert_eq!(pool.take(30_000).capacity(), SIZES[1]);
        // Of another size: not kept.
        pool.give(Vec::with_capacity(70_000));
        assert!(pool.take(70_000).capacity() >= 70_000);
        assert_eq!(
            pool.0.each_ref().map(Vec::len),
            [READY[0] - 1, READY[1] - 1]
        );
    }
}
