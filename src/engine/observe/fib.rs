//! A mirror of one node's FIB. With nexthop objects the kernel says little: a
//! replaced object changes every route on it in one message, and carrier loss
//! removes objects and their IPv4 routes without a word about the routes.
//! The mirror infers what is not said.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use crate::os::fib_watch::{FibNotice, Hop};

/// One change worth an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A prefix leads elsewhere now.
    Route {
        /// The VRF or route table it is in; none: the main table.
        vrf: Option<String>,
        /// The prefix.
        prefix: IpNet,
        /// Gateways; empty when unreachable or on the link.
        via: Vec<IpAddr>,
        /// Outgoing interfaces; empty when the route is gone.
        dev: Vec<String>,
        /// It is there and drops what it covers.
        blackhole: bool,
        /// The kernel did not say so about this route.
        inferred: bool,
    },
    /// An interface gained or lost light.
    Carrier {
        /// The interface.
        dev: String,
        /// Light or none.
        up: bool,
    },
    /// A member of a LAG joined or left the aggregate.
    Lacp {
        /// The member's interface.
        dev: String,
        /// In the aggregate or not.
        up: bool,
    },
    /// A neighbour stopped answering, or answers again.
    Neighbour {
        /// The interface it is behind.
        dev: String,
        /// Its address.
        address: IpAddr,
        /// Whether the kernel sends to it; otherwise it drops.
        reachable: bool,
    },
    /// Notices were lost: what follows may be incomplete.
    Overrun,
}

/// A prefix and the number of the VRF's table it is in; none: the main table.
type Key = (Option<u32>, IpNet);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Hops(Vec<Hop>),
    Object(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Object {
    Hop(Hop),
    Group(Vec<u32>),
    Blackhole,
}

/// The mirror.
#[derive(Debug, Default)]
pub(super) struct FibMirror {
    routes: BTreeMap<Key, Target>,
    objects: BTreeMap<u32, Object>,
    users: BTreeMap<u32, BTreeSet<Key>>,
    links: BTreeMap<u32, (String, bool)>,
    /// Names of tables: VRFs' and route tables'.
    vrfs: BTreeMap<u32, String>,
    /// Members of LAGs by ifindex, and whether they are in the aggregate.
    members: BTreeMap<u32, bool>,
    /// Neighbours that did not answer, by ifindex and address.
    silent: BTreeSet<(u32, IpAddr)>,
    /// Above this many routes only those towards `interest` are reported.
    interest: Vec<IpAddr>,
}

/// A FIB of at most this many routes is reported whole.
const REPORT_ALL_MAX: usize = 500;

impl FibMirror {
    /// An empty mirror that in a large FIB reports only routes covering `interest`. `tables`
    /// are names of tables by number that no VRF's device tells.
    pub(super) fn new(interest: Vec<IpAddr>, tables: BTreeMap<u32, String>) -> Self {
        Self {
            interest,
            vrfs: tables,
            ..Self::default()
        }
    }

    /// Takes one notice and returns what it changed.
    pub(super) fn handle(&mut self, notice: FibNotice) -> Vec<Change> {
        match notice {
            FibNotice::Route {
                table,
                prefix,
                gone,
                hops,
                nexthop,
            } => self.route((table, prefix), gone, hops, nexthop),
            FibNotice::Nexthop {
                id,
                gone,
                hop,
                group,
            } => self.nexthop(id, gone, hop, group),
            FibNotice::Link {
                index,
                name,
                gone,
                carrier,
                aggregated,
                vrf,
            } => {
                self.vrfs.extend(vrf.map(|table| (table, name.clone())));
                let lacp = self.member(index, &name, aggregated);
                let mut changes = self.link(index, name, gone, carrier);
                changes.extend(lacp);
                changes
            }
            FibNotice::Neighbour {
                index,
                address,
                reachable,
            } => self
                .neighbour(index, address, reachable)
                .into_iter()
                .collect(),
            FibNotice::Overrun => vec![Change::Overrun],
        }
    }

    fn member(&mut self, index: u32, name: &str, aggregated: Option<bool>) -> Option<Change> {
        let up = aggregated?;
        let before = self.members.insert(index, up).unwrap_or(false);
        (before != up).then(|| Change::Lacp {
            dev: name.to_owned(),
            up,
        })
    }

    /// A neighbour comes and goes through many states; news are only its silence and its end.
    fn neighbour(&mut self, index: u32, address: IpAddr, reachable: bool) -> Option<Change> {
        let news = match reachable {
            true => self.silent.remove(&(index, address)),
            false => self.silent.insert((index, address)),
        };
        news.then(|| Change::Neighbour {
            dev: self.device(index),
            address,
            reachable,
        })
    }

    fn device(&self, index: u32) -> String {
        let known = self.links.get(&index);
        known.map_or_else(|| format!("if{index}"), |(name, _)| name.clone())
    }

    /// Whether the node has members of LAGs.
    pub(super) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// The LAGs' members that are in the aggregate.
    pub(super) fn aggregated(&self) -> impl Iterator<Item = Change> + '_ {
        let up = self.members.iter().filter(|(_, up)| **up);
        up.filter_map(|(index, _)| {
            let (dev, _) = self.links.get(index)?;
            Some(Change::Lacp {
                dev: dev.clone(),
                up: true,
            })
        })
    }

    /// The mirror of what `snapshot` says is there, and what has changed since this one was
    /// right: after news were missed.
    pub(super) fn read_again(
        &self,
        tables: BTreeMap<u32, String>,
        snapshot: Vec<FibNotice>,
    ) -> (Self, Vec<Change>) {
        let mut fresh = Self::new(self.interest.clone(), tables);
        for notice in snapshot {
            fresh.handle(notice);
        }
        // A snapshot has no neighbours.
        fresh.silent.clone_from(&self.silent);
        let was = |index: &u32| self.links.get(index).map(|(_, up)| *up);
        let carriers = fresh
            .links
            .iter()
            .filter(|(index, (_, up))| was(index).is_some_and(|was| was != *up));
        let mut changes: Vec<Change> = carriers
            .map(|(_, (dev, up))| Change::Carrier {
                dev: dev.clone(),
                up: *up,
            })
            .collect();
        let joined = |index: &u32| self.members.get(index).copied().unwrap_or(false);
        let members = fresh.members.iter().filter(|(i, up)| joined(i) != **up);
        changes.extend(members.map(|(index, up)| Change::Lacp {
            dev: fresh.device(*index),
            up: *up,
        }));
        let keys: BTreeSet<Key> = self
            .routes
            .keys()
            .chain(fresh.routes.keys())
            .copied()
            .collect();
        let differs = |key: &Key| {
            self.routes.contains_key(key) != fresh.routes.contains_key(key)
                || self.resolve(key) != fresh.resolve(key)
        };
        changes.extend(fresh.report(keys.into_iter().filter(differs), true));
        (fresh, changes)
    }

    /// Every route with where it leads.
    pub(super) fn routes(&self) -> Vec<Change> {
        let all: Vec<Key> = self.routes.keys().copied().collect();
        self.report(all, false)
    }

    fn route(&mut self, key: Key, gone: bool, hops: Vec<Hop>, nexthop: Option<u32>) -> Vec<Change> {
        self.forget_route(&key);
        if gone {
            return self.report([key], false);
        }
        let target = match nexthop {
            Some(id) => {
                self.users.entry(id).or_default().insert(key);
                // Without the object's own message the route's hops tell where it leads.
                if let (false, [hop]) = (self.objects.contains_key(&id), hops.as_slice()) {
                    self.objects.insert(id, Object::Hop(*hop));
                }
                Target::Object(id)
            }
            None => Target::Hops(hops),
        };
        self.routes.insert(key, target);
        self.report([key], false)
    }

    fn nexthop(&mut self, id: u32, gone: bool, hop: Option<Hop>, group: Vec<u32>) -> Vec<Change> {
        if gone {
            return self.drop_object(id);
        }
        let object = match hop {
            Some(hop) => Object::Hop(hop),
            None if !group.is_empty() => Object::Group(group),
            None => Object::Blackhole,
        };
        let changed = self
            .objects
            .insert(id, object.clone())
            .is_some_and(|old| old != object);
        if changed {
            let affected = self.affected(id);
            self.report(affected, true)
        } else {
            Vec::new()
        }
    }

    fn link(&mut self, index: u32, name: String, gone: bool, carrier: bool) -> Vec<Change> {
        let before = if gone {
            self.links.remove(&index)
        } else {
            self.links.insert(index, (name.clone(), carrier))
        };
        if before.is_some_and(|(_, up)| up == carrier) {
            return Vec::new();
        }
        let mut changes = vec![Change::Carrier {
            dev: name,
            up: carrier,
        }];
        if !carrier {
            let dark: Vec<u32> = self
                .objects
                .iter()
                .filter(|(_, object)| matches!(object, Object::Hop(hop) if hop.index == index))
                .map(|(id, _)| *id)
                .collect();
            for id in dark {
                changes.extend(self.drop_object(id));
            }
        }
        changes
    }

    /// The kernel removes a dying object's routes, and takes it out of its groups.
    fn drop_object(&mut self, id: u32) -> Vec<Change> {
        if self.objects.remove(&id).is_none() {
            return Vec::new();
        }
        let routes = self.users.remove(&id).unwrap_or_default();
        for key in &routes {
            self.routes.remove(key);
        }
        let mut changes = self.report(routes, true);
        let groups: Vec<u32> = self
            .objects
            .iter_mut()
            .filter_map(|(group_id, object)| match object {
                Object::Group(members) if members.contains(&id) => {
                    members.retain(|member| *member != id);
                    Some(*group_id)
                }
                Object::Group(_) | Object::Hop(_) | Object::Blackhole => None,
            })
            .collect();
        for group in groups {
            changes.extend(match self.objects.get(&group) {
                Some(Object::Group(members)) if members.is_empty() => self.drop_object(group),
                _ => {
                    let affected = self.affected(group);
                    self.report(affected, true)
                }
            });
        }
        changes
    }

    fn forget_route(&mut self, key: &Key) {
        if let Some(Target::Object(id)) = self.routes.remove(key)
            && let Some(users) = self.users.get_mut(&id)
        {
            users.remove(key);
        }
    }

    /// Routes on the object or on a group it belongs to.
    fn affected(&self, id: u32) -> Vec<Key> {
        let groups = self
            .objects
            .iter()
            .filter_map(|(group, object)| match object {
                Object::Group(members) if members.contains(&id) => Some(*group),
                Object::Group(_) | Object::Hop(_) | Object::Blackhole => None,
            });
        std::iter::once(id)
            .chain(groups)
            .filter_map(|id| self.users.get(&id))
            .flatten()
            .copied()
            .collect()
    }

    fn report(&self, keys: impl IntoIterator<Item = Key>, inferred: bool) -> Vec<Change> {
        let all = self.routes.len() <= REPORT_ALL_MAX;
        let wanted = |prefix: &IpNet| self.interest.iter().any(|to| prefix.contains(to));
        keys.into_iter()
            .filter(|(_, prefix)| all || wanted(prefix))
            .map(|key| {
                let hops = self.resolve(&key);
                let blackhole = self.is_blackhole(&key);
                let (table, prefix) = key;
                Change::Route {
                    vrf: table.map(|table| self.vrf(table)),
                    prefix,
                    via: hops.iter().filter_map(|hop| hop.gateway).collect(),
                    dev: hops.iter().map(|hop| self.device(hop.index)).collect(),
                    blackhole,
                    inferred,
                }
            })
            .collect()
    }

    fn is_blackhole(&self, key: &Key) -> bool {
        match self.routes.get(key) {
            None => false,
            Some(Target::Hops(hops)) => hops.is_empty(),
            Some(Target::Object(id)) => matches!(self.objects.get(id), Some(Object::Blackhole)),
        }
    }

    fn vrf(&self, table: u32) -> String {
        let known = self.vrfs.get(&table).cloned();
        known.unwrap_or_else(|| format!("table {table}"))
    }

    fn resolve(&self, key: &Key) -> Vec<Hop> {
        match self.routes.get(key) {
            None => Vec::new(),
            Some(Target::Hops(hops)) => hops.clone(),
            Some(Target::Object(id)) => match self.objects.get(id) {
                Some(Object::Hop(hop)) => vec![*hop],
                Some(Object::Group(members)) => members
                    .iter()
                    .filter_map(|member| match self.objects.get(member) {
                        Some(Object::Hop(hop)) => Some(*hop),
                        _ => None,
                    })
                    .collect(),
                Some(Object::Blackhole) | None => Vec::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(index: u32) -> Hop {
        Hop {
            gateway: Some(IpAddr::from([10, 0, 0, u8::try_from(index).unwrap()])),
            index,
        }
    }

    fn mirror() -> FibMirror {
        let mut mirror = FibMirror::new(Vec::new(), BTreeMap::new());
        for (index, name) in [(1, "circuit"), (2, "wg0")] {
            mirror.handle(FibNotice::Link {
                index,
                name: name.into(),
                gone: false,
                carrier: true,
                aggregated: None,
                vrf: None,
            });
            mirror.handle(FibNotice::Nexthop {
                id: index,
                gone: false,
                hop: Some(hop(index)),
                group: vec![],
            });
        }
        mirror.handle(FibNotice::Route {
            table: None,
            prefix: "172.31.0.0/16".parse().unwrap(),
            gone: false,
            hops: vec![hop(1)],
            nexthop: Some(1),
        });
        mirror
    }

    fn to(index: u32, dev: &str, inferred: bool) -> Change {
        Change::Route {
            vrf: None,
            prefix: "172.31.0.0/16".parse().unwrap(),
            via: hop(index).gateway.into_iter().collect(),
            dev: vec![dev.into()],
            blackhole: false,
            inferred,
        }
    }

    /// A route that leads nowhere is another thing than none.
    #[test]
    fn a_blackhole_is_told_from_a_route_that_is_gone() {
        let mut mirror = mirror();
        let told = |gone, nexthop| FibNotice::Route {
            table: None,
            prefix: "10.0.0.0/15".parse().unwrap(),
            gone,
            hops: Vec::new(),
            nexthop,
        };
        let object = FibNotice::Nexthop {
            id: 9,
            gone: false,
            hop: None,
            group: Vec::new(),
        };
        mirror.handle(object);
        for (notice, expected) in [
            (told(false, None), true),
            (told(true, None), false),
            (told(false, Some(9)), true),
        ] {
            let changes = mirror.handle(notice);
            let [Change::Route { dev, blackhole, .. }] = changes.as_slice() else {
                panic!("one route: {changes:?}");
            };
            assert_eq!((dev.is_empty(), *blackhole), (true, expected));
        }
    }

    #[test]
    fn replacing_an_object_moves_its_routes() {
        let mut mirror = mirror();
        let changes = mirror.handle(FibNotice::Nexthop {
            id: 1,
            gone: false,
            hop: Some(hop(2)),
            group: vec![],
        });
        assert_eq!(changes, [to(2, "wg0", true)]);
    }

    #[test]
    fn a_replaced_route_is_reported_as_the_kernel_says_it() {
        let mut mirror = mirror();
        let changes = mirror.handle(FibNotice::Route {
            table: None,
            prefix: "172.31.0.0/16".parse().unwrap(),
            gone: false,
            hops: vec![hop(2)],
            nexthop: Some(2),
        });
        assert_eq!(changes, [to(2, "wg0", false)]);
    }

    #[test]
    fn carrier_loss_takes_objects_and_their_routes_without_a_word() {
        let mut mirror = mirror();
        let changes = mirror.handle(FibNotice::Link {
            index: 1,
            name: "circuit".into(),
            gone: false,
            carrier: false,
            aggregated: None,
            vrf: None,
        });
        assert_eq!(
            changes,
            [
                Change::Carrier {
                    dev: "circuit".into(),
                    up: false
                },
                Change::Route {
                    vrf: None,
                    prefix: "172.31.0.0/16".parse().unwrap(),
                    via: vec![],
                    dev: vec![],
                    blackhole: false,
                    inferred: true
                },
            ]
        );
        // The kernel's own message about the object, when it comes, adds nothing.
        assert_eq!(
            mirror.handle(FibNotice::Nexthop {
                id: 1,
                gone: true,
                hop: None,
                group: vec![]
            }),
            []
        );
    }

    #[test]
    fn a_neighbour_is_news_when_it_falls_silent_and_when_it_answers_again() {
        let mut mirror = mirror();
        let address = IpAddr::from([10, 0, 0, 1]);
        let mut tell = |reachable| {
            mirror.handle(FibNotice::Neighbour {
                index: 1,
                address,
                reachable,
            })
        };
        let news = |reachable| Change::Neighbour {
            dev: "circuit".into(),
            address,
            reachable,
        };
        assert_eq!(tell(true), []);
        assert_eq!(tell(false), [news(false)]);
        assert_eq!(tell(false), [], "asked again, in vain");
        assert_eq!(tell(true), [news(true)]);
    }

    #[test]
    fn what_was_missed_is_told_when_the_tables_are_read_again() {
        let route = |third: u8, index: Option<u32>| FibNotice::Route {
            table: None,
            prefix: IpNet::new(IpAddr::from([172, 16, third, 0]), 24).unwrap(),
            gone: false,
            hops: index.map(hop).into_iter().collect(),
            nexthop: None,
        };
        let link = |index: u32, carrier: bool| FibNotice::Link {
            index,
            name: format!("eth{index}"),
            gone: false,
            carrier,
            aggregated: None,
            vrf: None,
        };
        let mut mirror = FibMirror::default();
        for notice in [
            link(1, true),
            link(2, true),
            route(1, Some(1)),
            route(2, Some(1)),
            route(3, Some(1)),
        ] {
            mirror.handle(notice);
        }
        // The second moved, the third went, a fourth came, and a light went out.
        let snapshot = vec![
            link(1, false),
            link(2, true),
            route(1, Some(1)),
            route(2, Some(2)),
            route(4, Some(2)),
        ];
        let (mut fresh, changes) = mirror.read_again(BTreeMap::new(), snapshot);
        let told: Vec<String> = changes
            .iter()
            .map(|change| match change {
                Change::Route { prefix, dev, .. } => format!("{prefix} {}", dev.join(" ")),
                Change::Carrier { dev, up } => format!("{dev} {up}"),
                Change::Lacp { .. } | Change::Neighbour { .. } | Change::Overrun => {
                    format!("{change:?}")
                }
            })
            .collect();
        let wanted = [
            "eth1 false",
            "172.16.2.0/24 eth2",
            "172.16.3.0/24 ",
            "172.16.4.0/24 eth2",
        ];
        assert_eq!(told, wanted);
        // It goes on from there.
        assert_eq!(fresh.handle(link(1, false)), []);
    }

    #[test]
    fn a_group_shrinks_with_its_members() {
        let mut mirror = mirror();
        mirror.handle(FibNotice::Nexthop {
            id: 9,
            gone: false,
            hop: None,
            group: vec![1, 2],
        });
        mirror.handle(FibNotice::Route {
            table: None,
            prefix: "172.31.0.0/16".parse().unwrap(),
            gone: false,
            hops: vec![],
            nexthop: Some(9),
        });
        let changes = mirror.handle(FibNotice::Nexthop {
            id: 1,
            gone: true,
            hop: None,
            group: vec![],
        });
        assert_eq!(changes, [to(2, "wg0", true)]);
    }

    #[test]
    fn a_member_is_news_when_it_joins_or_leaves_the_aggregate() {
        let mut mirror = FibMirror::new(Vec::new(), BTreeMap::new());
        let mut tell = |aggregated| {
            mirror.handle(FibNotice::Link {
                index: 4,
                name: "c1".into(),
                gone: false,
                carrier: true,
                aggregated: Some(aggregated),
                vrf: None,
            })
        };
        let news = |up| Change::Lacp {
            dev: "c1".into(),
            up,
        };
        // The first message is also the first of its carrier.
        assert!(!tell(false).contains(&news(false)));
        assert_eq!(tell(true), [news(true)]);
        assert_eq!(tell(true), []);
        assert_eq!(tell(false), [news(false)]);
        assert_eq!(mirror.aggregated().count(), 0);
    }

    #[test]
    fn a_prefix_in_two_tables_is_two_routes() {
        let mut mirror = mirror();
        mirror.handle(FibNotice::Link {
            index: 3,
            name: "prod".into(),
            gone: false,
            carrier: true,
            aggregated: None,
            vrf: Some(101),
        });
        let told = |gone| FibNotice::Route {
            table: Some(101),
            prefix: "172.31.0.0/16".parse().unwrap(),
            gone,
            hops: vec![hop(2)],
            nexthop: None,
        };
        let in_vrf = || Change::Route {
            vrf: Some("prod".into()),
            prefix: "172.31.0.0/16".parse().unwrap(),
            via: hop(2).gateway.into_iter().collect(),
            dev: vec!["wg0".into()],
            blackhole: false,
            inferred: false,
        };
        assert_eq!(mirror.handle(told(false)), [in_vrf()]);
        assert_eq!(mirror.routes(), [to(1, "circuit", false), in_vrf()]);
        // What one loses the other keeps.
        mirror.handle(told(true));
        assert_eq!(mirror.routes(), [to(1, "circuit", false)]);
    }
}
