//! What strongSwan refuses in a configuration, with its place in the user's file.

use std::{
    io,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::find::SWANCTL;
use crate::engine::daemon::Complaint;

/// Where a node has its configuration.
pub(super) const IN_NODE: &str = "/etc/swanctl/swanctl.conf";
/// How swanctl begins to name a key, which it does without its place.
const KEYS: [&str; 2] = ["invalid value for: ", "unknown option: "];

/// What swanctl itself, which reads the file before it talks to a daemon, refuses
/// in it. What a daemon refuses is known only when there is one.
///
/// # Errors
/// swanctl could not be started, or there is no place for a socket.
pub fn check(config: &Path) -> io::Result<Vec<Complaint>> {
    let socket = Socket::bind()?;
    let listener = socket.listener.try_clone()?;
    // swanctl connects first. It is hung up on, which is after it has read the file.
    let host = std::thread::spawn(move || listener.accept().map(drop));
    let output = Command::new(SWANCTL)
        .args(["--load-conns", "--file"])
        .arg(config)
        .arg("--uri")
        .arg(format!("unix://{}", socket.path.display()))
        .stdin(Stdio::null())
        .output();
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

/// The line, from 1, of the key that strongSwan complains about.
fn place(message: &str, text: &str) -> Option<usize> {
    let key = KEYS
        .iter()
        .find_map(|words| message.split_once(words))
        .map(|(_, rest)| rest.split(',').next().unwrap_or(rest).trim())?;
    let sets = |line: &str| {
        let mut words = line.split(['{', ' ', '\t']).filter(|word| !word.is_empty());
        words.any(|word| word == key || word.strip_suffix('=') == Some(key))
            || line.trim_start().starts_with(&format!("{key}="))
    };
    text.lines().position(sets).map(|index| index + 1)
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
