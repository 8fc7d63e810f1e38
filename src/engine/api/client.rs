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
    metrics::Metrics,
    socket,
    types::{
        CutRequest, ErrorBody, ErrorInfo, FaultDone, FaultRequest, NodeInfo, RestoreRequest,
        Status, Summary,
    },
};
use crate::{
    os::{credentials, process::PidFd, userns::Owner},
    units::LabName,
};

/// How long a lab may take to end once its journal is complete.
const GONE: Duration = Duration::from_secs(5);
/// How long a lab may take to answer anything at all.
const SHORT: Duration = Duration::from_secs(5);
/// How long a lab that does answer may take for what concerns daemons, some of which
/// may be frozen, or started anew.
const LONG: Duration = Duration::from_secs(60);

/// What a lab answers at once if it answers at all.
const SUMMARY: &str = "/v1/lab";

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
    /// The question makes no sense for this lab.
    #[error("{}", .0.message)]
    Wrong(ErrorInfo),
    /// The lab tried, and failed.
    #[error("{0}")]
    Refused(String),
    /// A daemon of the lab does not answer.
    #[error("{0}")]
    Unresponsive(String),
    /// No answer came.
    #[error("lab `{0}` has not answered within {1:?}; `backhoe down {0}` ends it all the same")]
    Silent(LabName, Duration),
    /// The connection failed or ended: the lab may be gone.
    #[error("the lab does not answer: {0}")]
    Broken(String),
}

/// How a lab ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As asked, its journal complete.
    Orderly,
    /// It did not answer and was killed.
    Killed,
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

    /// What is known without asking any daemon.
    pub fn summary(&self) -> Result<Summary, ClientError> {
        self.get(SUMMARY, SHORT)
    }

    /// How things stand.
    pub fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status", LONG)
    }

    /// AWS's metrics of it.
    pub fn metrics(&self) -> Result<Metrics, ClientError> {
        self.get("/v1/metrics.json", SHORT)
    }

    /// Who holds a node.
    pub fn node(&self, node: &str) -> Result<NodeInfo, ClientError> {
        self.get(&format!("/v1/node/{}", segment(node)), SHORT)
    }

    /// What a node's programs have logged.
    pub fn logs(&self, node: &str) -> Result<String, ClientError> {
        let path = format!("/v1/logs/{}", segment(node));
        let body = self.call(Method::GET, &path, Bytes::new(), SHORT)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Something of a node: `bgp`, `bfd`, `rib` or `fib`.
    pub fn inspect(&self, node: &str, what: &str) -> Result<Value, ClientError> {
        let path = format!("/v1/inspect/{}/{}", segment(node), segment(what));
        self.get(&path, LONG)
    }

    /// Applies a fault.
    pub fn fault(&self, request: &FaultRequest) -> Result<FaultDone, ClientError> {
        self.post("/v1/fault", request, LONG)
    }

    /// Applies a fault described in a scenario's words.
    pub fn cut(&self, request: &CutRequest) -> Result<FaultDone, ClientError> {
        self.post("/v1/cut", request, LONG)
    }

    /// Undoes one, or all.
    pub fn restore(&self, request: &RestoreRequest) -> Result<Vec<FaultDone>, ClientError> {
        self.post("/v1/restore", request, LONG)
    }

    /// Ends the lab, killing it if it does not answer; returns when all of it is
    /// gone and its name is free again.
    pub fn down(&self) -> Result<End, ClientError> {
        let outer = self.outer()?;
        match self.post::<Value>("/v1/down", &(), SHORT) {
            Ok(_) => self.gone(&outer, End::Orderly),
            Err(ClientError::Silent(..)) => self.kill(),
            Err(error) => Err(error),
        }
    }

    /// Kills the lab without a word to it; its journal ends where it is.
    pub fn kill(&self) -> Result<End, ClientError> {
        let outer = self.outer()?;
        outer.kill().map_err(broken)?;
        self.gone(&outer, End::Killed)
    }

    /// The outer process, which listens, and ends last. Its number comes from the
    /// kernel: a lab that does not answer can be ended too.
    fn outer(&self) -> Result<PidFd, ClientError> {
        let pid = credentials::peer_pid(&self.connect()?).map_err(broken)?;
        PidFd::open(pid).map_err(broken)
    }

    fn gone(&self, outer: &PidFd, how: End) -> Result<End, ClientError> {
        if outer.ended_within(GONE).map_err(broken)? {
            Ok(how)
        } else {
            Err(broken("it has not ended in time"))
        }
    }

    /// Every line of the journal from the first, as they come, until the lab ends
    /// or `each` has had enough.
    pub fn events(&self, mut each: impl FnMut(&str) -> ControlFlow<()>) -> Result<(), ClientError> {
        let runtime = runtime()?;
        let head = self.send(Method::GET, "/v1/events", Bytes::new());
        let mut response = runtime.block_on(self.within(SHORT, head))?;
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

    fn get<T: DeserializeOwned>(&self, path: &str, within: Duration) -> Result<T, ClientError> {
        decode(&self.call(Method::GET, path, Bytes::new(), within)?)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(broken)?;
        decode(&self.call(Method::POST, path, body.into(), within)?)
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, ClientError> {
        let answer = async |method, path: &str, body| {
            let response = self.send(method, path, body).await?;
            let body = response.into_body().collect().await.map_err(broken)?;
            Ok(body.to_bytes())
        };
        let runtime = runtime()?;
        if within > SHORT {
            let awake = answer(Method::GET, SUMMARY, Bytes::new());
            match runtime.block_on(self.within(SHORT, awake)) {
                // A lab of another version answers, whatever it says.
                Ok(_) | Err(ClientError::Wrong(_) | ClientError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        runtime.block_on(self.within(within, answer(method, path, body)))
    }

    async fn within<T>(
        &self,
        time: Duration,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        tokio::time::timeout(time, call)
            .await
            .unwrap_or_else(|_| Err(ClientError::Silent(self.lab.clone(), time)))
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
        let why = serde_json::from_slice::<ErrorBody>(&text).map_or_else(
            |_| ErrorInfo {
                kind: "failed".to_owned(),
                message: format!("{status}: {}", String::from_utf8_lossy(&text)),
            },
            |body| body.error,
        );
        Err(match status {
            StatusCode::GATEWAY_TIMEOUT => ClientError::Unresponsive(why.message),
            status if status.is_client_error() => ClientError::Wrong(why),
            _ => ClientError::Refused(why.message),
        })
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

/// Without threads, and gone with the call: `exec` must stay single-threaded.
fn runtime() -> Result<Runtime, ClientError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)
}

/// A name as a part of a path. No name of a lab needs more than this; any other
/// becomes one that is not there.
fn segment(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> ClientError {
    ClientError::Broken(error.to_string())
}
