//! Adj-RIBs-Out: telling each peer what changed for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ipnet::IpNet;

use super::table::{Effect, Path, PeerTable, Rib, Source};
use crate::proto::bgp::decision::Kind;
use crate::proto::bgp::export::{Target, may_export, transform};
use crate::proto::bgp::policy;
use crate::proto::bgp::wire::{
    Attributes, Refresh, encode_announce, encode_end_of_rib, encode_refresh, encode_withdraw,
};
use crate::units::{Family, Rule};

/// What a peer has been told, and what it is still owed.
#[derive(Debug, Default)]
pub(super) struct Advertised {
    routes: BTreeMap<IpNet, Arc<Attributes>>,
    /// Families of which the peer is owed the whole table, End-of-RIB included.
    owed: BTreeMap<Family, Owed>,
    /// What it has been told may have to be told anew, all of it.
    compare: bool,
}

/// Why a peer is owed a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// It has heard nothing of it since the session is up.
    Anew,
    /// It has asked for it again.
    Again,
}

impl Advertised {
    pub(super) fn owe(&mut self, families: &[Family]) {
        self.routes.clear();
        let anew = families.iter().map(|&family| (family, Owed::Anew));
        self.owed.extend(anew);
    }

    /// Owes the whole table of a family again, told already or not.
    pub(super) fn owe_again(&mut self, family: Family) {
        self.owed.entry(family).or_insert(Owed::Again);
    }

    /// Whatever is told otherwise now than before is owed.
    pub(super) fn compare_all(&mut self) {
        self.compare = true;
    }

    pub(super) fn len(&self) -> u64 {
        self.routes.len() as u64
    }
}

/// Prefixes that are told with the same attributes.
#[derive(Debug)]
struct Group {
    attributes: Arc<Attributes>,
    prefixes: Vec<IpNet>,
}

/// How a peer's messages are written.
#[derive(Debug, Clone, Copy)]
struct Form {
    /// AS numbers have four octets.
    four_octet: bool,
    /// The longest message it takes, in bytes.
    longest: usize,
}

/// Where outgoing attributes come from: the same three always give the same.
type Recipe = (*const Attributes, Option<usize>, usize, Family);

/// The changes for one peer.
#[derive(Debug, Default)]
struct Batch {
    withdrawn: Vec<IpNet>,
    groups: Vec<Group>,
    by_recipe: HashMap<Recipe, Option<usize>>,
    by_value: HashMap<Arc<Attributes>, usize>,
}

impl Rib {
    /// Tells the peer of the changed prefixes, or of everything it is owed.
    pub(super) fn advertise(
        &mut self,
        peer: usize,
        changed: &BTreeSet<IpNet>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(table) = self.peers.get_mut(peer).filter(|table| table.associated) else {
            return;
        };
        let Some(session) = &table.session else {
            return;
        };
        let families = session.kind.families.clone();
        let form = Form {
            four_octet: session.kind.four_octet,
            longest: session.message_bytes_max,
        };
        let markers = session.refresh_markers;
        let mut advertised = std::mem::take(&mut table.advertised);
        let owed = std::mem::take(&mut advertised.owed);
        let mut batch = Batch::default();
        for family in owed.keys() {
            for (prefix, entry) in &self.entries {
                if let Some(best) = entry
                    .best
                    .as_ref()
                    .filter(|_| Family::of(prefix) == *family)
                {
                    let told = self.export(peer, prefix, best, &mut batch);
                    batch.note(*prefix, told, &mut advertised.routes, true);
                }
            }
        }
        let all: BTreeSet<IpNet>;
        let changed = if std::mem::take(&mut advertised.compare) {
            all = self.entries.keys().chain(changed).copied().collect();
            &all
        } else {
            changed
        };
        for prefix in changed {
            if families.contains(&Family::of(prefix)) {
                let best = self
                    .entries
                    .get(prefix)
                    .and_then(|entry| entry.best.as_ref());
                let told = best.and_then(|best| self.export(peer, prefix, best, &mut batch));
                batch.note(*prefix, told, &mut advertised.routes, false);
            }
        }
        // RFC 7313 §4: a table told again stands between markers, told first before End-of-RIB.
        let marked = |&(_, &why): &(&Family, &Owed)| markers && why == Owed::Again;
        let again: Vec<Family> = owed.iter().filter(marked).map(|(one, _)| *one).collect();
        let mark = |what: Refresh| {
            let bytes = |&family: &Family| encode_refresh(what, family);
            let bytes: Vec<_> = again.iter().flat_map(bytes).collect();
            let messages = again.len() as u64;
            (messages > 0).then_some(Effect::Refresh {
                peer,
                bytes,
                messages,
            })
        };
        effects.extend(mark(Refresh::Begin));
        let (mut bytes, mut messages) = batch.encode(peer, form, &mut advertised, effects);
        for family in owed.keys().filter(|family| !again.contains(family)) {
            encode_end_of_rib(*family, &mut bytes);
            messages += 1;
        }
        if messages > 0 {
            effects.push(Effect::Updates {
                peer,
                bytes,
                messages,
            });
        }
        effects.extend(mark(Refresh::End));
        if let Some(table) = self.peers.get_mut(peer) {
            table.advertised = advertised;
        }
    }

    /// The group of the attributes that the peer is to be told; none if it is
    /// not to know the route.
    fn export(&self, peer: usize, prefix: &IpNet, best: &Path, batch: &mut Batch) -> Option<usize> {
        let table = self.peers.get(peer)?;
        let kind = self.kind(best);
        let target = Target {
            peer: &table.config,
            asn: table.asn,
        };
        // §9.2 has no need to return a route to whom it came from.
        if best.source == Source::Peer(peer as u32) || !may_export(target, kind, &best.attributes) {
            return None;
        }
        let session = |index: usize| self.peers.get(index).map(session_name);
        let source = best.source.peer().and_then(session);
        let export = &table.config.export;
        let (index, rule) = policy::accepting_rule(export, prefix, &best.attributes, source)?;
        let recipe = (
            Arc::as_ptr(&best.attributes),
            best.source.peer(),
            index,
            Family::of(prefix),
        );
        batch.group(
            recipe,
            (target, table.med),
            rule,
            prefix,
            kind,
            &best.attributes,
        )
    }
}

impl Batch {
    fn group(
        &mut self,
        recipe: Recipe,
        (target, med): (Target<'_>, Option<u32>),
        rule: &Rule,
        prefix: &IpNet,
        kind: Kind,
        attributes: &Attributes,
    ) -> Option<usize> {
        if let Some(known) = self.by_recipe.get(&recipe) {
            return *known;
        }
        let index = transform(target, rule, prefix, kind, attributes).map(|mut out| {
            out.med = med.or(out.med);
            let out = Arc::new(out);
            *self.by_value.entry(Arc::clone(&out)).or_insert_with(|| {
                self.groups.push(Group {
                    attributes: out,
                    prefixes: Vec::new(),
                });
                self.groups.len() - 1
            })
        });
        self.by_recipe.insert(recipe, index);
        index
    }

    /// Notes what the peer has to be told of the prefix, if anything is new or
    /// it is to be told `again`.
    fn note(
        &mut self,
        prefix: IpNet,
        told: Option<usize>,
        routes: &mut BTreeMap<IpNet, Arc<Attributes>>,
        again: bool,
    ) {
        let Some(group) = told.and_then(|index| self.groups.get_mut(index)) else {
            if routes.remove(&prefix).is_some() {
                self.withdrawn.push(prefix);
            }
            return;
        };
        let before = routes.insert(prefix, Arc::clone(&group.attributes));
        if again || before.as_ref() != Some(&group.attributes) {
            group.prefixes.push(prefix);
        }
    }

    /// The UPDATEs and their number.
    fn encode(
        mut self,
        peer: usize,
        form: Form,
        advertised: &mut Advertised,
        effects: &mut Vec<Effect>,
    ) -> (Vec<u8>, u64) {
        let mut announcements = Vec::new();
        let mut messages = 0;
        for group in &self.groups {
            let encoded = encode_announce(
                &group.attributes,
                &group.prefixes,
                form.four_octet,
                form.longest,
                &mut announcements,
            );
            match encoded {
                Ok(count) => messages += count,
                Err(_) => {
                    // What the peer may have been told before no longer holds.
                    for prefix in &group.prefixes {
                        advertised.routes.remove(prefix);
                    }
                    self.withdrawn.extend(&group.prefixes);
                    effects.extend(
                        group
                            .prefixes
                            .first()
                            .map(|&prefix| Effect::TooLarge { peer, prefix }),
                    );
                }
            }
        }
        let mut bytes = Vec::new();
        self.withdrawn.sort_unstable();
        for family in self
            .withdrawn
            .chunk_by(|a, b| Family::of(a) == Family::of(b))
        {
            messages += encode_withdraw(family, form.longest, &mut bytes);
        }
        bytes.append(&mut announcements);
        (bytes, messages)
    }
}

const fn session_name(table: &PeerTable) -> &crate::units::SessionName {
    &table.config.session
}
