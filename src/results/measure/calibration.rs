//! What the instrument found out about itself before the run, as warnings; and whether the probes
//! are fast enough for what is claimed of them.

use super::{
    expect,
    input::Expectation,
    quality::Warnings,
    result::{Instrument, LinkResult, Outage},
};

/// One-way delays of the bare pair above this are seen in every delay of the report.
const ONE_WAY_MS: f64 = 1.0;
/// A link may be off its declared delay by this, milliseconds, and by this share of it.
const LINK_MS: f64 = 1.0;
const LINK_SHARE: f64 = 0.05;

/// Warnings about the instrument on a bare pair of interfaces, and about the links.
pub(super) fn warn(
    (instrument, links): (Option<&Instrument>, &[LinkResult]),
    warnings: &mut Warnings,
) {
    if let Some(bare) = instrument {
        if bare.lost > 0 {
            let text = format!(
                "the instrument lost {} of {} packets of its own on a bare pair of interfaces before the run, so it may lose more; free the host or lower the probes' rate, and run it again",
                bare.lost, bare.sent
            );
            warnings.about(None, "instrument-loss", true, text);
        }
        if bare.delay_p99_ms > ONE_WAY_MS {
            let text = format!(
                "1 packet in 100 took {:.1} ms or more over a bare pair of interfaces before the run, and delays in the report may be as much too long; loss counts do not depend on it; free the host",
                bare.delay_p99_ms
            );
            warnings.about(None, "instrument-late", false, text);
        }
    }
    for link in links {
        let off = (link.delay_p50_ms - link.declared_delay_ms).abs();
        if off > LINK_MS + LINK_SHARE * link.declared_delay_ms {
            let text = format!(
                "{} from {}: {:.1} ms one way in place of the {:.1} ms declared, measured before the run; free the host, or see what else is on the link",
                link.link, link.from, link.delay_p50_ms, link.declared_delay_ms
            );
            warnings.about(None, "link-off", false, text);
        }
    }
}

/// Warnings where a limit is finer than what the probes can tell.
pub(super) fn coarse(expectations: &[Expectation], outages: &[Outage], warnings: &mut Warnings) {
    for expectation in expectations {
        let limit = expectation.outage_max.map(|max| max.as_millis_f64());
        let Some(limit) = limit.filter(|&limit| limit > 0.0) else {
            continue;
        };
        for outage in outages.iter().filter(|o| expect::concerns(expectation, o)) {
            let gap = gap_ms(outage);
            let away = (outage.duration_ms - limit).abs();
            // As long as that no gap makes it anything but missed.
            let is_beyond = outage.duration_ms - outage.resolution_ms > limit;
            let text = if gap >= limit && !is_beyond {
                format!(
                    "line {} allows {limit} ms, and {} → {} is looked at every {gap} ms: an outage that long can pass unseen; raise the probe's rate",
                    expectation.line, outage.from, outage.to
                )
            } else if outage.lost > 0 && away < outage.resolution_ms {
                format!(
                    "line {} allows {limit} ms, and {} → {} is no further from that than its error bar of {:.2} ms: it may be met or missed by chance; raise the probe's rate",
                    expectation.line, outage.from, outage.to, outage.resolution_ms
                )
            } else {
                continue;
            };
            warnings.about(Some(outage.flow), "sampling-coarse", gap >= limit, text);
        }
    }
}

/// The gap between two packets, from what is known of the outage.
fn gap_ms(outage: &Outage) -> f64 {
    let lost = outage.lost - outage.queue_dropped;
    if lost > 0 {
        outage.duration_ms / lost as f64
    } else {
        outage.resolution_ms
    }
}
