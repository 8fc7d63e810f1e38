//! `survives`: what a sweep holds the lab to.

use super::{
    super::{
        keys::SURVIVES,
        raw::{Tree, Value},
        reader::Findings,
    },
    Lower,
};
use crate::{
    lab::model::{Survives, Tag},
    units::Span,
};

/// The key by which such an expectation is known.
const KEY: &str = "survives";

impl Lower<'_> {
    /// Whether an expectation is of what fails in a sweep, and not of the scenario.
    pub(super) fn is_of_a_sweep(item: &Tree) -> bool {
        matches!(&item.value, Value::Map(entries) if entries.iter().any(|(key, _)| key.text == KEY))
    }

    pub(super) fn survives(&mut self, item: &Tree) {
        let Some(fields) = self.f.fields(item, &SURVIVES, item.at) else {
            return;
        };
        let failures = fields.choice(&mut self.f, KEY).and_then(Survives::parse);
        let within = fields.parse::<Span>(&mut self.f, "within");
        if within == Some(Span::ZERO) {
            self.f
                .error(fields.at_value("within"), "bad-value", "nothing comes back at once")
                .help("leave `within` out where traffic need only come back, or say how long it may be gone");
        }
        let mut except = Vec::new();
        if let Some((at, tree)) = fields.get("except") {
            for one in Findings::one_or_list(tree) {
                if let Some(text) = self.f.text(at, one, "except").map(str::to_owned)
                    && self.can_fail(one, &text)
                {
                    except.push(text);
                }
            }
        }
        if self
            .lab
            .probes
            .values()
            .all(|probe| probe.isolated.is_some())
        {
            self.f
                .error(item.at, "expect", "nothing tells whether traffic survives: there is no probe whose packets are to arrive")
                .help("add one: `probes: { app: { between: [dc1.app, vpc1.db] } }`");
        }
        if let Some(failures) = failures {
            self.lab.survives.push(Survives {
                failures,
                within,
                except,
                line: item.at.line,
                column: item.at.column,
            });
        }
    }

    /// Whether something in the lab has the name, or is a tag's value.
    fn can_fail(&mut self, tree: &Tree, text: &str) -> bool {
        let lab = &self.lab;
        let nodes = lab.nodes.keys().map(ToString::to_string);
        let links = lab
            .links
            .keys()
            .chain(lab.lags.keys())
            .map(ToString::to_string);
        let tags = Tag::ALL.into_iter().flat_map(|tag| lab.values_of(tag));
        let tags = tags.map(str::to_owned);
        let known: Vec<String> = nodes.chain(links).chain(tags).collect();
        let is_known = known.iter().any(|name| name == text);
        if !is_known && !self.f.failed {
            let message = format!("nothing that fails in a sweep is called `{text}`");
            self.f
                .error(tree.at, "unknown-name", message)
                .one_of(text, known.iter().map(String::as_str));
        }
        is_known
    }
}
