//! Tables of deviations as netem draws from them (tc_netem's `__s16`, 8192 is
//! one time the jitter).

use crate::units::{Distribution, normal_quantile};

/// Entries; the kernel takes up to 16384.
const SIZE: u32 = 4096;
/// NETEM_DIST_SCALE.
const SCALE: f64 = 8192.0;

/// The table's bytes: its quantiles, each as likely as any other.
pub(super) fn table(distribution: Distribution) -> Vec<u8> {
    let quantiles = (0..SIZE).map(|n| (f64::from(n) + 0.5) / f64::from(SIZE));
    let reach = distribution.reach() as f64;
    quantiles
        .flat_map(|p| {
            let deviation = match distribution {
                Distribution::Uniform => 2.0 * p - 1.0,
                Distribution::Normal => normal_quantile(p),
            };
            // Four times 8192 is one more than fits.
            let scaled = (deviation.clamp(-reach, reach) * SCALE).round();
            (scaled.clamp(f64::from(-i16::MAX), f64::from(i16::MAX)) as i16).to_ne_bytes()
        })
        .collect()
}
