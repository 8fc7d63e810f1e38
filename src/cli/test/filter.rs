//! Which labs are meant: words, globs, and what `and`, `or` and `not` make of them.

use std::str::FromStr;

/// A lab as a filter sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'l> {
    /// Its name.
    pub(super) name: &'l str,
    /// Its file.
    pub(super) path: &'l str,
}

/// `vpn and not (path(labs/slow/*) or name(dx-*))`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Filter {
    /// Part of the name or the path.
    Word(String),
    /// The whole name, where `*` is anything and `?` one character.
    Name(String),
    /// The whole path, or what stands before one of its last `/`.
    Path(String),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

impl Filter {
    pub(super) fn takes(&self, lab: Seen<'_>) -> bool {
        match self {
            Self::Word(word) => {
                lab.name.contains(word.as_str()) || lab.path.contains(word.as_str())
            }
            Self::Name(glob) => matches(glob, lab.name),
            Self::Path(glob) => {
                let path = lab.path.trim_start_matches("./");
                let tails = path.match_indices('/').map(|(at, _)| path.get(at + 1..));
                let mut tails = tails.flatten();
                matches(glob, path) || tails.any(|tail| matches(glob, tail))
            }
            Self::Not(inner) => !inner.takes(lab),
            Self::And(one, other) => one.takes(lab) && other.takes(lab),
            Self::Or(one, other) => one.takes(lab) || other.takes(lab),
        }
    }
}

/// `*` is any characters, `?` one.
fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    // Where the last `*` was, and how much of the text it stands for so far.
    let (mut g, mut t, mut star) = (0, 0, None);
    while let Some(&c) = text.get(t) {
        match (glob.get(g), star) {
            (Some('*'), _) => {
                star = Some((g, t));
                g += 1;
            }
            (Some(&wanted), _) if wanted == '?' || wanted == c => (g, t) = (g + 1, t + 1),
            (_, Some((at, taken))) => {
                star = Some((at, taken + 1));
                (g, t) = (at + 1, taken + 1);
            }
            (_, None) => return false,
        }
    }
    glob.get(g..)
        .is_some_and(|rest| rest.iter().all(|&c| c == '*'))
}

impl FromStr for Filter {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut reader = Reader {
            tokens: tokens(text)?,
            at: 0,
        };
        let filter = reader.either()?;
        match reader.next() {
            None => Ok(filter),
            Some(more) => Err(format!(
                "`{more}` is one too many; write `and` or `or` between two conditions"
            )),
        }
    }
}

/// Words, `(` and `)`; `name(` and `path(` are one token with what they hold.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let predicate = ["name(", "path("].into_iter().find(|p| rest.starts_with(p));
        let length = match (predicate, first) {
            (Some(_), _) => {
                let end = rest
                    .find(')')
                    .ok_or_else(|| format!("`{rest}` has no `)`"))?;
                end + 1
            }
            (None, '(' | ')') => 1,
            (None, _) => rest
                .find(|c: char| c.is_whitespace() || c == '(' || c == ')')
                .unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn either(&mut self) -> Result<Filter, String> {
        let mut filter = self.both()?;
        while self.peek() == Some("or") {
            self.at += 1;
            filter = Filter::Or(Box::new(filter), Box::new(self.both()?));
        }
        Ok(filter)
    }

    fn both(&mut self) -> Result<Filter, String> {
        let mut filter = self.one()?;
        while self.peek() == Some("and") {
            self.at += 1;
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Ok(filter)
    }

    fn one(&mut self) -> Result<Filter, String> {
        let token = self
            .next()
            .ok_or("a condition is missing: a word, `name(GLOB)` or `path(GLOB)`")?;
        let held = |name: &str| {
            let glob = token
                .strip_prefix(name)?
                .strip_prefix('(')?
                .strip_suffix(')')?;
            Some(glob.trim().to_owned())
        };
        if let Some(glob) = held("name") {
            return Ok(Filter::Name(glob));
        }
        if let Some(glob) = held("path") {
            return Ok(Filter::Path(glob));
        }
        match token.as_str() {
            "not" => Ok(Filter::Not(Box::new(self.one()?))),
            "(" => {
                let inner = self.either()?;
                match self.next().as_deref() {
                    Some(")") => Ok(inner),
                    _ => Err("a `)` is missing".to_owned()),
                }
            }
            ")" | "and" | "or" => Err(format!("a condition is missing before `{token}`")),
            _ => Ok(Filter::Word(token)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABS: [(&str, &str); 4] = [
        ("dx-vpn-backup", "labs/dx-vpn-backup.yaml"),
        ("dx-redundant", "labs/dx-redundant.yaml"),
        ("vpn-maintenance", "labs/slow/vpn-maintenance.yaml"),
        ("mine", "./mine/mine.yml"),
    ];

    fn taken(filter: &str) -> Vec<&'static str> {
        let filter: Filter = filter.parse().unwrap();
        let labs = LABS
            .into_iter()
            .filter(|&(name, path)| filter.takes(Seen { name, path }));
        labs.map(|(name, _)| name).collect()
    }

    #[test]
    fn a_word_is_part_of_the_name_or_the_path() {
        assert_eq!(taken("vpn"), ["dx-vpn-backup", "vpn-maintenance"]);
        assert_eq!(taken("slow/"), ["vpn-maintenance"]);
        assert_eq!(taken("VPN"), Vec::<&str>::new());
    }

    #[test]
    fn globs_are_of_all_of_it() {
        assert_eq!(taken("name(dx-*)"), ["dx-vpn-backup", "dx-redundant"]);
        assert_eq!(taken("name(vpn)"), Vec::<&str>::new());
        assert_eq!(taken("name(m?ne)"), ["mine"]);
        assert_eq!(taken("path(mine/*)"), ["mine"]);
        assert_eq!(taken("path(*/slow/*.yaml)"), ["vpn-maintenance"]);
        assert_eq!(taken("path(slow/*)"), ["vpn-maintenance"]);
        assert_eq!(taken("name(*x*u*a*t)"), ["dx-redundant"]);
    }

    #[test]
    fn and_binds_closer_than_or_and_not_closest() {
        assert_eq!(taken("mine or dx and not vpn"), ["dx-redundant", "mine"]);
        assert_eq!(taken("(mine or dx) and not vpn"), ["dx-redundant", "mine"]);
        assert_eq!(taken("not (vpn or name(mine))"), ["dx-redundant"]);
        assert_eq!(taken("not not mine"), ["mine"]);
    }

    #[test]
    fn what_means_nothing_is_refused_with_what_is_wrong() {
        for (text, says) in [
            ("", "a condition is missing"),
            ("a b", "`b` is one too many"),
            ("(a", "a `)` is missing"),
            ("a)", "`)` is one too many"),
            ("a and", "a condition is missing"),
            ("or a", "before `or`"),
            ("name(a", "has no `)`"),
        ] {
            let refused = text.parse::<Filter>().unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
