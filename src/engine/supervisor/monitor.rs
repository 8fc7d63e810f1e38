//! What monitoring sees of a lab while it is up: AWS's metrics, and alerts that need no run's end.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::load_alert::{Change, LoadAlerts};
use crate::{
    engine::{
        api::{AlertNow, Metric, Metrics, Minute, Statistic},
        board::{self, Item},
        live::{AlertStatus, Kernels, Live, Measure, Reading, Series},
        scenario::topology,
    },
    lab::model::Alert,
    os::clock,
    results::{
        capacity::Overload,
        event::{EventKind, MonoNs},
        measure::{Sight, Topology, Watch},
    },
};

/// How often the lab is looked at.
const EVERY: Duration = Duration::from_millis(250);
const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;
/// Minutes kept.
const KEPT: usize = 15;

/// Looks at the lab four times a second, once it stands.
#[derive(Debug)]
pub(super) struct Monitor {
    live: Arc<Live>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    alerts: LoadAlerts,
    /// Of traffic on a backup, and of backups that are dead.
    watch: Watch,
    /// What of that may be raised in this lab.
    possible: Vec<(Alert, String)>,
    circuits: Vec<String>,
    /// Readings of the last second, the oldest first.
    readings: VecDeque<(MonoNs, Reading)>,
    minutes: VecDeque<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    began: MonoNs,
    seen: BTreeMap<Series, Seen>,
}

/// Values of one series in one minute.
#[derive(Debug, Clone, Copy)]
struct Seen {
    count: u32,
    sum: f64,
    least: f64,
    most: f64,
    last: f64,
    /// Of a count of bytes: what it was when the minute began.
    first: f64,
    is_bytes: bool,
}

/// What flows' ways are judged by.
struct Ways {
    topology: Topology,
    wanted: BTreeSet<Item>,
}

impl Ways {
    fn of(live: &Live) -> Self {
        Self {
            topology: topology(live.plan()),
            wanted: board::wanted(live.plan()),
        }
    }
}

impl Monitor {
    /// Starts the thread; it ends with the process.
    pub(super) fn start(live: Arc<Live>) -> std::io::Result<Arc<Self>> {
        let monitor = Arc::new(Self {
            live,
            state: Mutex::default(),
        });
        let looking = Arc::clone(&monitor);
        std::thread::Builder::new()
            .name("monitor".to_owned())
            .spawn(move || {
                let ways = Ways::of(&looking.live);
                let mut kernels = None;
                let mut due = clock::mono_ns();
                loop {
                    due += EVERY.as_nanos() as u64;
                    clock::sleep_until(due);
                    // What links are measured with is no load.
                    if looking.live.stands() {
                        looking.look();
                        // Its interfaces are there by now.
                        let kernels = kernels.get_or_insert_with(|| looking.live.kernels().ok());
                        if let Some(kernels) = kernels {
                            looking.look_at_ways(kernels, &ways);
                        }
                    }
                }
            })?;
        Ok(monitor)
    }

    fn look(&self) {
        let now = clock::mono_ns();
        let counters = self.live.counters();
        let reading = self.live.reading(&counters);
        let network = self.live.network();
        let offered = counters.iter().map(|one| {
            let key = (one.link.clone(), one.from.clone());
            (key, one.stats.offered_bytes)
        });
        let mut state = self.lock();
        let changes = state.alerts.sample(now, offered.collect(), &network);
        state.circuits = network
            .circuits
            .iter()
            .map(|circuit| circuit.sessions.join(" + "))
            .collect();
        state.take(now, reading);
        drop(state);
        for change in changes {
            let (word, overload) = match &change {
                Change::Raised(overload) => ("raised", overload),
                Change::Cleared(overload) => ("cleared", overload),
            };
            self.live.sink().at(now, told(word, overload));
        }
    }

    fn look_at_ways(&self, kernels: &Kernels, ways: &Ways) {
        let now = clock::mono_ns();
        let flows = kernels.flows(self.live.plan(), &ways.topology);
        let missing = self.live.board().missing(&ways.wanted);
        let is_up = |session: &str, node: &str| {
            let (session, node) = (session.to_owned(), node.to_owned());
            !missing.contains_key(&Item::Bgp { session, node })
        };
        let seen = Sight {
            now,
            flows: &flows,
            is_up: &is_up,
            is_whole: missing.is_empty() && self.live.faults().is_empty(),
        };
        let mut state = self.lock();
        let changes = state.watch.look(&ways.topology, &seen);
        state.possible = state.watch.possible(&ways.topology, &flows);
        drop(state);
        for (is_raised, standing) in changes {
            let kind = EventKind::Alert {
                alert: standing.alert.word().to_owned(),
                state: if is_raised { "raised" } else { "cleared" }.to_owned(),
                about: standing.about,
                probe: standing.probe,
                metric: standing.metric,
                load_bps: None,
                room_bps: None,
            };
            self.live.sink().at(now, kind);
        }
    }

    /// Alerts that are raised.
    pub(super) fn alerts(&self) -> Vec<AlertStatus> {
        let state = self.lock();
        let ways = state.watch.raised();
        let ways = ways.map(|(since, standing)| AlertStatus {
            alert: standing.alert.word().to_owned(),
            about: standing.probe.as_ref().map_or_else(
                || standing.about.clone(),
                |probe| format!("{probe} via {}", standing.about),
            ),
            since: *since,
            load_bps: None,
            room_bps: None,
        });
        let raised = state.alerts.raised();
        raised
            .map(|(since, overload)| AlertStatus {
                alert: Alert::LoadExceedsBackup.word().to_owned(),
                about: overload.sessions.join(" + "),
                since: *since,
                load_bps: Some(overload.load_bps),
                room_bps: Some(overload.room_bps),
            })
            .chain(ways)
            .collect()
    }

    /// All metrics, now and by the minute.
    pub(super) fn metrics(&self) -> Metrics {
        let state = self.lock();
        let raised: Vec<String> = state
            .alerts
            .raised()
            .map(|(_, overload)| overload.sessions.join(" + "))
            .collect();
        let alerts = state.circuits.iter().map(|about| AlertNow {
            alert: Alert::LoadExceedsBackup.word().to_owned(),
            about: about.clone(),
            raised: raised.contains(about),
        });
        let standing: Vec<(Alert, String)> = state
            .watch
            .raised()
            .map(|(_, standing)| standing.key())
            .collect();
        let ways = state.possible.iter().map(|one| AlertNow {
            alert: one.0.word().to_owned(),
            about: one.1.clone(),
            raised: standing.contains(one),
        });
        let last = state.minutes.len().saturating_sub(1);
        Metrics {
            lab: self.live.plan().lab.to_string(),
            metrics: state.values().into_iter().map(metric).collect(),
            alerts: alerts.chain(ways).collect(),
            minutes: state
                .minutes
                .iter()
                .enumerate()
                .map(|(index, bucket)| Minute {
                    began: bucket.began,
                    over: index < last,
                    statistics: bucket.seen.iter().map(statistic).collect(),
                })
                .collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As an event of the journal. Metrics are AWS's: what the customer sends is Ingress there.
fn told(state: &str, overload: &Overload) -> EventKind {
    let metric = match overload.from_aws {
        true => "ConnectionBpsEgress",
        false => "ConnectionBpsIngress",
    };
    EventKind::Alert {
        alert: Alert::LoadExceedsBackup.word().to_owned(),
        state: state.to_owned(),
        about: overload.sessions.join(" + "),
        probe: None,
        metric: Some(metric.to_owned()),
        load_bps: Some(overload.load_bps),
        room_bps: Some(overload.room_bps),
    }
}

impl State {
    fn take(&mut self, now: MonoNs, reading: Reading) {
        self.readings.push_back((now, reading));
        while self.readings.len() > 2
            && self
                .readings
                .get(1)
                .is_some_and(|(at, _)| at + SECOND_NS <= now)
        {
            self.readings.pop_front();
        }
        let is_new = self
            .minutes
            .back()
            .is_none_or(|bucket| now >= bucket.began + MINUTE_NS);
        if is_new {
            let began = self
                .minutes
                .back()
                .map_or(now, |bucket| now - (now - bucket.began) % MINUTE_NS);
            let seen = BTreeMap::new();
            self.minutes.push_back(Bucket { began, seen });
            if self.minutes.len() > KEPT {
                self.minutes.pop_front();
            }
        }
        let values = self.values();
        // What passed since the last look at the minute before belongs to this one.
        let before = self.minutes.len().checked_sub(2);
        let before = before.and_then(|index| self.minutes.get(index));
        let ended = before.map(|bucket| bucket.seen.clone()).unwrap_or_default();
        let Some(bucket) = self.minutes.back_mut() else {
            return;
        };
        for (series, value, is_bytes) in values {
            let first = ended.get(&series).map_or(value, |seen| seen.last);
            bucket
                .seen
                .entry(series)
                .and_modify(|seen| seen.add(value))
                .or_insert(Seen {
                    count: 1,
                    sum: value,
                    least: value,
                    most: value,
                    last: value,
                    first,
                    is_bytes,
                });
        }
    }

    /// Every series' value now, and whether it counts bytes. A rate takes two readings.
    fn values(&self) -> Vec<(Series, f64, bool)> {
        let Some(((then, before), (now, latest))) = self.readings.front().zip(self.readings.back())
        else {
            return Vec::new();
        };
        let seconds = now.saturating_sub(*then) as f64 / SECOND_NS as f64;
        let rate = |series: &Series, now: u64| {
            let earlier = before.get(series).copied().and_then(count)?;
            (seconds > 0.0).then(|| now.saturating_sub(earlier) as f64 / seconds)
        };
        let all = latest.iter().filter_map(|(series, measure)| {
            let (value, is_bytes) = match *measure {
                Measure::State(up) => (f64::from(u8::from(up)), false),
                Measure::Bits(bytes) => (8.0 * rate(series, bytes)?, false),
                Measure::Packets(packets) => (rate(series, packets)?, false),
                Measure::Bytes(bytes) => (bytes as f64, true),
            };
            Some((series.clone(), value, is_bytes))
        });
        all.collect()
    }
}

fn count(measure: Measure) -> Option<u64> {
    match measure {
        Measure::Bits(count) | Measure::Packets(count) | Measure::Bytes(count) => Some(count),
        Measure::State(_) => None,
    }
}

impl Seen {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        self.last = value;
    }
}

fn named(series: &Series) -> (String, BTreeMap<String, String>) {
    let dimensions = series.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| ((*name).to_owned(), value.clone()));
    (series.name.to_owned(), dimensions.collect())
}

fn metric((series, value, _): (Series, f64, bool)) -> Metric {
    let (name, dimensions) = named(&series);
    Metric {
        name,
        dimensions,
        value,
    }
}

fn statistic((series, seen): (&Series, &Seen)) -> Statistic {
    let (name, dimensions) = named(series);
    Statistic {
        name,
        dimensions,
        sample: seen.last,
        average: seen.sum / f64::from(seen.count),
        minimum: seen.least,
        maximum: seen.most,
        sum: seen.is_bytes.then_some(seen.last - seen.first),
    }
}
