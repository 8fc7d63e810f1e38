//! The page of a resilience sweep: a heat-map of failures and flows, and what it says.

use super::{markup::Markup, page, parts};
use crate::results::{
    report::words,
    sweep::{
        Cell, Drawn, Experiment, Fate, FindingKind, Outcome, Sweep, cell_words, conclusion,
        drawing, drawn_words, heads, same_as,
    },
};

/// Outages shorter than these, milliseconds, have a colour each; longer ones the last.
const SHORT_MS: f64 = 100.0;
const LONG_MS: f64 = 2_000.0;

/// A self-contained page about a sweep. `picture` is the lab as an SVG.
pub fn html_of_sweep(sweep: &Sweep, picture: Option<&str>) -> String {
    let mut body = Markup::default();
    header(sweep, &mut body);
    body.raw("<main>\n");
    verdict(sweep, &mut body);
    parts::picture(picture, &mut body);
    on_paper(sweep, &mut body);
    heat(sweep, &mut body);
    findings(sweep, &mut body);
    lists(sweep, &mut body);
    body.raw("</main>\n");
    parts::footer(&mut body);
    page::write(&format!("{}: backhoe sweep", sweep.lab), &body, "null")
}

fn header(sweep: &Sweep, page: &mut Markup) {
    parts::header(&sweep.lab, "a resilience sweep", page);
    page.raw("<dl class=\"facts\">\n");
    page.fact("date", &words::date(sweep.began_realtime_ns));
    page.fact("lab file", &sweep.file);
    page.fact("depth", &sweep.depth.to_string());
    page.fact("how", &sweep.how.join(", "));
    page.fact("backhoe", &sweep.version);
    page.fact("host", &sweep.host);
    page.fact("labs built", &sweep.labs_built.to_string());
    page.raw("</dl>\n</header>\n");
}

fn verdict(sweep: &Sweep, page: &mut Markup) {
    page.raw("<section aria-labelledby=\"verdict\">\n<h2 id=\"verdict\">Verdict</h2>\n<p class=\"badges\">");
    let points = match sweep.single_points.len() {
        1 => "1 single point of failure".to_owned(),
        n => format!("{n} single points of failure"),
    };
    parts::badge(
        sweep.single_points.is_empty(),
        ["no single point of failure found", &points],
        page,
    );
    if !sweep.expect.is_empty() {
        let met = sweep.expect.iter().all(|one| one.met == Some(true));
        parts::badge(met, ["expectations met", "expectations missed"], page);
    }
    page.raw("</p>\n");
    for line in conclusion(sweep).lines() {
        page.element("p", &line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    for one in &sweep.expect {
        let told = format!(
            "line {}: {}: {}",
            one.line,
            one.text,
            words::verdict(one.met)
        );
        page.element("p", &told);
        list(one.measured.iter(), page);
    }
    page.raw("</section>\n");
}

fn on_paper(sweep: &Sweep, page: &mut Markup) {
    page.raw(
        "<section aria-labelledby=\"drawing\">\n<h2 id=\"drawing\">What the drawing says</h2>\n",
    );
    for weakness in &sweep.drawing {
        page.element("h3", &weakness.probe);
        list(drawing(weakness).iter(), page);
    }
    page.raw("</section>\n");
}

fn heat(sweep: &Sweep, page: &mut Markup) {
    page.raw("<section aria-labelledby=\"matrix\">\n<h2 id=\"matrix\">What was measured</h2>\n");
    page.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Every failure and every flow\"><table class=\"heat\">\n<caption>Each failure, and how long each flow was gone</caption>\n<thead><tr>");
    for head in heads(sweep) {
        page.raw("<th scope=\"col\">").text(&head).raw("</th>");
    }
    page.raw("</tr></thead>\n<tbody>\n");
    for experiment in &sweep.experiments {
        row(sweep, experiment, page);
    }
    page.raw("</tbody>\n</table></div>\n<p class=\"dim\">The colour repeats what the text says. A frame: experiment and drawing do not agree.</p>\n</section>\n");
}

fn row(sweep: &Sweep, experiment: &Experiment, page: &mut Markup) {
    page.raw("<tr><th scope=\"row\">").text(&experiment.failure);
    if let Some(same) = same_as(sweep, experiment) {
        page.raw("<small class=\"dim\"> ")
            .text(&same)
            .raw("</small>");
    }
    page.raw("</th><td>")
        .text(&experiment.manner)
        .raw("</td><td>");
    page.text(drawn_words(experiment)).raw("</td>");
    for (at, _) in sweep.flows.iter().enumerate() {
        match experiment.cells.get(at) {
            Some(cell) => tile(experiment, cell, page),
            None => drop(page.raw("<td class=\"cell end\">not measured</td>")),
        }
    }
    page.raw("</tr>\n");
}

fn tile(experiment: &Experiment, cell: &Cell, page: &mut Markup) {
    let colour = match (cell.fate, cell.drawn) {
        (_, Drawn::End) => "end",
        (Fate::Survived, _) => "survived",
        (Fate::Lost, _) => "lost",
        (Fate::Outage, _) if cell.outage_ms < SHORT_MS => "o1",
        (Fate::Outage, _) if cell.outage_ms < LONG_MS => "o2",
        (Fate::Outage, _) => "o3",
    };
    page.raw("<td class=\"cell ").text(colour);
    let surprise = match (cell.drawn, cell.fate) {
        (Drawn::Survivable, fate) => fate == Fate::Lost,
        (Drawn::Cut, fate) => fate != Fate::Lost,
        (Drawn::End, _) => false,
    };
    if surprise {
        page.raw(" surprise");
    }
    page.raw("\">").text(&cell_words(cell));
    if experiment.outcome == Outcome::Untrusted {
        page.raw(" (not trusted)");
    }
    if let Some(reason) = &cell.reason {
        page.raw("<small>").text(reason).raw("</small>");
    }
    if cell.lost_on_restore > 0 {
        let told = format!(
            "{} lost on the way back",
            words::count(cell.lost_on_restore)
        );
        page.raw("<small>").text(&told).raw("</small>");
    }
    page.raw("</td>");
}

fn findings(sweep: &Sweep, page: &mut Markup) {
    if sweep.findings.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings</h2>\n");
    for (kind, title) in [
        (
            FindingKind::WayLeftButLost,
            "A way was left, and traffic did not take it",
        ),
        (
            FindingKind::CutButSurvived,
            "No way was drawn, and traffic arrived",
        ),
    ] {
        let own = sweep.findings.iter().filter(|finding| finding.kind == kind);
        let told: Vec<String> = own
            .map(|one| {
                format!(
                    "{} ({}), {}: {}",
                    one.failure, one.manner, one.flow, one.text
                )
            })
            .collect();
        if !told.is_empty() {
            page.element("h3", title);
            list(told.iter(), page);
        }
    }
    page.raw("</section>\n");
}

fn lists(sweep: &Sweep, page: &mut Markup) {
    let left_out = sweep
        .left_out
        .iter()
        .map(|one| format!("{}: {}", one.what, one.why));
    for (title, lines) in [
        ("Not tried", left_out.collect::<Vec<String>>()),
        ("Rebuilt", sweep.rebuilt.clone()),
        ("Notes", sweep.notes.clone()),
    ] {
        if lines.is_empty() {
            continue;
        }
        page.raw("<section>\n").element("h2", title);
        list(lines.iter(), page);
        page.raw("</section>\n");
    }
}

fn list<'a>(lines: impl Iterator<Item = &'a String>, page: &mut Markup) {
    page.raw("<ul>\n");
    for line in lines {
        page.element("li", line);
    }
    page.raw("</ul>\n");
}
