//! Tests against the real kernel, in namespaces of their own. They need root or
//! `unshare -Urnm`; without either they fail and say so.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says where"
)]

#[path = "kernel/bird.rs"]
mod bird;
#[path = "kernel/captures.rs"]
mod captures;
#[path = "kernel/certificates.rs"]
mod certificates;
#[path = "kernel/common.rs"]
mod common;
#[path = "kernel/conformance.rs"]
mod conformance;
#[path = "kernel/fib.rs"]
mod fib;
#[path = "kernel/fib_watch.rs"]
mod fib_watch;
#[path = "kernel/flow.rs"]
mod flow;
#[path = "kernel/frr_interop.rs"]
mod frr_interop;
#[path = "kernel/full.rs"]
mod full;
#[path = "kernel/known_outages.rs"]
mod known_outages;
#[path = "kernel/l2.rs"]
mod l2;
#[path = "kernel/lab.rs"]
mod lab;
#[path = "kernel/labs.rs"]
mod labs;
#[path = "kernel/link_watch.rs"]
mod link_watch;
#[path = "kernel/load.rs"]
mod load;
#[path = "kernel/mss.rs"]
mod mss;
#[path = "kernel/probe.rs"]
mod probe;
#[path = "kernel/relay.rs"]
mod relay;
#[path = "kernel/router_configs.rs"]
mod router_configs;
#[path = "kernel/sockets.rs"]
mod sockets;
#[path = "kernel/speaker.rs"]
mod speaker;
#[path = "kernel/speaker_process.rs"]
mod speaker_process;
#[path = "kernel/wire.rs"]
mod wire;
#[path = "kernel/wireguard.rs"]
mod wireguard;
