//! What BIRD says of its protocols and BFD sessions, in the one form. Lines that
//! are not understood are passed over: another release may print more.

use std::net::IpAddr;

use super::{super::BfdView, super::BgpView, super::NodeView, Line};

/// One BGP protocol of a BIRD, up or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbor {
    /// The protocol's name.
    pub protocol: String,
    /// Whether both ends are in one AS.
    pub internal: bool,
    /// Its session.
    pub view: BgpView,
}

/// Builds the view from `show status`, `show protocols all` and `show bfd sessions`.
pub fn view(status: &[Line], protocols: &[Line], bfd: &[Line]) -> NodeView {
    NodeView {
        bgp: neighbors(status, protocols)
            .into_iter()
            .map(|neighbor| neighbor.view)
            .collect(),
        bfd: bfd.iter().filter_map(|line| bfd_view(&line.text)).collect(),
    }
}

/// Every BGP protocol in `show protocols all`; `show status` tells BIRD's clock.
pub fn neighbors(status: &[Line], protocols: &[Line]) -> Vec<Neighbor> {
    let now = status.iter().find_map(|line| {
        let (_, time) = line.text.split_once("Current server time is ")?;
        Moment::parse(time)
    });
    let mut all = Vec::new();
    let mut open: Option<Protocol> = None;
    for line in protocols {
        if line.code == PROTOCOL {
            all.extend(open.take().and_then(|protocol| protocol.finish(now)));
            open = Protocol::begin(&line.text);
        } else if let Some(protocol) = &mut open {
            protocol.detail(&line.text);
        }
    }
    all.extend(open.and_then(|protocol| protocol.finish(now)));
    all
}

/// The names of the protocols that write to the kernel, in `show protocols all`.
pub fn kernels(protocols: &[Line]) -> Vec<String> {
    let named = protocols
        .iter()
        .filter(|line| line.code == PROTOCOL)
        .filter_map(|line| {
            let mut words = line.text.split_whitespace();
            let (name, kind) = (words.next()?, words.next()?);
            (kind == "Kernel").then(|| name.to_owned())
        });
    named.collect()
}

/// The code of a protocol's own line; its details have another.
const PROTOCOL: u16 = 1002;

/// A BGP protocol while its lines are read.
#[derive(Default)]
struct Protocol {
    name: String,
    since: Option<Moment>,
    state: Option<String>,
    remote: Option<IpAddr>,
    remote_asn: Option<u32>,
    local_asn: Option<u32>,
    hold_ms: Option<u64>,
    keepalive_ms: Option<u64>,
    imported: Option<u64>,
    exported: Option<u64>,
    reason: Option<String>,
}

impl Protocol {
    /// `prod  BGP  ---  up  2026-11-21 12:01:44.338  Established`.
    fn begin(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (name, kind) = (words.next()?, words.next()?);
        let (_table, _state) = (words.next()?, words.next()?);
        let since: Vec<&str> = words.take(2).collect();
        (kind == "BGP").then(|| Self {
            name: name.to_owned(),
            since: Moment::parse(&since.join(" ")),
            ..Self::default()
        })
    }

    /// `    Neighbor AS:      64512`.
    fn detail(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim();
        match key.trim() {
            "BGP state" => self.state = Some(state_name(value).to_owned()),
            "Neighbor address" => self.remote = address(value),
            "Neighbor AS" => self.remote_asn = value.parse().ok(),
            "Local AS" => self.local_asn = value.parse().ok(),
            "Hold timer" => self.hold_ms = timer_ms(value),
            "Keepalive timer" => self.keepalive_ms = timer_ms(value),
            "Last error" => self.reason = Some(value.to_owned()),
            // One line for each channel.
            "Routes" => {
                for part in value.split(',') {
                    let Some((count, what)) = part.trim().split_once(' ') else {
                        continue;
                    };
                    let sum = match what {
                        "imported" => &mut self.imported,
                        "exported" => &mut self.exported,
                        _ => continue,
                    };
                    if let Ok(count) = count.parse::<u64>() {
                        *sum = Some(sum.unwrap_or(0).saturating_add(count));
                    }
                }
            }
            _ => {}
        }
    }

    /// `None` for a protocol without one neighbour, such as a range of them.
    fn finish(self, now: Option<Moment>) -> Option<Neighbor> {
        let remote_asn = self.remote_asn?;
        let state = self.state?;
        let uptime_ms = now
            .zip(self.since)
            .and_then(|(now, since)| now.ms_after(since))
            .filter(|_| state == "Established");
        Some(Neighbor {
            protocol: self.name,
            internal: self.local_asn == Some(remote_asn),
            view: BgpView {
                remote: self.remote?,
                remote_asn,
                state,
                uptime_ms,
                hold_ms: self.hold_ms,
                keepalive_ms: self.keepalive_ms,
                accepted: self.imported,
                advertised: self.exported,
                reason: self.reason,
            },
        })
    }
}

/// BIRD's states beyond RFC 4271's: `Passive` listens, `Close` and `Down` are over.
fn state_name(state: &str) -> &str {
    match state {
        "Passive" => "Active",
        "Close" | "Down" => "Idle",
        other => other,
    }
}

/// An address, perhaps with the interface behind a `%`.
fn address(text: &str) -> Option<IpAddr> {
    text.split('%').next()?.trim().parse().ok()
}

/// `23.125/30`: what is left and the whole, in seconds.
fn timer_ms(text: &str) -> Option<u64> {
    let (_, whole) = text.split_once('/')?;
    Some(whole.trim().parse::<u64>().ok()?.saturating_mul(1000))
}

/// `10.9.0.2  a0  Up  2026-11-21 12:01:44.270  0.300  0.900`: address, interface,
/// state, since, interval of ours and detection time in seconds.
fn bfd_view(line: &str) -> Option<BfdView> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [remote, _interface, state, .., interval, timeout] = words.as_slice() else {
        return None;
    };
    let us = |seconds: &str| -> Option<u64> {
        let seconds = seconds
            .parse::<f64>()
            .ok()
            .filter(|s| (0.0..1e9).contains(s))?;
        let us = (seconds * 1e6).round() as u64;
        (us > 0).then_some(us)
    };
    Some(BfdView {
        remote: address(remote)?,
        state: (*state).to_owned(),
        // BIRD tells neither the diagnostic nor the interval it was promised.
        diagnostic: None,
        tx_us: us(interval),
        rx_us: None,
        detect_us: us(timeout),
    })
}

/// A point in BIRD's local time. Without a date, of the last day.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moment {
    days: Option<i64>,
    ms: i64,
}

const DAY_MS: i64 = 86_400_000;

impl Moment {
    /// `2026-11-21 12:01:44.338`, `12:01:44.338` or `12:01:44`.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let first = words.next()?;
        match date(first) {
            Some(days) => Some(Self {
                days: Some(days),
                ms: time_ms(words.next()?)?,
            }),
            None => Some(Self {
                days: None,
                ms: time_ms(first)?,
            }),
        }
    }

    fn ms_after(self, earlier: Self) -> Option<u64> {
        let ms = match (self.days, earlier.days) {
            (Some(now), Some(then)) => now
                .checked_sub(then)?
                .checked_mul(DAY_MS)?
                .checked_add(self.ms - earlier.ms)?,
            _ => (self.ms - earlier.ms).rem_euclid(DAY_MS),
        };
        u64::try_from(ms).ok()
    }
}

/// `12:01:44.338` in milliseconds since midnight.
fn time_ms(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':').map(|part| part.parse::<u32>().ok());
    let (h, m, s) = (parts.next()??, parts.next()??, parts.next()??);
    if h > 23 || m > 59 || s > 60 || parts.next().is_some() {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let ms: u32 = digits.parse().ok()?;
    Some(i64::from((h * 60 + m) * 60 + s) * 1000 + i64::from(ms))
}

/// `2026-11-21` in days since 1970-01-01 (Howard Hinnant's days_from_civil).
fn date(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era_days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some(era * 146_097 + of_era_days - 719_468)
}
