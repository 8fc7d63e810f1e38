//! A transit gateway's route tables, and AWS's rules for them (Transit Gateway Guide,
//! "Transit gateway route tables").

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{
    super::{
        At,
        keys::ROUTE_TABLE,
        raw::{Key, Tree, Value},
        reader::{Fields, Findings, and_list},
    },
    Lower, Section,
};
use crate::{
    lab::model::{Kind, TgwAttachment, TgwTable, aws},
    units::{NodeName, RouteTableName},
};

/// A route table as written: what its words name is known once sessions are.
pub(super) struct Written {
    tgw: String,
    name: RouteTableName,
    associate: Vec<(String, At)>,
    propagate: Vec<(String, At)>,
    routes: Vec<(IpNet, String, At)>,
}

impl Lower<'_> {
    /// Reads the tables of a tgw.
    pub(super) fn read_route_tables(&mut self, tgw: &str, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("route-tables") else {
            return;
        };
        let entries = self.f.entries(tree, at, "route-tables");
        if entries.is_empty() && matches!(tree.value, Value::Map(_)) {
            self.f
                .error(at, "empty", "`route-tables` without a table")
                .help("leave it out: then there is the default one, with everything in it");
        }
        if entries.len() > aws::TGW_MAX_TABLES {
            let message = format!(
                "`{tgw}` has {} route tables; a tgw has at most {} (Transit Gateway quotas)",
                entries.len(),
                aws::TGW_MAX_TABLES
            );
            self.f.error(at, "aws-route-table", message);
        }
        if fields.has("routes") {
            self.f
                .error(
                    fields.at_key("routes"),
                    "aws-route-table",
                    format!("`{tgw}` has route tables, and each static route is in one of them"),
                )
                .help("write it into a table's own `routes`");
        }
        for (key, tree) in entries {
            if let Some(table) = self.read_route_table(tgw, key, tree) {
                self.route_tables.push(table);
            }
        }
    }

    fn read_route_table(&mut self, tgw: &str, key: &Key, tree: &Tree) -> Option<Written> {
        let fields = self.f.fields(tree, &ROUTE_TABLE, key.at)?;
        let name = self.f.name::<RouteTableName>(key.at, &key.text)?;
        let mut routes = Vec::new();
        if let Some((at, tree)) = fields.get("routes") {
            for (key, tree) in self.f.entries(tree, at, "routes") {
                let prefix = self.table_prefix(key);
                let to = self.f.text(key.at, tree, "via").map(str::to_owned);
                if let (Some(prefix), Some(to)) = (prefix, to) {
                    routes.push((prefix, to, tree.at));
                }
            }
        }
        let mut words = |key| {
            let (at, tree) = fields.get(key)?;
            let list = Findings::one_or_list(tree).iter();
            let words: Vec<(String, At)> = list
                .filter_map(|item| Some((self.f.text(at, item, key)?.to_owned(), item.at)))
                .collect();
            Some(words)
        };
        Some(Written {
            tgw: tgw.to_owned(),
            name,
            associate: words("associate").unwrap_or_default(),
            propagate: words("propagate").unwrap_or_default(),
            routes,
        })
    }

    /// A destination; `default` is IPv4's.
    pub(super) fn table_prefix(&mut self, key: &Key) -> Option<IpNet> {
        if key.text == "default" {
            return "0.0.0.0/0".parse().ok();
        }
        let tree = Tree {
            at: key.at,
            value: Value::Text(key.text.clone()),
        };
        self.f.routed_prefix(key.at, &tree, "routes")
    }

    /// What tables name is there, every attachment is associated once, and what AWS has no
    /// dynamic routes of propagates nothing.
    pub(super) fn check_route_tables(&mut self) {
        let mut associated: BTreeMap<(String, TgwAttachment), RouteTableName> = BTreeMap::new();
        let written = std::mem::take(&mut self.route_tables);
        let tgws: BTreeSet<String> = written.iter().map(|one| one.tgw.clone()).collect();
        for one in written {
            let mut table = TgwTable::default();
            for (word, at) in &one.associate {
                let Some(found) = self.attachment(&one.tgw, word, *at) else {
                    continue;
                };
                let key = (one.tgw.clone(), found.clone());
                if let Some(other) = associated.insert(key, one.name.clone()) {
                    let message = format!(
                        "`{word}` is associated with `{other}` and `{}`; an attachment is associated with one route table",
                        one.name
                    );
                    self.f.error(*at, "aws-association", message).help(
                        "it may propagate into several (Transit Gateway Guide, \"Route table association\")",
                    );
                }
                table.associated.insert(found);
            }
            for (word, at) in &one.propagate {
                table
                    .propagated
                    .extend(self.propagation(&one.tgw, word, *at));
            }
            for (prefix, word, at) in &one.routes {
                if let Some(to) = self.table_target(&one.tgw, *prefix, word, *at) {
                    table.routes.insert(*prefix, to);
                }
            }
            let node = self.lab.nodes.get_mut(one.tgw.as_str());
            if let Some(Kind::Tgw { tables, .. }) = node.map(|node| &mut node.kind) {
                tables.insert(one.name, table);
            }
        }
        for tgw in tgws {
            self.check_all_associated(&tgw, &associated);
        }
    }

    /// An attachment without an association has no way to anywhere; and with tables of its
    /// own a tgw is told there what propagates.
    fn check_all_associated(
        &mut self,
        tgw: &str,
        associated: &BTreeMap<(String, TgwAttachment), RouteTableName>,
    ) {
        // Half a file misses much.
        let Ok(name) = NodeName::new(tgw) else { return };
        if self.f.failed {
            return;
        }
        for attachment in self.lab.tgw_attachments(&name) {
            if !associated.contains_key(&(tgw.to_owned(), attachment.clone())) {
                let at = self.at(Section::Nodes, tgw);
                let message = format!(
                    "`{attachment}` is associated with no route table of `{tgw}`: what it sends would be dropped"
                );
                self.f
                    .error(at, "aws-association", message)
                    .help("name it in one table's `associate`");
            }
            let TgwAttachment::Vpc(vpc) = &attachment else {
                continue;
            };
            let kind = self.kind(vpc);
            if matches!(
                kind,
                Some(Kind::Vpc {
                    propagate: false,
                    ..
                })
            ) {
                let at = self.at(Section::Nodes, vpc.as_str());
                let message = format!(
                    "`propagate` of `{vpc}` is for a tgw with its default route table, and `{tgw}` has tables"
                );
                self.f
                    .error(at, "aws-route-table", message)
                    .help("it propagates into the tables whose `propagate` names it");
            }
        }
    }

    /// What a table's word names.
    fn attachment(&mut self, tgw: &str, word: &str, at: At) -> Option<TgwAttachment> {
        let name = NodeName::new(tgw).ok()?;
        let all = self.lab.tgw_attachments(&name);
        let by_link = |one: &&TgwAttachment| matches!(one, TgwAttachment::Peering(link, _) if link.as_str() == word);
        let found: Vec<&TgwAttachment> = all.iter().filter(|one| one.name() == word).collect();
        match (found.as_slice(), all.iter().find(by_link)) {
            (&[only], _) => return Some(only.clone()),
            ([], Some(peering)) => return Some(peering.clone()),
            ([], None) => {}
            (_, _) => {
                let message = format!("`{word}` is attached to `{tgw}` in several ways");
                self.f
                    .error(at, "ambiguous", message)
                    .help("name a peering by its link; give a node and a VPN different names");
                return None;
            }
        }
        // A broken node or session has been reported where it is.
        let is_there = |section| self.is_known(section, word);
        let is_broken = (is_there(Section::Nodes) && !self.lab.nodes.contains_key(word))
            || (is_there(Section::Sessions) && !self.lab.sessions.contains_key(word));
        if !is_broken {
            let names: Vec<&str> = all.iter().map(TgwAttachment::name).collect();
            let message = format!("`{word}` is not attached to `{tgw}`");
            let found = self.f.error(at, "aws-attachment", message);
            match names.is_empty() {
                true => found.help("attached are vpcs, VPNs, dxgws and the tgws it is linked to"),
                false => found.help(format!("attached is {}", and_list(&names))),
            }
        }
        None
    }

    fn propagation(&mut self, tgw: &str, word: &str, at: At) -> Option<TgwAttachment> {
        let found = self.attachment(tgw, word, at)?;
        if let TgwAttachment::Peering(_, other) = &found {
            self.f
                .error(
                    at,
                    "aws-propagation",
                    format!("a peering propagates nothing: over the one with `{other}` only static routes go"),
                )
                .help("write them into the table's `routes` (Transit Gateway Guide, \"Transit gateway peering attachments\")");
            return None;
        }
        Some(found)
    }

    /// `Some(None)`: a blackhole.
    fn table_target(
        &mut self,
        tgw: &str,
        prefix: IpNet,
        word: &str,
        at: At,
    ) -> Option<Option<TgwAttachment>> {
        if word == "blackhole" {
            return Some(None);
        }
        let found = self.attachment(tgw, word, at)?;
        if let TgwAttachment::Dxgw(_) | TgwAttachment::Vpn(_) = found {
            self.f
                .error(
                    at,
                    "aws-route",
                    format!("`{tgw}` routes `{prefix}` to `{word}`, of which it learns by BGP"),
                )
                .help("here static routes lead to a vpc, over a peering, or to `blackhole`");
            return None;
        }
        Some(Some(found))
    }
}
