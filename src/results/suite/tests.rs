use super::*;
use crate::results::measure::{measure, tests::lab};

fn case(index: usize, name: &str, verdict: Verdict) -> Case {
    Case {
        index,
        file: format!("labs/{name}.yaml"),
        lab: name.to_owned(),
        verdict,
        reason: None,
        timers_scaled: None,
        seconds: 1.25,
        cost: String::new(),
        why: Vec::new(),
        shortfalls: Vec::new(),
        chain: Vec::new(),
        attempts: Vec::new(),
        outages: Vec::new(),
        out_dir: Some(format!("runs/test-1/{name}")),
        left_out: Vec::new(),
    }
}

fn suite(labs: Vec<Case>) -> Suite {
    let mut suite = Suite {
        format: FORMAT,
        version: "0.1.0".to_owned(),
        host: "box".to_owned(),
        began_realtime_ns: 951_827_696_000_000_000,
        passed: 0,
        flaky: 0,
        failed: 0,
        skipped: 0,
        seconds: 3.0,
        shard: None,
        selected: labs.len(),
        selection: "abc".to_owned(),
        out_dir: "runs/test-1".to_owned(),
        labs,
    };
    suite.count();
    suite
}

/// A lab whose outage was longer than it may be, at line 7.
fn missed() -> Case {
    let mut input = lab::clean_silent_cut(false);
    input.expectations[0].outage_max = Some(crate::units::Span::from_millis(700));
    let result = measure(&input);
    Case {
        reason: Some(Reason::Expectation),
        cost: crate::results::report::headline(&result),
        why: crate::results::report::shortfalls(&result),
        shortfalls: shortfalls(&result, |_| Some(5)),
        chain: crate::results::report::chain(&result),
        outages: result.outages,
        ..case(0, "slow", Verdict::Fail)
    }
}

fn attempt(reason: Reason) -> Attempt {
    Attempt {
        number: 1,
        reason,
        crowded: false,
        seconds: 2.0,
        why: vec!["line 7: \"too\" <long>, 5 % more".to_owned()],
        out_dir: None,
    }
}

fn of_every_kind() -> Suite {
    let flaky = Case {
        reason: Some(Reason::Expectation),
        attempts: vec![attempt(Reason::Expectation)],
        ..case(1, "at-times", Verdict::Flaky)
    };
    let hung = Case {
        reason: Some(Reason::Timeout),
        why: vec!["ended after 5 s\u{1}".to_owned()],
        attempts: vec![attempt(Reason::NoResult)],
        ..case(2, "hung", Verdict::Fail)
    };
    let skipped = Case {
        why: vec!["no FRR".to_owned()],
        ..case(4, "lacking", Verdict::Skip)
    };
    suite(vec![
        missed(),
        flaky,
        hung,
        case(3, "good", Verdict::Pass),
        skipped,
    ])
}

#[test]
fn every_shard_has_its_own_and_together_they_have_all() {
    let shards: Vec<Shard> = ["1/3", "2/3", "3/3"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    for index in 0..20 {
        assert_eq!(shards.iter().filter(|shard| shard.has(index)).count(), 1);
    }
    for wrong in ["", "1", "0/3", "4/3", "a/3", "1/0", "1/99999"] {
        assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
    }
    assert_eq!(shards[1].to_string(), "2/3");
}

/// Shard `number` of `of` of the suite of every kind.
fn part(number: u32, of: u32) -> (String, Suite) {
    let whole = of_every_kind();
    let shard = Shard { number, of };
    let mut part = Suite {
        shard: Some(shard),
        labs: whole
            .labs
            .into_iter()
            .filter(|lab| shard.has(lab.index))
            .collect(),
        ..whole
    };
    part.count();
    (format!("shard-{number}"), part)
}

#[test]
fn shards_merged_are_the_whole_in_its_order() {
    for of in 1..=7 {
        let parts = (1..=of).rev().map(|number| part(number, of)).collect();
        let merged = merge(parts).unwrap();
        let whole = of_every_kind();
        assert_eq!(merged.labs, whole.labs);
        let counts = |s: &Suite| (s.passed, s.flaky, s.failed, s.skipped, s.exit_code(true));
        assert_eq!(counts(&merged), counts(&whole));
        assert_eq!(merged.shard, None);
    }
}

#[test]
fn shards_that_make_no_whole_are_refused() {
    let refused = |parts: Vec<(String, Suite)>| merge(parts).unwrap_err().to_string();
    assert_eq!(refused(Vec::new()), "no results to merge");
    assert_eq!(
        refused(vec![part(1, 3), part(3, 3)]),
        "shards are missing: 2/3"
    );
    assert!(refused(vec![part(1, 2), part(1, 2)]).starts_with("shard 1/2 is there twice"));
    assert!(refused(vec![part(1, 2), part(2, 3)]).contains("of different selections"));
    let mut other = part(2, 2);
    other.1.selection = "def".to_owned();
    assert!(refused(vec![part(1, 2), other]).contains("of different selections"));
    let mut early = part(2, 2);
    early.1.labs.pop();
    assert_eq!(
        refused(vec![part(1, 2), early]),
        "shard-2 ended early: 1 of its 2 labs have a verdict"
    );
    let whole = ("all".to_owned(), of_every_kind());
    assert!(refused(vec![whole]).starts_with("all is no shard"));
}

#[test]
fn the_exit_code_is_of_the_worst() {
    let of = |verdicts: &[Verdict]| {
        suite(
            verdicts
                .iter()
                .map(|&verdict| case(0, "a", verdict))
                .collect(),
        )
    };
    assert_eq!(of(&[Verdict::Pass, Verdict::Flaky]).exit_code(true), 0);
    assert_eq!(of(&[Verdict::Pass, Verdict::Skip]).exit_code(false), 0);
    assert_eq!(of(&[Verdict::Pass, Verdict::Skip]).exit_code(true), 3);
    assert_eq!(of(&[Verdict::Skip]).exit_code(false), 3);
    assert_eq!(of(&[Verdict::Skip, Verdict::Fail]).exit_code(false), 4);
    assert_eq!(of(&[]).exit_code(true), 0);
}

#[test]
fn junit_tells_failures_from_errors_and_flaky_from_failed() {
    let text = junit(&of_every_kind());
    let document = roxmltree::Document::parse(&text).unwrap();
    let suite = document
        .descendants()
        .find(|n| n.has_tag_name("testsuite"))
        .unwrap();
    let counts =
        ["tests", "failures", "errors", "skipped"].map(|name| suite.attribute(name).unwrap());
    assert_eq!(counts, ["5", "1", "1", "1"]);
    assert_eq!(suite.attribute("timestamp"), Some("2000-02-29T12:34:56"));
    let inside = |name: &str| -> Vec<String> {
        let case = document
            .descendants()
            .find(|n| n.attribute("name") == Some(name))
            .unwrap();
        let children = case.children().filter(roxmltree::Node::is_element);
        children.map(|n| n.tag_name().name().to_owned()).collect()
    };
    assert_eq!(inside("slow"), ["failure"]);
    assert_eq!(inside("at-times"), ["flakyFailure"]);
    assert_eq!(inside("hung"), ["error", "rerunError"]);
    assert_eq!(inside("good"), Vec::<String>::new());
    assert_eq!(inside("lacking"), ["skipped"]);
    let why = document
        .descendants()
        .find(|n| n.has_tag_name("stackTrace"))
        .unwrap();
    assert_eq!(why.text(), Some("line 7: \"too\" <long>, 5 % more"));
}

#[test]
fn annotations_stand_at_the_expectation_and_stay_in_their_line() {
    let text = annotations(&of_every_kind(), |file| format!("sub/{file}"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with("::error file=sub/labs/slow.yaml,line=")
            && lines[0].contains(",col=5,title=slow%3A expectation::expected "),
        "{text}"
    );
    assert!(lines[0].contains("%0Aapp → db: "), "{text}");
    assert_eq!(
        lines[1],
        "::warning file=sub/labs/at-times.yaml,title=at-times%3A flaky::passed at last; before: line 7: \"too\" <long>, 5 %25 more"
    );
    assert!(
        lines[2].starts_with("::error file=sub/labs/hung.yaml,title=hung%3A timeout::ended"),
        "{text}"
    );
}

#[test]
fn the_summary_has_a_bar_for_each_lab_and_the_phases_of_a_failure() {
    let text = summary(&of_every_kind());
    assert!(
        text.contains("2 passed (1 flaky), 2 failed, 1 skipped"),
        "{text}"
    );
    assert!(
        text.contains("| ❌ | slow | 1.2 s | 811 ± 1 ms | `████████████████████` |"),
        "{text}"
    );
    assert!(text.contains("| ✅ | good | 1.2 s |  | ` ` |"), "{text}");
    assert!(
        text.contains("```mermaid\ngantt\n  title db to app: 811 ms\n"),
        "{text}"
    );
    assert!(text.contains("  detection "), "{text}");
}

#[test]
fn a_failure_is_told_with_what_was_expected_measured_and_waited_for() {
    let text = lines(&missed(), 6);
    let said: Vec<&str> = text.lines().collect();
    assert!(
        said[0].starts_with("FAIL  slow      1.2 s  app → db 742 ± 1 ms"),
        "{text}"
    );
    assert!(
        said[1].starts_with("      labs/slow.yaml:") && said[1].ends_with(":5: expectation"),
        "{text}"
    );
    assert!(
        said[2].starts_with("        expected  after cut: app outage ≤ 1.2s via backup"),
        "{text}"
    );
    assert!(
        said[3].starts_with("        measured  app → db: "),
        "{text}"
    );
    assert!(
        said[4].starts_with("                  db → app: "),
        "{text}"
    );
    assert!(text.contains("\n      db → app, cut: "), "{text}");
    assert!(text.contains("\n      why: "), "{text}");
    assert!(
        text.ends_with("\n      artefacts: runs/test-1/slow"),
        "{text}"
    );
}

#[test]
fn the_document_is_what_its_schema_says() {
    use crate::results::schema::{Document, tests::misfits};
    assert_eq!(misfits(Document::Test, &of_every_kind()), [""; 0]);
    let (_, part) = part(1, 2);
    assert_eq!(misfits(Document::Test, &part), [""; 0]);
}
