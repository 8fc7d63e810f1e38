//! The end that begins with IKE: once when the lab is up, and again whenever nothing is
//! under way. charon itself repeats what is not answered and makes anew what a dead peer
//! had; but after an authentication that was refused, or when keys expired while the
//! exchange to renew them was still waiting for its answer, it is left with nothing and does
//! nothing. A customer gateway keeps its tunnels up, so this does.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{message::Section, refusal, vici::Vici};
use crate::{lab::plan::CharonPlan, os::clock, units::NodeName};

/// The control socket in the node's own /run.
pub(super) const SOCKET: &str = "run/charon.vici";
/// How often is looked whether an end without a tunnel is still at it.
const LOOK: Duration = Duration::from_secs(1);
/// How long charon may take to say so. A frozen one never does.
const PATIENCE: Duration = Duration::from_secs(1);

/// Begins, for one end.
#[derive(Debug, Clone)]
pub(super) struct Initiator {
    endpoint: NodeName,
    root: PathBuf,
    initiates: bool,
    own_config: bool,
    /// When it began, or looked: nothing is begun again before it was begun, and charon has
    /// time to get to work.
    looked: Arc<Mutex<Option<Instant>>>,
}

impl Initiator {
    pub(super) fn new(endpoint: NodeName, plan: &CharonPlan, root: &Path) -> Self {
        Self {
            endpoint,
            root: root.to_owned(),
            initiates: plan.initiates,
            own_config: plan.own_config.is_some(),
            looked: Arc::default(),
        }
    }

    /// Begins with IKE, where this end is the one to do so.
    ///
    /// # Errors
    /// charon does not answer, or has no connection.
    pub(super) fn begin(&self) -> anyhow::Result<()> {
        if !self.initiates {
            return Ok(());
        }
        // The user's own configuration may begin by itself, and then says when again.
        if self.own_config {
            let config = self.root.join(refusal::IN_NODE.trim_start_matches('/'));
            if starts_itself(&std::fs::read_to_string(config)?) {
                return Ok(());
            }
        }
        self.initiate(&mut Vici::connect(&self.root.join(SOCKET))?)?;
        *self.looked() = Some(clock::now());
        Ok(())
    }

    /// Begins again if charon has nothing and is at nothing. To be called while there is no
    /// Child SA, as often as one likes.
    pub(super) fn keep_at_it(&self) {
        let now = clock::now();
        match &mut *self.looked() {
            Some(then) if now.duration_since(*then) >= LOOK => *then = now,
            _ => return,
        }
        let look = || -> anyhow::Result<()> {
            let mut vici = Vici::connect(&self.root.join(SOCKET))?.patient(PATIENCE);
            match is_idle(&vici.stream("list-sas", "list-sa")?) {
                true => self.initiate(&mut vici),
                false => Ok(()),
            }
        };
        // It may be dead, frozen or busy. Whoever is told of that is told elsewhere, and the
        // next look is soon.
        let _ = look();
    }

    fn looked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn initiate(&self, vici: &mut Vici) -> anyhow::Result<()> {
        let connections = vici.stream("list-conns", "list-conn")?;
        let (ike, child) = connections
            .iter()
            .flat_map(Section::sections)
            .find_map(|(ike, connection)| {
                let (child, _) = connection.section("children")?.sections().next()?;
                Some((ike.to_owned(), child.to_owned()))
            })
            .with_context(|| {
                format!(
                    "swanctl.conf of {} has no connection with a child",
                    self.endpoint
                )
            })?;
        // A negative timeout: it does not wait for the outcome, which comes as an event.
        let wish = Section::of(&[("ike", &ike), ("child", &child), ("timeout", "-1")]);
        vici.request("initiate", &wish)
            .with_context(|| format!("{}: initiating", self.endpoint))?;
        Ok(())
    }
}

/// Whether a swanctl.conf has charon begin as soon as it is loaded, or as soon as
/// there are packets.
fn starts_itself(config: &str) -> bool {
    config
        .lines()
        .filter_map(|line| line.split('#').next()?.split_once("start_action"))
        .any(|(_, value)| value.contains("start") || value.contains("trap"))
}

/// Whether a list of SAs says that nothing is there and nothing will come: no IKE SA, or
/// established ones that have no child and no exchange before them.
fn is_idle(sas: &[Section]) -> bool {
    let busy = |sa: &Section| {
        let has_tasks = ["tasks-queued", "tasks-active", "tasks-passive"]
            .iter()
            .any(|key| sa.list(key).is_some_and(|tasks| !tasks.is_empty()));
        let has_child = sa
            .section("child-sas")
            .is_some_and(|children| children.sections().next().is_some());
        sa.text("state") != Some("ESTABLISHED") || has_tasks || has_child
    };
    !sas.iter()
        .flat_map(Section::sections)
        .any(|(_, sa)| busy(sa))
}

#[cfg(test)]
mod tests {
    use super::{super::message::Value, *};

    #[test]
    fn a_configuration_that_begins_by_itself_is_left_to() {
        assert!(starts_itself("children { a {\n start_action = start\n} }"));
        assert!(starts_itself("start_action = trap|start"));
        assert!(!starts_itself(
            "start_action = none\n# start_action = start"
        ));
        assert!(!starts_itself("dpd_action = restart"));
    }

    fn sa(state: &str, more: Option<(&str, Value)>) -> Vec<Section> {
        let mut ike = Section::of(&[("state", state)]);
        ike.0
            .extend(more.map(|(key, value)| (key.to_owned(), value)));
        vec![Section(vec![("tunnel".to_owned(), Value::Section(ike))])]
    }

    #[test]
    fn who_has_nothing_and_is_at_nothing_begins_again() {
        assert!(is_idle(&[]));
        assert!(is_idle(&sa("ESTABLISHED", None)));
        let none = Value::List(Vec::new());
        assert!(is_idle(&sa("ESTABLISHED", Some(("tasks-active", none)))));
        assert!(!is_idle(&sa("CONNECTING", None)));
        let rekey = Value::List(vec!["CHILD_REKEY".to_owned()]);
        assert!(!is_idle(&sa("ESTABLISHED", Some(("tasks-active", rekey)))));
        let child = Value::Section(Section(vec![(
            "tunnel-1".to_owned(),
            Value::Section(Section::of(&[("state", "INSTALLED")])),
        )]));
        assert!(!is_idle(&sa("ESTABLISHED", Some(("child-sas", child)))));
    }
}
