//! The command's side of the API: blocking calls, no thread of its own.

use std::{io, ops::ControlFlow, os::unix::net::UnixStream, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::{
    socket,
    types::{ErrorBody, FaultRequest, NodeInfo, RestoreRequest, RunRequest, Status},
};
use crate::{
    os::{credentials, process::PidFd, userns::Owner},
    units::LabName,
};

/// How long a lab may take to end once its journal is complete.
const GONE: Duration = Duration::from_secs(5);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No lab of this name is up.
    #[error("no lab `{0}` is up (labs that are: backhoe ls)")]
    NotUp(LabName),
    /// The socket belongs to somebody else.
    #[error("the socket of lab `{lab}` belongs to uid {uid}, not to you")]
    NotYours {
        /// The lab.
        lab: LabName,
        /// The owner.
        uid: u32,
    },
    /// The lab refused, with a reason.
    #[error("{0}")]
    Refused(String),
    /// The connection failed or ended: the lab may be gone.
    #[error("the lab does not answer: {0}")]
    Broken(String),
}

/// A way to one lab. Every call is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    lab: LabName,
    owner: Owner,
}

impl Client {
    /// The calling user's lab of this name.
    pub fn new(lab: LabName) -> Self {
        Self {
            lab,
            owner: Owner::current(),
        }
    }

    /// How things stand.
    pub fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status")
    }

    /// Who holds a node.
    pub fn node(&self, node: &str) -> Result<NodeInfo, ClientError> {
        self.get(&format!("/v1/node/{node}"))
    }

    /// What a node's programs have logged.
    pub fn logs(&self, node: &str) -> Result<String, ClientError> {
        let body = self.call(Method::GET, &format!("/v1/logs/{node}"), Bytes::new())?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Something of a node: `routes`, `bgp`, `bfd`, ….
    pub fn inspect(&self, node: &str, what: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/inspect/{node}/{what}"))
    }

    /// Applies a fault.
    pub fn fault(&self, request: &FaultRequest) -> Result<Value, ClientError> {
        self.post("/v1/fault", request)
    }

    /// Undoes one.
    pub fn restore(&self, request: &RestoreRequest) -> Result<Value, ClientError> {
        self.post("/v1/restore", request)
    }

    /// Runs the scenario.
    pub fn run(&self, request: &RunRequest) -> Result<Value, ClientError> {
        self.post("/v1/run", request)
    }

    /// Ends the lab; returns when all of it is gone and its name is free again.
    pub fn down(&self) -> Result<(), ClientError> {
        let outer = i32::try_from(self.status()?.outer_pid).map_err(broken)?;
        let outer = PidFd::open(outer).map_err(broken)?;
        self.post::<Value>("/v1/down", &())?;
        // The outer process ends last.
        if outer.ended_within(GONE).map_err(broken)? {
            Ok(())
        } else {
            Err(broken("it has not ended in time"))
        }
    }

    /// Every line of the journal from the first, as they come, until the lab ends
    /// or `each` has had enough.
    pub fn events(&self, mut each: impl FnMut(&str) -> ControlFlow<()>) -> Result<(), ClientError> {
        let runtime = runtime()?;
        let mut response = runtime.block_on(self.send(Method::GET, "/v1/events", Bytes::new()))?;
        let mut rest = Vec::new();
        // `each` runs outside the runtime and may call the lab itself.
        while let Some(frame) = runtime.block_on(response.frame()) {
            let Ok(data) = frame.map_err(broken)?.into_data() else {
                continue;
            };
            rest.extend_from_slice(&data);
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if each(line.trim_end()).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        decode(&self.call(Method::GET, path, Bytes::new())?)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(broken)?;
        decode(&self.call(Method::POST, path, body.into())?)
    }

    fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
        blocking(async {
            let response = self.send(method, path, body).await?;
            let body = response.into_body().collect().await.map_err(broken)?;
            Ok(body.to_bytes())
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = tokio::net::UnixStream::from_std(self.connect()?).map_err(broken)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "lab")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(broken)?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let body = response.into_body().collect().await.map_err(broken)?;
        let text = body.to_bytes();
        let reason = serde_json::from_slice::<ErrorBody>(&text).map_or_else(
            |_| format!("{status}: {}", String::from_utf8_lossy(&text)),
            |body| body.error,
        );
        Err(ClientError::Refused(reason))
    }

    fn connect(&self) -> Result<UnixStream, ClientError> {
        let address = socket::address(self.owner, &self.lab).map_err(broken)?;
        let stream = UnixStream::connect_addr(&address).map_err(|error| {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                ClientError::NotUp(self.lab.clone())
            } else {
                broken(error)
            }
        })?;
        // Anybody may bind any abstract name first.
        let uid = credentials::peer_uid(&stream).map_err(broken)?;
        if uid != self.owner.uid {
            return Err(ClientError::NotYours {
                lab: self.lab.clone(),
                uid,
            });
        }
        stream.set_nonblocking(true).map_err(broken)?;
        Ok(stream)
    }
}

fn blocking<T>(call: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    runtime()?.block_on(call)
}

/// Without threads, and gone with the call: `exec` must stay single-threaded.
fn runtime() -> Result<Runtime, ClientError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> ClientError {
    ClientError::Broken(error.to_string())
}
