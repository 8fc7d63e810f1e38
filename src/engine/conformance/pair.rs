//! Two nodes and a wire between them, or a plain pair of interfaces.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::mpsc::Receiver,
    time::Duration,
};

use anyhow::Context as _;
use ipnet::IpNet;

use crate::{
    engine::{
        sink::EventSink,
        wire::{Wire, WireChoice, WireConfig, start},
    },
    lab::{
        model::Shape,
        op::{Netns, Op, VethEnd},
        plan::{WireEnd, WirePlan},
    },
    os::{kernel::Linux, netns::NetnsFd},
    results::event::{Event, EventKind},
    units::{Bytes, IfName, LinkName, NodeName},
};

use super::traffic;

/// The run number of this measurement's probes.
pub(super) const RUN: u64 = 0xC0_4F04;
const SEED: u64 = 20_261_121;
const WARM_UP: Duration = Duration::from_secs(10);

/// One of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Side {
    A,
    B,
}

impl Side {
    pub(in crate::engine) const BOTH: [Self; 2] = [Self::A, Self::B];

    pub(in crate::engine) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub(in crate::engine) fn word(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::B => 2,
        }
    }

    pub(in crate::engine) fn address(self, is_v6: bool) -> IpAddr {
        if is_v6 {
            Ipv6Addr::new(0xfd00, 0, 0, 0xc0f, 0, 0, 0, self.number()).into()
        } else {
            Ipv4Addr::new(10, 201, 0, self.number() as u8).into()
        }
    }
}

/// Two nodes, `a` and `b`, on a link `l`.
#[derive(Debug)]
pub(in crate::engine) struct Pair {
    kernel: Linux,
    wire: Option<Wire>,
    events: Receiver<Event>,
}

impl Pair {
    /// Joined by a wire of this shape, from `a` and from `b`; packets have passed both ways.
    pub(in crate::engine) fn wired(
        backend: WireChoice,
        shape: [Shape; 2],
        mtu: u64,
    ) -> anyhow::Result<Self> {
        let mtu = Bytes::new(mtu);
        let mut kernel = namespaces(&[node(Side::A)?, node(Side::B)?, Netns::Wire])?;
        let mut ends = Vec::new();
        let mut ops = Vec::new();
        for side in Side::BOTH {
            let wire_if = IfName::new(format!("w{}", side.word()))?;
            ops.push(Op::AddVeth {
                a: end(node(side)?, interface()?, 10 + u32::from(side.number())),
                b: end(Netns::Wire, wire_if.clone(), 20 + u32::from(side.number())),
                mtu,
            });
            ends.push(WireEnd {
                node: NodeName::new(side.word())?,
                node_if: interface()?,
                node_index: 10 + u32::from(side.number()),
                wire_if,
                wire_index: 20 + u32::from(side.number()),
            });
        }
        for end in &ends {
            ops.push(Op::Sysctl {
                netns: Netns::Wire,
                key: format!("net.ipv6.conf.{}.disable_ipv6", end.wire_if),
                value: "1".to_owned(),
            });
        }
        for side in Side::BOTH {
            ops.extend(settling(side)?);
        }
        for end in &ends {
            ops.push(Op::SetUp {
                netns: Netns::Wire,
                dev: end.wire_if.clone(),
            });
        }
        kernel.apply(&ops)?;
        let ends: [WireEnd; 2] = ends
            .try_into()
            .map_err(|_| anyhow::anyhow!("a link has two ends"))?;
        let config = WireConfig {
            wires: vec![WirePlan {
                link: link()?,
                ends,
                shape,
                mtu,
            }],
            taps: vec![],
            run: RUN,
            seed: SEED,
        };
        let (sink, events) = EventSink::pair();
        let hidden = kernel
            .netns(&Netns::Wire)
            .context("no namespace for the wire")?;
        let wire = start(config, hidden, (backend, false), sink)?;
        let pair = Self {
            kernel,
            wire: Some(wire),
            events,
        };
        pair.warm_up()?;
        Ok(pair)
    }

    /// Joined by nothing but a pair of interfaces.
    pub(super) fn plain() -> anyhow::Result<Self> {
        let mut kernel = namespaces(&[node(Side::A)?, node(Side::B)?])?;
        let mut ops = vec![Op::AddVeth {
            a: end(node(Side::A)?, interface()?, 11),
            b: end(node(Side::B)?, interface()?, 12),
            mtu: Bytes::new(1500),
        }];
        for side in Side::BOTH {
            ops.extend(settling(side)?);
        }
        kernel.apply(&ops)?;
        let (_, events) = EventSink::pair();
        let pair = Self {
            kernel,
            wire: None,
            events,
        };
        pair.warm_up()?;
        Ok(pair)
    }

    fn warm_up(&self) -> anyhow::Result<()> {
        for is_v6 in [false, true] {
            for side in Side::BOTH {
                traffic::await_one(self, side, is_v6, WARM_UP)
                    .with_context(|| format!("the first packet from {}", side.word()))?;
            }
        }
        self.wire().map_or(Ok(()), |wire| {
            wire.reset_flows(RUN);
            Ok(())
        })
    }

    pub(in crate::engine) fn netns(&self, side: Side) -> anyhow::Result<&NetnsFd> {
        self.kernel
            .netns(&node(side)?)
            .context("a node without a namespace")
    }

    pub(in crate::engine) fn wire(&self) -> anyhow::Result<&Wire> {
        self.wire.as_ref().context("this pair has no wire")
    }

    /// Takes the light from the wire's end at `side`, or brings it back.
    pub(super) fn light(&mut self, side: Side, on: bool) -> anyhow::Result<()> {
        let (netns, dev) = (Netns::Wire, IfName::new(format!("w{}", side.word()))?);
        let wire = self.wire.as_ref().context("this pair has no wire")?;
        if on {
            self.kernel.apply(&[Op::SetUp { netns, dev }])?;
            wire.relight(&link()?)
        } else {
            wire.darken(&link()?)?;
            Ok(self.kernel.apply(&[Op::SetDown { netns, dev }])?)
        }
    }

    /// Lets TCP have all the memory it needs in both nodes: by default it is the
    /// receiver's window that bounds a stream over a long link, not the link.
    pub(super) fn open_windows(mut self) -> anyhow::Result<Self> {
        let mut ops = Vec::new();
        for side in Side::BOTH {
            for (key, value) in [
                ("net.ipv4.tcp_rmem", "4096 131072 67108864"),
                ("net.ipv4.tcp_wmem", "4096 65536 67108864"),
            ] {
                ops.push(Op::Sysctl {
                    netns: node(side)?,
                    key: key.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
        self.kernel.apply(&ops)?;
        Ok(self)
    }

    /// What the wire has told since this was last asked.
    pub(in crate::engine) fn events(&self) -> Vec<Event> {
        self.events.try_iter().collect()
    }

    /// Warnings so far that would spoil a run.
    pub(super) fn spoiled_by(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for event in self.events() {
            if let EventKind::Warning {
                untrusted: true,
                text,
                ..
            } = event.kind
            {
                texts.push(text);
            }
        }
        texts
    }
}

/// The node's interface.
pub(super) const INTERFACE: &str = "i0";

fn interface() -> anyhow::Result<IfName> {
    Ok(IfName::new(INTERFACE)?)
}

fn node(side: Side) -> anyhow::Result<Netns> {
    Ok(Netns::Node(NodeName::new(side.word())?))
}

/// What the wire between the two is called.
pub(in crate::engine) const LINK: &str = "l";

pub(super) fn link() -> anyhow::Result<LinkName> {
    Ok(LinkName::new(LINK)?)
}

fn end(netns: Netns, name: IfName, index: u32) -> VethEnd {
    VethEnd { netns, name, index }
}

fn namespaces(all: &[Netns]) -> anyhow::Result<Linux> {
    let mut kernel = Linux::new("/run/netns")?;
    for netns in all {
        kernel.adopt(netns.clone(), NetnsFd::fresh()?)?;
    }
    Ok(kernel)
}

/// Addresses and light for a node.
fn settling(side: Side) -> anyhow::Result<Vec<Op>> {
    let (netns, dev) = (node(side)?, interface()?);
    let mut ops = vec![Op::SetUp {
        netns: netns.clone(),
        dev: IfName::new("lo")?,
    }];
    for (is_v6, length) in [(false, 24), (true, 64)] {
        ops.push(Op::AddAddress {
            netns: netns.clone(),
            dev: dev.clone(),
            address: IpNet::new(side.address(is_v6), length)?,
        });
    }
    ops.push(Op::SetUp { netns, dev });
    Ok(ops)
}
