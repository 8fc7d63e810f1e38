//! What strongSwan refuses in a configuration, with its place in the user's file.

use std::{
    io,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{
    find::{CHARON, SWANCTL},
    vici::Vici,
};
use crate::{engine::daemon::Complaint, os::clock};

/// Where a node has its configuration.
pub(super) const IN_NODE: &str = "/etc/swanctl/swanctl.conf";
/// How swanctl begins to name a key, which it does without its place.
const KEYS: [&str; 2] = ["invalid value for: ", "unknown option: "];
/// What is read from files beside the configuration, which only a node has.
const OF_A_NODE: [&str; 3] = ["certs", "cacerts", "pubkeys"];
/// How long a charon that has nothing else to do may take until it answers.
const READY: Duration = Duration::from_secs(5);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(5);

/// What strongSwan refuses in a file: swanctl, which reads it before it talks to a daemon;
/// then a charon into which it is loaded.
///
/// # Errors
/// swanctl could not be started, or there is no place for a socket.
pub fn check(config: &Path) -> io::Result<Vec<Complaint>> {
    let unread = unread(config)?;
    if !unread.is_empty() {
        return Ok(unread);
    }
    // Where none can be had here, the lab's own will say it.
    let Some(daemon) = Trial::start()? else {
        return Ok(unread);
    };
    let output = swanctl(config, &daemon.socket()).output()?;
    let said = [output.stdout, output.stderr].concat();
    let text = std::fs::read_to_string(config)?;
    Ok(refusals(&String::from_utf8_lossy(&said), &text))
}

fn swanctl(config: &Path, socket: &Path) -> Command {
    let mut command = Command::new(SWANCTL);
    command
        .args(["--load-conns", "--file"])
        .arg(config)
        .arg("--uri")
        .arg(format!("unix://{}", socket.display()))
        .stdin(Stdio::null());
    command
}

/// A charon that only takes configurations: in a network of its own, without a
/// privilege outside, and gone with whoever has started it.
struct Trial {
    process: Child,
    dir: PathBuf,
}

impl Trial {
    /// `None` where it does not come up: no user namespaces, for one.
    fn start() -> io::Result<Option<Self>> {
        let dir = std::env::temp_dir().join(format!("backhoe-charon-{}", std::process::id()));
        // What a process with this number has left, if it is ours.
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir)?;
        let config = dir.join("strongswan.conf");
        std::fs::write(
            &config,
            format!(
                "charon-systemd {{\n  port = 0\n  port_nat_t = 0\n  load = random nonce openssl aes sha1 sha2 hmac kdf gcm gmp curve25519 pem pkcs1 pkcs8 x509 pubkey revocation constraints kernel-netlink socket-default vici\n  plugins {{\n    vici {{\n      socket = unix://{}/vici\n    }}\n  }}\n  journal {{\n    default = -1\n  }}\n}}\n",
                dir.display()
            ),
        )?;
        let started = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net"])
            .args(["setpriv", "--pdeathsig", "KILL", CHARON])
            .env("STRONGSWAN_CONF", &config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            let _ = std::fs::remove_dir_all(&dir);
            return Ok(None);
        };
        let mut trial = Self { process, dir };
        let deadline = clock::now() + READY;
        while clock::now() < deadline && trial.process.try_wait()?.is_none() {
            if Vici::connect(&trial.socket()).is_ok() {
                return Ok(Some(trial));
            }
            std::thread::sleep(LOOK);
        }
        Ok(None)
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("vici")
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// What a charon refused, but what it may have missed only because it is no node's.
fn refusals(said: &str, text: &str) -> Vec<Complaint> {
    said.lines()
        .filter_map(|line| {
            let key = key_of(line).filter(|key| !OF_A_NODE.contains(key))?;
            let at = place(line, text).unwrap_or(1);
            (!key.is_empty()).then(|| Complaint {
                line: u32::try_from(at).unwrap_or(u32::MAX),
                column: None,
                message: line.to_owned(),
            })
        })
        .collect()
}

/// What swanctl itself refuses.
fn unread(config: &Path) -> io::Result<Vec<Complaint>> {
    let socket = Socket::bind()?;
    let listener = socket.listener.try_clone()?;
    // swanctl connects first. It is hung up on, which is after it has read the file.
    let host = std::thread::spawn(move || listener.accept().map(drop));
    let output = swanctl(config, &socket.path).output();
    // Whoever still waits for swanctl waits no longer.
    let _ = UnixStream::connect(&socket.path);
    let _ = host.join();
    let output = output?;
    let said = [output.stdout, output.stderr].concat();
    let last = std::fs::read_to_string(config)?.lines().count();
    Ok(syntax(
        &String::from_utf8_lossy(&said),
        &config.to_string_lossy(),
        last,
    ))
}

/// A socket at a path that nobody else uses, for as long as this lives.
struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    fn bind() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("backhoe-vici-{}", std::process::id()));
        // What a process with this number has left, if it is ours.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        Ok(Self { path, listener })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads `FILE:4: syntax error, unexpected NAME, expecting : or '{' or '='`; at the
/// file's end the place is missing.
fn syntax(said: &str, file: &str, last_line: usize) -> Vec<Complaint> {
    let line_number = |n: usize| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    said.lines()
        .filter_map(|line| {
            let placed = line
                .strip_prefix(file)
                .and_then(|rest| rest.strip_prefix(':'))
                .and_then(|rest| rest.split_once(": "))
                .and_then(|(at, message)| Some((at.parse().ok()?, message)));
            let (at, message) = match placed {
                Some((at, message)) => (at, message),
                None if line.starts_with("syntax error") => (last_line, line),
                None => return None,
            };
            Some(Complaint {
                line: line_number(at),
                column: None,
                message: message.to_owned(),
            })
        })
        .collect()
}

/// What swanctl said when it loaded a node's configuration: without what is no
/// refusal, and with `name`, and a line where it can be told, in place of the
/// node's own path.
pub(super) fn told(said: &str, name: &str, text: &str) -> Vec<String> {
    said.lines()
        // Directories of certificates that nobody has made.
        .filter(|line| !line.starts_with("opening directory"))
        .filter(|line| !line.starts_with("no ") && !line.starts_with("loaded "))
        .map(|line| {
            let line = line.replace(IN_NODE, name);
            match place(&line, text) {
                Some(at) => format!("{name}:{at}: {line}"),
                None => line,
            }
        })
        .collect()
}

/// The key that a message complains about.
fn key_of(message: &str) -> Option<&str> {
    let (_, rest) = KEYS.iter().find_map(|words| message.split_once(words))?;
    Some(rest.split(',').next().unwrap_or(rest).trim())
}

/// The line, from 1, of the key that strongSwan complains about: in the connection it names,
/// if it is there.
fn place(message: &str, text: &str) -> Option<usize> {
    let key = key_of(message)?;
    let connection = message
        .split_once("connection '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(name, _)| name);
    let sets = |line: &str| {
        let mut words = line.split(['{', ' ', '\t']).filter(|word| !word.is_empty());
        words.any(|word| word == key || word.strip_suffix('=') == Some(key))
            || line.trim_start().starts_with(&format!("{key}="))
    };
    let mut sections: Vec<&str> = Vec::new();
    let mut anywhere = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        if sets(line) {
            anywhere = anywhere.or(Some(number));
            if sections.get(1).copied() == connection && connection.is_some() {
                return Some(number);
            }
        }
        for piece in line.split_inclusive(['{', '}']) {
            if let Some(name) = piece.strip_suffix('{') {
                sections.push(name.trim());
            } else if piece.ends_with('}') {
                sections.pop();
            }
        }
    }
    anywhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_keeps_its_place() {
        let said = "a.conf:4: syntax error, unexpected NAME, expecting : or '{' or '='\n\
            invalid config file 'a.conf'\nno connections found, 0 unloaded\n";
        let complaint = |line, message: &str| Complaint {
            line,
            column: None,
            message: message.to_owned(),
        };
        assert_eq!(
            syntax(said, "a.conf", 9),
            [complaint(
                4,
                "syntax error, unexpected NAME, expecting : or '{' or '='"
            )]
        );
        let end = "syntax error, unexpected end of file, expecting NAME\n";
        assert_eq!(syntax(end, "a.conf", 9), [complaint(9, end.trim_end())]);
        assert!(syntax("no connections found, 0 unloaded\n", "a.conf", 9).is_empty());
    }

    #[test]
    fn a_key_that_several_connections_have_is_found_in_the_one_that_is_refused() {
        let text = "connections {\n  a {\n    version = 2 # version = 7\n  }\n  \
            b {\n    children {\n      c { x = 1 }\n    }\n    version = 7\n  }\n}\n";
        let said = "loading connection 'b' failed: invalid value for: version, config discarded\n\
            loading connection 'a' failed: invalid value for: certs, config discarded\n\
            loaded 0 of 2 connections, 2 failed to load, 0 unloaded\n";
        let found = refusals(said, text);
        let found: Vec<_> = found.iter().map(|c| (c.line, c.message.as_str())).collect();
        let line = "loading connection 'b' failed: invalid value for: version, config discarded";
        assert_eq!(found, [(9, line)]);
    }

    #[test]
    fn a_refused_value_gets_the_place_of_its_key() {
        let text = "connections {\n  a {\n    version = 7\n    dpd_delay=x\n  }\n}\n";
        let said = "opening directory '/etc/swanctl/x509' failed: No such file or directory\n\
            loading connection 'a' failed: invalid value for: version, config discarded\n\
            loading connection 'a' failed: invalid value for: dpd_delay, config discarded\n\
            loaded 0 of 1 connections, 1 failed to load, 0 unloaded\n";
        assert_eq!(
            told(said, "mine.conf", text),
            [
                "mine.conf:3: loading connection 'a' failed: invalid value for: version, config discarded",
                "mine.conf:4: loading connection 'a' failed: invalid value for: dpd_delay, config discarded",
            ]
        );
        let said = "/etc/swanctl/swanctl.conf:2: syntax error\n";
        assert_eq!(told(said, "mine.conf", text), ["mine.conf:2: syntax error"]);
    }
}
