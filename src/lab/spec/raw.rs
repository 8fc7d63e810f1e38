//! The file as a tree with positions: the only place where serde meets user
//! input. A tree rather than structs, because serde stops at the first mistake
//! and a file may hold many; and because scalars keep their spelling here, so
//! `on` stays a word and `1.10` does not become a number.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, Options, Spanned};

use super::{At, Diagnostic, Severity, diagnostic::Widths};

/// Largest file. A lab of a thousand nodes takes a tenth of it.
pub(super) const MAX_FILE: usize = 1 << 20;
/// Deepest nesting; the language itself needs eight.
const MAX_DEPTH: usize = 24;
/// Most nodes of the tree, aliases expanded.
const MAX_NODES: usize = 200_000;

/// A node of the file.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) at: At,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Any scalar in its own spelling.
    Text(String),
    List(Vec<Tree>),
    /// In the file's order, with duplicates.
    Map(Vec<(Key, Tree)>),
}

/// A mapping's key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) at: At,
    pub(super) text: String,
}

/// Reads the text. At most one finding: after a syntax error nothing that
/// follows can be trusted.
pub(super) fn read(text: &str) -> Result<Tree, Diagnostic> {
    if text.len() > MAX_FILE {
        return Err(refused(
            At::START,
            "too-large",
            format!(
                "the file has {} bytes; a lab file has at most {MAX_FILE}",
                text.len()
            ),
            None,
        ));
    }
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(refused(
            At::START,
            "empty",
            "the file is empty".to_owned(),
            Some("a lab needs at least `nodes:`"),
        ));
    }
    let source = Source {
        text,
        widths: Widths::of(text),
    };
    let loose = serde_saphyr::from_str_with_options::<Spanned<Loose>>(
        text,
        options(DuplicateKeyPolicy::LastWins),
    )
    .map_err(|error| syntax(&error, &source))?;
    let tree = tree_of(loose, &source)?;
    collapsed_duplicates(&tree, &source)?;
    Ok(tree)
}

/// Of two keys that are the same integer the deserializer shows us only one,
/// so it has to be asked itself. All other duplicates are in the tree.
fn collapsed_duplicates(tree: &Tree, source: &Source<'_>) -> Result<(), Diagnostic> {
    let strict = options(DuplicateKeyPolicy::Error);
    match serde_saphyr::from_str_with_options::<Spanned<Loose>>(source.text, strict) {
        Err(error) if !has_duplicates(tree) => Err(syntax(&error, source)),
        _ => Ok(()),
    }
}

fn has_duplicates(tree: &Tree) -> bool {
    match &tree.value {
        Value::Null | Value::Text(_) => false,
        Value::List(items) => items.iter().any(has_duplicates),
        Value::Map(entries) => {
            let mut seen = std::collections::BTreeSet::new();
            entries
                .iter()
                .any(|(key, value)| !seen.insert(&key.text) || has_duplicates(value))
        }
    }
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_documents: 1,
            flow_nesting_limit: MAX_DEPTH,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 1_000,
        },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn refused(at: At, code: &'static str, message: String, help: Option<&str>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        line: at.line,
        column: at.column,
        length: at.length,
        message,
        help: help.map(str::to_owned),
        code,
    }
}

/// A finding from the parser's own, which ends its text with the place.
fn syntax(error: &serde_saphyr::Error, source: &Source<'_>) -> Diagnostic {
    let error = error.without_snippet();
    let whole = error.to_string();
    let message = whole
        .rsplit_once(" at line ")
        .map_or(whole.as_str(), |(message, _)| message)
        .trim();
    let at = error
        .location()
        .map_or(At::START, |location| source.place(location));
    let (code, message, help) = explain(error, message, source);
    refused(at, code, message, help)
}

/// The parser's words in ours, where theirs speak of its own workings.
fn explain(
    error: &serde_saphyr::Error,
    message: &str,
    source: &Source<'_>,
) -> (&'static str, String, Option<&'static str>) {
    let has = |word| message.contains(word);
    if has("tabs") {
        ("syntax", message.to_owned(), Some("indent with blanks"))
    } else if has("duplicate") {
        let key = error
            .location()
            .and_then(|location| spelling(location, source.text));
        let message = format!("`{}` is here twice", key.unwrap_or("a key"));
        ("duplicate-key", message, None)
    } else if has("unknown anchor") {
        (
            "alias",
            "there is no `&anchor` for this alias".to_owned(),
            None,
        )
    } else if has("recursive") {
        (
            "alias",
            "this alias is inside what it stands for".to_owned(),
            None,
        )
    } else if has("alias") || has("anchor") {
        let message = "the file's aliases stand for too much";
        let help = "a lab file rarely needs `&anchors` and `*aliases`";
        ("alias", message.to_owned(), Some(help))
    } else if has("Documents") {
        let message = "the file holds more than one document (`---`)";
        ("syntax", message.to_owned(), None)
    } else if has("Depth") || has("nesting") || has("recursion") {
        let help = "a lab file needs eight levels; more than 24 are refused";
        (
            "too-large",
            "the file is nested too deeply".to_owned(),
            Some(help),
        )
    } else if has("budget") {
        (
            "too-large",
            format!("the file is too large ({message})"),
            None,
        )
    } else {
        ("syntax", message.to_owned(), None)
    }
}

/// The text and what is known about its lines.
struct Source<'t> {
    text: &'t str,
    widths: Widths,
}

impl Source<'_> {
    /// A place inside the text, whatever the parser says.
    fn place(&self, location: Location) -> At {
        self.widths
            .clamp(location.line(), location.column(), location.span().len())
    }
}

/// The scalar as it is spelled in the file.
fn spelling(location: Location, text: &str) -> Option<&str> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    text.get(start..start.checked_add(length)?)
}

fn tree_of(loose: Spanned<Loose>, source: &Source<'_>) -> Result<Tree, Diagnostic> {
    let at = source.place(loose.defined);
    let value = match loose.value {
        Loose::Null => Value::Null,
        Loose::Text(value) => Value::Text(value),
        Loose::Typed(value) => {
            Value::Text(spelling(loose.defined, source.text).map_or(value, str::to_owned))
        }
        Loose::List(items) => Value::List(
            items
                .into_iter()
                .map(|item| tree_of(item, source))
                .collect::<Result<_, _>>()?,
        ),
        Loose::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Ok((key_of(key, source)?, tree_of(value, source)?)))
                .collect::<Result<_, Diagnostic>>()?,
        ),
    };
    Ok(Tree { at, value })
}

fn key_of(key: Spanned<Loose>, source: &Source<'_>) -> Result<Key, Diagnostic> {
    let tree = tree_of(key, source)?;
    let at = tree.at;
    match tree.value {
        Value::Text(text) => Ok(Key { at, text }),
        Value::Null | Value::List(_) | Value::Map(_) => {
            Err(refused(at, "syntax", "a key is a word".to_owned(), None))
        }
    }
}

/// What serde sees; becomes a [`Tree`] once the spelling is looked up.
enum Loose {
    Null,
    /// A quoted, block or plain scalar that is no number and no boolean.
    Text(String),
    /// A plain scalar that YAML takes for a number or a boolean.
    Typed(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }
    fn visit_none<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
        Ok(Loose::Typed(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Loose, E> {
        Ok(Loose::Typed(value.to_string()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
        Ok(Loose::Typed(value.to_string()))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Loose, E> {
        Ok(Loose::Typed(value.to_string()))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Loose, E> {
        Ok(Loose::Typed(value.to_string()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Loose, E> {
        Ok(Loose::Typed(value.to_string()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Loose::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Loose::Map(entries))
    }
}
