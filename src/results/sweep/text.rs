//! A sweep for a terminal: the matrix of failures and flows, and what it says.

use super::{
    judge::flow_name,
    model::{Cell, Drawn, Experiment, Fate, Outcome, Sweep, SweptFlow, Weakness},
};
use crate::{
    lab::model::scaled_words,
    results::{measure::with_bar, report},
};

/// More lines of a kind than this are counted.
const SHOWN: usize = 12;

/// A cell: `survived`, `742 ± 1 ms, via backup`, `lost until repaired`.
pub fn cell_words(cell: &Cell) -> String {
    let via = match (&cell.via, &cell.path_before) {
        (Some(via), before) if before.as_ref() != Some(via) => format!(", via {via}"),
        _ => String::new(),
    };
    match cell.fate {
        Fate::Survived => format!("survived{via}"),
        Fate::Outage => format!("{} ms{via}", with_bar(cell.outage_ms, cell.plus_minus_ms)),
        Fate::Lost if cell.drawn == Drawn::End => "end of the flow".to_owned(),
        Fate::Lost => "lost until repaired".to_owned(),
    }
}

/// What the drawing says of a failure, over all of its flows.
pub(in crate::results) fn drawn_words(experiment: &Experiment) -> &'static str {
    let has = |drawn| experiment.cells.iter().any(|cell| cell.drawn == drawn);
    match (has(Drawn::Cut), has(Drawn::End), has(Drawn::Survivable)) {
        (true, _, _) if experiment.managed => "cut (AWS's)",
        (true, false, false) => "cut",
        (true, ..) => "cut in part",
        (false, true, false) => "end",
        (false, true, true) => "end of some",
        (false, false, _) if experiment.cells.is_empty() => "",
        (false, false, _) => "survivable",
    }
}

/// `app → db`, with the probe's name where there are several.
pub(in crate::results) fn column(flows: &[SweptFlow], flow: &SweptFlow) -> String {
    match flows.iter().any(|other| other.probe != flow.probe) {
        true => flow_name(flow),
        false => format!("{} → {}", flow.from, flow.to),
    }
}

/// What stands in the first columns, and one text for each flow.
pub(in crate::results) fn row(sweep: &Sweep, experiment: &Experiment) -> Vec<String> {
    let mut cells = vec![
        experiment.failure.clone(),
        experiment.manner.clone(),
        drawn_words(experiment).to_owned(),
    ];
    let nothing = match experiment.outcome {
        Outcome::Failed => "not measured",
        Outcome::Measured | Outcome::Untrusted => "",
    };
    let doubt = match experiment.outcome {
        Outcome::Untrusted => " (not trusted)",
        Outcome::Measured | Outcome::Failed => "",
    };
    let told = sweep.flows.iter().enumerate().map(|(at, _)| {
        let cell = experiment.cells.get(at);
        cell.map_or_else(|| nothing.to_owned(), |cell| cell_words(cell) + doubt)
    });
    cells.extend(told);
    if let Some(same) = same_as(sweep, experiment) {
        cells.push(same);
    }
    cells
}

/// Of what was not tried for the lab's symmetry: what it is as.
pub(in crate::results) fn same_as(sweep: &Sweep, experiment: &Experiment) -> Option<String> {
    let of = experiment.same_as?;
    let other = sweep
        .experiments
        .iter()
        .find(|one| one.index == of && one.same_as.is_none());
    let name = other.map_or_else(|| format!("experiment {of}"), |one| one.failure.clone());
    Some(format!("by symmetry as {name}"))
}

/// The heads of those columns.
pub(in crate::results) fn heads(sweep: &Sweep) -> Vec<String> {
    let first = ["failure", "how", "static"].map(str::to_owned);
    let flows = sweep.flows.iter().map(|flow| column(&sweep.flows, flow));
    first.into_iter().chain(flows).collect()
}

/// What the drawing says of a probe, in lines.
pub(in crate::results) fn drawing(weakness: &Weakness) -> Vec<String> {
    let mut lines = Vec::new();
    let points = match weakness.single_points.as_slice() {
        [] => "no single point of failure".to_owned(),
        points => format!("single points of failure: {}", points.join(", ")),
    };
    let cut = match &weakness.min_cut {
        None => "nothing that a customer orders parts its ends".to_owned(),
        Some(cut) => {
            let s = if cut.len() == 1 { "" } else { "s" };
            format!(
                "fewest nodes and links that part its ends: {} (e.g. {})",
                format_args!("{} element{s}", cut.len()),
                cut.join(", ")
            )
        }
    };
    lines.push(format!("{points}; {cut}"));
    for (what, names) in [
        (
            "AWS's own, one by its nature, which AWS keeps redundant",
            &weakness.managed,
        ),
        (
            "ends of the flow, which no second way replaces",
            &weakness.ends,
        ),
    ] {
        if !names.is_empty() {
            lines.push(format!("{what}: {}", names.join(", ")));
        }
    }
    if !weakness.pairs.is_empty() {
        let pairs: Vec<String> = weakness
            .pairs
            .iter()
            .map(|[a, b]| format!("{a} + {b}"))
            .collect();
        lines.push(format!("no way without both: {}", shortened(&pairs)));
    }
    lines
}

fn shortened(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(SHOWN).map(String::as_str).collect();
    match all.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What the drawing says of every probe.
pub fn drawn(sweep: &Sweep) -> String {
    let mut out = String::new();
    for weakness in &sweep.drawing {
        for (at, line) in drawing(weakness).into_iter().enumerate() {
            let head = match at {
                0 => format!("static     {}: ", weakness.probe),
                _ => "           ".to_owned(),
            };
            out += &format!("{head}{line}\n");
        }
    }
    out + "\n"
}

/// The whole of it.
pub fn text(sweep: &Sweep) -> String {
    let mut out = drawn(sweep);
    out += &matrix(sweep);
    let lost = sweep.experiments.iter().flat_map(|experiment| {
        let cells = sweep.flows.iter().zip(&experiment.cells);
        cells.filter_map(move |(flow, cell)| {
            let is_told =
                cell.fate == Fate::Lost && cell.drawn == Drawn::Cut && experiment.same_as.is_none();
            let why = cell.reason.as_ref().filter(|_| is_told)?;
            Some(format!(
                "{} ({}), {}: {why}",
                experiment.failure,
                experiment.manner,
                flow_name(flow)
            ))
        })
    });
    let lost: Vec<String> = lost.collect();
    section(&mut out, "lost where no way was left", &lost);
    let findings = sweep.findings.iter().map(|found| {
        format!(
            "{} ({}), {}: {}",
            found.failure, found.manner, found.flow, found.text
        )
    });
    section(&mut out, "findings", &findings.collect::<Vec<_>>());
    let left_out = sweep
        .left_out
        .iter()
        .map(|one| format!("{}: {}", one.what, one.why));
    section(&mut out, "not tried", &left_out.collect::<Vec<_>>());
    section(&mut out, "rebuilt", &sweep.rebuilt);
    section(&mut out, "notes", &sweep.notes);
    for one in &sweep.expect {
        out += &format!(
            "{}:{}:{}: expectation: {}: {}\n",
            sweep.file,
            one.line,
            one.column,
            one.text,
            report::verdict(one.met)
        );
        for line in one.measured.iter().take(SHOWN) {
            out += &format!("             {line}\n");
        }
        let more = one.measured.len().saturating_sub(SHOWN);
        if more > 0 {
            out += &format!("             and {more} more\n");
        }
    }
    out += &conclusion(sweep);
    out
}

fn section(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    out.push_str(title);
    out.push('\n');
    for line in lines.iter().take(4 * SHOWN) {
        out.push_str(&format!("  {line}\n"));
    }
    let more = lines.len().saturating_sub(4 * SHOWN);
    if more > 0 {
        out.push_str(&format!("  and {more} more: see sweep.json\n"));
    }
    out.push('\n');
}

fn matrix(sweep: &Sweep) -> String {
    let mut rows = vec![heads(sweep)];
    rows.extend(sweep.experiments.iter().map(|one| row(sweep, one)));
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        out += line.trim_end();
        out.push('\n');
    }
    out.push('\n');
    out
}

/// Its last lines: how many were tried, what was found.
pub fn conclusion(sweep: &Sweep) -> String {
    let tried = sweep
        .experiments
        .iter()
        .filter(|one| one.same_as.is_none())
        .count();
    let by_symmetry = sweep.experiments.len() - tried;
    let bad = |outcome| {
        sweep
            .experiments
            .iter()
            .filter(|one| one.outcome == outcome)
            .count()
    };
    let mut text = format!("swept      {tried} of {} failures", sweep.selected);
    if let Some(shard) = sweep.shard {
        text += &format!(" (shard {shard})");
    }
    if by_symmetry > 0 {
        text += &format!(", {by_symmetry} more by symmetry");
    }
    let s = if sweep.labs_built == 1 { "" } else { "s" };
    text += &format!(
        " in {:.0} s, {} lab{s} built",
        sweep.seconds, sweep.labs_built
    );
    for (n, what) in [
        (bad(Outcome::Untrusted), "not trusted"),
        (bad(Outcome::Failed), "not measured"),
    ] {
        if n > 0 {
            text += &format!("; {n} {what}");
        }
    }
    if sweep.interrupted {
        text += "; interrupted";
    }
    if let Some(factor) = sweep.timers_scaled {
        text += &format!("; {}", scaled_words(factor));
    }
    text += &format!(
        "\nagreement  experiment and drawing agree in {} of {} cells\n",
        sweep.agreeing, sweep.compared
    );
    let points = match sweep.single_points.as_slice() {
        [] => "no single point of failure found".to_owned(),
        points => format!("{}: {}", points.len(), points.join(", ")),
    };
    text += &format!("single points of failure, measured: {points}\n");
    text
}
