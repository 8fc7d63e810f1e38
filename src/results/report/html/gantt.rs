//! The phases of an outage as bars on one axis: HTML, so that they need no script.

use super::markup::Markup;
use crate::results::{
    measure::{Outage, Phases},
    report::words,
};

/// A phase: class, legend, what it ends with.
pub(super) const PHASES: [(&str, &str); 4] = [
    ("detection", "detection"),
    ("control", "control plane"),
    ("fib", "FIB"),
    ("first", "first packet"),
];

/// When each phase began and ended, in order; a phase that was not seen is part of the next one.
/// A packet that was on its way when the FIB changed was sent before that: it ends the outage, and
/// no phase lasts longer than the outage does.
pub(super) fn phases(phases: &Phases) -> Vec<(&'static str, &'static str, f64, f64)> {
    let ends = [
        phases.detected,
        phases.updated,
        phases.fib,
        phases.recovered,
    ];
    let last = phases.recovered.unwrap_or(f64::INFINITY);
    let mut begin = 0.0;
    let mut bars = Vec::new();
    for ((class, name), end) in PHASES.into_iter().zip(ends) {
        let Some(end) = end.map(|end| end.min(last)).filter(|end| *end >= begin) else {
            continue;
        };
        bars.push((class, name, begin, end));
        begin = end;
    }
    bars
}

/// The end of what is known of an outage.
fn end(outage: &Outage) -> f64 {
    let periods = outage
        .loss_periods
        .iter()
        .map(|p| p.start_ms + p.duration_ms);
    let phases = phases(&outage.phases_ms).into_iter().map(|(.., end)| end);
    periods.chain(phases).fold(0.0, f64::max)
}

/// Whether there is anything to draw.
pub(super) fn is_drawable(outage: &Outage) -> bool {
    end(outage) > 0.0
}

/// One transition's directions under each other.
pub(super) fn write(outages: &[&Outage], several: bool, page: &mut Markup) {
    let longest = outages.iter().map(|o| end(o)).fold(0.0, f64::max);
    if longest <= 0.0 {
        return;
    }
    let step = step(longest);
    page.raw("<div class=\"gantt\">\n");
    for outage in outages.iter().filter(|o| is_drawable(o)) {
        page.raw("<p class=\"lane\">")
            .text(&words::flow(several, outage));
        page.raw(" <span class=\"dim\">")
            .text(&words::outage(outage));
        page.raw("</span></p>\n<div class=\"track\" role=\"img\" aria-label=\"");
        page.text(&spoken(outage)).raw("\">");
        for (class, _, begin, end) in phases(&outage.phases_ms) {
            bar(class, (begin, end), longest, page);
        }
        page.raw("</div>\n<div class=\"track thin\" aria-hidden=\"true\">");
        // More could not be told apart.
        for period in outage.loss_periods.iter().take(400) {
            let end = period.start_ms + period.duration_ms;
            bar("loss", (period.start_ms.max(0.0), end), longest, page);
        }
        page.raw("</div>\n");
    }
    page.raw("<div class=\"ticks\" aria-hidden=\"true\">");
    for tick in (0..)
        .map(|n| f64::from(n) * step)
        // One at the very end has no room for its figure.
        .take_while(|t| *t <= 0.96 * longest)
    {
        page.raw("<span style=\"left:");
        page.text(&format!("{:.3}%", 100.0 * tick / longest));
        page.raw("\">").text(&words::short(tick)).raw("</span>");
    }
    page.raw("</div>\n<ul class=\"legend\">");
    for (class, name) in PHASES {
        page.raw("<li><i class=\"")
            .raw(class)
            .raw("\"></i>")
            .raw(name)
            .raw("</li>");
    }
    page.raw("<li><i class=\"loss\"></i>loss periods</li><li>milliseconds from the fault or restore</li></ul>\n</div>\n");
}

fn bar(class: &'static str, (begin, end): (f64, f64), longest: f64, page: &mut Markup) {
    let share = |ms: f64| 100.0 * (ms / longest).clamp(0.0, 1.0);
    page.raw("<i class=\"").raw(class).raw("\" style=\"");
    page.text(&format!(
        "left:{:.3}%;width:{:.3}%",
        share(begin),
        share(end) - share(begin)
    ));
    page.raw("\"></i>");
}

/// `detection to 739.8 ms, FIB to 740.6 ms, first packet to 742.0 ms`.
fn spoken(outage: &Outage) -> String {
    let bars = phases(&outage.phases_ms).into_iter();
    let each: Vec<String> = bars
        .map(|(_, name, _, end)| format!("{name} to {end:.1} ms"))
        .collect();
    match each.is_empty() {
        true => format!("no phase was seen; {}", words::outage(outage)),
        false => each.join(", "),
    }
}

/// A distance of ticks that gives four to eight of them.
pub(super) fn step(longest: f64) -> f64 {
    let power = 10_f64.powf((longest / 4.0).log10().floor());
    let round = [5.0, 2.0, 1.0].map(|n| n * power);
    round
        .into_iter()
        .find(|step| longest / step >= 4.0)
        .unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other_and_sum_to_the_outage() {
        let seen = Phases {
            detected: Some(795.4),
            updated: Some(797.9),
            fib: Some(800.3),
            recovered: Some(800.1),
        };
        let bars = phases(&seen);
        assert!(bars.windows(2).all(|two| two[0].3 == two[1].2), "{bars:?}");
        let sum: f64 = bars.iter().map(|(.., begin, end)| end - begin).sum();
        assert!((sum - 800.1).abs() < 1e-9);
        let unseen = Phases {
            recovered: Some(72.0),
            ..Phases::default()
        };
        assert_eq!(phases(&unseen), [("first", "first packet", 0.0, 72.0)]);
        assert_eq!(phases(&Phases::default()), []);
    }

    #[test]
    fn ticks_are_round_and_few() {
        for longest in [0.7, 37.0, 99.0, 801.0, 76_900.0] {
            let ticks = longest / step(longest);
            assert!((4.0..=10.0).contains(&ticks), "{longest}: {ticks}");
        }
    }
}
