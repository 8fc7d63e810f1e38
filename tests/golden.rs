//! Labs in, exact texts out; and plans, and daemons' words. `BLESS=1` rewrites the
//! expected files.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its files has failed"
)]

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use backhoe::lab::spec::{self, Checked};

#[path = "golden/daemons.rs"]
mod daemons;
#[path = "golden/examples.rs"]
mod examples;
#[path = "golden/pictures.rs"]
mod pictures;
#[path = "golden/plans.rs"]
mod plans;
#[path = "golden/schemas.rs"]
mod schemas;

/// Texts compared with the files that hold them.
struct Golden {
    /// Whether the files are rewritten instead.
    bless: bool,
    wrong: Vec<String>,
}

impl Default for Golden {
    fn default() -> Self {
        Self {
            bless: std::env::var_os("BLESS").is_some(),
            wrong: Vec::new(),
        }
    }
}

impl Golden {
    fn compare(&mut self, expected: &Path, found: &str) {
        if self.bless {
            fs::write(expected, found).unwrap();
        } else if fs::read_to_string(expected).unwrap_or_default() != found {
            let expected = expected.display();
            self.wrong.push(format!("{expected} differs:\n{found}"));
        }
    }

    fn conclude(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

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
    let checked = spec::check(&name, &text, &|included| {
        let read = fs::read_to_string(path.with_file_name(included));
        read.map_err(|error| match error.kind() == ErrorKind::InvalidData {
            true => spec::NOT_TEXT.to_owned(),
            false => format!("no file `{included}` in this test"),
        })
    });
    let rendered = checked.diagnostics.render(&name, &text);
    (checked, rendered)
}

#[test]
fn every_bad_lab_is_refused_with_its_exact_text() {
    let files = yaml_files("tests/golden/bad");
    assert!(files.len() >= 150, "only {} bad labs", files.len());
    let mut golden = Golden::default();
    for path in files {
        let (checked, rendered) = check(&path);
        let accepted = checked.lab.is_some();
        let warns = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("warn-");
        if accepted != warns || rendered.is_empty() {
            golden.wrong.push(format!(
                "{}: accepted: {accepted}\n{rendered}",
                path.display()
            ));
        }
        golden.compare(&path.with_extension("stderr"), &rendered);
    }
    golden.conclude();
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

/// As much of JSON Schema as ours uses.
fn fits(schema: &serde_json::Value, value: &serde_json::Value) -> Result<(), String> {
    if let Some(choices) = schema["anyOf"].as_array() {
        let any = choices.iter().any(|choice| fits(choice, value).is_ok());
        return if any {
            Ok(())
        } else {
            Err(format!("{value} fits none of {schema}"))
        };
    }
    if let Some(words) = schema["enum"].as_array() {
        return if words.contains(value) {
            Ok(())
        } else {
            Err(format!("{value} is not in {schema}"))
        };
    }
    if !schema["const"].is_null() {
        return if schema["const"] == *value {
            Ok(())
        } else {
            Err(format!("{value} is not {schema}"))
        };
    }
    let is = match value {
        serde_json::Value::Object(_) => "object",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Bool(_) => "boolean",
        serde_json::Value::Number(n) if n.is_f64() => "number",
        serde_json::Value::Number(_) => "integer",
        serde_json::Value::Null => "null",
    };
    let wanted = &schema["type"];
    let same = |word: &serde_json::Value| word == is || (word == "number" && is == "integer");
    if !same(wanted)
        && !wanted
            .as_array()
            .is_some_and(|words| words.iter().any(same))
    {
        return Err(format!("{value} is {is}, not {wanted}"));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(&schema["items"], item)?;
    }
    if let Some(number) = value.as_u64() {
        let (low, high) = (schema["minimum"].as_u64(), schema["maximum"].as_u64());
        if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
            return Err(format!("{value} is out of bounds"));
        }
    }
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    for (key, value) in object {
        let others = &schema["additionalProperties"];
        match schema["properties"].get(key) {
            Some(inner) => fits(inner, value),
            None if others.is_object() => fits(others, value),
            None => Err(format!("no key {key}")),
        }?;
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(key.as_str().unwrap()) {
            return Err(format!("{key} is missing"));
        }
    }
    Ok(())
}

#[test]
fn every_lab_that_ships_fits_the_schema() {
    let schema = spec::schema();
    for path in yaml_files("labs") {
        let text = fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(fits(&schema, &value), Ok(()), "{}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_check_refuses_by_shape() {
    let schema = spec::schema();
    for name in [
        "unknown-key",
        "unknown-node-key",
        "link-ends-a-word",
        "link-without-unit",
        "vlan-out-of-range",
        "cut-how-unknown",
        "probe-rate-without-unit",
        "wait-without-deadline",
        "routing-bad-rules",
        "expect-unknown-words",
    ] {
        let path = root().join(format!("tests/golden/bad/{name}.yaml"));
        let value: serde_json::Value =
            serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(fits(&schema, &value).is_err(), "{name}");
    }
}

#[test]
fn the_example_in_the_documentation_is_a_lab() {
    let page = fs::read_to_string(root().join("docs/lab-file.md")).unwrap();
    let example = page.split("```yaml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let checked = spec::check("lab-file.md", example, &|_| Err(String::new()));
    assert_eq!(checked.diagnostics.render("lab-file.md", example), "");
}

#[test]
fn every_word_of_the_language_is_documented() {
    fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            found.extend(properties.keys().cloned());
        }
        match schema {
            serde_json::Value::Object(map) => map.values().for_each(|inner| keys(inner, found)),
            serde_json::Value::Array(list) => list.iter().for_each(|inner| keys(inner, found)),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        }
    }
    let page = fs::read_to_string(root().join("docs/lab-file.md")).unwrap();
    let mut words = Vec::new();
    keys(&spec::schema(), &mut words);
    assert!(words.len() > 60);
    words.retain(|word| !page.contains(word.as_str()));
    assert_eq!(words, Vec::<String>::new());
}
