//! Why an outage took so long, and what would shorten it, from its own numbers.

use super::words;
use crate::results::measure::{Outage, Parts, Prediction, RunResult, Transition};

/// Of the longest explained outage: the phase that took most of it, and what sets that.
pub(super) fn why(result: &RunResult) -> Option<String> {
    let explained = result.outages.iter().filter_map(|outage| {
        let parts = outage.parts.as_ref()?;
        let is_told = outage.transition == Transition::Initial && outage.lost > 0;
        is_told.then_some((outage, parts))
    });
    let (worst, parts) =
        explained.max_by(|(a, _), (b, _)| a.duration_ms.total_cmp(&b.duration_ms))?;
    let (phase, ms) = dominant(parts);
    let share = words::share(ms / parts.since_fault_ms());
    let pivot = worst.pivot.as_deref().unwrap_or("a node");
    Some(match phase {
        Phase::Detection => {
            let by = mechanism(worst).map_or_else(String::new, |by| format!("{by} "));
            let set = worst.predicted.as_ref().map(set_by);
            let set = set.unwrap_or_default();
            format!("{share} of the outage is {by}detection{set}")
        }
        Phase::News => format!(
            "{share} of the outage is the news on its way to {pivot} by BGP, not detection: what the nodes between do with an UPDATE sets that"
        ),
        Phase::Fib => format!(
            "{share} of the outage is {pivot} changing its FIB, not detection: the daemon's own work and the number of its prefixes set that"
        ),
        Phase::FirstPacket => format!(
            "{share} of the outage is from {pivot}'s change to the first packet through, not detection: what lies behind {pivot} on the new path sets that"
        ),
    })
}

#[derive(Clone, Copy)]
enum Phase {
    Detection,
    News,
    Fib,
    FirstPacket,
}

fn dominant(parts: &Parts) -> (Phase, f64) {
    let rest = [
        (Phase::News, parts.news_ms),
        (Phase::Fib, parts.fib_ms),
        (Phase::FirstPacket, Some(parts.first_packet_ms)),
    ];
    let mut largest = (Phase::Detection, parts.detection_ms);
    for (phase, ms) in rest {
        if let Some(ms) = ms.filter(|&ms| ms > largest.1) {
            largest = (phase, ms);
        }
    }
    largest
}

/// By what it was noticed, as the critical path has it.
fn mechanism(outage: &Outage) -> Option<&str> {
    let detected = outage.phases_ms.detected?;
    let mut steps = outage.critical_path.iter();
    let step = steps.find(|step| (step.at_ms - detected).abs() < 1e-6)?;
    let by = step.what.split(' ').next()?;
    let of_hold = outage.predicted.as_ref().is_some_and(|p| p.by == "hold");
    Some(match by {
        _ if of_hold => "hold timer",
        "DPD" => "dead-peer",
        by => by,
    })
}

/// What sets detection, and what would make it shorter.
fn set_by(predicted: &Prediction) -> String {
    let mut text = format!(
        "; {} sets {}",
        predicted.timers,
        words::range(predicted.min_ms, predicted.max_ms)
    );
    let own = predicted.max_ms - predicted.delay_ms;
    let interval = own - predicted.min_ms;
    match predicted.by.as_str() {
        "bfd" if interval > 0.0 => {
            let times = (own / interval).round();
            let fewer = words::short(times - 1.0);
            text += &format!(
                ", and each ms less of interval takes {fewer}-{} ms off",
                words::short(times)
            );
        }
        "hold" => {
            let bfd = words::range(600.0, 900.0 + predicted.delay_ms);
            text += &format!(", where BFD of 300 ms x 3 would {bfd}");
        }
        "lacp" if predicted.timers.contains("slow") => {
            text += &format!(
                ", where LACP fast would {}",
                words::range(2_000.0, 3_000.0 + predicted.delay_ms)
            );
        }
        _ => {}
    }
    if let Some((min, max)) = predicted.without_bfd_ms {
        text += &format!(
            ". Without BFD the hold timer would take {}",
            words::range(min, max)
        );
    }
    text
}
