//! A lab file with one of its values exchanged: what `--vary KEY=VALUE` makes of it. The text is
//! edited, not written anew, so comments stay and findings keep their places.

use std::ops::Range;

use granit_parser::{Event, Parser, StructureStyle};
use thiserror::Error;

/// The value that stands for a key which is not there.
pub const UNSET: &str = "unset";

/// Why a value could not be exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VaryError {
    /// The file is not YAML; checking it says more.
    #[error("the lab file cannot be read as YAML")]
    Syntax,
    /// The key has no name in it.
    #[error("`{0}` names no key; write sections and keys with dots: `sessions.prod.bfd`")]
    NoKey(String),
    /// The way to the key leads through something that holds no keys.
    #[error("`{0}` holds no keys, so `{1}` cannot be varied")]
    NotAMap(String, String),
    /// A list is shorter than that.
    #[error("`{0}` has {1} items, counted from 0, so there is no `{2}`")]
    NoItem(String, usize, String),
    /// An item of a list cannot be left out.
    #[error("`{0}` is an item of a list, which cannot be `unset`")]
    Item(String),
    /// What stands there stands for something elsewhere.
    #[error("`{0}` is an alias; write in the lab file what it stands for to vary it")]
    Alias(String),
}

/// The text with `value` at `key`, whose parts are divided by dots; items of lists are counted
/// from 0. What is missing on the way is added; [`UNSET`] takes the key out.
///
/// ```
/// # use backhoe::lab::spec::set;
/// let lab = "sessions:\n  prod: { link: circuit }  # the circuit\n";
/// assert_eq!(
///     set(lab, "sessions.prod.bfd", "300ms/3").unwrap(),
///     "sessions:\n  prod: { bfd: 300ms/3, link: circuit }  # the circuit\n"
/// );
/// ```
///
/// # Errors
/// The key is none, or leads nowhere.
pub fn set(text: &str, key: &str, value: &str) -> Result<String, VaryError> {
    let parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.trim().is_empty()) {
        return Err(VaryError::NoKey(key.to_owned()));
    }
    let root = document(text).ok_or(VaryError::Syntax)?;
    let edit = edit(text, &root, (&parts, value), &mut Vec::new())?;
    let mut varied = text.to_owned();
    if let Some((range, new)) = edit {
        varied.replace_range(range, &new);
    }
    Ok(varied)
}

/// The values of `KEY=VALUE,VALUE`: commas inside brackets, braces and quotes belong to a value.
pub fn values(list: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut depth = 0_usize;
    let mut quote = None;
    for character in list.chars() {
        match (quote, character) {
            (None, ',') if depth == 0 => {
                values.push(String::new());
                continue;
            }
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
        if let Some(value) = values.last_mut() {
            value.push(character);
        }
    }
    let trimmed = values.into_iter().map(|value| value.trim().to_owned());
    trimmed.collect()
}

/// What is to stand where in the text.
type Edit = Option<(Range<usize>, String)>;

struct Node {
    span: Range<usize>,
    holds: Holds,
}

enum Holds {
    Scalar,
    Alias,
    List(Vec<Node>),
    Map(StructureStyle, Vec<(Key, Node)>),
}

struct Key {
    text: String,
    span: Range<usize>,
}

fn edit(
    text: &str,
    node: &Node,
    (parts, value): (&[&str], &str),
    way: &mut Vec<String>,
) -> Result<Edit, VaryError> {
    let Some((first, rest)) = parts.split_first() else {
        return Ok(Some((node.span.clone(), value.to_owned())));
    };
    let named = |way: &[String]| match way.is_empty() {
        true => "the file".to_owned(),
        false => way.join("."),
    };
    match &node.holds {
        Holds::Alias => Err(VaryError::Alias(named(way))),
        Holds::Scalar => Err(VaryError::NotAMap(named(way), (*first).to_owned())),
        Holds::List(items) => {
            let item = first.parse().ok().and_then(|at: usize| items.get(at));
            let none = || VaryError::NoItem(named(way), items.len(), (*first).to_owned());
            let item = item.ok_or_else(none)?;
            way.push((*first).to_owned());
            if rest.is_empty() && value == UNSET {
                return Err(VaryError::Item(named(way)));
            }
            edit(text, item, (rest, value), way)
        }
        Holds::Map(style, entries) => {
            let at = entries.iter().position(|(key, _)| key.text == *first);
            let Some((key, found)) = at.and_then(|at| entries.get(at)) else {
                return Ok(match value == UNSET {
                    true => None,
                    false => Some(added(text, (node, *style), entries, (parts, value))),
                });
            };
            way.push((*first).to_owned());
            if !rest.is_empty() {
                return edit(text, found, (rest, value), way);
            }
            Ok(Some(match value == UNSET {
                true => taken_out(entries, at.unwrap_or_default(), node),
                // An empty value has no place of its own.
                false if found.span.is_empty() => {
                    let after = text.get(key.span.end..).unwrap_or_default();
                    let colon = after.find(':').map_or(0, |colon| colon + 1);
                    let at = key.span.end + colon;
                    (at..at, format!(" {value}"))
                }
                false => (found.span.clone(), value.to_owned()),
            }))
        }
    }
}

/// A key that was not there goes before the first one that is.
fn added(
    text: &str,
    (node, style): (&Node, StructureStyle),
    entries: &[(Key, Node)],
    (parts, value): (&[&str], &str),
) -> (Range<usize>, String) {
    let mut entry = value.to_owned();
    for (depth, part) in parts.iter().rev().enumerate() {
        entry = match depth {
            0 => format!("{part}: {entry}"),
            _ => format!("{part}: {{ {entry} }}"),
        };
    }
    let Some((first, _)) = entries.first() else {
        return (node.span.clone(), format!("{{ {entry} }}"));
    };
    let at = first.span.start;
    let between = match style {
        StructureStyle::Flow => ", ".to_owned(),
        StructureStyle::Block => {
            let before = text.get(..at).unwrap_or_default();
            let line = before.rsplit('\n').next().unwrap_or_default();
            format!("\n{}", " ".repeat(line.chars().count()))
        }
    };
    (at..at, entry + &between)
}

/// From its key to the next one, or from the end of the one before.
fn taken_out(entries: &[(Key, Node)], at: usize, node: &Node) -> (Range<usize>, String) {
    let own = entries.get(at).map_or_else(
        || node.span.clone(),
        |(key, value)| key.span.start..value.span.end,
    );
    if let Some((next, _)) = entries.get(at + 1) {
        return (own.start..next.span.start, String::new());
    }
    match at.checked_sub(1).and_then(|before| entries.get(before)) {
        Some((_, before)) => (before.span.end..own.end, String::new()),
        None => (node.span.clone(), "{}".to_owned()),
    }
}

fn document(text: &str) -> Option<Node> {
    let mut events = Events(Parser::new_from_str(text));
    loop {
        let (event, span) = events.next()?;
        if event.is_node() {
            return node((event, span), &mut events);
        }
    }
}

struct Events<'t>(Parser<'t, granit_parser::StrInput<'t>>);

impl<'t> Events<'t> {
    /// The next one that is no comment, with the bytes it covers.
    fn next(&mut self) -> Option<(Event<'t>, Range<usize>)> {
        loop {
            let (event, span) = self.0.next_event()?.ok()?;
            if !matches!(event, Event::Comment(..)) {
                return Some((event, span.byte_range()?));
            }
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is left are no nodes, and may grow with the parser"
)]
fn node((event, span): (Event<'_>, Range<usize>), events: &mut Events<'_>) -> Option<Node> {
    match event {
        Event::Scalar(..) => Some(Node {
            span,
            holds: Holds::Scalar,
        }),
        Event::Alias(_) => Some(Node {
            span,
            holds: Holds::Alias,
        }),
        Event::SequenceStart(style, ..) => {
            let mut items = Vec::new();
            let end = loop {
                match events.next()? {
                    (Event::SequenceEnd, end) => break end.end,
                    next => items.push(node(next, events)?),
                }
            };
            let last = items.last().map(|item: &Node| item.span.end);
            Some(Node {
                span: span.start..end_of(style, end, last),
                holds: Holds::List(items),
            })
        }
        Event::MappingStart(style, ..) => {
            let mut entries = Vec::new();
            let end = loop {
                match events.next()? {
                    (Event::MappingEnd, end) => break end.end,
                    (Event::Scalar(text, ..), span) => {
                        let text = text.into_owned();
                        let next = events.next()?;
                        entries.push((Key { text, span }, node(next, events)?));
                    }
                    _ => return None,
                }
            };
            let last = entries
                .last()
                .map(|(_, value): &(Key, Node)| value.span.end);
            Some(Node {
                span: span.start..end_of(style, end, last),
                holds: Holds::Map(style, entries),
            })
        }
        _ => None,
    }
}

/// A block ends where the next thing begins; what belongs to it ends with its last part.
fn end_of(style: StructureStyle, end: usize, last: Option<usize>) -> usize {
    match style {
        StructureStyle::Flow => end,
        StructureStyle::Block => last.unwrap_or(end),
    }
}

#[cfg(test)]
mod tests;
