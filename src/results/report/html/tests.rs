//! Whether pages hold what the result does, and nothing else.

use roxmltree::{Document, Node};
use serde_json::Value;

use super::*;
use crate::results::measure::{
    BenchResult, BenchTerms, Ended, RunInput, RunResult, Terms, TrialsResult, Variant, Varied,
    compare as beside, measure, summarise,
    tests::{lab, load},
};

const PICTURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"><title>x</title></svg>";

fn page(input: &RunInput) -> (RunResult, String) {
    let result = measure(input);
    let page = html(input, &result, Some(PICTURE));
    (result, page)
}

/// The part of a page that is no script or style; it is XML as well.
fn main_of(page: &str) -> &str {
    let from = page.find("<main>").unwrap();
    let to = page.find("</main>").unwrap();
    &page[from..to + "</main>".len()]
}

fn text(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text);
    texts.filter_map(|node| node.text()).collect()
}

fn is_shown_as(found: &Value, cell: Node<'_, '_>) -> bool {
    let shown = text(cell);
    match found {
        Value::Null => shown == "–",
        Value::Bool(true) => shown == "yes",
        Value::Bool(false) => shown == "no",
        Value::String(word) => shown == *word,
        Value::Number(number) => {
            let exact: f64 = cell.attribute("data-v").unwrap().parse().unwrap();
            let decimals = shown.split('.').nth(1).map_or(0, str::len);
            let figure = shown.trim_start_matches("≥ ").replace(',', "");
            let near: f64 = figure.parse().unwrap();
            let rounding = 0.5 * 10_f64.powi(-(decimals as i32)) + 1e-9;
            Some(exact) == number.as_f64() && (exact - near).abs() <= rounding
        }
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Compares every cell that says which field it shows with that field; how many there were.
fn compare(page: &str, result: &Value) -> usize {
    let document = Document::parse(main_of(page)).unwrap();
    let mut compared = 0;
    for table in document.descendants().filter(|n| n.has_tag_name("table")) {
        let cells = |row: Node<'_, '_>| -> Vec<_> {
            row.children()
                .filter(Node::is_element)
                .map(|n| n.id())
                .collect()
        };
        let mut rows = table.descendants().filter(|n| n.has_tag_name("tr"));
        let heads = cells(rows.next().unwrap());
        for row in rows {
            for (head, cell) in heads.iter().zip(cells(row)) {
                let [head, cell] = [*head, cell].map(|id| document.get_node(id).unwrap());
                let Some(field) = head.attribute("data-field") else {
                    continue;
                };
                let [of, index] = [(table, "data-of"), (row, "data-i")]
                    .map(|(node, name)| node.attribute(name).unwrap());
                let path = format!("{of}/{index}/{field}");
                // What is absent is null: its object may be absent as well.
                let found = result.pointer(&path).unwrap_or(&Value::Null);
                assert!(
                    is_shown_as(found, cell),
                    "{path}: {found} is shown as {:?}",
                    text(cell)
                );
                compared += 1;
            }
        }
    }
    compared
}

fn series(trials: u32) -> (TrialsResult, Vec<RunResult>) {
    let first = measure(&lab::clean_silent_cut(false));
    let runs: Vec<RunResult> = (0..trials)
        .map(|n| {
            let mut run = first.clone();
            for outage in &mut run.outages {
                // Spread as cuts at random instants are, but for a straggler.
                let off = f64::from(n * 7_919 % 1_000) * 0.29 - 145.0;
                let off = if n == 3 { 700.0 } else { off };
                if outage.lost > 0 {
                    outage.duration_ms += off.round();
                    let phases = &mut outage.phases_ms;
                    for phase in [
                        &mut phases.detected,
                        &mut phases.updated,
                        &mut phases.fib,
                        &mut phases.recovered,
                    ] {
                        *phase = phase.map(|at| at + off);
                    }
                    if let Some(parts) = &mut outage.parts {
                        parts.detection_ms += off;
                        parts.sum_ms += off;
                    }
                }
            }
            run
        })
        .collect();
    let terms = Terms {
        trials,
        until_ci: None,
        seed: 7,
    };
    (summarise(&runs, terms, Ended::Completed), runs)
}

#[test]
fn every_number_of_a_runs_tables_is_the_results() {
    let (result, page) = page(&lab::clean_silent_cut(false));
    let compared = compare(&page, &serde_json::to_value(&result).unwrap());
    assert!(compared > 100, "{compared}");
}

#[test]
fn every_number_of_a_loads_tables_is_the_results() {
    let (result, page) = page(&load::loaded());
    let before = compare(
        &self::page(&lab::clean_silent_cut(false)).1,
        &serde_json::to_value(&result).unwrap(),
    );
    let compared = compare(&page, &serde_json::to_value(&result).unwrap());
    assert!(compared >= before + 60, "{compared}, {before} without load");
    // Each load has a chart of its own: one can be a hundredth of another.
    assert_eq!(
        page.matches("data-kind=\"load\"").count(),
        result.load.len()
    );
    assert!(page.contains("\"mbit\":["));
}

#[test]
fn every_number_of_a_series_tables_is_the_results() {
    let (result, runs) = series(50);
    let page = html_of_series(&result, &runs, Some(PICTURE));
    let compared = compare(&page, &serde_json::to_value(&result).unwrap());
    assert!(compared > 700, "{compared}");
}

/// Variants that are so much slower than the first, milliseconds; twelve trials each.
fn bench(slower: &[f64]) -> BenchResult {
    let variant = |(nth, slower): (usize, &f64)| {
        let (_, mut runs) = series(12);
        for outage in runs.iter_mut().flat_map(|run| &mut run.outages) {
            if outage.lost > 0 {
                outage.duration_ms += slower;
            }
        }
        let terms = Terms {
            trials: 12,
            until_ci: None,
            seed: 7,
        };
        Variant {
            name: format!("bfd={}00ms/3", nth + 1),
            file: format!("{:02}.yaml", nth + 1),
            directory: format!("{:02}", nth + 1),
            series: summarise(&runs, terms, Ended::Completed),
            effect: None,
        }
    };
    let asked = BenchTerms {
        lab_file: "labs/dx-vpn-backup.yaml".to_owned(),
        vary: vec![Varied {
            key: "sessions.prod.bfd".to_owned(),
            values: vec!["100ms/3".to_owned(), "200ms/3".to_owned()],
        }],
        trials: 12,
        blocks: 5,
        seed: 7,
    };
    let variants = slower.iter().enumerate().map(variant).collect();
    BenchResult::new(asked, Ended::Completed, variants)
}

/// A comparison as a page and as the document whose figures it shows.
fn comparison() -> (String, Value) {
    let bench = bench(&[0.0, 120.0]);
    let [a, b] = [0, 1].map(|n| &bench.variants[n].series);
    let limit = Some("10%".parse().unwrap());
    let found = beside(a, b, limit, 7);
    let page = html_of_comparison(["main", "branch"], [a, b], &found, limit);
    let mut value = serde_json::to_value(&found).unwrap();
    value["baseline"] = serde_json::to_value(a).unwrap();
    value["compared"] = serde_json::to_value(b).unwrap();
    (page, value)
}

#[test]
fn every_number_of_a_benchs_and_of_a_comparisons_tables_is_the_documents() {
    let result = bench(&[0.0, 120.0, -300.0]);
    let page = html_of_bench(&result, Some(PICTURE));
    let compared = compare(&page, &serde_json::to_value(&result).unwrap());
    assert!(compared > 70, "{compared}");
    let (page, value) = comparison();
    let compared = compare(&page, &value);
    assert!(compared > 40, "{compared}");
    assert!(page.contains("slower than the baseline by more than 10%"));
}

#[test]
fn what_a_page_of_a_bench_holds() {
    let page = html_of_bench(&bench(&[0.0, 120.0, -300.0]), Some(PICTURE));
    insta::assert_snapshot!(outline(&page));
    // Half of the axis is left and right of no difference, as the variants are.
    let document = Document::parse(main_of(&page)).unwrap();
    let places = |class: &str| -> Vec<f64> {
        let marks = document
            .descendants()
            .filter(|n| n.attribute("class") == Some(class));
        let styles = marks.filter_map(|n| n.attribute("style")?.strip_prefix("left:"));
        let left = styles.filter_map(|style| style.split('%').next()?.parse().ok());
        left.collect()
    };
    let (zero, estimates) = (places("zero"), places("estimate"));
    assert_eq!(zero.len(), estimates.len(), "{page}");
    assert!(
        estimates[0] > zero[0] && estimates[1] < zero[1],
        "{zero:?} {estimates:?}"
    );
}

#[test]
fn a_wrong_number_would_be_seen() {
    let (result, page) = page(&lab::clean_silent_cut(false));
    let mut value = serde_json::to_value(&result).unwrap();
    value["outages"][1]["lost"] = 810.into();
    let wrong = std::panic::catch_unwind(|| compare(&page, &value));
    assert!(wrong.is_err());
}

/// Headings, tables with their columns, and charts: what a page consists of.
fn outline(page: &str) -> String {
    let document = Document::parse(main_of(page)).unwrap();
    let mut lines = Vec::new();
    for node in document.descendants() {
        let line = match node.tag_name().name() {
            "h2" => text(node),
            "h3" => format!("  {}", text(node)),
            "caption" => format!("  table: {}", text(node)),
            "thead" => {
                let heads = node.descendants().filter(|n| n.has_tag_name("th"));
                format!("    {}", heads.map(text).collect::<Vec<_>>().join(" | "))
            }
            "figure" => format!(
                "  chart {}: {}",
                node.attribute("data-kind").unwrap(),
                text(node)
            ),
            "div" if node.attribute("class") == Some("tile") => format!("  tile: {}", text(node)),
            _ => continue,
        };
        lines.push(line);
    }
    lines.join("\n")
}

#[test]
fn what_a_page_of_a_run_holds() {
    insta::assert_snapshot!(outline(&page(&lab::clean_silent_cut(false)).1));
}

#[test]
fn what_a_page_of_a_series_holds() {
    let (result, runs) = series(50);
    insta::assert_snapshot!(outline(&html_of_series(&result, &runs, Some(PICTURE))));
}

#[test]
fn the_same_run_gives_the_same_page() {
    let input = lab::clean_silent_cut(false);
    assert_eq!(page(&input).1, page(&input).1);
    let mut shuffled = input.clone();
    for flow in &mut shuffled.flows {
        flow.received.reverse();
    }
    let result = measure(&input);
    assert_eq!(html(&input, &result, None), html(&shuffled, &result, None));
}

#[test]
fn a_labs_texts_are_never_markup() {
    const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror=\"alert('2')\">&amp;";
    let mut input = lab::clean_silent_cut(false);
    let evil = serde_json::to_string(EVIL).unwrap();
    let evil = evil.trim_matches('"');
    let mut json = serde_json::to_string(&input).unwrap();
    for name in ["dx-vpn-backup", "app", "prod", "cut", "circuit", "silent"] {
        // Values, not keys.
        for end in [",", "}", "]"] {
            json = json.replace(
                &format!("\"{name}\"{end}"),
                &format!("\"{name}{evil}\"{end}"),
            );
        }
    }
    input = serde_json::from_str(&json).unwrap();
    let mut result = measure(&input);
    for text in [&mut result.version, &mut result.kernel, &mut result.outcome] {
        *text = Some(EVIL.to_owned());
    }
    for expect in &mut result.expect {
        expect.text = EVIL.to_owned();
        expect.measured = EVIL.to_owned();
    }
    for warning in &mut result.warnings {
        warning.code = EVIL.to_owned();
        warning.text = EVIL.to_owned();
    }
    let terms = Terms {
        trials: 1,
        until_ci: None,
        seed: 7,
    };
    let all = summarise(
        std::slice::from_ref(&result),
        terms,
        Ended::Failed(EVIL.to_owned()),
    );
    for page in [
        html(&input, &result, None),
        html_of_series(&all, &[result.clone()], None),
    ] {
        assert!(page.contains("alert(1)"), "the text is on the page");
        assert_eq!(page.matches("<script").count(), 3, "the data, uPlot, ours");
        assert!(!page.contains("<img"));
        assert!(!page.contains("onerror=\"alert"));
        Document::parse(main_of(&page)).unwrap();
        let head = &page[..page.find("<style>").unwrap()];
        assert!(
            head.contains("<title>dx-vpn-backup&lt;/script&gt;"),
            "{head}"
        );
    }
}

#[test]
fn a_page_loads_nothing() {
    let (_, page) = page(&lab::clean_silent_cut(false));
    for word in [
        "src=\"",
        "<link",
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("default-src 'none'"));
}

/// Not a measurement: trials of one synthetic run with other numbers. `scripts/report-check` has
/// them written, and looks at them in a browser.
#[test]
fn pages_of_every_size() {
    let picture = include_str!("../../../../labs/pictures/dx-vpn-backup.svg");
    let input = lab::clean_silent_cut(false);
    let one = html(&input, &measure(&input), Some(picture));
    let of = |trials| {
        let (result, runs) = series(trials);
        html_of_series(&result, &runs, Some(picture))
    };
    let loaded = load::loaded();
    let load = html(&loaded, &measure(&loaded), Some(picture));
    let pages = [
        ("run", one),
        ("load", load),
        ("trials-1", of(1)),
        ("trials-50", of(50)),
        ("trials-1000", of(1_000)),
        (
            "bench",
            html_of_bench(
                &bench(&[0.0, 120.0, -300.0, 40.0, 0.0, 7.0, 90.0]),
                Some(picture),
            ),
        ),
        ("compare", comparison().0),
    ];
    let most = [
        300_000, 300_000, 200_000, 300_000, 2_000_000, 300_000, 300_000,
    ];
    for ((name, page), most) in pages.iter().zip(most) {
        assert!(page.len() < most, "{name}: {} bytes", page.len());
        if let Ok(directory) = std::env::var("BACKHOE_REPORT_PAGES") {
            std::fs::write(format!("{directory}/{name}.html"), page).unwrap();
        }
    }
}
