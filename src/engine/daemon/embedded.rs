//! The embedded speaker as a child process of the lab, told and read over its
//! control socket.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use anyhow::{Context, anyhow, bail};

use super::{BfdView, BgpView, NoAnswer, NodeView, own};
use crate::{
    engine::{
        sink::EventSink,
        speaker::{
            BFD_PRIORITY, BFD_THREAD,
            control::{Command, FromSpeaker, Notice, Reply, Request, Status},
        },
    },
    os::{process::PidFd, sched},
    proto::speaker::SpeakerEvent,
    results::event::EventKind,
    units::{NodeName, SessionName},
};

/// How long a speaker may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running speaker.
#[derive(Debug)]
pub struct Embedded {
    node: NodeName,
    process: PidFd,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    writer: Mutex<UnixStream>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    replies: BTreeMap<u64, Sender<Reply>>,
}

impl Embedded {
    /// Starts a speaker in the node of `holder`, with its configuration in the
    /// open file `config`, and begins to report what it says.
    pub fn start(
        node: &NodeName,
        holder: PidFd,
        config: File,
        log: File,
        sink: EventSink,
    ) -> anyhow::Result<Self> {
        let (process, ours) = own::spawn(("speaker", "speaker"), (node, holder), config, log)?;
        let reader = ours.try_clone()?;
        let line = Arc::new(Line {
            writer: Mutex::new(ours),
            waiting: Mutex::default(),
        });
        std::thread::Builder::new()
            .name(format!("ctl-{node}"))
            .spawn({
                let (line, node, pid) = (Arc::clone(&line), node.clone(), process.pid());
                move || listen(reader, (&node, pid), &line, &sink)
            })?;
        Ok(Self {
            node: node.clone(),
            process,
            line,
        })
    }

    /// Its process.
    pub fn process(&self) -> &PidFd {
        &self.process
    }

    /// Shuts a session down with a NOTIFICATION (RFC 4486 Cease 2).
    pub fn stop_session(&self, session: &SessionName, message: &str) -> anyhow::Result<()> {
        self.done(Request::Stop {
            session: session.clone(),
            message: Some(message.to_owned()),
        })
    }

    /// Starts a session again.
    pub fn start_session(&self, session: &SessionName) -> anyhow::Result<()> {
        self.done(Request::Start {
            session: session.clone(),
        })
    }

    /// Has it give this MED to what it tells the peer; `None`: what its policy says.
    pub fn set_med(&self, session: &SessionName, med: Option<u32>) -> anyhow::Result<()> {
        self.done(Request::Med {
            session: session.clone(),
            med,
        })
    }

    /// Everything the speaker knows.
    pub fn status(&self) -> anyhow::Result<Status> {
        match self.ask(Request::Status)? {
            Reply::Status(status) => Ok(*status),
            Reply::Done | Reply::Error(_) => bail!("the speaker of {} is confused", self.node),
        }
    }

    /// The same in the form every daemon is shown in.
    pub fn view(&self) -> anyhow::Result<NodeView> {
        self.status().map(|status| NodeView::from(&status))
    }

    fn done(&self, request: Request) -> anyhow::Result<()> {
        match self.ask(request)? {
            Reply::Done | Reply::Status(_) => Ok(()),
            Reply::Error(text) => bail!("{}: {text}", self.node),
        }
    }

    fn ask(&self, request: Request) -> anyhow::Result<Reply> {
        let (answer, answered) = channel();
        let id = {
            let mut waiting = lock(&self.line.waiting);
            waiting.next += 1;
            let id = waiting.next;
            waiting.replies.insert(id, answer);
            id
        };
        let mut text = serde_json::to_string(&Command { id, request })?;
        text.push('\n');
        lock(&self.line.writer)
            .write_all(text.as_bytes())
            .with_context(|| format!("the speaker of {} is gone", self.node))?;
        answered
            .recv_timeout(PATIENCE)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => NoAnswer(PATIENCE).into(),
                RecvTimeoutError::Disconnected => anyhow!("the speaker of {} is gone", self.node),
            })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the speaker's lines until it is gone.
fn listen(stream: UnixStream, (node, pid): (&NodeName, i32), line: &Line, sink: &EventSink) {
    for text in BufReader::new(stream).lines().map_while(Result::ok) {
        match serde_json::from_str(&text) {
            // Inside a user namespace the speaker cannot take realtime priority, but
            // somebody outside may give it.
            Ok(FromSpeaker::Event {
                event: Notice::Warning { code, .. },
                ..
            }) if code == "bfd-not-realtime"
                && sched::try_fifo_named(pid, BFD_THREAD, BFD_PRIORITY).is_ok() => {}
            Ok(FromSpeaker::Event { at_ns, event }) => {
                for kind in events(node, event) {
                    sink.at(at_ns, kind);
                }
            }
            Ok(FromSpeaker::Reply { id, reply }) => {
                if let Some(asker) = lock(&line.waiting).replies.remove(&id) {
                    // An asker that gave up is no longer interested.
                    let _ = asker.send(reply);
                }
            }
            Err(error) => sink.warn(
                "speaker-line",
                format!("{node}: a line from the speaker cannot be read: {error}"),
                false,
            ),
        }
    }
    // Whoever still waits learns it at once: their senders are dropped.
    lock(&line.waiting).replies.clear();
}

/// What the supervisor's journal says of a notice. Forwarding is not among it:
/// the kernel itself is watched, whatever the daemon.
fn events(node: &NodeName, notice: Notice) -> Vec<EventKind> {
    let node = node.to_string();
    let session = |session: SessionName, state: &str, reason: Option<String>| EventKind::Session {
        session: session.to_string(),
        node: node.clone(),
        state: state.to_owned(),
        reason,
    };
    match notice {
        Notice::Ready => vec![EventKind::Daemon {
            node,
            program: "speaker".to_owned(),
            state: "ready".to_owned(),
            detail: None,
            version: None,
        }],
        Notice::Bgp(SpeakerEvent::SessionUp { session: name, .. }) => {
            vec![session(name, "Established", None)]
        }
        Notice::Bgp(SpeakerEvent::SessionDown {
            session: name,
            reason,
        }) => {
            vec![session(name, "Idle", Some(reason))]
        }
        Notice::Bgp(SpeakerEvent::MaxPrefixExceeded {
            session: name,
            limit,
        }) => {
            vec![session(
                name,
                "Idle",
                Some(format!("more than {limit} prefixes")),
            )]
        }
        Notice::Bgp(SpeakerEvent::RouteChanged { .. } | SpeakerEvent::EndOfRib { .. })
        | Notice::FibApplied { .. } => Vec::new(),
        Notice::Bgp(SpeakerEvent::Warning {
            session: name,
            text,
        }) => {
            vec![EventKind::Daemon {
                program: "speaker".to_owned(),
                state: "note".to_owned(),
                detail: Some(format!("{name}: {text}")),
                version: None,
                node,
            }]
        }
        Notice::Bfd {
            session,
            state,
            diag,
            detection,
            ..
        } => vec![EventKind::Bfd {
            session: session.to_string(),
            node,
            state: format!("{state:?}"),
            diagnostic: Some(diag),
            detect_us: Some(detection.as_micros()),
        }],
        Notice::Warning { code, text } => vec![EventKind::Warning {
            text: format!("{node}: {text}"),
            code,
            untrusted: false,
        }],
    }
}

impl From<&Status> for NodeView {
    fn from(status: &Status) -> Self {
        let bgp = status.speaker.peers.iter().map(|peer| BgpView {
            remote: peer.remote,
            remote_asn: peer.remote_asn.get(),
            state: format!("{:?}", peer.state),
            uptime_ms: peer.uptime_ms,
            hold_ms: peer.hold.map(|hold| hold.as_micros() / 1_000),
            keepalive_ms: peer
                .keepalive
                .map(|keepalive| keepalive.as_micros() / 1_000),
            accepted: Some(peer.accepted),
            advertised: Some(peer.advertised),
            reason: peer.last_error.clone(),
        });
        let remote = |session: &SessionName| {
            status
                .speaker
                .peers
                .iter()
                .find(|peer| peer.session == *session)
                .map(|peer| peer.remote)
        };
        let bfd = status.bfd.iter().filter_map(|bfd| {
            Some(BfdView {
                remote: remote(&bfd.session)?,
                state: format!("{:?}", bfd.state),
                diagnostic: Some(bfd.diag.clone()),
                tx_us: Some(bfd.tx.as_micros()),
                rx_us: Some(bfd.rx.as_micros()),
                detect_us: Some(bfd.detection.as_micros()),
            })
        });
        Self {
            bgp: bgp.collect(),
            bfd: bfd.collect(),
        }
    }
}
