//! TCP connections as tasks: bytes in, bytes out, and no waiting for either in
//! the driver.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

use crate::{
    os::tcp,
    proto::speaker::{ConnId, PeerId},
    units::{PeerConfig, VrfConfig},
};

/// Reads that wait for the driver before TCP makes the peer wait.
const INPUTS: usize = 64;
/// More than the largest BGP message, so that one read takes in a burst.
const READ_LEN: usize = 64 * 1024;
/// How long a closed connection may take to deliver its last message and hear
/// the peer's FIN.
const LINGER: Duration = Duration::from_secs(1);

/// What connections report.
#[derive(Debug)]
pub(super) enum Input {
    Connected(ConnId, PeerId, TcpStream),
    ConnectFailed(ConnId, io::Error),
    Accepted(TcpStream, SocketAddr),
    Data(ConnId, Vec<u8>),
    Closed(ConnId),
}

#[derive(Debug)]
enum Connection {
    Connecting(JoinHandle<()>),
    Open {
        reader: JoinHandle<()>,
        writer: JoinHandle<()>,
        queue: mpsc::UnboundedSender<Vec<u8>>,
    },
}

/// All connections of a speaker.
#[derive(Debug)]
pub(super) struct Connections {
    open: BTreeMap<ConnId, Connection>,
    inputs: mpsc::Sender<Input>,
    incoming: u64,
    /// Closed connections that deliver their last bytes.
    lingering: JoinSet<()>,
}

impl Connections {
    /// None yet, and where they will report.
    pub(super) fn new() -> (Self, mpsc::Receiver<Input>) {
        let (inputs, receiver) = mpsc::channel(INPUTS);
        let connections = Self {
            open: BTreeMap::new(),
            inputs,
            incoming: 0,
            lingering: JoinSet::new(),
        };
        (connections, receiver)
    }

    /// Accepts on a listener for as long as the process lives.
    pub(super) fn listen(&self, listener: TcpListener) {
        let inputs = self.inputs.clone();
        let accept = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, remote)) => {
                        if inputs.send(Input::Accepted(stream, remote)).await.is_err() {
                            return;
                        }
                    }
                    // Out of descriptors, or the peer has gone already.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::spawn(accept);
    }

    /// Begins to connect; the outcome is an [`Input`].
    pub(super) fn connect(
        &mut self,
        (conn, peer): (ConnId, PeerId),
        config: &PeerConfig,
        vrf: Option<&VrfConfig>,
    ) {
        let inputs = self.inputs.clone();
        let opened = open_socket(config, vrf);
        let task = tokio::spawn(async move {
            let connected = match opened {
                Ok((socket, remote)) => socket.connect(remote).await,
                Err(error) => Err(error),
            };
            let input = match connected {
                Ok(stream) => Input::Connected(conn, peer, stream),
                Err(error) => Input::ConnectFailed(conn, error),
            };
            let _ = inputs.send(input).await;
        });
        let pending = Connection::Connecting(task);
        self.open.insert(conn, pending);
    }

    /// Whether the speaker still wants to hear of the connection.
    pub(super) fn knows(&self, conn: ConnId) -> bool {
        self.open.contains_key(&conn)
    }

    /// A number for an accepted connection.
    pub(super) fn number(&mut self) -> ConnId {
        self.incoming += 1;
        ConnId::incoming(self.incoming)
    }

    /// The connection is open: begins to read and write.
    pub(super) fn serve(&mut self, conn: ConnId, stream: TcpStream) {
        let (read, write) = stream.into_split();
        let (queue, bytes) = mpsc::unbounded_channel();
        let reader = tokio::spawn(read_all(conn, read, self.inputs.clone()));
        let writer = tokio::spawn(write_all(write, bytes));
        let open = Connection::Open {
            reader,
            writer,
            queue,
        };
        self.open.insert(conn, open);
    }

    /// Queues bytes; never waits.
    pub(super) fn send(&self, conn: ConnId, bytes: Vec<u8>) {
        if let Some(Connection::Open { queue, .. }) = self.open.get(&conn) {
            // A writer that has failed is followed by the reader's Closed.
            let _ = queue.send(bytes);
        }
    }

    /// The connection is of no more interest. What is queued is still delivered,
    /// and what arrives is read, for an unread byte would turn the FIN into a
    /// reset that may overtake our last message.
    pub(super) fn close(&mut self, conn: ConnId) {
        match self.open.remove(&conn) {
            None => {}
            Some(Connection::Connecting(task)) => task.abort(),
            Some(Connection::Open {
                reader,
                writer,
                queue,
            }) => {
                drop(queue);
                self.lingering.spawn(async move {
                    let (stop_reader, stop_writer) = (reader.abort_handle(), writer.abort_handle());
                    let over = futures_util::future::join(reader, writer);
                    let _ = tokio::time::timeout(LINGER, over).await;
                    stop_reader.abort();
                    stop_writer.abort();
                });
                while self.lingering.try_join_next().is_some() {}
            }
        }
    }

    /// Waits until every closed connection has delivered its last bytes.
    pub(super) async fn flush(&mut self) {
        while self.lingering.join_next().await.is_some() {}
    }
}

fn open_socket(
    config: &PeerConfig,
    vrf: Option<&VrfConfig>,
) -> io::Result<(TcpSocket, SocketAddr)> {
    let interface = config.interface.as_ref().map(AsRef::as_ref);
    let vrf = vrf.map(|vrf| vrf.device.as_str());
    let local = tcp::socket_addr(config.local, 0, interface)?;
    let remote = tcp::socket_addr(config.remote, tcp::BGP_PORT, interface)?;
    let socket = tcp::outgoing(local, remote, config.ttl, config.md5.as_deref(), vrf)?;
    Ok((TcpSocket::from_std_stream(socket), remote))
}

async fn read_all(conn: ConnId, mut read: OwnedReadHalf, inputs: mpsc::Sender<Input>) {
    let mut buffer = vec![0; READ_LEN];
    loop {
        let input = match read.read(&mut buffer).await {
            Ok(0) | Err(_) => Input::Closed(conn),
            Ok(count) => Input::Data(conn, buffer.get(..count).unwrap_or_default().to_vec()),
        };
        let last = matches!(input, Input::Closed(_));
        if inputs.send(input).await.is_err() || last {
            return;
        }
    }
}

/// Dropping the half at the end sends the FIN.
async fn write_all(mut write: OwnedWriteHalf, mut bytes: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = bytes.recv().await {
        if write.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
