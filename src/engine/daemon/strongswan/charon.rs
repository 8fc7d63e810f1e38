//! One charon while it runs: start, each step an observed condition; then a
//! thread that hears what becomes of its SAs.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, bail};

use super::{
    find::{CHARON, SWANCTL},
    initiator::{Initiator, SOCKET},
    message::Section,
    refusal, trouble,
    vici::Vici,
};
use crate::{
    engine::{
        daemon::starting::{root_of, run_to_end, wait_for},
        sink::EventSink,
    },
    lab::plan::{CharonPlan, IpsecBackend},
    os::{
        clock, ipsec,
        netns::NetnsFd,
        process::{PidFd, Spawn},
    },
    results::event::EventKind,
    units::NodeName,
};

/// How long the listener listens before it looks whether it is to stop.
const LISTEN: Duration = Duration::from_millis(100);
/// charon's log as events.
const LOG: &str = "log";

/// What is needed to start a charon.
#[derive(Debug)]
pub struct CharonStart {
    /// The endpoint: the namespace charon runs in.
    pub endpoint: NodeName,
    /// Its holder, through which programs enter.
    pub holder: PidFd,
    /// Its network.
    pub netns: NetnsFd,
    /// The network of the router that the tunnel's interface belongs to.
    pub router: NetnsFd,
    /// The rest.
    pub plan: CharonPlan,
}

/// A charon that has been started.
#[derive(Debug)]
pub struct Rising {
    start: CharonStart,
    process: PidFd,
}

/// A running charon.
#[derive(Debug)]
pub struct Charon {
    plan: CharonPlan,
    root: PathBuf,
    initiator: Initiator,
    process: PidFd,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

/// A tunnel's end as charon says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharonStatus {
    /// A Child SA is installed.
    pub up: bool,
    /// Milliseconds since it was.
    pub age_ms: Option<u64>,
    /// Bytes received through it.
    pub rx_bytes: u64,
    /// Bytes sent through it.
    pub tx_bytes: u64,
}

impl Charon {
    /// Starts the process. To be called from a thread that lives as long as the lab.
    ///
    /// # Errors
    /// What is left of an earlier one cannot be removed, or it cannot be started.
    pub fn spawn(start: CharonStart, log: File) -> anyhow::Result<Rising> {
        let what = || format!("strongSwan at {}", start.endpoint);
        ipsec::clear(&start.netns, &start.router, &start.plan.interface)
            .with_context(what)
            .context("clearing what an earlier one has left")?;
        let process = Spawn::new(CHARON)
            .node(start.holder.try_clone()?)
            .log(log)?
            .spawn()
            .with_context(what)?;
        Ok(Rising { start, process })
    }

    /// Says no more, whoever still holds it.
    pub fn retire(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Its process.
    pub fn process(&self) -> &PidFd {
        &self.process
    }

    /// What it was planned as.
    pub fn plan(&self) -> &CharonPlan {
        &self.plan
    }

    /// Begins with IKE, where this end is the one to do so; and again whenever charon has
    /// nothing left to try.
    ///
    /// # Errors
    /// charon does not answer, or has no connection.
    pub fn begin(&self) -> anyhow::Result<()> {
        self.initiator.begin()
    }

    /// Its release, as it says itself.
    ///
    /// # Errors
    /// It does not answer.
    pub fn version(&self) -> io::Result<String> {
        let mut vici = Vici::connect(&self.root.join(SOCKET))?;
        let answer = vici.request("version", &Section::default())?;
        let version = answer.text("version").map(str::to_owned);
        version.ok_or_else(|| io::Error::other("charon does not say its version"))
    }

    /// What it says of its SAs.
    ///
    /// # Errors
    /// It does not answer.
    pub fn status(&self) -> io::Result<CharonStatus> {
        Ok(status(
            &Vici::connect(&self.root.join(SOCKET))?.stream("list-sas", "list-sa")?,
        ))
    }
}

impl Drop for Charon {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Rising {
    /// Whether it is the one to begin with IKE.
    pub fn begins(&self) -> bool {
        self.start.plan.initiates
    }

    /// Waits until it answers, hands its interface to the router, loads its
    /// configuration and begins to listen.
    ///
    /// # Errors
    /// It has ended or does not answer in time, or refuses its configuration, in
    /// its own words.
    pub fn settled(self, sink: EventSink) -> anyhow::Result<Charon> {
        let Self { start, process } = self;
        let root = root_of(&start.holder);
        let what = format!("strongSwan at {}", start.endpoint);
        let mut vici = answering(&root.join(SOCKET), &process).context(what.clone())?;
        adopt(&start).with_context(|| format!("{what}: its interface"))?;
        load(&start)?;
        for event in ["child-updown", "ike-updown", "child-rekey", "ike-rekey"] {
            vici.register(event).with_context(|| what.clone())?;
        }
        vici.register(LOG).with_context(|| what.clone())?;
        let initiator = Initiator::new(start.endpoint.clone(), &start.plan, &root);
        let stop = Arc::new(AtomicBool::new(false));
        let mut ear = Ear {
            endpoint: start.endpoint.clone(),
            plan: start.plan.clone(),
            router: start.router,
            socket: root.join(SOCKET),
            initiator: initiator.clone(),
            sink,
            up: false,
            trouble: None,
        };
        let listener = std::thread::Builder::new()
            .name(format!("charon-{}", start.endpoint))
            .spawn({
                let stop = Arc::clone(&stop);
                move || ear.listen(vici, &stop)
            })?;
        Ok(Charon {
            plan: start.plan,
            root,
            initiator,
            process,
            stop,
            listener: Some(listener),
        })
    }
}

/// Waits until charon listens: its plug-ins are loaded by then, TUN device included.
fn answering(socket: &Path, process: &PidFd) -> anyhow::Result<Vici> {
    wait_for(&[("charon", process)], || {
        Vici::connect(socket).map_err(|error| format!("its control socket ({error})"))
    })
}

fn adopt(start: &CharonStart) -> io::Result<()> {
    let plan = &start.plan;
    let interface = ipsec::Interface {
        name: plan.interface.clone(),
        index: plan.index,
        if_id: plan.if_id,
        mtu: u32::try_from(plan.mtu.get()).unwrap_or(u32::MAX),
        addresses: plan.inside.clone(),
    };
    match plan.backend {
        IpsecBackend::Kernel => ipsec::add_xfrm(&start.netns, &start.router, &interface),
        IpsecBackend::Libipsec => ipsec::adopt_tun(&start.netns, &start.router, &interface),
    }
}

/// Has swanctl read the configuration: it knows every key, and names file and
/// line of what it does not. Only at the start; faults and queries go through vici.
fn load(start: &CharonStart) -> anyhow::Result<()> {
    let loaded = run_to_end(&start.holder, SWANCTL, &["--load-all", "--noprompt"])
        .with_context(|| format!("{}: starting swanctl", start.endpoint))?;
    let Err(text) = loaded else {
        return Ok(());
    };
    let name = start.plan.own_config.as_deref().unwrap_or(refusal::IN_NODE);
    let root = format!("/proc/{}/root{}", start.holder.pid(), refusal::IN_NODE);
    let config = std::fs::read_to_string(root).unwrap_or_default();
    bail!(
        "strongSwan refuses the configuration of {} ({name}):\n  {}",
        start.endpoint,
        refusal::told(&text, name, &config).join("\n  ")
    )
}

/// What a list of SAs says of the tunnel.
fn status(sas: &[Section]) -> CharonStatus {
    let children = sas
        .iter()
        .flat_map(Section::sections)
        .filter_map(|(_, sa)| sa.section("child-sas"))
        .flat_map(Section::sections)
        .map(|(_, child)| child);
    let mut status = CharonStatus {
        up: false,
        age_ms: None,
        rx_bytes: 0,
        tx_bytes: 0,
    };
    for child in children {
        // An SA that is being renewed still carries, until its keys expire.
        let carries = matches!(child.text("state"), Some("INSTALLED" | "REKEYING"));
        if carries && !is_expired(child) {
            let age = child.number("install-time").map(|s| s * 1000);
            status.up = true;
            status.age_ms = status.age_ms.into_iter().chain(age).min();
        }
        status.rx_bytes += child.number("bytes-in").unwrap_or(0);
        status.tx_bytes += child.number("bytes-out").unwrap_or(0);
    }
    status
}

/// charon goes on listing a child whose keys are gone while the exchange to renew them waits
/// for its answer.
fn is_expired(child: &Section) -> bool {
    let left = child.text("life-time").and_then(|s| s.parse::<i64>().ok());
    left.is_some_and(|seconds| seconds < 0)
}

/// Listens to one charon, and keeps the router's interface as its Child SA is.
struct Ear {
    endpoint: NodeName,
    plan: CharonPlan,
    router: NetnsFd,
    socket: PathBuf,
    initiator: Initiator,
    sink: EventSink,
    up: bool,
    /// Why it is not, as last told.
    trouble: Option<String>,
}

impl Ear {
    fn listen(&mut self, mut vici: Vici, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let was_up = self.up;
            match vici.event(LISTEN) {
                Ok(Some((event, message))) => self.hear(&event, &message),
                Ok(None) => {}
                Err(_) => {
                    self.ended();
                    return;
                }
            }
            if self.up != was_up {
                // While packets flow nobody asks what is wrong, and a busy charon has enough
                // to do. Who does not answer to this has ended, which the next event tells.
                let _ = match self.up {
                    true => vici.unregister(LOG),
                    false => vici.register(LOG),
                };
            }
            if !self.up {
                self.initiator.keep_at_it();
            }
        }
    }

    fn hear(&mut self, event: &str, message: &Section) {
        let at = clock::mono_ns();
        match event {
            LOG if !self.up => {
                let said = message.text("msg").and_then(trouble::told);
                if said.is_some() && said != self.trouble {
                    self.trouble = said;
                    self.say("down", at);
                }
            }
            "child-updown" if message.text("up") == Some("yes") => self.turn(true, at),
            // An SA may have gone while another goes on.
            "child-updown" | "ike-updown" if message.text("up") != Some("yes") => {
                let others = Vici::connect(&self.socket)
                    .and_then(|mut vici| vici.stream("list-sas", "list-sa"));
                if others.is_ok_and(|sas| !status(&sas).up) {
                    self.turn(false, at);
                }
            }
            "child-rekey" | "ike-rekey" => self.sink.at(
                at,
                EventKind::Daemon {
                    node: self.endpoint.to_string(),
                    program: "charon".to_owned(),
                    state: event.to_owned(),
                    detail: None,
                    version: None,
                },
            ),
            _ => {}
        }
    }

    fn turn(&mut self, up: bool, at: u64) {
        if self.up == up {
            return;
        }
        self.up = up;
        self.trouble = None;
        if let Err(error) = ipsec::set_up(&self.router, &self.plan.interface, up) {
            let text = format!("{} at {}: {error}", self.plan.tunnel, self.plan.node);
            self.sink.warn("tunnel-failed", text, true);
        }
        self.say(if up { "up" } else { "down" }, at);
    }

    /// The kernel goes on encrypting without charon, until keys expire; user space ends with it.
    fn ended(&mut self) {
        let at = clock::mono_ns();
        if self.plan.backend == IpsecBackend::Libipsec && self.up {
            self.say("down", at);
        }
        self.sink.at(
            at,
            EventKind::Daemon {
                node: self.endpoint.to_string(),
                program: "charon".to_owned(),
                state: "ended".to_owned(),
                detail: None,
                version: None,
            },
        );
    }

    fn say(&self, state: &str, at: u64) {
        self.sink.at(
            at,
            EventKind::Tunnel {
                tunnel: self.plan.tunnel.to_string(),
                node: self.plan.node.to_string(),
                state: state.to_owned(),
                backend: self.plan.backend.to_string(),
                reason: self.trouble.clone(),
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message::Value, *};

    fn sa(state: &str, age: &str) -> Section {
        let child = Section::of(&[
            ("name", "tunnel"),
            ("state", state),
            ("install-time", age),
            ("bytes-in", "100"),
            ("bytes-out", "7"),
        ]);
        let children = Section(vec![("tunnel-1".to_owned(), Value::Section(child))]);
        let ike = Section(vec![("child-sas".to_owned(), Value::Section(children))]);
        Section(vec![("tunnel".to_owned(), Value::Section(ike))])
    }

    #[test]
    fn a_tunnel_is_up_while_any_child_is_installed() {
        let both = status(&[sa("REKEYED", "3600"), sa("INSTALLED", "2")]);
        assert_eq!(
            both,
            CharonStatus {
                up: true,
                age_ms: Some(2000),
                rx_bytes: 200,
                tx_bytes: 14,
            }
        );
        assert!(!status(&[sa("DELETING", "1")]).up);
        assert!(status(&[sa("REKEYING", "1")]).up);
        let mut expired = Section::of(&[("life-time", "-1")]);
        assert!(is_expired(&expired));
        expired = Section::of(&[("life-time", "270")]);
        assert!(!is_expired(&expired));
        assert!(!status(&[]).up);
    }
}
