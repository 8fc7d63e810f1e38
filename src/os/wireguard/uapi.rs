//! boringtun's configuration socket under the name the rest of the world expects.
//!
//! boringtun speaks the cross-platform UAPI on one connection; this listens at
//! /var/run/wireguard/INTERFACE.sock and passes each request on, so that
//! wireguard-control and `wg` find the tunnel by its interface's name.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::Observed;

const FOLDER: &str = "/var/run/wireguard";
/// Longest a client may dawdle over a request; others wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest boringtun may take to answer. It is busy with packets, not dead, on a
/// machine that is too slow for them; an answer nobody waited for would be taken
/// for that of the next request.
const DEVICE_PATIENCE: Duration = Duration::from_secs(20);
/// Requests and answers are a few hundred bytes.
const LONGEST: usize = 64 * 1024;

/// The one connection to boringtun.
#[derive(Debug)]
pub(super) struct Uapi {
    device: Mutex<UnixStream>,
}

impl Uapi {
    /// Listens under the interface's name; returns the end to give to boringtun.
    pub(super) fn listen(interface: &str) -> io::Result<(Arc<Self>, UnixStream)> {
        fs::create_dir_all(FOLDER)?;
        let path = Path::new(FOLDER).join(format!("{interface}.sock"));
        // Left behind by an end that was killed.
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(DEVICE_PATIENCE))?;
        let uapi = Arc::new(Self {
            device: Mutex::new(ours),
        });
        let served = Arc::clone(&uapi);
        thread::Builder::new()
            .name("tunnel-uapi".to_owned())
            .spawn(move || {
                for client in listener.incoming().flatten() {
                    // A client that breaks off has only itself to blame.
                    let _ = served.serve(client);
                }
            })?;
        Ok((uapi, theirs))
    }

    /// Handshake age and byte counters.
    pub(super) fn observe(&self) -> io::Result<Observed> {
        let answer = self.exchange(b"get=1\n\n")?;
        Ok(parse(&String::from_utf8_lossy(&answer)))
    }

    fn serve(&self, mut client: UnixStream) -> io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        let request = read_block(&mut client)?;
        let answer = self.exchange(&request)?;
        client.write_all(&answer)
    }

    fn exchange(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        device.write_all(request)?;
        read_block(&mut device)
    }
}

/// Reads up to and including an empty line.
fn read_block(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut block = Vec::new();
    let mut buffer = [0; 4096];
    while !block.ends_with(b"\n\n") {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        block.extend_from_slice(buffer.get(..len).unwrap_or_default());
        if block.len() > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(block)
}

/// Reads boringtun's answer to `get=1`. Its handshake "time" is an age.
fn parse(answer: &str) -> Observed {
    let value = |name: &str| {
        answer
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.parse::<u64>().ok())
    };
    let nanos = value("last_handshake_time_nsec").unwrap_or(0);
    Observed {
        handshake_age: value("last_handshake_time_sec")
            .map(|seconds| Duration::from_secs(seconds) + Duration::from_nanos(nanos)),
        rx_bytes: value("rx_bytes").unwrap_or(0),
        tx_bytes: value("tx_bytes").unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer = "own_public_key=aa\nlisten_port=51820\npublic_key=bb\n\
                      endpoint=192.0.2.1:51820\nallowed_ip=0.0.0.0/0\n\
                      last_handshake_time_sec=2\nlast_handshake_time_nsec=500000000\n\
                      rx_bytes=180\ntx_bytes=92\nerrno=0\n\n";
        assert_eq!(
            parse(answer),
            Observed {
                handshake_age: Some(Duration::from_millis(2500)),
                rx_bytes: 180,
                tx_bytes: 92
            }
        );
        assert_eq!(parse("errno=0\n\n").handshake_age, None);
    }

    #[test]
    fn a_block_ends_with_an_empty_line() {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        a.write_all(b"set=1\n").unwrap();
        a.write_all(b"listen_port=1\n\n").unwrap();
        assert_eq!(read_block(&mut b).unwrap(), b"set=1\nlisten_port=1\n\n");
        a.write_all(b"half").unwrap();
        drop(a);
        assert!(read_block(&mut b).is_err());
    }
}
