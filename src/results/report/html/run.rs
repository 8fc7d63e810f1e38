//! The page of one run.

use serde::Serialize;

use super::{
    gantt, lanes, load,
    markup::Markup,
    page, parts, rfc, sums,
    table::{Cell, Column, Table},
    traffic,
};
use crate::results::{
    event::{Event, EventKind, MonoNs},
    measure::{Outage, RunInput, RunResult, Transition, TransitionResult},
    report::words,
};

/// More outages than this are told by the worst of them, and the table.
const TILES: usize = 6;
/// Rows of the journal on the page.
const EVENTS: usize = 400;
/// A state at the very end is shown this much longer, nanoseconds.
const TAIL: u64 = 50_000_000;

/// What the page's script draws.
#[derive(Debug, Serialize)]
struct Charts {
    kind: &'static str,
    /// What the time axes count from.
    zero: String,
    marks: Vec<Mark>,
    timeline: Vec<traffic::Timeline>,
    delays: Vec<traffic::Delays>,
    lanes: Vec<lanes::Lane>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    load: Vec<load::Series>,
}

/// A fault or a restore on the time axes.
#[derive(Debug, Serialize)]
struct Mark {
    at_ms: f64,
    text: String,
    restore: bool,
}

/// A self-contained page about one run: it loads nothing, and runs no script but its own.
/// `picture` is the lab as an SVG, where there is one. The same run always gives the same text.
pub fn html(input: &RunInput, result: &RunResult, picture: Option<&str>) -> String {
    let several = words::several(result);
    let mut body = Markup::default();
    header(input, result, &mut body);
    body.raw("<main>\n");
    verdict(result, several, &mut body);
    parts::expectations(result, &mut body);
    parts::warnings(&result.warnings, &mut body);
    parts::picture(picture, &mut body);
    phases(result, several, &mut body);
    let charts = charts(input, result, several);
    traffic_section(&charts, &mut body);
    load::section(result, &mut body);
    states(input, result, &charts, &mut body);
    details(result, &mut body);
    setup(input, result, &mut body);
    body.raw("</main>\n");
    parts::footer(&mut body);
    let data = serde_json::to_string(&charts).unwrap_or_default();
    page::write(&format!("{}: backhoe run", result.lab), &body, &data)
}

/// The name, and what one must know of every number below.
fn header(input: &RunInput, result: &RunResult, page: &mut Markup) {
    parts::header(&result.lab, "one run", page);
    page.raw("<dl class=\"facts\">\n");
    let first = result.transitions.first();
    let when = first
        .and_then(|t| t.realtime_ns)
        .or_else(|| began(&input.events));
    if let Some(ns) = when {
        page.fact("date", &words::date(ns));
    }
    parts::releases(
        result.version.as_deref(),
        (result.kernel.as_deref(), &result.daemons),
        result.seed,
        result.timers_scaled,
        page,
    );
    if let Some(build) = &result.build {
        page.fact("links by", &build.wire);
        if build.wireguard != "none" {
            page.fact("WireGuard", &build.wireguard);
        }
    }
    let outcome = result
        .outcome
        .as_deref()
        .unwrap_or("the journal does not say");
    page.fact("ended", outcome);
    page.raw("</dl>\n</header>\n");
}

/// CLOCK_REALTIME when the run began.
fn began(events: &[Event]) -> Option<u64> {
    events.iter().find_map(|event| {
        let EventKind::RunStarted { realtime_ns, .. } = &event.kind else {
            return None;
        };
        Some(*realtime_ns)
    })
}

fn verdict(result: &RunResult, several: bool, page: &mut Markup) {
    page.raw("<section aria-labelledby=\"verdict\">\n<h2 id=\"verdict\">Verdict</h2>\n");
    page.raw("<p class=\"badges\">");
    parts::badge(result.trusted, ["trusted", "not trusted"], page);
    if !result.expect.is_empty() {
        let missed = result.expectations_missed();
        let met = format!("expectations {}", words::met(result));
        parts::badge(missed == 0, [&met, &met], page);
    }
    page.raw("</p>\n");
    let mut why: Vec<String> = super::super::shortfalls(result);
    why.extend(crate::results::report::why::why(result));
    why.extend(result.causes.iter().map(|cause| cause.text.clone()));
    for sentence in why {
        page.element("p", &sentence);
    }
    let faults = result
        .outages
        .iter()
        .filter(|o| o.transition == Transition::Initial);
    let mut faults: Vec<&Outage> = faults.collect();
    if faults.len() > TILES {
        faults.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
        faults.truncate(TILES);
        page.raw("<p>The longest outages; the table of all is below.</p>\n");
    }
    page.raw("<div class=\"tiles\">\n");
    for outage in faults {
        tile(outage, several, page);
    }
    page.raw("</div>\n");
    applied(result, page);
    if result.outages.iter().any(|o| o.modelled) {
        page.raw("<p class=\"dim\">* goes through a part of AWS that is modelled; AWS publishes no figure.</p>\n");
    }
    if result.outages.iter().any(|o| !o.trusted) {
        page.raw("<p class=\"dim\">! not to be trusted, see the warnings.</p>\n");
    }
    page.raw("</section>\n");
}

fn tile(outage: &Outage, several: bool, page: &mut Markup) {
    page.raw("<div class=\"tile\"><p class=\"what\">");
    page.text(&words::flow(several, outage))
        .raw("</p><p class=\"figure\">");
    page.text(&words::outage(outage));
    let marks = words::marks(outage);
    if !marks.is_empty() {
        page.raw(" <span class=\"dim\">")
            .text(&marks)
            .raw("</span>");
    }
    page.raw("</p><p class=\"dim\">").text(&words::path(outage));
    let lost = format!(
        "; {} of {} lost",
        words::count(outage.lost),
        words::count(outage.sent)
    );
    page.text(&lost).raw("</p></div>\n");
}

/// How each fault was applied, and when.
fn applied(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::words("fault").of("fault"),
        Column::words("target").of("target"),
        Column::words("instant (UTC)"),
        Column::numbers("± ms").of("plus_minus_ms"),
        Column::numbers("watched, ms").of("watched_ms"),
        Column::numbers("BFD up after, ms").of("bfd_up_ms"),
        Column::numbers("BGP up after, ms").of("bgp_up_ms"),
        Column::prose("how").of("benchmarks/how_applied"),
    ];
    let mut table = Table::new("Faults and restores", "/transitions", COLUMNS);
    for (index, t) in result.transitions.iter().enumerate() {
        let instant = t
            .realtime_ns
            .map_or_else(|| "–".to_owned(), words::time_of_day);
        table.row(
            index,
            [
                Cell::text(&t.label),
                Cell::text(parts::transition(t.transition)),
                Cell::text(&t.fault),
                Cell::text(&t.target),
                Cell::text(instant.trim_end_matches(" UTC")),
                Cell::number(t.plus_minus_ms, 4),
                Cell::number(t.watched_ms, 1),
                Cell::number(t.bfd_up_ms, 1),
                Cell::number(t.bgp_up_ms, 1),
                Cell::text(t.benchmarks.as_ref().map_or("–", |b| &b.how_applied)),
            ],
        );
    }
    table.write(page);
}

fn of<'a>(result: &'a RunResult, transition: &'a TransitionResult) -> Vec<&'a Outage> {
    let same = |o: &&Outage| (&o.label, o.transition) == (&transition.label, transition.transition);
    result.outages.iter().filter(same).collect()
}

/// Why each direction's outage took so long.
fn phases(result: &RunResult, several: bool, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::numbers("detected, ms").of("phases_ms/detected"),
        Column::numbers("news at pivot, ms").of("phases_ms/updated"),
        Column::numbers("FIB, ms").of("phases_ms/fib"),
        Column::numbers("first packet, ms").of("phases_ms/recovered"),
        Column::words("pivot").of("pivot"),
        Column::numbers("predicted from, ms").of("predicted/min_ms"),
        Column::numbers("to, ms").of("predicted/max_ms"),
    ];
    let worth = |t: &&TransitionResult| of(result, t).iter().any(|o| gantt::is_drawable(o));
    let transitions: Vec<&TransitionResult> = result.transitions.iter().filter(worth).collect();
    if transitions.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"phases\">\n<h2 id=\"phases\">Phases</h2>\n");
    page.raw("<p>What each direction waited for, in order. A phase that was not seen is part of the next one.</p>\n");
    for transition in transitions {
        let outages = of(result, transition);
        let after = match transition.transition {
            Transition::Initial => "After",
            Transition::Reversion => "After the restore of",
        };
        let name = format!(
            "{after} {}: {}, {}",
            transition.label, transition.target, transition.fault
        );
        page.element("h3", &name);
        gantt::write(&outages, several, page);
        page.raw("<ul class=\"paths\">\n");
        for outage in outages {
            let told = [
                words::critical_path(outage),
                words::dns(outage),
                words::predicted(outage),
            ];
            for sentence in told.into_iter().flatten() {
                page.raw("<li><b>")
                    .text(&words::flow(several, outage))
                    .raw("</b> ");
                page.text(&sentence).raw("</li>\n");
            }
        }
        page.raw("</ul>\n");
    }
    let mut table = Table::new(
        "Phases, milliseconds from the fault or restore",
        "/outages",
        COLUMNS,
    );
    for (index, o) in result.outages.iter().enumerate() {
        if o.phases_ms == crate::results::measure::Phases::default() {
            continue;
        }
        table.row(
            index,
            [
                Cell::text(words::flow(several, o)),
                Cell::text(&o.label),
                Cell::text(parts::transition(o.transition)),
                Cell::number(o.phases_ms.detected, 1),
                Cell::number(o.phases_ms.updated, 1),
                Cell::number(o.phases_ms.fib, 1),
                Cell::number(o.phases_ms.recovered, 1),
                Cell::text(o.pivot.as_deref().unwrap_or("–")),
                Cell::number(o.predicted.as_ref().map(|p| p.min_ms), 1),
                Cell::number(o.predicted.as_ref().map(|p| p.max_ms), 1),
            ],
        );
    }
    table.write(page);
    sums::of_run(result, several, page);
    page.raw("</section>\n");
}

fn charts(input: &RunInput, result: &RunResult, several: bool) -> Charts {
    let started = result
        .flows
        .iter()
        .filter_map(|f| f.traffic_start_instant_ns)
        .min();
    let first = result.transitions.first();
    let zero = first
        .map(|t| t.convergence_event_instant_ns)
        .or(started)
        .unwrap_or_default();
    let name = |flow: &crate::results::event::FlowLog| {
        words::direction(several, &flow.probe, [&flow.from, &flow.to])
    };
    let count = input.flows.len();
    let last = |flow: &crate::results::event::FlowLog| flow.sent.iter().flatten().max().copied();
    let ended = input.flows.iter().filter_map(last).max();
    let ended = ended.or_else(|| input.events.iter().map(|event| event.at).max());
    let window = (started.unwrap_or(zero), ended.unwrap_or(zero) + TAIL);
    let (lanes, _) = lanes::lanes(&input.events, zero, window);
    Charts {
        kind: "run",
        zero: match first {
            Some(t) => format!("seconds from {}", t.label),
            None => "seconds from the first packet".to_owned(),
        },
        marks: result.transitions.iter().map(|t| mark(t, zero)).collect(),
        timeline: input
            .flows
            .iter()
            .map(|flow| traffic::timeline(name(flow), flow, zero, count))
            .collect(),
        delays: input
            .flows
            .iter()
            .map(|flow| traffic::delays(name(flow), flow, zero, count))
            .collect(),
        lanes,
        load: load::series(result, zero),
    }
}

fn mark(transition: &TransitionResult, zero: MonoNs) -> Mark {
    let restore = transition.transition == Transition::Reversion;
    let restored = if restore { "restore " } else { "" };
    Mark {
        at_ms: traffic::rounded(traffic::since(
            zero,
            transition.convergence_event_instant_ns,
        )),
        text: format!("{restored}{}", transition.label),
        restore,
    }
}

fn traffic_section(charts: &Charts, page: &mut Markup) {
    if charts.timeline.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"traffic\">\n<h2 id=\"traffic\">Traffic</h2>\n");
    page.raw("<p class=\"hint dim\">Drag to zoom, double-click to zoom out; with the keyboard: arrows, +, −, 0. All charts of time move together.</p>\n");
    page.raw("<h3>Delivered and lost</h3>\n");
    for (index, flow) in charts.timeline.iter().enumerate() {
        let step = words::span(flow.step_ms);
        let lost: u64 = flow.lost.iter().map(|n| u64::from(*n)).sum();
        let sent: u64 = lost + flow.delivered.iter().map(|n| u64::from(*n)).sum::<u64>();
        let told = format!(
            "{}: {} sent, {} of them did not arrive; counted in {step} by when they were sent",
            flow.name(),
            words::count(sent),
            words::count(lost)
        );
        parts::chart("timeline", index, &told, page);
    }
    page.raw("<h3>One-way delay</h3>\n");
    let each = charts.delays.iter().map(|d| {
        format!(
            "{}: {} of {}",
            d.name(),
            words::count(d.ms.len() as u64),
            words::count(d.of as u64)
        )
    });
    let told = format!(
        "Each packet's delay by when it was sent. Shown are {}; of neighbours the fastest, the slowest and one between",
        each.collect::<Vec<_>>().join(", ")
    );
    parts::chart("delays", 0, &told, page);
    page.raw("</section>\n");
}

/// Sessions, tunnels and links.
fn states(input: &RunInput, result: &RunResult, charts: &Charts, page: &mut Markup) {
    page.raw("<section aria-labelledby=\"states\">\n<h2 id=\"states\">Links and sessions</h2>\n");
    if !charts.lanes.is_empty() {
        let names: Vec<&str> = charts.lanes.iter().map(|lane| lane.name.as_str()).collect();
        let told = format!(
            "What changed its state while probes ran: {}. Daemons' and kernels' own word; the journal below has each change",
            names.join(", ")
        );
        parts::chart("lanes", 0, &told, page);
    } else {
        page.raw("<p>No link and no session changed its state while probes ran.</p>\n");
    }
    journal(input, result, page);
    sessions(input, page);
    page.raw("</section>\n");
}

/// What happened around the faults, from the journal.
fn journal(input: &RunInput, result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::numbers("ms"),
        Column::words("where"),
        Column::words("what"),
    ];
    let Some(first) = result.transitions.first() else {
        return;
    };
    let zero = first.convergence_event_instant_ns;
    let mut events: Vec<&Event> = input
        .events
        .iter()
        .filter(|e| e.at + 1_000_000 >= zero)
        .collect();
    events.sort_by_key(|event| event.at);
    let told = events.into_iter().filter_map(|event| {
        let (place, what) = parts::told(&event.kind)?;
        Some((
            traffic::rounded(traffic::since(zero, event.at)),
            place,
            what,
        ))
    });
    let told: Vec<_> = told.collect();
    let caption = match told.len() > EVENTS {
        true => format!(
            "The first {EVENTS} of {} events since the first fault; journal.jsonl has all",
            told.len()
        ),
        false => "Events since the first fault".to_owned(),
    };
    let mut table = Table::new(caption, "", COLUMNS);
    for (index, (ms, place, what)) in told.into_iter().take(EVENTS).enumerate() {
        table.row(
            index,
            [Cell::number(ms, 3), Cell::text(place), Cell::text(what)],
        );
    }
    if !table.is_empty() {
        page.raw("<details><summary>Journal of the faults</summary>\n");
        table.write(page);
        page.raw("</details>\n");
    }
}

/// Timers, which RFC 6413 wants reported.
fn sessions(input: &RunInput, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("session"),
        Column::words("kind"),
        Column::words("over"),
        Column::words("ends"),
        Column::words("BFD: send, receive, multiplier"),
        Column::words("hold time offered"),
    ];
    let mut table = Table::new(
        "Routing sessions and their timers, as configured",
        "",
        COLUMNS,
    );
    for (index, s) in input.topology.sessions.iter().enumerate() {
        let bfd = s.bfd.as_ref().map(|ends| {
            let each = ends
                .each_ref()
                .map(|b| format!("{}/{} x {}", b.min_tx, b.min_rx, b.multiplier));
            parts::both(&each)
        });
        let hold = s.hold.map(|hold| hold.to_string());
        table.row(
            index,
            [
                Cell::text(&s.name),
                Cell::text(&s.kind),
                Cell::text(&s.over),
                Cell::text(s.nodes.join(", ")),
                Cell::text(bfd.unwrap_or_else(|| "–".to_owned())),
                Cell::text(parts::both(&hold)),
            ],
        );
    }
    table.write(page);
}

/// Every outage with the benchmarks of RFC 6412.
fn details(result: &RunResult, page: &mut Markup) {
    const LOSS: &[Column] = &[
        Column::words("direction"),
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::numbers("outage, ms").of("duration_ms"),
        Column::numbers("± ms").of("resolution_ms"),
        Column::numbers("sent").of("sent"),
        Column::numbers("lost").of("lost"),
        Column::numbers("in queues").of("queue_dropped"),
        Column::numbers("by wires").of("wire_dropped"),
        Column::numbers("by nodes").of("node_dropped"),
        Column::words("recovered").of("recovered"),
        Column::words("trusted").of("trusted"),
        Column::words("accounted for").of("wire_agrees"),
    ];
    if result.outages.is_empty() {
        return;
    }
    let several = words::several(result);
    page.raw("<section aria-labelledby=\"figures\">\n<h2 id=\"figures\">Figures</h2>\n");
    let mut loss = Table::new("Outages", "/outages", LOSS);
    for (index, o) in result.outages.iter().enumerate() {
        let [flow, label] = [Cell::text(words::flow(several, o)), Cell::text(&o.label)];
        let transition = Cell::text(parts::transition(o.transition));
        loss.row(
            index,
            [
                flow,
                label,
                transition,
                Cell::number(o.duration_ms, 1).at_least(!o.recovered),
                Cell::number(o.resolution_ms, 2),
                Cell::count(o.sent),
                Cell::count(o.lost),
                Cell::count(o.queue_dropped),
                Cell::count(o.wire_dropped),
                Cell::count(o.node_dropped),
                Cell::yes(o.recovered),
                Cell::yes(o.trusted),
                Cell::yes(o.wire_agrees),
            ],
        );
    }
    loss.write(page);
    rfc::transitions(result, page);
    rfc::routes(result, several, page);
    rfc::delays(result, several, page);
    parts::loss_periods(result, page);
    parts::alerts(result, page);
    page.raw("</section>\n");
}

/// What was set up, and what the instrument says of itself.
fn setup(input: &RunInput, result: &RunResult, page: &mut Markup) {
    page.raw("<section aria-labelledby=\"setup\">\n<h2 id=\"setup\">Instrument and links</h2>\n");
    parts::instrument(input, result, page);
    parts::flows(result, page);
    parts::links(result, page);
    page.raw("</section>\n");
}
