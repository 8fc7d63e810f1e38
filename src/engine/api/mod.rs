//! HTTP and JSON on the abstract Unix socket `@backhoe/UID/LAB`, in the host's
//! network namespace: visible to its owner, gone with the lab.
//!
//! `curl --abstract-unix-socket backhoe/$UID/LAB http://lab/v1/status` works as
//! well as the client here. Both ends check who the other is.

mod client;
mod feed;
mod metrics;
mod request;
mod server;
mod socket;
mod types;

pub use client::{Client, ClientError, End};
pub use feed::Feed;
pub use metrics::{AlertNow, Dimensions, Metric, Metrics, Minute, Statistic};
pub use request::{Look, Looker, Refusal, Reply, Request};
pub use server::{Server, serve};
pub use socket::{bind, list};
pub use types::{
    CutRequest, ErrorBody, ErrorInfo, FaultDone, FaultRequest, NodeInfo, Phase, RestoreRequest,
    Status, Summary, status_schema,
};
