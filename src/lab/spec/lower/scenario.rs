//! The scenario's steps, and what must hold after them.

use super::{
    super::{
        At,
        keys::{CUT, DEGRADE, DROP, EXPECT, OUTCOME, RESTORED, SHARES, STEP, TIMES, WAIT},
        raw::{Tree, Value},
        reader::{Fields, an, and_list},
    },
    Lower, Section,
    links::SHAPE_KEYS,
};
use crate::{
    lab::model::{
        Alert, Daemon, Expect, ExpectAfter, Fault, Further, How, Kind, MAX_MTU, Mechanism,
        SessionKind, Step, StepKind, Tag,
    },
    units::{Bytes, LinkName, NodeName, Span},
};

/// The least packet that an expected `mtu` may mean: headers and a few bytes.
const EXPECTED_MTU_MIN: Bytes = Bytes::new(60);

/// Longest wait or sleep.
const MAX_WAIT: Span = Span::from_secs(3600);

/// What an expectation calls the restore of a fault.
const RESTORE: &str = "restore";
/// What an expectation calls the time before the first fault.
const START: &str = "start";

/// What a cut may name: one thing, or all that carries a tag.
const TARGETS: [&str; 6] = ["link", "session", "node", "location", "provider", "site"];

/// A fault that has been read, for `restore` and `expect`.
struct Done {
    label: String,
    target: String,
    restored: bool,
    restorable: bool,
}

impl Lower<'_> {
    pub(super) fn scenario(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("scenario") else {
            return;
        };
        let Some(items) = self.f.items(at, tree, "scenario") else {
            return;
        };
        let mut done: Vec<Done> = Vec::new();
        for item in items {
            let Some(kind) = self.step(item, &mut done) else {
                continue;
            };
            let line = item.at.line;
            self.lab.scenario.push(Step { kind, line });
        }
    }

    fn step(&mut self, item: &Tree, done: &mut Vec<Done>) -> Option<StepKind> {
        let fields = self.f.fields(item, &STEP, item.at)?;
        let keys: Vec<&str> = fields.keys().collect();
        let [key] = keys.as_slice() else {
            if !keys.is_empty() {
                let message = format!("a step is one thing, not {}", and_list(&keys));
                self.f
                    .error(item.at, "step", message)
                    .help("begin each step with its own `-`");
            } else if matches!(&item.value, Value::Map(entries) if entries.is_empty()) {
                self.f.error(item.at, "step", "an empty step");
            }
            return None;
        };
        let (at, tree) = fields.get(key)?;
        match *key {
            "restore" => self.restore(at, tree, done),
            "wait" => self.wait(at, tree),
            "sleep" => {
                let span = self.f.parse::<Span>(at, tree, "sleep")?;
                self.check_wait(tree.at, "sleep", span);
                Some(StepKind::Sleep(span))
            }
            fault => self.fault_step(at, tree, fault, done),
        }
    }

    fn check_wait(&mut self, at: At, key: &str, span: Span) {
        if span == Span::ZERO || span > MAX_WAIT {
            let message = format!("`{key}` is more than 0s and at most 1h, but this is {span}");
            self.f.error(at, "out-of-range", message);
        }
    }

    fn fault_step(
        &mut self,
        at: At,
        tree: &Tree,
        key: &'static str,
        done: &mut Vec<Done>,
    ) -> Option<StepKind> {
        let table = match key {
            "cut" => &CUT,
            "degrade" => &DEGRADE,
            _ => &DROP,
        };
        let fields = self.f.fields(tree, table, at)?;
        let label = fields.text(&mut self.f, "as").unwrap_or(key).to_owned();
        let label_at = fields.at_value("as");
        let fault = match key {
            "cut" => self.cut(&fields),
            "degrade" => self.degrade(&fields),
            _ => self.drop_packets(&fields),
        };
        self.check_label(label_at, &label, done);
        self.faults.push(label.clone());
        done.push(Done {
            label: label.clone(),
            target: TARGETS
                .into_iter()
                .find_map(|key| fields.text(&mut self.f, key))
                .unwrap_or_default()
                .to_owned(),
            restored: false,
            restorable: key != "drop",
        });
        Some(StepKind::Fault {
            label,
            fault: fault?,
        })
    }

    fn check_label(&mut self, at: At, label: &str, done: &[Done]) {
        if done.iter().any(|other| other.label == label) {
            self.f
                .error(at, "duplicate", format!("two faults are called `{label}`"))
                .help("name one of them: `as: …`");
        } else if [RESTORE, START].contains(&label) {
            let message = format!("a fault cannot be called `{label}`: `expect` uses the word");
            self.f.error(at, "bad-name", message);
        } else {
            self.f.name::<LinkName>(at, label);
        }
    }

    fn cut(&mut self, fields: &Fields<'_>) -> Option<Fault> {
        let how = self.how(fields);
        let given: Vec<&str> = TARGETS.into_iter().filter(|key| fields.has(key)).collect();
        let [what] = given.as_slice() else {
            let message = if given.is_empty() {
                "a cut needs a `link`, a `session`, a `node` or a tag".to_owned()
            } else {
                format!("a cut hits one thing, not {}", and_list(&given))
            };
            self.f.error(fields.at, "cut-target", message);
            return None;
        };
        let how = how?;
        let needs = how.hits();
        if !how.fits(what) {
            let help = self.what_instead(fields, how, what);
            let message = format!("`how: {how}` cuts a {needs}, not a {what}");
            self.f
                .error(fields.at_value("how"), "cut-target", message)
                .help(help);
            return None;
        }
        let tag = Tag::parse(what);
        for (key, fits) in [("from", how.takes_from()), ("at", how.takes_at())] {
            if fields.has(key) && tag.is_some() {
                let message = format!("a cut by `{what}` has no `{key}`: it hits both ends");
                self.f.error(fields.at_key(key), "foreign-key", message);
            } else if fields.has(key) && !fits {
                let message = format!("`how: {how}` has no `{key}`");
                self.f.error(fields.at_key(key), "foreign-key", message);
            }
        }
        if let Some(tag) = tag {
            return self.cut_tagged(fields, tag, how);
        }
        match how {
            How::Silent | How::OneWay | How::Carrier => self.cut_link(fields, how),
            How::BgpShutdown => self.shutdown(fields),
            How::Maintenance => self.maintenance(fields),
            How::Kill | How::Freeze | How::Node => self.cut_node(fields, how),
        }
    }

    /// What fits the target that is named, and the target that fits what is asked.
    fn what_instead(&self, fields: &Fields<'_>, how: How, what: &str) -> String {
        let fitting = and_list(&How::of(what)).replace(" and ", " or ");
        let named = match fields.get(what).map(|(_, tree)| &tree.value) {
            Some(Value::Text(text)) => text.as_str(),
            Some(Value::Null | Value::List(_) | Value::Map(_)) | None => "",
        };
        let carriers = match (what, how.hits()) {
            ("session", "link") => self.links_below(named),
            ("link", "session") => self.sessions_over(named),
            _ => Vec::new(),
        };
        let needs = how.hits();
        if carriers.is_empty() {
            return format!("{} is cut by {fitting}", an(what));
        }
        let which: Vec<String> = carriers
            .iter()
            .map(|name| format!("`{needs}: {name}`"))
            .collect();
        format!(
            "write {}; {} is cut by {fitting}",
            which.join(" or "),
            an(what)
        )
    }

    /// The links that carry a session.
    pub(super) fn links_below(&self, session: &str) -> Vec<String> {
        let links = self
            .lab
            .sessions
            .get(session)
            .map(|session| match &session.kind {
                SessionKind::Vpn(vpn) => {
                    let mut links = vpn.underlay.to_vec();
                    links.dedup();
                    links
                }
                SessionKind::Vif(vif) => vec![vif.link.clone()],
                SessionKind::Ebgp { link } | SessionKind::Ibgp { link, .. } => vec![link.clone()],
            });
        let names = links.unwrap_or_default();
        names.iter().map(ToString::to_string).collect()
    }

    /// The sessions that a link carries.
    pub(super) fn sessions_over(&self, link: &str) -> Vec<String> {
        self.lab
            .sessions
            .keys()
            .map(ToString::to_string)
            .filter(|session| self.links_below(session).iter().any(|l| l == link))
            .collect()
    }

    fn how(&mut self, fields: &Fields<'_>) -> Option<How> {
        if let Some((_, tree)) = fields.get("how")
            && let Value::Text(text) = &tree.value
            && ["flap", "control-plane-only"].contains(&text.as_str())
        {
            let message = format!("`how: {text}` is not in this version");
            self.f.error(tree.at, "later", message);
            return None;
        }
        How::parse(fields.choice(&mut self.f, "how")?)
    }

    fn step_link(&mut self, fields: &Fields<'_>) -> Option<(LinkName, [NodeName; 2])> {
        let text = fields.text(&mut self.f, "link")?;
        let at = fields.at_value("link");
        let link = self.way_named(at, text)?;
        if self.refuse_lag(at, &link, "this step") {
            return None;
        }
        let ends = self.link(&link)?.ends.clone();
        Some((link, ends))
    }

    /// One of the two ends, where the key is given.
    fn one_end(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        ends: &[NodeName; 2],
    ) -> Option<NodeName> {
        let text = fields.text(&mut self.f, key)?;
        if let Some(end) = ends.iter().find(|end| end.as_str() == text) {
            return Some(end.clone());
        }
        let key = super::super::raw::Key {
            at: fields.at_value(key),
            text: text.to_owned(),
        };
        self.not_an_end(&key, ends);
        None
    }

    fn cut_link(&mut self, fields: &Fields<'_>, how: How) -> Option<Fault> {
        let text = fields.text(&mut self.f, "link")?;
        let at = fields.at_value("link");
        let link = self.way_named(at, text)?;
        if how == How::OneWay && self.refuse_lag(at, &link, "a one-way cut") {
            return None;
        }
        let ends = match self.lab.lags.get(&link) {
            Some(lag) => lag.ends.clone(),
            None => self.link(&link)?.ends.clone(),
        };
        match how {
            How::Silent => Some(Fault::Silent { link, from: None }),
            How::Carrier => {
                let at = self.one_end(fields, "at", &ends);
                (at.is_some() || !fields.has("at")).then_some(Fault::Carrier { link, at })
            }
            How::OneWay
            | How::BgpShutdown
            | How::Maintenance
            | How::Kill
            | How::Freeze
            | How::Node => {
                if !fields.has("from") {
                    self.f
                        .error(fields.at, "missing-key", "`how: one-way` needs `from`")
                        .help(format!(
                            "whose packets vanish: `{}` or `{}`",
                            ends[0], ends[1]
                        ));
                }
                let from = Some(self.one_end(fields, "from", &ends)?);
                Some(Fault::Silent { link, from })
            }
        }
    }

    fn shutdown(&mut self, fields: &Fields<'_>) -> Option<Fault> {
        let text = fields.text(&mut self.f, "session")?;
        let session = self.session_named(fields.at_value("session"), text)?;
        let found = self.session(&session)?;
        if found.fixed().is_some() {
            let at = fields.at_value("session");
            let message = format!("`{session}` has static routes, and no BGP to shut down");
            self.f.error(at, "static-vpn", message).help(
                "cut what is beneath it, or `cut: { node: ENDPOINT, how: kill }` its IKE daemon",
            );
            return None;
        }
        let ends = found.ends.clone();
        let aws = ends
            .iter()
            .find(|end| self.kind(end).is_some_and(Kind::is_aws))
            .cloned();
        let Some(node) = self.one_end(fields, "at", &ends).or(aws) else {
            if !fields.has("at") {
                let message = "shutting down a session outside AWS needs `at`";
                self.f
                    .error(fields.at, "missing-key", message)
                    .help(format!("which end does it: `{}` or `{}`", ends[0], ends[1]));
            }
            return None;
        };
        Some(Fault::BgpShutdown { session, node })
    }

    fn cut_node(&mut self, fields: &Fields<'_>, how: How) -> Option<Fault> {
        let text = fields.text(&mut self.f, "node")?;
        let at = fields.at_value("node");
        if self.is_endpoint(text) {
            return self.cut_endpoint(at, text, how);
        }
        let node = self.node_named(at, text)?;
        let links: Vec<LinkName> = self
            .lab
            .links
            .iter()
            .filter(|(_, link)| link.ends.contains(&node))
            .map(|(name, _)| name.clone())
            .collect();
        let spec = self.lab.nodes.get(&node)?;
        if how == How::Node {
            if matches!(spec.kind, Kind::Vpc { .. }) {
                self.f
                    .error(at, "wrong-kind", "a vpc does not die: it is no machine");
                return None;
            }
            return Some(Fault::NodeDeath { node, links });
        }
        if spec.daemon == Daemon::None || matches!(spec.kind, Kind::Vpc { .. }) {
            let message = format!("`{node}` runs no daemon to {how}");
            self.f.error(at, "no-daemon", message);
            return None;
        }
        Some(if how == How::Kill {
            Fault::Kill { node }
        } else {
            Fault::Freeze { node }
        })
    }

    /// The IKE daemon of a tunnel's endpoint.
    fn cut_endpoint(&mut self, at: At, text: &str, how: How) -> Option<Fault> {
        let node = NodeName::new(text).ok()?;
        match how {
            How::Kill => Some(Fault::Kill { node }),
            How::Freeze => Some(Fault::Freeze { node }),
            How::Silent
            | How::OneWay
            | How::Carrier
            | How::BgpShutdown
            | How::Maintenance
            | How::Node => {
                let message = format!("`{text}` is a tunnel's endpoint: kill or freeze its daemon");
                self.f.error(at, "wrong-kind", message);
                None
            }
        }
    }

    fn cut_tagged(&mut self, fields: &Fields<'_>, tag: Tag, how: How) -> Option<Fault> {
        let value = fields.text(&mut self.f, tag.word())?;
        let values = self.lab.values_of(tag);
        if values.contains(value) {
            let (links, nodes) = self.lab.tagged(tag, value);
            if links.is_empty() {
                let at = fields.at_value(tag.word());
                let message = format!("nothing of `{tag}: {value}` has a link to cut");
                self.f.error(at, "cut-target", message);
                return None;
            }
            return Some(Fault::Tagged {
                tag,
                value: value.to_owned(),
                how,
                links,
                nodes: if how == How::Node { nodes } else { Vec::new() },
            });
        }
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        // What was not understood may carry it.
        if self.links_complete() && self.nodes_complete() {
            let message = format!("no node and no link has `{tag}: {value}`");
            let at = fields.at_value(tag.word());
            let found = self.f.error(at, "unknown-name", message);
            if values.is_empty() {
                found.help(format!(
                    "`{tag}` is a key of nodes and links; nothing in this lab has it"
                ));
            } else {
                found.one_of(value, values.iter().map(String::as_str));
            }
        }
        None
    }

    fn degrade(&mut self, fields: &Fields<'_>) -> Option<Fault> {
        if !SHAPE_KEYS.iter().any(|key| fields.has(key)) {
            self.f
                .error(fields.at, "missing-key", "a degrade step changes something")
                .help(format!(
                    "give {}",
                    and_list(&SHAPE_KEYS).replace(" and ", " or ")
                ));
        }
        let (link, ends) = self.step_link(fields)?;
        let base = self.link(&link)?.shape.clone();
        let shape = self.shape(fields, Some(&ends), base);
        Some(Fault::Degrade { link, shape })
    }

    fn drop_packets(&mut self, fields: &Fields<'_>) -> Option<Fault> {
        let packets = fields.number(&mut self.f, "packets");
        let (link, _) = self.step_link(fields)?;
        Some(Fault::DropNumbered {
            link,
            packets: packets?,
        })
    }

    fn restore(&mut self, at: At, tree: &Tree, done: &mut [Done]) -> Option<StepKind> {
        let text = self.f.text(at, tree, "restore")?;
        let by_label = done.iter().position(|fault| fault.label == text);
        let by_target: Vec<usize> = done
            .iter()
            .enumerate()
            .filter(|(_, fault)| fault.target == text && !fault.restored && fault.restorable)
            .map(|(index, _)| index)
            .collect();
        let index = match (by_label, by_target.as_slice()) {
            (Some(index), _) => index,
            (None, [index]) => *index,
            (None, []) => {
                let words: Vec<&str> = done
                    .iter()
                    .filter(|fault| !fault.restored)
                    .flat_map(|fault| [fault.label.as_str(), fault.target.as_str()])
                    .filter(|word| !word.is_empty())
                    .collect();
                let message = format!("nothing called `{text}` is cut at this point");
                self.f
                    .error(tree.at, "restore", message)
                    .one_of(text, words);
                return None;
            }
            (None, several) => {
                let labels: Vec<&str> = several
                    .iter()
                    .filter_map(|index| done.get(*index))
                    .map(|fault| fault.label.as_str())
                    .collect();
                let message = format!("several faults hit `{text}`: {}", and_list(&labels));
                self.f
                    .error(tree.at, "ambiguous", message)
                    .help("restore one of them by its name");
                return None;
            }
        };
        let fault = done.get_mut(index)?;
        if fault.restored {
            let message = format!("`{}` is already restored", fault.label);
            self.f.error(tree.at, "restore", message);
            return None;
        }
        if !fault.restorable {
            let message = format!("`{}` ends by itself", fault.label);
            self.f.error(tree.at, "restore", message);
            return None;
        }
        fault.restored = true;
        self.restored.push(fault.label.clone());
        Some(StepKind::Restore {
            label: fault.label.clone(),
        })
    }

    fn wait(&mut self, at: At, tree: &Tree) -> Option<StepKind> {
        let fields = self.f.fields(tree, &WAIT, at)?;
        let within = fields.parse::<Span>(&mut self.f, "within");
        if let Some(within) = within {
            self.check_wait(fields.at_value("within"), "within", within);
        }
        let [(key, what)] = fields.others.as_slice() else {
            let message = format!(
                "a wait step names one probe, but this names {}",
                fields.others.len()
            );
            self.f
                .error(at, "wait", message)
                .help("write it like `wait: { app: recovered, within: 5s }`");
            return None;
        };
        self.f.choice(key.at, what, &key.text, &["recovered"]);
        let probe = self.measured_probe(key.at, &key.text)?;
        Some(StepKind::WaitRecovered {
            probe,
            within: within?,
        })
    }

    pub(super) fn expect(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("expect") else {
            return;
        };
        let Some(items) = self.f.items(at, tree, "expect") else {
            return;
        };
        // A scenario that is missing by mistake would make every `after` one.
        let hidden = !fields.has("scenario") && self.f.failed;
        for item in items.iter().filter(|_| !hidden) {
            match Self::is_of_a_sweep(item) {
                true => self.survives(item),
                false => self.expectation(item),
            }
        }
    }

    fn expectation(&mut self, item: &Tree) {
        let Some(fields) = self.f.fields(item, &EXPECT, item.at) else {
            return;
        };
        let after = self.after(&fields);
        if fields.others.is_empty() {
            self.f
                .error(item.at, "expect", "an expectation names a probe or a load")
                .help("write it like `{ after: cut, app: { outage: 1.2s } }`");
        }
        for (key, tree) in &fields.others {
            if self.is_known(Section::Load, &key.text) {
                self.load_expectation(after.as_ref(), key, tree);
                continue;
            }
            let probe = self.measured_probe(key.at, &key.text);
            let Some(outcome) = self.f.fields(tree, &OUTCOME, key.at) else {
                continue;
            };
            self.only_of_loads(&outcome, &key.text);
            if matches!(&tree.value, Value::Map(entries) if entries.is_empty()) {
                self.f.error(
                    key.at,
                    "expect",
                    "an expectation says `outage`, `lost`, `via`, `recovered`, `alert`, `loss`, `delay`, `delay-p99`, `interruptions`, `detected-by`, `never-via` or `mtu`",
                );
            }
            let outage_max = outcome.parse::<Span>(&mut self.f, "outage");
            let lost = outcome.number(&mut self.f, "lost");
            let via = match outcome.text(&mut self.f, "via") {
                Some(text) => self.session_named(outcome.at_value("via"), text),
                None => None,
            };
            let recovered = outcome.flag(&mut self.f, "recovered");
            let alert = outcome.choice(&mut self.f, "alert").and_then(Alert::parse);
            let loss = self.bounds(&outcome, ("loss", &SHARES));
            let delay = self.bounds(&outcome, ("delay", &TIMES));
            let delay_p99 = self.bounds(&outcome, ("delay-p99", &TIMES));
            let further = self.further(&outcome, after.as_ref());
            self.check_outcome(after.as_ref(), &outcome, recovered);
            if let (Some(after), Some(probe)) = (after.clone(), probe) {
                self.lab.expect.push(Expect {
                    after,
                    probe,
                    outage_max,
                    lost,
                    via,
                    recovered,
                    alert,
                    loss,
                    delay,
                    delay_p99,
                    further,
                    line: key.at.line,
                });
            }
        }
    }

    /// Whether what is asked for can be said of that time, and together.
    fn check_outcome(
        &mut self,
        after: Option<&ExpectAfter>,
        outcome: &Fields<'_>,
        recovered: Option<bool>,
    ) {
        if after == Some(&ExpectAfter::Start)
            && let Some(other) = ["outage", "recovered", "interruptions", "detected-by"]
                .into_iter()
                .find(|k| outcome.has(k))
        {
            let text = format!("`{other}` is of what follows a fault, and at `start` none is");
            self.f.error(outcome.at_key(other), "expect", text).help(
                "before the first fault there are `lost`, `loss`, `delay`, `delay-p99`, `via`, `never-via`, `mtu` and `alert`",
            );
        }
        if recovered == Some(false)
            && let Some(other) = [
                "outage",
                "lost",
                "via",
                "loss",
                "delay",
                "delay-p99",
                "interruptions",
            ]
            .into_iter()
            .find(|k| outcome.has(k))
        {
            let text = format!(
                "`{other}` is of traffic that comes back, and `recovered: false` says that it does not"
            );
            self.f
                .error(outcome.at_key(other), "expect", text)
                .help("leave one of the two out");
        }
    }

    fn further(&mut self, outcome: &Fields<'_>, after: Option<&ExpectAfter>) -> Further {
        let never_via = match outcome.text(&mut self.f, "never-via") {
            Some(text) => self.session_named(outcome.at_value("never-via"), text),
            None => None,
        };
        if outcome.has("never-via") && after.is_some_and(|after| *after != ExpectAfter::Start) {
            let text = "`never-via` is of what is so before the first fault";
            self.f
                .error(outcome.at_key("never-via"), "expect", text)
                .help("write it `after: start`; which way traffic takes once a fault is over is `via`");
        }
        Further {
            interruptions: outcome.number(&mut self.f, "interruptions"),
            detected_by: outcome
                .choice(&mut self.f, "detected-by")
                .and_then(Mechanism::parse),
            never_via,
            mtu: self.expected_mtu(outcome, after),
        }
    }

    fn expected_mtu(&mut self, outcome: &Fields<'_>, after: Option<&ExpectAfter>) -> Option<Bytes> {
        let mtu = outcome.parse::<Bytes>(&mut self.f, "mtu")?;
        if after.is_some_and(|after| *after != ExpectAfter::Start) {
            let text = "`mtu` is of what is so before the first fault";
            self.f
                .error(outcome.at_key("mtu"), "expect", text)
                .help("write it `after: start`");
        }
        if !(EXPECTED_MTU_MIN..=MAX_MTU).contains(&mtu) {
            let text = format!("`mtu` is {mtu}, but may be {EXPECTED_MTU_MIN} to {MAX_MTU}");
            self.f.error(outcome.at_value("mtu"), "range", text);
            return None;
        }
        Some(mtu)
    }

    fn after(&mut self, fields: &Fields<'_>) -> Option<ExpectAfter> {
        let (at, tree) = fields.get("after")?;
        let restored = self.restored.clone();
        if matches!(tree.value, Value::Map(_)) {
            let inner = self.f.fields(tree, &RESTORED, at)?;
            let label = inner.text(&mut self.f, "restore")?;
            if restored.iter().any(|other| other == label) {
                return Some(ExpectAfter::Restore(label.to_owned()));
            }
            self.f
                .error(
                    inner.at_value("restore"),
                    "unknown-name",
                    format!("no step restores `{label}`"),
                )
                .one_of(label, restored.iter().map(String::as_str));
            return None;
        }
        let text = self.f.text(at, tree, "after")?;
        if text == START {
            return Some(ExpectAfter::Start);
        }
        if text == RESTORE {
            return match restored.as_slice() {
                [only] => Some(ExpectAfter::Restore(only.clone())),
                [] => {
                    self.f
                        .error(tree.at, "unknown-name", "no step restores anything");
                    None
                }
                several => {
                    let message = format!("several faults are restored: {}", and_list(several));
                    self.f
                        .error(tree.at, "ambiguous", message)
                        .help("write `after: { restore: NAME }`");
                    None
                }
            };
        }
        let faults = self.faults.clone();
        if faults.iter().any(|label| label == text) {
            return Some(ExpectAfter::Fault(text.to_owned()));
        }
        let message = format!("no step of the scenario is called `{text}`");
        self.f.error(tree.at, "unknown-name", message).one_of(
            text,
            faults.iter().map(String::as_str).chain([RESTORE, START]),
        );
        None
    }
}
