//! Which nexthop objects exist and who uses them.

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive};

/// Ids of our own for the routes of one table, so that neither another daemon's objects nor
/// those of another table and these ever meet.
pub(super) fn ids(table: u8) -> RangeInclusive<u32> {
    let first = 0x6200_0000 | u32::from(table) << 16;
    first..=first | 0xFFFF
}

/// What a nexthop object says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    /// One gateway on one interface.
    Single { gateway: IpAddr, ifindex: u32 },
    /// Equal-cost multipath over objects, by ascending id.
    Group(Vec<u32>),
}

#[derive(Debug)]
struct Entry {
    object: Object,
    /// Routes that lead here and groups that hold it.
    users: usize,
}

/// The objects in the kernel, or about to be.
#[derive(Debug)]
pub(super) struct Objects {
    by_id: BTreeMap<u32, Entry>,
    by_object: BTreeMap<Object, u32>,
    ids: RangeInclusive<u32>,
    next: u32,
    /// Objects that may have lost their last user.
    suspects: Vec<u32>,
}

impl Objects {
    /// None yet, for the routes of this table.
    pub(super) fn of(table: u8) -> Self {
        let ids = ids(table);
        Self {
            by_id: BTreeMap::new(),
            by_object: BTreeMap::new(),
            next: *ids.start(),
            ids,
            suspects: Vec::new(),
        }
    }

    /// The object's id; a new one is also added to `fresh`. It has no user yet.
    pub(super) fn find_or_add(&mut self, object: Object, fresh: &mut Vec<(u32, Object)>) -> u32 {
        if let Some(id) = self.by_object.get(&object) {
            return *id;
        }
        let id = self.unused_id();
        if let Object::Group(members) = &object {
            for member in members {
                self.hold(*member);
            }
        }
        self.by_object.insert(object.clone(), id);
        self.suspects.push(id);
        fresh.push((id, object.clone()));
        self.by_id.insert(id, Entry { object, users: 0 });
        id
    }

    /// One more user.
    pub(super) fn hold(&mut self, id: u32) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.users += 1;
        }
    }

    /// One user fewer.
    pub(super) fn let_go(&mut self, id: u32) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.users = entry.users.saturating_sub(1);
            self.suspects.push(id);
        }
    }

    /// Forgets what nobody uses and returns it, groups before their members.
    pub(super) fn take_unused(&mut self) -> Vec<u32> {
        let mut unused = Vec::new();
        while let Some(id) = self.suspects.pop() {
            if self.by_id.get(&id).is_some_and(|entry| entry.users == 0) {
                self.forget(id);
                unused.push(id);
            }
        }
        unused
    }

    /// The object is not in the kernel (any more). Routes may still name it.
    pub(super) fn forget(&mut self, id: u32) {
        let Some(Entry { object, .. }) = self.by_id.remove(&id) else {
            return;
        };
        if self.by_object.get(&object) == Some(&id) {
            self.by_object.remove(&object);
        }
        if let Object::Group(members) = object {
            for member in members {
                self.let_go(member);
            }
        }
    }

    /// The objects a route depends on: the one it leads to and, if that is a
    /// group, its members.
    pub(super) fn members(&self, id: u32) -> Vec<u32> {
        let mut all = vec![id];
        if let Some(Entry {
            object: Object::Group(members),
            ..
        }) = self.by_id.get(&id)
        {
            all.extend(members);
        }
        all
    }

    /// Follows what the kernel does when an interface loses its carrier: single
    /// objects vanish, groups lose members and vanish with the last one. Returns
    /// the ids that are gone.
    pub(super) fn forget_interface(&mut self, lost: u32) -> Vec<u32> {
        let mut gone: Vec<u32> = self
            .by_id
            .iter()
            .filter(|(_, entry)| {
                matches!(entry.object, Object::Single { ifindex, .. } if ifindex == lost)
            })
            .map(|(id, _)| *id)
            .collect();
        for (id, entry) in &mut self.by_id {
            let Object::Group(members) = &mut entry.object else {
                continue;
            };
            if !members.iter().any(|member| gone.contains(member)) {
                continue;
            }
            if self.by_object.get(&Object::Group(members.clone())) == Some(id) {
                self.by_object.remove(&Object::Group(members.clone()));
            }
            members.retain(|member| !gone.contains(member));
            if !members.is_empty() {
                let shrunk = Object::Group(members.clone());
                self.by_object.entry(shrunk).or_insert(*id);
            }
        }
        let empty = |entry: &Entry| matches!(&entry.object, Object::Group(m) if m.is_empty());
        gone.extend(
            self.by_id
                .iter()
                .filter(|(_, e)| empty(e))
                .map(|(id, _)| *id),
        );
        for id in &gone {
            self.forget(*id);
        }
        gone
    }

    fn unused_id(&mut self) -> u32 {
        loop {
            let id = self.next;
            self.next = if id == *self.ids.end() {
                *self.ids.start()
            } else {
                id + 1
            };
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(last: u8, ifindex: u32) -> Object {
        Object::Single {
            gateway: IpAddr::from([10, 0, 0, last]),
            ifindex,
        }
    }

    #[test]
    fn objects_are_shared_and_deleted_with_their_last_user() {
        let mut objects = Objects::of(254);
        let mut fresh = Vec::new();
        let a = objects.find_or_add(single(1, 2), &mut fresh);
        assert_eq!(objects.find_or_add(single(1, 2), &mut fresh), a);
        assert_eq!(fresh.len(), 1);
        objects.hold(a);
        objects.hold(a);
        objects.let_go(a);
        assert!(objects.take_unused().is_empty());
        objects.let_go(a);
        assert_eq!(objects.take_unused(), [a]);
    }

    #[test]
    fn a_group_is_deleted_before_the_members_it_held() {
        let mut objects = Objects::of(254);
        let mut fresh = Vec::new();
        let a = objects.find_or_add(single(1, 2), &mut fresh);
        let b = objects.find_or_add(single(2, 3), &mut fresh);
        let group = objects.find_or_add(Object::Group(vec![a, b]), &mut fresh);
        objects.hold(group);
        assert!(objects.take_unused().is_empty());
        objects.let_go(group);
        let unused = objects.take_unused();
        assert_eq!(unused.first(), Some(&group));
        assert_eq!(unused.len(), 3);
    }

    #[test]
    fn carrier_loss_takes_singles_and_shrinks_groups() {
        let mut objects = Objects::of(254);
        let mut fresh = Vec::new();
        let a = objects.find_or_add(single(1, 2), &mut fresh);
        let b = objects.find_or_add(single(2, 3), &mut fresh);
        let group = objects.find_or_add(Object::Group(vec![a, b]), &mut fresh);
        objects.hold(group);
        assert_eq!(objects.forget_interface(2), [a]);
        assert_eq!(objects.members(group), [group, b]);
        assert_eq!(objects.forget_interface(3), [b, group]);
        assert!(objects.take_unused().is_empty());
    }
}
