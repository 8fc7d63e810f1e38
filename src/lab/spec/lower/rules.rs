//! Explicit import and export rules.

use super::{
    super::{
        keys::{MATCH, RULE, SET},
        raw::Tree,
        reader::{Fields, Findings},
    },
    Lower,
    routing::{everything, prefix_match},
};
use crate::{
    lab::model::Rules,
    units::{Asn, Match, NodeName, Policy, PolicySource, Rule, Set, Verdict},
};

impl Lower<'_> {
    pub(super) fn rules(
        &mut self,
        fields: &Fields<'_>,
        node: &NodeName,
        max_prefix: Option<u32>,
    ) -> Rules {
        Rules {
            import: self
                .policy(fields, "import", node)
                .unwrap_or_else(everything),
            export: self.policy(fields, "export", node).unwrap_or_default(),
            max_prefix,
        }
    }

    fn policy(&mut self, fields: &Fields<'_>, key: &str, node: &NodeName) -> Option<Policy> {
        let (at, tree) = fields.get(key)?;
        let items = self.f.items(at, tree, key)?;
        let rules = items
            .iter()
            .filter_map(|item| self.rule(item, key, node))
            .collect();
        Some(Policy { rules })
    }

    fn rule(&mut self, item: &Tree, key: &str, node: &NodeName) -> Option<Rule> {
        let fields = self.f.fields(item, &RULE, item.at)?;
        let verdict = match fields.choice(&mut self.f, "then") {
            Some("reject") => Verdict::Reject,
            _ => Verdict::Accept,
        };
        let matches = match fields.get("match") {
            None => Vec::new(),
            Some((at, tree)) => match self.f.fields(tree, &MATCH, at) {
                Some(inner) => self.matches(&inner, key, node),
                None => Vec::new(),
            },
        };
        let set = match fields.get("set") {
            None => Vec::new(),
            Some((at, tree)) => match self.f.fields(tree, &SET, at) {
                Some(inner) => self.changes(&inner, key),
                None => Vec::new(),
            },
        };
        if verdict == Verdict::Reject && !set.is_empty() {
            self.f.error(
                fields.at_key("set"),
                "contradiction",
                "a rejected route is not changed: `set` with `then: reject`",
            );
        }
        Some(Rule {
            matches,
            verdict,
            set,
        })
    }

    fn matches(&mut self, fields: &Fields<'_>, key: &str, node: &NodeName) -> Vec<Match> {
        let mut list = Vec::new();
        if let Some((at, tree)) = fields.get("prefix") {
            let mut prefixes = Vec::new();
            for item in Findings::one_or_list(tree) {
                let Some(text) = self.f.text(at, item, "prefix") else {
                    continue;
                };
                match prefix_match(text) {
                    Ok(prefix) => prefixes.push(prefix),
                    Err(why) => {
                        self.f
                            .error(item.at, "bad-prefix", format!("`prefix`: {why}"))
                            .help("write it like `10.0.0.0/8` or `10.0.0.0/8 ge 16 le 24`");
                    }
                }
            }
            list.push(Match::Prefix(prefixes));
        }
        if fields.has("community") {
            list.push(Match::Community(self.communities(fields, "community")));
        }
        let contains = self.as_number(fields, "as-path-contains");
        list.extend(contains.map(Match::AsPathContains));
        let origin = self.as_number(fields, "as-path-origin");
        list.extend(origin.map(Match::AsPathOrigin));
        if self.only_true(fields, "as-path-empty") {
            list.push(Match::AsPathEmpty);
        }
        if fields.has("from") {
            if key == "import" {
                self.f.error(
                    fields.at_key("from"),
                    "foreign-key",
                    "`from` is for `export`: on import every route is from this session",
                );
            }
            list.push(Match::From(self.sources(fields, node)));
        }
        list
    }

    fn as_number(&mut self, fields: &Fields<'_>, key: &str) -> Option<Asn> {
        fields.number(&mut self.f, key).and_then(Asn::new)
    }

    fn only_true(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        match fields.flag(&mut self.f, key) {
            Some(false) => {
                let message = format!("`{key}` can only be `true`; leave it out otherwise");
                self.f.error(fields.at_value(key), "bad-value", message);
                false
            }
            Some(true) => true,
            None => false,
        }
    }

    fn sources(&mut self, fields: &Fields<'_>, node: &NodeName) -> Vec<PolicySource> {
        let mut list = Vec::new();
        let Some((at, tree)) = fields.get("from") else {
            return list;
        };
        for item in Findings::one_or_list(tree) {
            let Some(text) = self.f.text(at, item, "from") else {
                continue;
            };
            if text == "local" {
                list.push(PolicySource::Local);
            } else if let Some(session) = self.session_named(item.at, text)
                && self.at_session(item.at, node, &session)
            {
                if self
                    .session(&session)
                    .is_some_and(|one| one.fixed().is_some())
                {
                    let message = format!("`{session}` has static routes, and teaches nothing");
                    self.f
                        .error(item.at, "static-vpn", message)
                        .help("the short form's `pass` passes them on");
                }
                list.push(PolicySource::Session(session));
            }
        }
        list
    }

    fn changes(&mut self, fields: &Fields<'_>, key: &str) -> Vec<Set> {
        let mut list = Vec::new();
        if key == "export" && fields.has("local-pref") {
            self.f
                .warn(
                    fields.at_key("local-pref"),
                    "no-effect",
                    "`local-pref` does not leave an AS: an external peer never sees it",
                )
                .help("set it on `import`, or use `med`, `prepend` or a community");
        }
        let local_pref = fields.number(&mut self.f, "local-pref");
        list.extend(local_pref.map(Set::LocalPref));
        let med = fields.number(&mut self.f, "med");
        list.extend(med.map(Set::Med));
        let prepend = fields.number(&mut self.f, "prepend");
        list.extend(prepend.map(Set::Prepend));
        let added = self.communities(fields, "add-community");
        list.extend(added.into_iter().map(Set::AddCommunity));
        let removed = self.communities(fields, "remove-community");
        list.extend(removed.into_iter().map(Set::RemoveCommunity));
        if self.only_true(fields, "next-hop-self") {
            list.push(Set::NextHopSelf);
        }
        list
    }
}
