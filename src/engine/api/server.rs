//! The API's own thread: HTTP in, requests to the supervisor, answers out.

use std::{
    io,
    os::unix::net::UnixListener,
    sync::mpsc::Sender,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::Listener,
};
use serde::Serialize;
use tokio::{
    net::{UnixStream, unix::SocketAddr},
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::{
    Feed, Look, Looker, Refusal, Reply, Request,
    types::{CutRequest, ErrorBody, ErrorInfo, FaultRequest, RestoreRequest},
};

/// How long answers under way may take once the lab ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How long to wait when the process is out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);
/// No refusal of the framework is longer, bytes.
const LONGEST_REFUSAL: usize = 16 << 10;
/// Prometheus's text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The owner of the lab, as seen inside it.
const OWNER: u32 = 0;

/// The running API.
#[derive(Debug)]
pub struct Server {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Lets answers under way finish, then ends.
    pub fn stop(self) {
        // Failing means it has ended already; so does a join that fails.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Starts the API on a thread of its own. SIGTERM and SIGINT become requests too.
/// What changes the lab waits its turn among the requests; who only looks does not.
pub fn serve(
    listener: UnixListener,
    (requests, looker): (Sender<Request>, Looker),
    feed: Feed,
) -> io::Result<Server> {
    let api = Api {
        requests,
        looker,
        feed,
    };
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("api".to_owned())
        .spawn(move || runtime.block_on(run(listener, api, stopped)))?;
    Ok(Server { stop, thread })
}

#[derive(Clone)]
struct Api {
    requests: Sender<Request>,
    looker: Looker,
    feed: Feed,
}

async fn run(listener: UnixListener, api: Api, stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::UnixListener::from_std(listener) else {
        return;
    };
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let requests = api.requests.clone();
        if let Ok(mut signals) = signal(kind) {
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    // A supervisor that is ending has no need to hear it.
                    let _ = requests.send(Request::Interrupted);
                }
            });
        }
    }
    let (drain, draining) = oneshot::channel::<()>();
    let serving = axum::serve(OwnerOnly(listener), routes(api)).with_graceful_shutdown(async {
        let _ = draining.await;
    });
    let mut serving = tokio::spawn(serving.into_future());
    tokio::select! {
        _ = &mut serving => {}
        _ = stopped => {
            let _ = drain.send(());
            let _ = tokio::time::timeout(LAST_ANSWERS, serving).await;
        }
    }
}

fn routes(api: Api) -> Router {
    Router::new()
        .route("/v1/lab", get(summary))
        .route("/v1/status", get(status))
        .route("/v1/metrics", get(exposition))
        .route("/v1/metrics.json", get(metrics))
        .route("/v1/events", get(events))
        .route("/v1/node/{node}", get(node))
        .route("/v1/logs/{node}", get(logs))
        .route("/v1/inspect/{node}/{what}", get(inspect))
        .route("/v1/fault", post(fault))
        .route("/v1/cut", post(cut))
        .route("/v1/restore", post(restore))
        .route("/v1/down", post(down))
        .with_state(api)
        .layer(middleware::map_response(shaped))
}

async fn summary(State(api): State<Api>) -> Response {
    api.look(Look::Summary).await
}

async fn status(State(api): State<Api>) -> Response {
    api.look(Look::Status).await
}

async fn metrics(State(api): State<Api>) -> Response {
    api.look(Look::Metrics).await
}

async fn exposition(State(api): State<Api>) -> Response {
    match api.seen(Look::Metrics).await {
        Ok(metrics) => ([(header::CONTENT_TYPE, EXPOSITION)], metrics.exposition()).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn events(State(api): State<Api>) -> Response {
    let lines = Body::from_stream(api.feed.read());
    ([(header::CONTENT_TYPE, "application/jsonl")], lines).into_response()
}

async fn node(State(api): State<Api>, Path(node): Path<String>) -> Response {
    api.look(|reply| Look::Node(node, reply)).await
}

async fn logs(State(api): State<Api>, Path(node): Path<String>) -> Response {
    match api.seen(|reply| Look::Logs(node, reply)).await {
        Ok(text) => text.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn inspect(State(api): State<Api>, Path((node, what)): Path<(String, String)>) -> Response {
    api.look(|reply| Look::Inspect { node, what, reply }).await
}

async fn fault(State(api): State<Api>, Json(body): Json<FaultRequest>) -> Response {
    api.json(|reply| Request::Fault(body, reply)).await
}

async fn cut(State(api): State<Api>, Json(body): Json<CutRequest>) -> Response {
    api.json(|reply| Request::Cut(body, reply)).await
}

async fn restore(State(api): State<Api>, Json(body): Json<RestoreRequest>) -> Response {
    api.json(|reply| Request::Restore(body, reply)).await
}

async fn down(State(api): State<Api>) -> Response {
    api.json(Request::Down).await
}

impl Api {
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).map_err(|_| ending())?;
        answer.await.unwrap_or_else(|_| Err(ending()))
    }

    async fn seen<T>(&self, look: impl FnOnce(Reply<T>) -> Look) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        (self.looker)(look(reply));
        answer.await.unwrap_or_else(|_| Err(ending()))
    }

    async fn look<T: Serialize>(&self, look: impl FnOnce(Reply<T>) -> Look) -> Response {
        as_json(self.seen(look).await)
    }

    async fn json<T: Serialize>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Response {
        as_json(self.ask(request).await)
    }
}

fn ending() -> Refusal {
    Refusal::Failed("the lab is ending".to_owned())
}

fn as_json<T: Serialize>(answer: Result<T, Refusal>) -> Response {
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, message) = match self {
            Self::NotFound(message) => (StatusCode::NOT_FOUND, message),
            Self::Wrong(message) => (StatusCode::BAD_REQUEST, message),
            Self::Conflict(message) => (StatusCode::CONFLICT, message),
            Self::Unresponsive(message) => (StatusCode::GATEWAY_TIMEOUT, message),
            Self::Failed(message) => (StatusCode::INTERNAL_SERVER_ERROR, message),
        };
        error(code, message)
    }
}

fn error(code: StatusCode, message: String) -> Response {
    let kind = match code {
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::CONFLICT => "conflict",
        StatusCode::GATEWAY_TIMEOUT => "unresponsive",
        code if code.is_client_error() => "wrong",
        _ => "failed",
    };
    let error = ErrorInfo {
        kind: kind.to_owned(),
        message,
    };
    (code, Json(ErrorBody { error })).into_response()
}

/// Gives the framework's own refusals (no such path, another method, a body that
/// cannot be read) the shape of all others.
async fn shaped(response: Response) -> Response {
    let code = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_json || !(code.is_client_error() || code.is_server_error()) {
        return response;
    }
    let said = axum::body::to_bytes(response.into_body(), LONGEST_REFUSAL).await;
    let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
    let message = match code {
        StatusCode::NOT_FOUND => "there is nothing at this path; docs/runtime.md lists them all",
        StatusCode::METHOD_NOT_ALLOWED => "this path takes another method: GET reads, POST acts",
        _ if said.is_empty() => code.canonical_reason().unwrap_or("refused"),
        _ => said.as_str(),
    };
    error(code, message.to_owned())
}

/// Drops connections of anybody but the lab's owner.
struct OwnerOnly(tokio::net::UnixListener);

impl Listener for OwnerOnly {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // Users that do not exist inside the lab appear as the overflow uid.
                    if stream.peer_cred().is_ok_and(|peer| peer.uid() == OWNER) {
                        return (stream, address);
                    }
                }
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
