//! What speaks BGP for a node, and with whose configuration.

use super::{
    super::{
        At,
        keys::{DAEMONS, INSTALLED},
        raw::{Tree, Value},
        reader::Fields,
    },
    Lower,
};
use crate::{
    lab::model::{Daemon, External, Kind, OwnConfig},
    units::{Asn, Suite},
};

impl Lower<'_> {
    pub(super) fn daemon(
        &mut self,
        fields: &Fields<'_>,
        kind: &Kind,
        asn: Option<Asn>,
    ) -> Option<Daemon> {
        if kind.is_aws() {
            return Some(if kind.speaks_for_aws() {
                Daemon::Embedded
            } else {
                Daemon::None
            });
        }
        let Some((at, tree)) = fields.get("daemon") else {
            self.refuse_config(fields);
            return Some(if asn.is_some() {
                Daemon::Embedded
            } else {
                Daemon::None
            });
        };
        let (suite, install) = match &tree.value {
            Value::Map(_) => self.installed(at, tree)?,
            Value::Null | Value::Text(_) | Value::List(_) => {
                let suite = match self.f.choice(at, tree, "daemon", &DAEMONS)? {
                    "frr" => Suite::Frr,
                    "bird" => Suite::Bird,
                    word => {
                        self.refuse_config(fields);
                        return Some(if word == "none" {
                            Daemon::None
                        } else {
                            Daemon::Embedded
                        });
                    }
                };
                (suite, None)
            }
        };
        let config = match fields.text(&mut self.f, "config") {
            None => None,
            Some(path) => Some(self.own_config(fields.at_value("config"), path, suite)?),
        };
        Some(Daemon::External(External {
            suite,
            install,
            config,
        }))
    }

    fn refuse_config(&mut self, fields: &Fields<'_>) {
        if fields.has("config") {
            self.f.error(
                fields.at_key("config"),
                "foreign-key",
                "`config` is for `daemon: frr` and `daemon: bird`",
            );
        }
    }

    /// `{ frr: /opt/frr-10.2 }`: exactly one suite and where it is.
    fn installed(&mut self, at: At, tree: &Tree) -> Option<(Suite, Option<String>)> {
        let fields = self.f.fields(tree, &INSTALLED, at)?;
        let named: Vec<&str> = fields.keys().collect();
        let [word] = named.as_slice() else {
            // Keys that are no daemon's have been reported.
            let is_known =
                matches!(&tree.value, Value::Map(entries) if entries.len() == named.len());
            if !is_known {
                return None;
            }
            self.f
                .error(
                    tree.at,
                    "bad-value",
                    "`daemon` as a mapping names one daemon and where it is installed",
                )
                .help("`{ frr: /opt/frr-10.2 }` or `{ bird: /opt/bird-3/sbin/bird }`");
            return None;
        };
        let suite = if *word == "frr" {
            Suite::Frr
        } else {
            Suite::Bird
        };
        let place = fields.text(&mut self.f, word)?;
        let plain = place.starts_with('/')
            && !place.split('/').any(|part| part == "..")
            && !place.contains(char::is_control);
        if !plain {
            let message = format!("`{word}`: `{place}` is not an absolute path without `..`");
            self.f.error(fields.at_value(word), "bad-path", message);
            return None;
        }
        Some((suite, Some(place.to_owned())))
    }

    fn own_config(&mut self, at: At, path: &str, suite: Suite) -> Option<OwnConfig> {
        let text = self.included(at, path)?;
        if suite == Suite::Bird
            && let Some(line) = bird_include(&text)
        {
            self.f
                .error(
                    at,
                    "include",
                    format!("`{path}`:{line} includes another file, which a node would not see"),
                )
                .help("write it into the one file");
            return None;
        }
        Some(OwnConfig {
            path: path.to_owned(),
            text,
        })
    }

    /// The rules as they are; what would take away those of a lab's own is an error.
    pub(super) fn firewall(&mut self, fields: &Fields<'_>) -> Option<OwnConfig> {
        let path = fields.text(&mut self.f, "firewall")?;
        let at = fields.at_value("firewall");
        let text = self.included(at, path)?;
        let flushes = |line: &str| line.trim_start().starts_with("flush ruleset");
        if let Some(index) = text.lines().position(flushes) {
            let message = format!(
                "`{path}`:{} flushes the whole ruleset, with what the lab itself has there",
                index + 1
            );
            self.f
                .error(at, "flush-ruleset", message)
                .help("leave it out: a node begins without any rules");
            return None;
        }
        Some(OwnConfig {
            path: path.to_owned(),
            text,
        })
    }

    pub(super) fn included(&mut self, at: At, path: &str) -> Option<String> {
        match (self.include)(path) {
            Ok(text) => Some(text),
            Err(why) => {
                self.f
                    .error(at, "include", format!("`{path}` cannot be read: {why}"));
                None
            }
        }
    }
}

/// The line, from 1, of the first `include` statement of a bird.conf.
fn bird_include(text: &str) -> Option<usize> {
    without_comments(text)
        .lines()
        .position(|line| {
            line.trim_start()
                .strip_prefix("include")
                .is_some_and(|rest| rest.trim_start().starts_with('"'))
        })
        .map(|index| index + 1)
}

/// A bird.conf whose comments are gone and whose lines are where they were.
fn without_comments(text: &str) -> String {
    enum In {
        Code,
        Quotes,
        Line,
        Block,
    }
    let mut out = String::with_capacity(text.len());
    let mut state = In::Code;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let keep;
        (state, keep) = match (state, c) {
            (In::Code, '"') => (In::Quotes, true),
            (In::Code, '#') => (In::Line, false),
            (In::Code, '/') if chars.next_if_eq(&'*').is_some() => (In::Block, false),
            (In::Block, '*') if chars.next_if_eq(&'/').is_some() => (In::Code, false),
            (In::Quotes, '"') | (In::Quotes | In::Line, '\n') => (In::Code, true),
            (state @ (In::Code | In::Quotes), _) => (state, true),
            (state @ (In::Line | In::Block), _) => (state, c == '\n'),
        };
        if keep {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_count_only_outside_comments() {
        let text = "# include \"a\";\n/* include \"b\";\n */ log \"x#y\" all;\n include \"c\";\n";
        assert_eq!(bird_include(text), Some(4));
        assert_eq!(bird_include("# include \"a\";\n/* include \"b\";"), None);
        assert_eq!(bird_include("log \"x/*y\" all;\ninclude\"c\";"), Some(2));
    }
}
