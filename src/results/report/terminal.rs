//! The result on a terminal: one screen, aligned, in plain words.

use super::{load, rfc, versions, why, words};
use crate::{
    lab::model::scaled_words,
    results::measure::{LinkResult, Outage, RunResult, Steady, Transition, TransitionResult},
    units::seed_text,
};

/// Width of the first column.
const LABEL: usize = 11;

/// How the terminal wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours; nothing is said by colour alone.
    pub colour: bool,
    /// Columns; warnings wrap to them.
    pub width: usize,
}

/// The whole report, with a final newline.
pub fn terminal(result: &RunResult, style: Style) -> String {
    let mut page = Page::new(style, words::several(result));
    if let Some(factor) = result.timers_scaled {
        page.line(&scaled_words(factor));
    }
    bring_up(result, &mut page);
    let mut gone = false;
    for (transition, outages) in by_transition(result) {
        page.gap();
        match transition.transition {
            Transition::Initial => initial(transition, &outages, &mut page),
            Transition::Reversion => reversion(transition, (&outages, gone), &mut page),
        }
        gone = outages.iter().any(|o| !o.recovered);
        if let Some(benchmarks) = rfc::told(transition, &outages) {
            page.wrapped("RFC 6412", &benchmarks);
        }
    }
    load::terminal(result, &mut page);
    page.gap();
    conclude(result, &mut page);
    page.text
}

/// Each transition with its outages. Labels may repeat, so they are told apart by their order:
/// every transition has as many outages as there are flows.
pub(super) fn by_transition(
    result: &RunResult,
) -> impl Iterator<Item = (&TransitionResult, Vec<&Outage>)> {
    let flows = result.flows.len();
    let of = move |nth: usize| result.outages.iter().skip(nth * flows).take(flows);
    let all = result.transitions.iter().enumerate();
    all.map(move |(nth, transition)| (transition, of(nth).collect()))
}

fn bring_up(result: &RunResult, page: &mut Page) {
    if let Some(b) = &result.build {
        let others = versions::foreign(&result.daemons);
        page.row(
            "up",
            &format!(
                "{}, {}, {} in {}; {}{}",
                many(b.nodes, "node"),
                many(b.links, "link"),
                many(b.tunnels, "tunnel"),
                words::span(b.ms),
                b.wire,
                others.map_or_else(String::new, |others| format!("; {others}"))
            ),
        );
    }
    if let Some(i) = &result.instrument {
        let gaps = result.flows.iter();
        let resolution = gaps
            .map(|flow| 1000.0 / f64::from(flow.rate.max(1)))
            .fold(0.0, f64::max);
        let mut text = format!(
            "{}/{} lost; pacing p99 {} ms, one way p99 {} ms",
            words::count(i.lost),
            words::count(i.sent),
            words::short(i.pacing_p99_ms),
            words::short(i.delay_p99_ms)
        );
        if resolution > 0.0 {
            text += &format!("; resolution {} ms", words::short(resolution));
        }
        if let Some(seed) = result.seed {
            text += &format!("; seed {}", seed_text(seed));
        }
        page.row("instrument", &text);
    }
    links(result, page);
    if let Some(c) = &result.converged {
        page.row(
            "converged",
            &format!(
                "{}: {} BGP, {} BFD, {}",
                words::span(c.ms),
                c.bgp,
                c.bfd,
                many(c.tunnels, "tunnel")
            ),
        );
    }
    for s in &result.steady {
        page.row("steady", &steady(s, page.several));
    }
}

fn links(result: &RunResult, page: &mut Page) {
    let mut worst: Vec<&LinkResult> = Vec::new();
    for l in &result.links {
        let off = |l: &LinkResult| (l.delay_p50_ms - l.declared_delay_ms).abs();
        match worst.iter_mut().find(|known| known.link == l.link) {
            Some(known) if off(known) < off(l) => *known = l,
            Some(_) => {}
            None => worst.push(l),
        }
    }
    let each: Vec<String> = worst.into_iter().map(link).collect();
    if !each.is_empty() {
        page.row(
            "links",
            &format!("{} (declared → measured)", each.join(", ")),
        );
    }
    let mut label = if each.is_empty() { "links" } else { "" };
    for link in &result.unmeasured {
        page.row(
            std::mem::take(&mut label),
            &format!("{} not measured: {}", link.link, link.why),
        );
    }
}

/// One link, declared and measured; the direction that is further off.
fn link(l: &LinkResult) -> String {
    let mut text = format!(
        "{} {} → {} ms",
        l.link,
        words::short(l.declared_delay_ms),
        words::short(l.delay_p50_ms)
    );
    if let (Some(declared), Some(measured)) = (l.declared_rate_bps, l.rate_bps) {
        let mbit = |bps: u64| words::short(bps as f64 / 1e6);
        text += &format!(" {} → {}", mbit(declared), mbit(measured));
        if let Some(spread) = l.rate_plus_minus_bps {
            text += &format!(" ± {}", mbit(spread));
        }
        text += " Mbit/s";
    }
    if let Some(loss) = l.loss_percent.filter(|_| l.declared_loss_percent > 0.0) {
        text += &format!(
            " {} → {} % loss",
            words::short(l.declared_loss_percent),
            words::short(loss)
        );
    }
    text
}

fn steady(s: &Steady, several: bool) -> String {
    let mut text = format!(
        "{}: {}/{} delivered",
        words::direction(several, &s.probe, [&s.from, &s.to]),
        words::count(s.sent.saturating_sub(s.lost + s.lost_declared)),
        words::count(s.sent)
    );
    if let Some(path) = &s.path {
        text += &format!(" via {path}");
    }
    if let Some(delay) = &s.delay {
        text += &format!(", {:.1} ms", delay.p50_ms);
    }
    text
}

fn initial(transition: &TransitionResult, outages: &[&Outage], page: &mut Page) {
    let mut text = format!("{}, {}", transition.target, transition.fault);
    text += &instant(transition);
    page.row(&transition.label, &text);
    if outages.is_empty() {
        page.row("", "no probe ran, so no outage was measured");
        return;
    }
    page.gap();
    table(outages, page);
    details(outages, page);
    if outages.iter().any(|o| o.modelled) {
        page.line("  * AWS-internal part modelled; AWS publishes no figure");
    }
    if outages.iter().any(|o| !o.trusted) {
        page.line("  ! not trusted, see the warnings");
    }
}

fn instant(transition: &TransitionResult) -> String {
    let bracket = words::short(transition.plus_minus_ms);
    transition.realtime_ns.map_or_else(String::new, |ns| {
        format!("  {} ± {bracket} ms", words::time_of_day(ns))
    })
}

fn table(outages: &[&Outage], page: &mut Page) {
    let mut rows = vec![["probe", "lost", "outage", "", "path", "delay"].map(str::to_owned)];
    rows.extend(outages.iter().map(|o| {
        [
            words::flow(page.several, o),
            words::count(o.lost),
            words::outage(o),
            words::marks(o),
            words::path(o),
            words::delay(o),
        ]
    }));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [probe, lost, outage, marks, path, _] = widths;
    for [p, l, o, m, w, d] in &rows {
        page.line(&format!(
            "{p:<probe$}  {l:>lost$}  {o:<outage$} {m:<marks$}  {w:<path$}  {d}"
        ));
    }
}

/// Critical paths, loss periods, and the wires' own count.
fn details(outages: &[&Outage], page: &mut Page) {
    for o in outages {
        let name = words::flow(page.several, o);
        if let Some(path) = words::critical_path(o) {
            page.line(&format!("  {name}  {path}"));
        }
        if let Some(parts) = words::dns(o) {
            page.line(&format!("  {name}  {parts}"));
        }
        if let Some(predicted) = words::predicted(o) {
            page.line(&format!("  {name}  {predicted}"));
        }
        if o.loss_periods.len() > 1 {
            let each = o.loss_periods.iter().take(6);
            let each = each.map(|p| format!("{} at {:.1} ms", words::count(p.lost), p.start_ms));
            let each: Vec<String> = each.collect();
            let more = if o.loss_periods.len() > each.len() {
                ", …"
            } else {
                ""
            };
            let n = o.loss_periods.len();
            page.line(&format!(
                "  {name}  {n} loss periods: {}{more}",
                each.join(", ")
            ));
        }
        if let Some(crowding) = words::crowding(o) {
            page.line(&format!("  {name}  queue full: {crowding}"));
        }
        if o.unsent > 0 {
            page.line(&format!("  {name}  {} never sent", words::count(o.unsent)));
        }
    }
    page.line(&format!("  {}", words::wire(outages)));
}

/// `gone`: of some flow nothing got through any more when this transition began.
fn reversion(transition: &TransitionResult, (outages, gone): (&[&Outage], bool), page: &mut Page) {
    let mut parts = Vec::new();
    for (what, at) in [("BFD", transition.bfd_up_ms), ("BGP", transition.bgp_up_ms)] {
        parts.extend(at.map(|ms| format!("{what} +{}", words::span(ms))));
    }
    // Not one word covers flows that differ; the slowest is when traffic was back.
    let back = outages
        .iter()
        .filter_map(|o| Some((o.phases_ms.recovered?, o.path_after.as_deref()?)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((at, path)) = back {
        parts.push(format!("traffic back on {path} +{}", words::span(at)));
    } else if gone && outages.iter().all(|o| o.recovered) {
        parts.push("traffic back at once".to_owned());
    } else if gone {
        parts.push("traffic not back".to_owned());
    } else if !outages.is_empty() {
        parts.push("no change of path seen".to_owned());
    }
    page.row(
        "restored",
        format!("{}: {}", transition.label, parts.join(", ")).trim_end_matches([':', ' ']),
    );
    if outages.is_empty() {
        return;
    }
    let each = |of: fn(&Outage) -> u64| {
        let each: Vec<String> = outages.iter().map(|o| words::count(of(o))).collect();
        each.join("/")
    };
    let mut text = format!(
        "lost {}; reordered {}",
        each(|o| o.lost),
        each(|o| o.reordered)
    );
    let shorter = outages
        .iter()
        .filter(|o| o.reordered_expected > 0)
        .max_by_key(|o| o.reordered_expected);
    if let Some((o, longer)) = shorter.and_then(|o| Some((o, o.additive_backup_delay_ms?))) {
        text += &format!(
            " (expected {}: the path is {:.1} ms shorter)",
            o.reordered_expected, -longer
        );
    }
    page.row("", &text);
    if outages.iter().any(|o| o.lost > 0) {
        table(outages, page);
        details(outages, page);
    }
}

fn conclude(result: &RunResult, page: &mut Page) {
    for alert in &result.alerts {
        page.wrapped("alert", &words::alert(alert));
    }
    if let Some(why) = why::why(result) {
        page.wrapped("why", &why);
    }
    for wait in &result.waits_missed {
        let missed = page.paint(&words::missed(wait), false);
        page.row("wait", &missed);
    }
    let trust = words::trust(result);
    if result.expect.is_empty() {
        page.row("result", &page.paint(&trust, result.trusted));
    } else {
        let met = words::met(result);
        let met = page.paint(&format!("{met:<33}"), result.expectations_missed() == 0);
        page.row(
            "expect",
            &format!("{met} {}", page.paint(&trust, result.trusted)),
        );
    }
    for e in result.expect.iter().filter(|e| e.met != Some(true)) {
        let verdict = page.paint(words::verdict(e.met), false);
        page.row("", &format!("line {}, {}: {verdict}", e.line, e.text));
        page.wrapped("", &e.measured);
    }
    for cause in &result.causes {
        page.wrapped("cause", &cause.text);
    }
    for w in &result.warnings {
        let weight = if w.untrusted { "untrusted" } else { "warning" };
        page.wrapped(weight, &format!("{}: {}", w.code, w.text));
    }
}

fn many(n: usize, thing: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {thing}{plural}")
}

pub(super) struct Page {
    style: Style,
    /// Directions are named with their probe.
    pub(super) several: bool,
    pub(super) text: String,
}

impl Page {
    pub(super) fn new(style: Style, several: bool) -> Self {
        Self {
            style,
            several,
            text: String::new(),
        }
    }

    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// Rows in columns: the first to the left, the others to the right.
    pub(super) fn columns(&mut self, rows: &[Vec<String>]) {
        let mut widths = Vec::new();
        for row in rows {
            widths.resize(row.len().max(widths.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in rows {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(index, (cell, &width))| match index {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            self.line(&cells.collect::<Vec<_>>().join("  "));
        }
    }

    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    pub(super) fn row(&mut self, label: &str, text: &str) {
        let padding = " ".repeat(LABEL.saturating_sub(label.chars().count()).max(1));
        let label = if self.style.colour && !label.is_empty() {
            format!("\x1b[1m{label}\x1b[0m")
        } else {
            label.to_owned()
        };
        self.line(&format!("{label}{padding}{text}"));
    }

    pub(super) fn wrapped(&mut self, label: &str, text: &str) {
        let room = self.style.width.saturating_sub(LABEL).max(20);
        let mut label = label;
        let mut line = String::new();
        for word in text.split(' ') {
            let longer = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && longer > room {
                self.row(label, &line);
                label = "";
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.row(label, &line);
    }

    pub(super) fn paint(&self, text: &str, good: bool) -> String {
        if !self.style.colour {
            return text.to_owned();
        }
        let colour = if good { 32 } else { 31 };
        format!("\x1b[{colour}m{text}\x1b[0m")
    }
}
