use serde::Serialize;

use super::{strict::strict, *};
use crate::results::measure::{
    BenchTerms, Ended, RunResult, Terms, Variant, compare, measure, summarise, tests::lab,
};

/// Everything in which the document differs from its schema.
pub(in crate::results) fn misfits(document: Document, value: &impl Serialize) -> Vec<String> {
    let mut schema = document.schema();
    strict(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = serde_json::to_value(value).unwrap();
    validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn runs() -> Vec<RunResult> {
    let run = measure(&lab::clean_silent_cut(false));
    (0..6)
        .map(|n| {
            let mut run = run.clone();
            for outage in &mut run.outages {
                outage.duration_ms += f64::from(n);
            }
            run
        })
        .collect()
}

fn terms() -> Terms {
    Terms {
        trials: 6,
        until_ci: Some("5%".parse().unwrap()),
        seed: 7,
    }
}

#[test]
fn every_document_is_what_its_schema_says() {
    let runs = runs();
    assert_eq!(misfits(Document::Result, &runs[0]), [""; 0]);
    for ended in [
        Ended::Completed,
        Ended::Precise,
        Ended::Interrupted,
        Ended::Running,
        Ended::Failed("for a test".to_owned()),
    ] {
        let series = summarise(&runs, terms(), ended);
        assert_eq!(misfits(Document::Trials, &series), [""; 0]);
    }
    let series = summarise(&runs, terms(), Ended::Completed);
    let limit = Some("10%".parse().unwrap());
    let comparison = compare(&series, &series, limit, 7);
    let compared = Compared::new(["runs/a", "runs/b"], comparison, limit);
    assert_eq!(misfits(Document::Compare, &compared), [""; 0]);
    let variant = |n: u32| Variant {
        name: format!("bfd={n}00ms/3"),
        file: format!("{n:02}.yaml"),
        directory: format!("{n:02}"),
        series: series.clone(),
        effect: None,
    };
    let asked = BenchTerms {
        lab_file: "lab.yaml".to_owned(),
        vary: Vec::new(),
        trials: 6,
        blocks: 5,
        seed: 7,
    };
    let bench = BenchResult::new(asked, Ended::Completed, vec![variant(1), variant(2)]);
    assert_eq!(misfits(Document::Bench, &bench), [""; 0]);
}

#[test]
fn a_document_with_another_shape_would_be_seen() {
    let run = serde_json::to_value(&runs()[0]).unwrap();
    for (pointer, wrong) in [
        ("/seed", json!(7)),
        ("/outages/0/lost", json!("many")),
        ("/outages/0/transition", json!("sideways")),
        ("/outages/0/rfc6412", Value::Null),
        ("/trusted", Value::Null),
    ] {
        let mut run = run.clone();
        *run.pointer_mut(pointer).unwrap() = wrong;
        assert!(!misfits(Document::Result, &run).is_empty(), "{pointer}");
    }
    let mut more = run.clone();
    more["outages"][0]["undescribed"] = json!(1);
    assert!(!misfits(Document::Result, &more).is_empty());
    let mut less = run;
    less.as_object_mut().unwrap().remove("outages");
    assert!(!misfits(Document::Result, &less).is_empty());
}
