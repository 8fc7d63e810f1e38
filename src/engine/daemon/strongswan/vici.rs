//! A connection to charon's control socket.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::message::{Section, named};
use crate::os::clock;

const CMD_REQUEST: u8 = 0;
const CMD_RESPONSE: u8 = 1;
const CMD_UNKNOWN: u8 = 2;
const EVENT_REGISTER: u8 = 3;
const EVENT_UNREGISTER: u8 = 4;
const EVENT_CONFIRM: u8 = 5;
const EVENT_UNKNOWN: u8 = 6;
const EVENT: u8 = 7;
/// charon's own limit (`VICI_MESSAGE_SIZE_MAX`).
const PACKET_MAX: usize = 512 * 1024;
/// How long charon may take to answer, unless somebody has less time.
const PATIENCE: Duration = Duration::from_secs(5);

/// What charon says by itself: the event's name and its message.
pub(super) type Event = (String, Section);

/// A connection. What comes between a request and its answer is kept.
#[derive(Debug)]
pub(super) struct Vici {
    stream: UnixStream,
    /// Bytes of a packet that is not complete.
    partial: Vec<u8>,
    events: VecDeque<Event>,
    /// How long charon may take to answer.
    patience: Duration,
}

impl Vici {
    /// Connects to a socket by its path.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(super) fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(socket)?,
            partial: Vec::new(),
            events: VecDeque::new(),
            patience: PATIENCE,
        })
    }

    /// Waits so long for answers, and no longer.
    #[must_use]
    pub(super) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Asks to be told of an event from now on.
    ///
    /// # Errors
    /// charon does not know it, or does not answer.
    pub(super) fn register(&mut self, event: &str) -> io::Result<()> {
        self.subscribe(EVENT_REGISTER, event)
    }

    /// Asks not to be told of it any more.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub(super) fn unregister(&mut self, event: &str) -> io::Result<()> {
        self.subscribe(EVENT_UNREGISTER, event)
    }

    fn subscribe(&mut self, kind: u8, event: &str) -> io::Result<()> {
        self.send(kind, event, &[])?;
        match self.answer()? {
            (EVENT_CONFIRM, _) => Ok(()),
            (EVENT_UNKNOWN, _) => Err(io::Error::other(format!("charon has no event {event}"))),
            _ => Err(unexpected()),
        }
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// charon refuses, with its own words, or does not answer.
    pub(super) fn request(&mut self, command: &str, message: &Section) -> io::Result<Section> {
        self.send(CMD_REQUEST, command, &message.encode())?;
        match self.answer()? {
            (CMD_RESPONSE, body) => {
                let answer = Section::decode(&body)?;
                match (answer.text("success"), answer.text("errmsg")) {
                    (Some("no"), why) => {
                        Err(io::Error::other(why.unwrap_or("charon refused").to_owned()))
                    }
                    _ => Ok(answer),
                }
            }
            (CMD_UNKNOWN, _) => Err(io::Error::other(format!("charon has no command {command}"))),
            _ => Err(unexpected()),
        }
    }

    /// A command whose answer is a series of events.
    ///
    /// # Errors
    /// charon does not answer.
    pub(super) fn stream(&mut self, command: &str, event: &str) -> io::Result<Vec<Section>> {
        self.register(event)?;
        self.request(command, &Section::default())?;
        let (wanted, others) = std::mem::take(&mut self.events)
            .into_iter()
            .partition::<VecDeque<_>, _>(|(name, _)| name == event);
        self.events = others;
        Ok(wanted.into_iter().map(|(_, message)| message).collect())
    }

    /// The next event; `None` when none came within `patience`.
    ///
    /// # Errors
    /// charon has ended.
    pub(super) fn event(&mut self, patience: Duration) -> io::Result<Option<Event>> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        match self.packet(patience)? {
            Some((EVENT, body)) => Ok(Some(named(&body)?)),
            Some(_) => Err(unexpected()),
            None => Ok(None),
        }
    }

    fn answer(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let deadline = clock::now() + self.patience;
        loop {
            let left = deadline.saturating_duration_since(clock::now());
            match self.packet(left)? {
                Some((EVENT, body)) => self.events.push_back(named(&body)?),
                Some(answer) => return Ok(answer),
                None if left.is_zero() => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "charon does not answer",
                    ));
                }
                None => {}
            }
        }
    }

    fn send(&mut self, kind: u8, name: &str, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(2 + name.len() + body.len()).map_err(io::Error::other)?;
        let name_length = u8::try_from(name.len()).map_err(io::Error::other)?;
        let mut packet = length.to_be_bytes().to_vec();
        packet.push(kind);
        packet.push(name_length);
        packet.extend(name.as_bytes());
        packet.extend(body);
        self.stream.write_all(&packet)
    }

    /// The next whole packet: its type and what follows.
    fn packet(&mut self, patience: Duration) -> io::Result<Option<(u8, Vec<u8>)>> {
        let deadline = clock::now() + patience;
        loop {
            if let Some(packet) = self.whole()? {
                return Ok(Some(packet));
            }
            let left = deadline.saturating_duration_since(clock::now());
            // A timeout of zero would mean none.
            let wait = left.max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(wait))?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(got) => self
                    .partial
                    .extend_from_slice(buffer.get(..got).unwrap_or_default()),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    if left.is_zero() {
                        return Ok(None);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn whole(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let Some(header) = self.partial.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*header) as usize;
        if length == 0 || length > PACKET_MAX {
            return Err(unexpected());
        }
        if self.partial.len() < 4 + length {
            return Ok(None);
        }
        let rest = self.partial.split_off(4 + length);
        let packet = std::mem::replace(&mut self.partial, rest);
        let (kind, body) = packet
            .get(4..)
            .and_then(<[u8]>::split_first)
            .ok_or_else(unexpected)?;
        Ok(Some((*kind, body.to_vec())))
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "charon says what vici does not")
}
