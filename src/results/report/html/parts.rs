//! Parts that a page of one run and one of many have in common, and tables of a run.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a fold over events names the few kinds it reads; a new kind is nothing to it"
)]

use super::{
    markup::Markup,
    table::{Cell, Column, Table},
};
use crate::{
    lab::model::scaled_words,
    results::{
        event::EventKind,
        measure::{DaemonVersion, RunInput, RunResult, Transition, Warning},
        report::{versions, words},
    },
    units::seed_text,
};

/// Loss periods shown of each outage.
const PERIODS: usize = 50;

pub(super) fn header(lab: &str, what: &str, page: &mut Markup) {
    page.raw("<header>\n<div class=\"top\"><div><p class=\"dim\">backhoe, ")
        .text(what);
    page.raw("</p>\n<h1>").text(lab);
    page.raw("</h1></div>\n<button type=\"button\" id=\"theme\" hidden=\"\">Theme: automatic</button></div>\n");
}

pub(super) fn footer(page: &mut Markup) {
    page.raw(
        "<footer>\n<p>Terms and formulas of RFC 6412, 6413, 7747, 3357 and 5481, which backhoe adopts; \
         it claims no conformance. Every number in a table is that of result.json, rounded. Charts: uPlot, MIT licence, \
         Copyright (c) 2022 Leon Sorokin.</p>\n\
         <noscript><p>The charts need JavaScript; the tables do not.</p></noscript>\n</footer>\n",
    );
}

pub(super) fn releases(
    version: Option<&str>,
    (kernel, daemons): (Option<&str>, &[DaemonVersion]),
    seed: Option<u64>,
    scaled: Option<u32>,
    page: &mut Markup,
) {
    page.fact("backhoe", version.unwrap_or("–"));
    page.fact("kernel", kernel.unwrap_or("–"));
    if let Some(daemons) = versions::all(daemons) {
        page.fact("daemons", &daemons);
    }
    page.fact("seed", &seed.map_or_else(|| "–".to_owned(), seed_text));
    if let Some(factor) = scaled {
        page.fact("timers", &scaled_words(factor));
    }
}

/// Good news or bad, in words.
pub(super) fn badge(good: bool, [yes, no]: [&str; 2], page: &mut Markup) {
    match good {
        true => page.raw("<span class=\"badge good\">✓ ").text(yes),
        false => page.raw("<span class=\"badge bad\">✗ ").text(no),
    };
    page.raw("</span> ");
}

/// As `result.json` names it.
pub(super) fn transition(transition: Transition) -> &'static str {
    match transition {
        Transition::Initial => "initial",
        Transition::Reversion => "reversion",
    }
}

/// Two ends that say the same say it once.
pub(super) fn both([a, b]: &[String; 2]) -> String {
    if a == b {
        a.clone()
    } else {
        format!("{a}, {b}")
    }
}

pub(super) fn expectations(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::numbers("line").of("line"),
        Column::words("expectation").of("text"),
        Column::words("verdict"),
        Column::words("measured").of("measured"),
    ];
    let mut table = Table::new("Expectations of the lab file", "/expect", COLUMNS);
    for (index, e) in result.expect.iter().enumerate() {
        table.row(
            index,
            [
                Cell::count(u64::from(e.line)),
                Cell::text(&e.text),
                Cell::Verdict(words::verdict(e.met).to_owned(), e.met == Some(true)),
                Cell::text(&e.measured),
            ],
        );
    }
    section("expectations", "Expectations", &table, page);
}

fn section(id: &'static str, title: &'static str, table: &Table<'_>, page: &mut Markup) {
    if table.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"")
        .raw(id)
        .raw("\">\n<h2 id=\"")
        .raw(id);
    page.raw("\">").raw(title).raw("</h2>\n");
    table.write(page);
    page.raw("</section>\n");
}

/// How the result may be wrong.
pub(super) fn warnings(warnings: &[Warning], page: &mut Markup) {
    let told = warnings
        .iter()
        .map(|w| (w.code.as_str(), w.text.clone(), w.untrusted));
    told_warnings(told, page);
}

/// The same of code, text, and whether it makes numbers untrustworthy.
pub(super) fn told_warnings<'a>(
    warnings: impl Iterator<Item = (&'a str, String, bool)>,
    page: &mut Markup,
) {
    let mut warnings = warnings.peekable();
    if warnings.peek().is_none() {
        return;
    }
    page.raw("<section aria-labelledby=\"warnings\">\n<h2 id=\"warnings\">How this may be wrong</h2>\n<ul class=\"warnings\">\n");
    for (code, text, untrusted) in warnings {
        page.raw(if untrusted {
            "<li class=\"untrusted\"><b>"
        } else {
            "<li><b>"
        });
        page.text(code).raw("</b>");
        if untrusted {
            page.raw(" <span class=\"bad\">makes numbers untrustworthy</span>");
        }
        page.raw(" ").text(&text).raw("</li>\n");
    }
    page.raw("</ul>\n</section>\n");
}

/// The lab.
pub(super) fn picture(svg: Option<&str>, page: &mut Markup) {
    let Some(svg) = svg else {
        page.raw("<p class=\"note dim\">No picture of the lab: topology.svg is not in the run's directory.</p>\n");
        return;
    };
    page.raw("<section aria-labelledby=\"topology\">\n<h2 id=\"topology\">Topology</h2>\n<div class=\"picture\" tabindex=\"0\" role=\"region\" aria-label=\"Picture of the lab\">");
    page.picture(svg).raw("</div>\n</section>\n");
}

/// How charts are used.
pub(super) fn hint(page: &mut Markup) {
    page.raw("<p class=\"hint dim\">Drag to zoom, double-click to zoom out; with the keyboard: arrows, +, −, 0.</p>\n");
}

/// A place for the script to draw in. `told` says what it is.
pub(super) fn chart(kind: &'static str, index: usize, told: &str, page: &mut Markup) {
    page.raw("<figure class=\"chart\" data-kind=\"")
        .raw(kind)
        .raw("\" data-index=\"");
    page.number(index as f64).raw("\"><figcaption>").text(told);
    page.raw(".</figcaption></figure>\n");
}

/// Where something happened, and what, for readers of a journal; `None`: not worth a line.
pub(super) fn told(kind: &EventKind) -> Option<(String, String)> {
    let because =
        |why: &Option<String>| why.as_ref().map_or_else(String::new, |w| format!(" ({w})"));
    Some(match kind {
        EventKind::FaultApplied {
            label,
            fault,
            target,
            ..
        } => (target.clone(), format!("{label}: {fault} applied")),
        EventKind::FaultRestored {
            label,
            fault,
            target,
            ..
        } => (target.clone(), format!("{label}: {fault} undone")),
        EventKind::Session {
            session,
            node,
            state,
            reason,
        } => (
            node.clone(),
            format!("BGP {session} {state}{}", because(reason)),
        ),
        EventKind::Bfd {
            session,
            node,
            state,
            diagnostic,
            ..
        } => (
            node.clone(),
            format!("BFD {session} {state}{}", because(diagnostic)),
        ),
        EventKind::Tunnel {
            tunnel,
            node,
            state,
            reason,
            ..
        } => (
            node.clone(),
            format!("tunnel {tunnel} {state}{}", because(reason)),
        ),
        EventKind::WireBfd {
            link,
            from,
            state,
            diagnostic,
            dropped,
            ..
        } => (
            format!("{link}, from {from}"),
            format!("BFD packet: {state}, {diagnostic}{}", lost(*dropped)),
        ),
        EventKind::WireBgp {
            link,
            from,
            message,
            announced,
            withdrawn,
            code,
            dropped,
            ..
        } => {
            let mut what = message.clone();
            for (verb, prefixes) in [("announces", announced), ("withdraws", withdrawn)] {
                if !prefixes.is_empty() {
                    let each: Vec<String> =
                        prefixes.iter().take(6).map(ToString::to_string).collect();
                    let more = if prefixes.len() > each.len() {
                        ", …"
                    } else {
                        ""
                    };
                    what += &format!(" {verb} {}{more}", each.join(", "));
                }
            }
            if let Some((code, subcode)) = code {
                what += &format!(" {code}/{subcode}");
            }
            (
                format!("{link}, from {from}"),
                format!("{what}{}", lost(*dropped)),
            )
        }
        EventKind::Fib {
            node,
            prefix,
            via,
            dev,
            ..
        } => {
            let via: Vec<String> = via.iter().map(ToString::to_string).collect();
            let what = match via.is_empty() && dev.is_empty() {
                true => format!("FIB: {prefix} gone"),
                false => format!("FIB: {prefix} via {} {}", via.join(", "), dev.join(", ")),
            };
            (node.clone(), what)
        }
        EventKind::Carrier { node, dev, up, .. } => (
            node.clone(),
            format!("carrier of {dev} {}", if *up { "up" } else { "down" }),
        ),
        EventKind::Lacp { node, dev, up, .. } => (
            node.clone(),
            format!("LACP of {dev} {}", if *up { "up" } else { "down" }),
        ),
        EventKind::DnsAnswer {
            name,
            node,
            endpoint,
            ..
        } => (node.clone(), format!("{name} is answered with {endpoint}")),
        EventKind::Resolved {
            probe,
            node,
            name,
            endpoint,
            ..
        } => (
            node.clone(),
            format!("{probe}: {name} resolved to {endpoint}"),
        ),
        _ => return None,
    })
}

fn lost(dropped: bool) -> &'static str {
    if dropped { ", lost in the cut" } else { "" }
}

pub(super) fn loss_periods(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::words("step"),
        Column::numbers("start, ms").of("start_ms"),
        Column::numbers("duration, ms").of("duration_ms"),
        Column::numbers("lost").of("lost"),
        Column::numbers("first number").of("start"),
        Column::numbers("last").of("end"),
    ];
    let several = words::several(result);
    let mut table = Table::new(
        format!("Loss periods (RFC 3357), the first {PERIODS} of each outage"),
        "/outages",
        COLUMNS,
    );
    for (at, o) in result.outages.iter().enumerate() {
        for (nth, period) in o.loss_periods.iter().enumerate().take(PERIODS) {
            table.row(
                format!("{at}/loss_periods/{nth}"),
                [
                    Cell::text(words::flow(several, o)),
                    Cell::text(&o.label),
                    Cell::number(period.start_ms, 1),
                    Cell::number(period.duration_ms, 1),
                    Cell::count(period.lost),
                    Cell::count(u64::from(period.start)),
                    Cell::count(u64::from(period.end)),
                ],
            );
        }
    }
    table.write(page);
}

/// What monitoring would have raised.
pub(super) fn alerts(result: &RunResult, page: &mut Markup) {
    if result.alerts.is_empty() {
        return;
    }
    page.raw("<h3>Alerts</h3>\n<ul class=\"warnings\">\n");
    for alert in &result.alerts {
        page.element("li", &words::alert(alert));
    }
    page.raw("</ul>\n");
}

pub(super) fn instrument(input: &RunInput, result: &RunResult, page: &mut Markup) {
    let ms =
        |us: Option<f64>| us.map_or_else(|| "–".to_owned(), |us| format!("{:.2} ms", us / 1e3));
    page.raw("<dl class=\"facts\">\n");
    if let Some(i) = &result.instrument {
        let lost = format!("{} of {}", words::count(i.lost), words::count(i.sent));
        page.fact("own loss", &lost);
        page.fact("own pacing p99", &format!("{:.2} ms", i.pacing_p99_ms));
        page.fact(
            "own delay p50, p99",
            &format!("{:.3}, {:.3} ms", i.delay_p50_ms, i.delay_p99_ms),
        );
    }
    let q = &input.quality;
    page.fact("senders late, p99", &ms(q.pacing_p99_us));
    page.fact("senders late, most", &ms(q.pacing_max_us));
    page.fact("links late, p99", &ms(q.wire_late_p99_us));
    page.fact("links late, most", &ms(q.wire_late_max_us));
    page.fact("realtime priority", if q.realtime { "yes" } else { "no" });
    if let Some(c) = &result.converged {
        let told = format!(
            "{} from the command: {} BGP, {} BFD, {} tunnel{}",
            words::span(c.ms),
            c.bgp,
            c.bfd,
            c.tunnels,
            if c.tunnels == 1 { "" } else { "s" }
        );
        page.fact("converged", &told);
    }
    page.raw("</dl>\n");
}

pub(super) fn flows(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::numbers("packets/s").of("rate"),
        Column::numbers("IP packet, bytes").of("size"),
        Column::numbers("sent").of("sent"),
        Column::numbers("delivered").of("received"),
        Column::numbers("not sent").of("unsent"),
        Column::numbers("cut by wires").of("wire_cut"),
        Column::numbers("random loss").of("wire_loss"),
        Column::numbers("full queues").of("wire_queue"),
        Column::numbers("at nodes").of("node_dropped"),
        Column::numbers("unaccounted").of("unaccounted"),
        Column::numbers("contradicted").of("contradicted"),
    ];
    let several = words::several(result);
    let mut table = Table::new("Flows over the whole run", "/flows", COLUMNS);
    for (index, f) in result.flows.iter().enumerate() {
        let mut cells = vec![Cell::text(words::direction(
            several,
            &f.probe,
            [&f.from, &f.to],
        ))];
        let counts = [
            u64::from(f.rate),
            u64::from(f.size),
            f.sent,
            f.received,
            f.unsent,
            f.wire_cut,
            f.wire_loss,
            f.wire_queue,
            f.node_dropped,
            f.unaccounted,
            f.contradicted,
        ];
        cells.extend(counts.map(Cell::count));
        table.row(index, cells);
    }
    table.write(page);
}

pub(super) fn links(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("link").of("link"),
        Column::words("from").of("from"),
        Column::words("to").of("to"),
        Column::numbers("delay declared, ms").of("declared_delay_ms"),
        Column::numbers("measured p50, ms").of("delay_p50_ms"),
        Column::numbers("p99, ms").of("delay_p99_ms"),
        Column::numbers("rate declared, bit/s").of("declared_rate_bps"),
        Column::numbers("measured, bit/s").of("rate_bps"),
        Column::numbers("± bit/s").of("rate_plus_minus_bps"),
        Column::numbers("loss declared, %").of("declared_loss_percent"),
        Column::numbers("measured, %").of("loss_percent"),
    ];
    let count = |n: Option<u64>| n.map_or_else(|| Cell::text("–"), Cell::count);
    let mut table = Table::new("Links, declared and measured", "/links", COLUMNS);
    for (index, l) in result.links.iter().enumerate() {
        table.row(
            index,
            [
                Cell::text(&l.link),
                Cell::text(&l.from),
                Cell::text(&l.to),
                Cell::number(l.declared_delay_ms, 3),
                Cell::number(l.delay_p50_ms, 3),
                Cell::number(l.delay_p99_ms, 3),
                count(l.declared_rate_bps),
                count(l.rate_bps),
                count(l.rate_plus_minus_bps),
                Cell::number(l.declared_loss_percent, 3),
                Cell::number(l.loss_percent, 3),
            ],
        );
    }
    table.write(page);
    for link in &result.unmeasured {
        page.element("p", &format!("{} not measured: {}", link.link, link.why));
    }
}
