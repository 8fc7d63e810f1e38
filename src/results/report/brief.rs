//! A run in a line, for lists of runs.

use super::words;
use crate::{
    lab::model::scaled_words,
    results::measure::{Outage, RunResult, Transition},
};

/// More directions than this are told by the worst of them.
const DIRECTIONS: usize = 4;

/// What each fault cost, in one line: `app → db 742 ± 1 ms, db → app 811 ± 1 ms`. A fault's
/// label comes first where there are several faults.
pub fn headline(result: &RunResult) -> String {
    let mut faults: Vec<(&str, Vec<&Outage>)> = Vec::new();
    for outage in &result.outages {
        if outage.transition != Transition::Initial {
            continue;
        }
        match faults.last_mut() {
            Some((label, outages)) if *label == outage.label => outages.push(outage),
            _ => faults.push((&outage.label, vec![outage])),
        }
    }
    let named = faults.len() > 1;
    let each: Vec<String> = faults
        .iter()
        .map(|(label, outages)| {
            let cost = cost(words::several(result), outages);
            if named {
                format!("{label}: {cost}")
            } else {
                cost
            }
        })
        .collect();
    let scaled = result.timers_scaled.map(scaled_words);
    each.into_iter()
        .chain(scaled)
        .collect::<Vec<_>>()
        .join("; ")
}

fn cost(several: bool, outages: &[&Outage]) -> String {
    let one = |o: &Outage| format!("{} {}", words::flow(several, o), words::outage(o));
    if outages.len() <= DIRECTIONS {
        let each: Vec<String> = outages.iter().map(|o| one(o)).collect();
        return each.join(", ");
    }
    let worst = outages
        .iter()
        .max_by(|a, b| a.duration_ms.total_cmp(&b.duration_ms));
    worst.map_or_else(String::new, |worst| {
        format!("{}, the worst of {} directions", one(worst), outages.len())
    })
}

/// Why the run is no success, a line each; empty when it is one.
pub fn shortfalls(result: &RunResult) -> Vec<String> {
    let untrusted = result.warnings.iter().filter(|w| w.untrusted);
    let missed = result.expect.iter().filter(|e| e.met != Some(true));
    let mut all: Vec<String> = result.waits_missed.iter().map(words::missed).collect();
    all.extend(missed.map(|e| {
        let verdict = words::verdict(e.met);
        format!("line {}, {}: {verdict}: {}", e.line, e.text, e.measured)
    }));
    all.extend(untrusted.map(|w| format!("not trusted: {}: {}", w.code, w.text)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        results::measure::{RunInput, measure, tests::lab},
        units::Span,
    };

    #[test]
    fn a_run_that_met_everything_is_its_outages() {
        let result = measure(&lab::clean_silent_cut(false));
        assert_eq!(
            headline(&result),
            "app → db 742 ± 1 ms, db → app 811 ± 1 ms"
        );
        assert_eq!(shortfalls(&result), Vec::<String>::new());
    }

    #[test]
    fn many_directions_are_told_by_the_worst() {
        let mut result = measure(&lab::clean_silent_cut(false));
        let back = result.outages[1].clone();
        for _ in 0..3 {
            result.outages.push(back.clone());
        }
        assert_eq!(
            headline(&result),
            "db → app 811 ± 1 ms, the worst of 5 directions"
        );
        result.outages.truncate(2);
        result.outages[1].label = "second".to_owned();
        assert_eq!(
            headline(&result),
            "cut: app → db 742 ± 1 ms; second: db → app 811 ± 1 ms"
        );
    }

    #[test]
    fn each_reason_for_failing_has_a_line() {
        let mut input: RunInput = lab::clean_silent_cut(false);
        input.expectations[0].outage_max = Some(Span::from_millis(700));
        let mut result = measure(&input);
        let [missed] = shortfalls(&result).try_into().unwrap();
        assert!(missed.starts_with("line "), "{missed}");
        assert!(missed.contains(": missed: "), "{missed}");
        result.warnings[0].untrusted = true;
        let [_, doubt] = shortfalls(&result).try_into().unwrap();
        assert!(doubt.starts_with("not trusted: "), "{doubt}");
    }
}
