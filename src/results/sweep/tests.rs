//! What a sweep says, of one that is made up.

use super::{
    Cell, Drawn, Experiment, Fate, FindingKind, Outcome, Part, Survives, Sweep, SweptFlow,
    Weakness, conclude, markdown, merge, text,
};
use crate::results::report;
use crate::results::suite::MergeError;

fn cell(drawn: Drawn, fate: Fate, outage_ms: f64) -> Cell {
    Cell {
        drawn,
        fate,
        outage_ms,
        plus_minus_ms: 1.0,
        lost: outage_ms as u64,
        path_before: Some("prod".to_owned()),
        via: (fate != Fate::Lost).then(|| "backup".to_owned()),
        lost_on_restore: 0,
        reason: (fate == Fate::Lost).then(|| "99 at dc1: no route".to_owned()),
    }
}

fn experiment(index: usize, what: &str, name: &str, cells: [Cell; 2]) -> Experiment {
    Experiment {
        index,
        failure: match what {
            "link" => name.to_owned(),
            what => format!("{what} {name}"),
        },
        parts: vec![Part {
            what: what.to_owned(),
            name: name.to_owned(),
            how: "silent".to_owned(),
        }],
        manner: "silent".to_owned(),
        managed: false,
        within_ms: 3350.0,
        outcome: Outcome::Measured,
        why: Vec::new(),
        same_as: None,
        cells: cells.into(),
        seconds: 4.0,
        out_dir: None,
    }
}

/// A circuit with a backup that does not work one way, a tunnel nobody drew, and an end.
fn sweep() -> Sweep {
    use Drawn::{Cut, End, Survivable};
    let flow = |from: &str, to: &str| SweptFlow {
        probe: "app".to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let outage = cell(Survivable, Fate::Outage, 742.0);
    let mut mirrored = experiment(0, "link", "circuit-2", [outage.clone(), outage.clone()]);
    mirrored.same_as = Some(0);
    Sweep {
        format: super::FORMAT,
        version: "0.1.0".to_owned(),
        host: "host".to_owned(),
        lab: "made-up".to_owned(),
        file: "made-up.yaml".to_owned(),
        file_sha256: String::new(),
        began_realtime_ns: 0,
        seconds: 12.0,
        timers_scaled: None,
        depth: 1,
        how: vec!["silent".to_owned()],
        shard: None,
        selected: 4,
        selection: "same".to_owned(),
        labs_built: 1,
        rebuilt: Vec::new(),
        interrupted: false,
        flows: vec![flow("app", "db"), flow("db", "app")],
        drawing: vec![Weakness {
            probe: "app".to_owned(),
            min_cut: Some(vec!["circuit".to_owned(), "uplink".to_owned()]),
            single_points: vec!["node isp".to_owned()],
            managed: Vec::new(),
            ends: vec!["node dc1".to_owned()],
            pairs: vec![["circuit".to_owned(), "uplink".to_owned()]],
        }],
        notes: Vec::new(),
        left_out: Vec::new(),
        experiments: vec![
            experiment(0, "link", "circuit", [outage.clone(), outage]),
            mirrored,
            experiment(
                1,
                "link",
                "edge",
                [
                    cell(Survivable, Fate::Survived, 0.0),
                    cell(Survivable, Fate::Lost, 3350.0),
                ],
            ),
            experiment(
                2,
                "node",
                "isp",
                [
                    cell(Cut, Fate::Survived, 0.0),
                    cell(Cut, Fate::Lost, 3350.0),
                ],
            ),
            experiment(
                3,
                "node",
                "dc1",
                [cell(End, Fate::Lost, 3350.0), cell(End, Fate::Lost, 3350.0)],
            ),
        ],
        single_points: Vec::new(),
        findings: Vec::new(),
        agreeing: 0,
        compared: 0,
        expect: Vec::new(),
        out_dir: String::new(),
    }
}

fn wants(within_ms: Option<f64>, except: &[&str]) -> Survives {
    Survives {
        line: 7,
        column: 5,
        failures: 1,
        within_ms,
        except: except.iter().map(|&name| name.to_owned()).collect(),
        text: String::new(),
        met: None,
        measured: Vec::new(),
    }
}

#[test]
fn the_matrix_is_told() {
    let mut sweep = sweep();
    sweep.expect = vec![wants(Some(1000.0), &[])];
    conclude(&mut sweep);
    insta::assert_snapshot!(text(&sweep));
}

#[test]
fn where_drawing_and_experiment_differ_is_a_finding_of_its_kind() {
    let mut sweep = sweep();
    conclude(&mut sweep);
    let found: Vec<(FindingKind, &str)> = sweep
        .findings
        .iter()
        .map(|one| (one.kind, one.failure.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (FindingKind::WayLeftButLost, "edge"),
            (FindingKind::CutButSurvived, "node isp")
        ]
    );
    assert!(sweep.findings[0].text.contains("99 at dc1: no route"));
    assert_eq!((sweep.agreeing, sweep.compared), (6, 8));
    assert_eq!(sweep.single_points, ["edge", "node isp"], "an end is none");
}

#[test]
fn an_expectation_is_of_what_need_be_survived() {
    let met = |wanted: Survives| {
        let mut sweep = sweep();
        sweep.expect = vec![wanted];
        conclude(&mut sweep);
        (sweep.expect[0].met, sweep.exit_code())
    };
    assert_eq!(met(wants(None, &[])), (Some(false), 4));
    assert_eq!(met(wants(None, &["edge", "isp"])), (Some(true), 0));
    assert_eq!(met(wants(Some(700.0), &["edge", "isp"])), (Some(false), 4));
    let pairs = Survives {
        failures: 2,
        ..wants(None, &["edge", "isp"])
    };
    assert_eq!(met(pairs), (None, 4), "not swept");

    let mut sweep = sweep();
    sweep.expect = vec![wants(None, &["edge", "isp"])];
    sweep.experiments[0].outcome = Outcome::Untrusted;
    conclude(&mut sweep);
    assert_eq!(sweep.expect[0].met, None, "nobody knows");
}

#[test]
fn shards_make_the_whole_and_parts_that_do_not_fit_are_refused() {
    let whole = {
        let mut sweep = sweep();
        conclude(&mut sweep);
        sweep
    };
    let part = |number: u32| {
        let shard = format!("{number}/2").parse().unwrap();
        let mut part = whole.clone();
        part.shard = Some(shard);
        part.experiments.retain(|one| shard.has(one.index));
        (format!("part-{number}"), part)
    };
    let mut merged = merge(vec![part(2), part(1)]).unwrap();
    conclude(&mut merged);
    assert_eq!(merged.experiments, whole.experiments);
    assert_eq!(merged.findings, whole.findings);
    assert_eq!(merged.single_points, whole.single_points);

    assert_eq!(merge(Vec::new()), Err(MergeError::Nothing));
    let whole_one = ("whole".to_owned(), whole.clone());
    assert!(matches!(merge(vec![whole_one]), Err(MergeError::Whole(_))));
    assert!(matches!(merge(vec![part(1)]), Err(MergeError::Missing(_))));
    assert!(matches!(
        merge(vec![part(1), part(1), part(2)]),
        Err(MergeError::Twice(..))
    ));
    let mut other = part(2);
    other.1.selection = "another".to_owned();
    assert!(matches!(
        merge(vec![part(1), other]),
        Err(MergeError::Different(..))
    ));
    let mut early = part(2);
    early.1.experiments.pop();
    assert!(matches!(
        merge(vec![part(1), early]),
        Err(MergeError::Unfinished(..))
    ));
    let mut cut_short = part(2);
    cut_short.1.interrupted = true;
    assert!(matches!(
        merge(vec![part(1), cut_short]),
        Err(MergeError::Unfinished(..))
    ));
}

#[test]
fn a_page_and_a_table_have_every_cell_in_words() {
    let mut sweep = sweep();
    sweep.lab = "<b>&".to_owned();
    conclude(&mut sweep);
    let page = report::html_of_sweep(&sweep, None);
    let table = markdown(&sweep);
    for words in [
        "742 ± 1 ms, via backup",
        "lost until repaired",
        "end of the flow",
        "no route",
    ] {
        assert!(page.contains(words), "{words}");
        assert!(table.contains(words), "{words}");
    }
    assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>&</"));
    assert!(
        page.contains("cell lost surprise"),
        "a frame where they differ"
    );
    assert!(table.contains("by symmetry as circuit"));
}
