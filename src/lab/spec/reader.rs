//! Typed readers over the tree. A reader that cannot make sense of a value says
//! so and returns `None`; reading goes on, so one run finds every mistake.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    str::FromStr,
};

use ipnet::IpNet;

use super::{
    At, Diagnostic, Severity,
    keys::{Table, Word},
    meant,
    raw::{Key, Tree, Value},
};
use crate::units::{NameError, nearest};

/// Most findings kept: past these nobody reads on.
const MAX_FINDINGS: usize = 200;

/// Where findings are collected.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Diagnostic>,
    /// Whether there was an error, kept or not.
    pub(super) failed: bool,
}

/// A finding that may still be given its help.
pub(super) struct Pending<'f>(Option<&'f mut Diagnostic>);

impl Pending<'_> {
    pub(super) fn help(self, help: impl Into<String>) {
        if let Some(found) = self.0 {
            found.help = Some(help.into());
        }
    }

    /// "did you mean", where one of the candidates is close.
    pub(super) fn did_you_mean<'c>(
        self,
        written: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) {
        if let Some(near) = nearest(written, candidates) {
            self.help(format!("did you mean `{near}`?"));
        }
    }

    /// "did you mean", or else the list of what there is.
    pub(super) fn one_of<'c>(self, written: &str, candidates: impl IntoIterator<Item = &'c str>) {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        if let Some(near) = nearest(written, candidates.iter().copied()) {
            self.help(format!("did you mean `{near}`?"));
        } else if !candidates.is_empty() && candidates.len() <= 24 {
            self.help(format!("there is {}", and_list(&candidates)));
        }
    }
}

/// `a router`, `an internet`.
pub(super) fn an(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {word}")
}

/// `a`, `b` and `c`.
pub(super) fn and_list<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{}`", w.as_ref())).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

impl Findings {
    pub(super) fn error(
        &mut self,
        at: At,
        code: &'static str,
        message: impl Into<String>,
    ) -> Pending<'_> {
        self.add(Severity::Error, at, code, message.into())
    }

    pub(super) fn warn(
        &mut self,
        at: At,
        code: &'static str,
        message: impl Into<String>,
    ) -> Pending<'_> {
        self.add(Severity::Warning, at, code, message.into())
    }

    fn add(
        &mut self,
        severity: Severity,
        at: At,
        code: &'static str,
        message: String,
    ) -> Pending<'_> {
        self.failed |= severity == Severity::Error;
        let again = |other: &Diagnostic| {
            (other.line, other.column) == (at.line, at.column) && other.message == message
        };
        if self.list.len() >= MAX_FINDINGS || self.list.iter().any(again) {
            return Pending(None);
        }
        self.list.push(Diagnostic {
            severity,
            line: at.line,
            column: at.column,
            length: at.length,
            message,
            help: None,
            code,
        });
        Pending(self.list.last_mut())
    }

    /// A mapping with the keys of `table`: unknown, repeated and missing ones are reported.
    pub(super) fn fields<'t>(
        &mut self,
        tree: &'t Tree,
        table: &'static Table,
        at: At,
    ) -> Option<Fields<'t>> {
        let Value::Map(entries) = &tree.value else {
            let what = table.what;
            self.wrong_type(tree, at, &format!("{what} is a mapping (`key: value`)"));
            return None;
        };
        let mut fields = Fields {
            at,
            known: BTreeMap::new(),
            others: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for (key, value) in entries {
            if !seen.insert(key.text.as_str()) {
                self.duplicate(key);
            } else if let Some(word) = table.keys.iter().find(|word| word.key == key.text) {
                fields.known.insert(word.key, (word, key, value));
            } else if table.others.is_some() {
                fields.others.push((key, value));
            } else {
                self.unknown_key(key, table);
            }
        }
        for word in table.keys.iter().filter(|word| word.required) {
            if !fields.known.contains_key(word.key) {
                self.error(
                    at,
                    "missing-key",
                    format!("{} needs `{}`", table.what, word.key),
                )
                .help(word.doc);
            }
        }
        Some(fields)
    }

    fn unknown_key(&mut self, key: &Key, table: &'static Table) {
        let found = self.error(
            key.at,
            "unknown-key",
            format!("{} has no key `{}`", table.what, key.text),
        );
        if key.text == "<<" {
            found.help("a lab file knows no merge keys; an `*alias` for a whole value is fine");
        } else if let Some(help) = meant::key(&key.text) {
            found.help(help);
        } else {
            found.one_of(&key.text, table.keys.iter().map(|word| word.key));
        }
    }

    fn duplicate(&mut self, key: &Key) {
        self.error(
            key.at,
            "duplicate-key",
            format!("`{}` is here twice", key.text),
        );
    }

    /// A mapping whose keys the user chooses; repeated ones are reported and left out.
    pub(super) fn entries<'t>(
        &mut self,
        tree: &'t Tree,
        at: At,
        what: &str,
    ) -> Vec<(&'t Key, &'t Tree)> {
        match &tree.value {
            Value::Map(entries) => {
                let mut seen = BTreeSet::new();
                let mut kept = Vec::new();
                for (key, value) in entries {
                    if seen.insert(key.text.as_str()) {
                        kept.push((key, value));
                    } else {
                        self.duplicate(key);
                    }
                }
                kept
            }
            Value::Null => Vec::new(),
            Value::Text(_) | Value::List(_) => {
                self.wrong_type(tree, at, &format!("`{what}` is a mapping (`name: …`)"));
                Vec::new()
            }
        }
    }

    /// Says what is there instead of what should be.
    pub(super) fn wrong_type(&mut self, tree: &Tree, at: At, should: &str) {
        let is = match &tree.value {
            Value::Null => "nothing",
            Value::Text(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        let at = match &tree.value {
            Value::Null => at,
            Value::Text(_) | Value::List(_) | Value::Map(_) => tree.at,
        };
        self.error(at, "wrong-type", format!("{should}, but this is {is}"));
    }

    /// A list's items.
    pub(super) fn items<'t>(&mut self, at: At, tree: &'t Tree, what: &str) -> Option<&'t [Tree]> {
        if let Value::List(items) = &tree.value {
            return Some(items);
        }
        self.wrong_type(tree, at, &format!("`{what}` is a list (`[a, b]`)"));
        None
    }

    /// A list's items, or the only one.
    pub(super) fn one_or_list(tree: &Tree) -> &[Tree] {
        match &tree.value {
            Value::List(items) => items,
            Value::Null | Value::Text(_) | Value::Map(_) => std::slice::from_ref(tree),
        }
    }

    /// A scalar in its own spelling.
    pub(super) fn text<'t>(&mut self, at: At, tree: &'t Tree, what: &str) -> Option<&'t str> {
        if let Value::Text(text) = &tree.value {
            return Some(text);
        }
        self.wrong_type(tree, at, &format!("`{what}` is a single value"));
        None
    }

    /// A scalar that parses.
    pub(super) fn parse<T>(&mut self, at: At, tree: &Tree, what: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(at, tree, what)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(tree.at, "bad-value", format!("`{what}`: {error}"));
                None
            }
        }
    }

    /// A name as a value or key.
    pub(super) fn name<T>(&mut self, at: At, text: &str) -> Option<T>
    where
        T: TryFrom<String, Error = NameError>,
    {
        match T::try_from(text.to_owned()) {
            Ok(name) => Some(name),
            Err(error) => {
                self.error(at, "bad-name", error.to_string());
                None
            }
        }
    }

    /// What to do about the last finding, which has no help yet.
    pub(super) fn help_last(&mut self, help: &str) {
        if let Some(last) = self.list.last_mut() {
            last.help.get_or_insert_with(|| help.to_owned());
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &mut self,
        at: At,
        tree: &Tree,
        what: &str,
        low: u64,
        high: u64,
    ) -> Option<u64> {
        let text = self.text(at, tree, what)?;
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>().ok().filter(|_| plain) {
            Some(number) if (low..=high).contains(&number) => Some(number),
            Some(_) => {
                let message = format!("`{what}` is {text}, but may be {low} to {high}");
                self.error(tree.at, "out-of-range", message);
                None
            }
            None => {
                let message =
                    format!("`{what}` is a whole number, {low} to {high}, but this is `{text}`");
                self.error(tree.at, "bad-value", message);
                None
            }
        }
    }

    /// `true` or `false`, and no other word for them.
    pub(super) fn flag(&mut self, at: At, tree: &Tree, what: &str) -> Option<bool> {
        match self.text(at, tree, what)? {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let lower = other.to_ascii_lowercase();
                let found = self.error(
                    tree.at,
                    "bad-value",
                    format!("`{what}` is `true` or `false`, but this is `{other}`"),
                );
                match lower.as_str() {
                    "yes" | "on" | "y" | "true" => found.help("write `true`"),
                    "no" | "off" | "n" | "false" => found.help("write `false`"),
                    _ => {}
                }
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice(
        &mut self,
        at: At,
        tree: &Tree,
        what: &str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let text = self.text(at, tree, what)?;
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        let list = and_list(words).replace(" and ", " or ");
        let found = self.error(
            tree.at,
            "bad-value",
            format!("`{what}` is {list}, but this is `{text}`"),
        );
        match meant::value(what, text) {
            Some(help) => found.help(help),
            None => found.did_you_mean(text, words.iter().copied()),
        }
        None
    }

    /// An address with its prefix length; host bits are kept.
    pub(super) fn address(&mut self, at: At, tree: &Tree, what: &str) -> Option<IpNet> {
        let text = self.text(at, tree, what)?;
        if let Ok(net) = text.parse::<IpNet>() {
            if has_leading_zero(text) {
                self.error(
                    tree.at,
                    "leading-zero",
                    format!("`{what}`: `{text}` has a number with a leading zero, which some programs read as octal"),
                )
                .help(format!("as decimal numbers it is `{net}`"));
                return None;
            }
            return Some(net);
        }
        let found = self.error(
            tree.at,
            "bad-prefix",
            format!("`{what}`: `{text}` is not an address with a prefix length"),
        );
        match text.parse::<std::net::IpAddr>() {
            Ok(address) => {
                let length = if address.is_ipv4() { 24 } else { 64 };
                found.help(format!("write the length too: `{text}/{length}`"));
            }
            Err(_) => found.help("write it like `10.0.1.10/24` or `2001:db8::10/64`"),
        }
        None
    }

    /// A prefix: an address whose host bits are zero.
    pub(super) fn prefix(&mut self, at: At, tree: &Tree, what: &str) -> Option<IpNet> {
        let net = self.address(at, tree, what)?;
        if net.trunc() == net {
            return Some(net);
        }
        self.error(
            tree.at,
            "host-bits",
            format!("`{what}`: `{net}` has bits set behind its prefix length"),
        )
        .help(format!("the network is `{}`", net.trunc()));
        None
    }
}

/// In an address with a prefix length that `IpNet` has read: hexadecimal groups may have any.
fn has_leading_zero(text: &str) -> bool {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let octets = address.split('.').filter(|_| !address.contains(':'));
    let mut numbers = octets.chain([length]);
    numbers.any(|number| number.len() > 1 && number.starts_with('0'))
}

/// The known keys of one mapping.
pub(super) struct Fields<'t> {
    /// The mapping's place: its name's, where it has one.
    pub(super) at: At,
    known: BTreeMap<&'static str, (&'static Word, &'t Key, &'t Tree)>,
    /// Keys that the user chose, where the table allows them.
    pub(super) others: Vec<(&'t Key, &'t Tree)>,
}

impl<'t> Fields<'t> {
    /// The key's place and its value.
    pub(super) fn get(&self, key: &str) -> Option<(At, &'t Tree)> {
        self.known.get(key).map(|(_, key, tree)| (key.at, *tree))
    }

    /// Where the key is, or the mapping.
    pub(super) fn at_key(&self, key: &str) -> At {
        self.known.get(key).map_or(self.at, |(_, key, _)| key.at)
    }

    /// Where the key's value is, or the mapping.
    pub(super) fn at_value(&self, key: &str) -> At {
        self.known
            .get(key)
            .map_or(self.at, |(_, key, tree)| match tree.value {
                Value::Null => key.at,
                Value::Text(_) | Value::List(_) | Value::Map(_) => tree.at,
            })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.known.contains_key(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.known.keys().copied()
    }

    pub(super) fn text(&self, f: &mut Findings, key: &str) -> Option<&'t str> {
        let (at, tree) = self.get(key)?;
        f.text(at, tree, key)
    }

    pub(super) fn parse<T>(&self, f: &mut Findings, key: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let (at, tree) = self.get(key)?;
        f.parse(at, tree, key)
    }

    pub(super) fn flag(&self, f: &mut Findings, key: &str) -> Option<bool> {
        let (at, tree) = self.get(key)?;
        f.flag(at, tree, key)
    }

    /// A whole number within the key's bounds, which `T` holds.
    pub(super) fn number<T: TryFrom<u64>>(&self, f: &mut Findings, key: &str) -> Option<T> {
        let (word, key, tree) = self.known.get(key)?;
        let (low, high) = word.bounds();
        let number = f.number(key.at, tree, word.key, low, high)?;
        T::try_from(number).ok()
    }

    /// One of the key's words.
    pub(super) fn choice(&self, f: &mut Findings, key: &str) -> Option<&'static str> {
        let (word, key, tree) = self.known.get(key)?;
        f.choice(key.at, tree, word.key, word.choices())
    }
}
