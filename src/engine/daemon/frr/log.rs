//! When sessions came and went, by FRR's own log: its terminals say only what is, and are asked
//! every 100 ms, while a line of the log carries the microsecond in which it was written.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::{engine::daemon::asker::Change, os::clock};

/// Where every daemon of a node writes, as its configuration says.
const FILE: &str = "run/frr/frr.log";
/// Local time differs from UTC by whole quarters of an hour.
const ZONE_NS: i128 = 900_000_000_000;
const SECOND_NS: i128 = 1_000_000_000;

/// The log of a node's FRR, from here on.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// So much of it has been read.
    read: u64,
    /// The beginning of a line that is not complete.
    rest: Vec<u8>,
    reasons: BTreeMap<IpAddr, String>,
}

impl Log {
    /// Below `root`, the node's root directory; what is in it already is another FRR's.
    pub(super) fn from_here(root: &Path) -> Self {
        let path = root.join(FILE);
        let read = std::fs::metadata(&path).map_or(0, |file| file.len());
        Self {
            path,
            read,
            rest: Vec::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// What has happened since it was last asked; nothing where nothing can be read, as with a
    /// configuration of the user's own that logs elsewhere.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        let (monotonic, realtime) = (clock::mono_ns(), clock::real_ns());
        if self.read_on().is_err() {
            return Vec::new();
        }
        let mut changes = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some((written, said)) = line_of(&line) else {
                continue;
            };
            match said {
                Said::Reason(peer, why) => drop(self.reasons.insert(peer, why)),
                Said::Change(remote, is_up) => {
                    let age = age(written, realtime);
                    changes.push(Change {
                        remote,
                        is_up,
                        at: monotonic.saturating_sub(age),
                        reason: self.reasons.remove(&remote).filter(|_| !is_up),
                    });
                }
            }
        }
        changes
    }

    fn read_on(&mut self) -> std::io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        self.read += file.read_to_end(&mut self.rest)? as u64;
        Ok(())
    }
}

/// How long before `now`, nanoseconds since 1970, something was written in a time zone that nobody
/// knows: less than a quarter of an hour.
fn age(written: i128, now: u64) -> u64 {
    let apart = i128::from(now) - written;
    // What was written a moment after the clock was read is as old as nothing.
    let age = (apart + SECOND_NS).rem_euclid(ZONE_NS) - SECOND_NS;
    u64::try_from(age).unwrap_or(0)
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// A session came up or went down.
    Change(IpAddr, bool),
    /// Why it will go down.
    Reason(IpAddr, String),
}

/// When a line was written, nanoseconds since 1970 by its own clock, and what of a session it says.
///
/// ```text
/// 2026/11/22 08:55:38.748023 BGP: [HZN6M-XRM1G] %NOTIFICATION: sent to neighbor 169.254.75.181 4/0 (Hold Timer Expired) 0 bytes
/// 2026/11/22 08:55:38.748092 BGP: [PXVXG-TFNNT] %ADJCHANGE: neighbor 169.254.75.181(Unknown) in vrf default Down BGP Notification send
/// ```
fn line_of(line: &str) -> Option<(i128, Said)> {
    let (date, rest) = line.split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    let written = instant(date, time)?;
    if let Some((_, change)) = rest.split_once("%ADJCHANGE: neighbor ") {
        let (peer, rest) = change.split_once('(')?;
        let (_, state) = rest.split_once(" in vrf ")?;
        let is_up = match state.split_whitespace().nth(1)? {
            "Up" => true,
            "Down" => false,
            _ => return None,
        };
        return Some((written, Said::Change(peer.parse().ok()?, is_up)));
    }
    let (_, notification) = rest.split_once("%NOTIFICATION: ")?;
    let (_, of) = notification.split_once("neighbor ")?;
    let (peer, code) = of.split_once(' ')?;
    let (_, why) = code.split_once('(')?;
    let (why, _) = why.split_once(')')?;
    Some((written, Said::Reason(peer.parse().ok()?, why.to_owned())))
}

/// `2026/11/22` and `08:55:38.748023` as nanoseconds since 1970.
fn instant(date: &str, time: &str) -> Option<i128> {
    let number = |text: &str| text.parse::<i128>().ok();
    let mut parts = date.splitn(3, '/').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let mut parts = time.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let (second, micros) = parts.next()?.split_once('.')?;
    let micros = number(micros).filter(|_| micros.len() == 6)?;
    // Years begin in March, so that leap days end them.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + number(second)?;
    Some(seconds * SECOND_NS + micros * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: &str = "2026/11/22 08:55:38.748092 BGP: [PXVXG-TFNNT] %ADJCHANGE: neighbor 169.254.75.181(Unknown) in vrf default Down BGP Notification send\n";
    const UP: &str = "2026/11/22 08:55:35.738655 BGP: [N9HHH-F8H1M] %ADJCHANGE: neighbor fd00::1(east) in vrf default Up\n";
    const WHY: &str = "2026/11/22 08:55:38.748023 BGP: [HZN6M-XRM1G] %NOTIFICATION: sent to neighbor 169.254.75.181 4/0 (Hold Timer Expired) 0 bytes \n";
    /// Of `DOWN`, as GNU date has it.
    const DOWN_NS: u64 = 1_795_337_738_748_092_000;

    #[test]
    fn lines_of_frr_8_say_when_and_who() {
        let peer: IpAddr = "169.254.75.181".parse().unwrap();
        let (at, said) = line_of(DOWN).unwrap();
        assert_eq!((at, said), (i128::from(DOWN_NS), Said::Change(peer, false)));
        let (_, said) = line_of(UP).unwrap();
        assert_eq!(said, Said::Change("fd00::1".parse().unwrap(), true));
        let (at, said) = line_of(WHY).unwrap();
        assert_eq!(i128::from(DOWN_NS) - at, 69_000);
        assert_eq!(said, Said::Reason(peer, "Hold Timer Expired".to_owned()));
        for other in [
            "",
            "Hello\n",
            "2026/11/22 08:55:35.747970 BGP: [M59KS-A3ZXZ] bgp_update_receive: rcvd End-of-RIB for IPv4 Unicast from 169.254.75.181 in vrf default\n",
        ] {
            assert_eq!(line_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_lines_age_does_not_depend_on_the_time_zone() {
        let now = DOWN_NS + 80_000_000;
        for zone_minutes in [0, 60, -480, 345, 765] {
            let written = i128::from(DOWN_NS) + zone_minutes * 60 * SECOND_NS;
            assert_eq!(age(written, now), 80_000_000, "{zone_minutes}");
        }
        // Read before it was written: now.
        assert_eq!(age(i128::from(DOWN_NS), DOWN_NS - 5_000), 0);
    }

    #[test]
    fn a_log_is_read_from_where_it_was_and_by_whole_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, UP).unwrap();
        let mut log = Log::from_here(directory.path());
        assert_eq!(log.changes().len(), 0, "another FRR's");
        let (half, other) = DOWN.split_at(70);
        std::fs::write(&path, format!("{UP}{WHY}{half}")).unwrap();
        assert_eq!(log.changes().len(), 0, "half a line");
        std::fs::write(&path, format!("{UP}{WHY}{half}{other}")).unwrap();
        let changes = log.changes();
        let [change] = changes.as_slice() else {
            panic!("{changes:?}");
        };
        assert!(!change.is_up);
        assert_eq!(change.reason.as_deref(), Some("Hold Timer Expired"));
        assert_eq!(log.changes().len(), 0);
    }
}
