//! A `swanctl.conf` that the user wrote for an end of a tunnel: what backhoe must
//! find in it before strongSwan reads it.

use super::{super::At, Lower};
use crate::lab::model::{OwnConfig, OwnSwanctl};

/// Both ways into and out of the tunnel's interface.
const KEYS: [&str; 2] = ["if_id_in", "if_id_out"];

impl Lower<'_> {
    /// Reads the file that `at` names; what strongSwan itself thinks of it is asked
    /// where strongSwan is.
    pub(super) fn own_swanctl(&mut self, at: At, path: &str) -> Option<OwnSwanctl> {
        let text = self.included(at, path)?;
        let fault = |line: usize, what: &str| format!("`{path}`:{line} {what}");
        if let Some(line) = line_of(&text, |words| words.starts_with("include ")) {
            let message = fault(line, "includes another file, which a node would not see");
            self.f
                .error(at, "include", message)
                .help("write it into the one file");
            return None;
        }
        let if_id = match if_id(&text) {
            Ok(id) => id,
            Err(IfId::Missing) => {
                let message = format!("`{path}` has no `if_id_in` and `if_id_out` for its child");
                self.f.error(at, "swanctl", message).help(
                    "by them the kernel knows whose packets the tunnel's interface carries: \
                     write `if_id_in = 1` and `if_id_out = 1`, or another number, beside `local_ts`",
                );
                return None;
            }
            Err(IfId::Wrong(line)) => {
                let message = fault(
                    line,
                    "is not the number of an interface, the same both ways",
                );
                self.f
                    .error(at, "swanctl", message)
                    .help("`if_id_in` and `if_id_out` are one number, at least 1");
                return None;
            }
        };
        Some(OwnSwanctl {
            file: OwnConfig {
                path: path.to_owned(),
                text,
            },
            if_id,
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum IfId {
    Missing,
    /// The line, from 1.
    Wrong(usize),
}

/// The interface id of the file's child.
fn if_id(text: &str) -> Result<u32, IfId> {
    let mut found = None;
    for key in KEYS {
        let Some((line, value)) = setting(text, key) else {
            return Err(IfId::Missing);
        };
        let number = match value.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => value.parse().ok(),
        };
        match number.filter(|&number| number != 0) {
            Some(number) if *found.get_or_insert(number) == number => {}
            _ => return Err(IfId::Wrong(line)),
        }
    }
    found.ok_or(IfId::Missing)
}

/// A key's first value and its line, from 1.
fn setting<'t>(text: &'t str, key: &str) -> Option<(usize, &'t str)> {
    text.lines().enumerate().find_map(|(index, line)| {
        // Several settings, or a section's head and its first, may share a line.
        let code = code_of(line);
        let after = code
            .match_indices(key)
            .filter(|(at, _)| {
                let before = code
                    .get(..*at)
                    .and_then(|before| before.chars().next_back());
                before.is_none_or(|c| c.is_whitespace() || c == '{')
            })
            .find_map(|(at, _)| code.get(at + key.len()..)?.trim_start().strip_prefix('='))?;
        let value = after.trim_start();
        let end = value.find(|c: char| c.is_whitespace() || c == '}');
        Some((index + 1, value.get(..end.unwrap_or(value.len()))?))
    })
}

/// The line, from 1, of the first whose code is as wanted.
fn line_of(text: &str, wanted: impl Fn(&str) -> bool) -> Option<usize> {
    let mut lines = text.lines();
    lines
        .position(|line| wanted(code_of(line).trim_start()))
        .map(|index| index + 1)
}

/// A line without its comment.
fn code_of(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_one_number_both_ways() {
        let text = "children { a { if_id_in = 42\n  if_id_out=0x2a }\n}";
        assert_eq!(if_id(text), Ok(42));
        for (text, fault) in [
            ("", IfId::Missing),
            ("if_id_in = 1", IfId::Missing),
            ("if_id_in = 1\n# if_id_out = 1", IfId::Missing),
            ("my_if_id_in = 1\nif_id_out = 1", IfId::Missing),
            ("if_id_in = 1\nif_id_out = 2", IfId::Wrong(2)),
            ("if_id_in = 0\nif_id_out = 0", IfId::Wrong(1)),
            ("if_id_in = %unique\nif_id_out = 1", IfId::Wrong(1)),
        ] {
            assert_eq!(if_id(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn an_include_is_found_where_it_is_code() {
        let at = |text: &str| line_of(text, |words| words.starts_with("include "));
        assert_eq!(at("connections {\n  include conf.d/*.conf\n}"), Some(2));
        assert_eq!(at("# include x\nincluded = 1"), None);
    }
}
