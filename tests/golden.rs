//! Labs in, exact texts out. `BLESS=1` rewrites the expected files.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its files has failed"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use backhoe::lab::spec::{self, Checked};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn yaml_files(dir: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(dir))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

fn check(path: &Path) -> (Checked, String) {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let checked = spec::check(&name, &text, &|path| {
        Err(format!("no file `{path}` in this test"))
    });
    let rendered = checked.diagnostics.render(&name, &text);
    (checked, rendered)
}

#[test]
fn every_bad_lab_is_refused_with_its_exact_text() {
    let bless = std::env::var_os("BLESS").is_some();
    let files = yaml_files("tests/golden/bad");
    assert!(!files.is_empty(), "only {} bad labs", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let (checked, rendered) = check(&path);
        let accepted = checked.lab.is_some();
        let warns = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("warn-");
        if accepted != warns || rendered.is_empty() {
            wrong.push(format!(
                "{}: accepted: {accepted}\n{rendered}",
                path.display()
            ));
        }
        let expected = path.with_extension("stderr");
        if bless {
            fs::write(&expected, &rendered).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != rendered {
            wrong.push(format!("{} differs:\n{rendered}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_lab_that_ships_is_accepted_without_a_warning() {
    let files = yaml_files("labs");
    assert!(files.len() >= 4);
    for path in files {
        let (checked, rendered) = check(&path);
        assert!(checked.lab.is_some(), "{rendered}");
        assert_eq!(rendered, "", "{}", path.display());
    }
}
