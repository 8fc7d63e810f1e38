//! The probe instrument: numbered UDP packets at an absolute pace, one socket
//! per flow in the source's namespace, one stamped by the kernel in the
//! destination's.
//!
//! One thread sends for all flows, one receives. A late send is sent at once
//! and its lateness recorded; a send the kernel refuses is recorded as unsent
//! and never stops the pace. Packets are never judged here: what was sent and
//! what arrived goes to the measurement as it is.

mod calibrate;
mod flow;
mod histogram;
mod instrument;
mod pacing;
mod receiver;
mod resolver;
mod sender;
mod turn;
mod wakeful;

pub use calibrate::{BarePair, Calibrated, calibrate};
pub use flow::{LiveFlow, Recovery};
pub use histogram::Histogram;
pub use instrument::{ProbeConfig, ProbeQuality, Probes};
pub use pacing::{Pace, Pacing};
