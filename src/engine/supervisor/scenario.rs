//! The lab's scenario on a thread of its own, and what is written of it.

use std::{
    fs::File,
    io::{BufWriter, Write},
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use anyhow::Context as _;

use super::log::Log;
use crate::{
    engine::{
        api::Request,
        init::RunDir,
        live::Live,
        scenario::{self, Options, Stop},
    },
    os::clock,
    results::{
        event::{Event, EventKind, FlowLog, MonoNs},
        measure::{AlertResult, RunInput, measure},
    },
};

/// How long a lab may take to converge.
pub(super) const CONVERGE_WITHIN: Duration = Duration::from_secs(60);

/// Starts the scenario; its end is a request like any other.
pub(super) fn start(
    live: Arc<Live>,
    (seed, command_started): (u64, MonoNs),
    ask: Sender<Request>,
) -> std::io::Result<Arc<Stop>> {
    let stop = Arc::<Stop>::default();
    let asked = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("scenario".to_owned())
        .spawn(move || {
            let options = Options {
                seed,
                command_started,
                converge_within: CONVERGE_WITHIN,
            };
            let ended = scenario::run(&live, &options, &asked);
            // A supervisor that has gone has taken the lab with it.
            let _ = ask.send(Request::ScenarioEnded(Box::new(ended)));
            // The processes this thread has restarted live as long as it does.
            loop {
                std::thread::park();
            }
        })?;
    Ok(stop)
}

/// Measures what was seen of a run that ended with `outcome` and writes it to the run's
/// directory.
pub(super) fn conclude(
    mut input: RunInput,
    (live, log): (&Live, &Log),
    outcome: &str,
) -> anyhow::Result<()> {
    live.warn_of_esp_losses();
    let last = Event {
        at: clock::mono_ns(),
        kind: EventKind::Progress {
            stage: "measured".to_owned(),
            done: 1,
            total: 1,
            waiting: Vec::new(),
        },
    };
    live.sink().at(last.at, last.kind.clone());
    input.events = log.through(&last);
    // The journal says so when all is written; what is written here knows it already.
    input.events.push(Event {
        at: last.at,
        kind: EventKind::RunFinished {
            outcome: outcome.to_owned(),
        },
    });
    packets(&input.flows, live.run_dir()).context("writing the packet records")?;
    let wires = live.run_dir().create("wires.json")?;
    serde_json::to_writer(BufWriter::new(wires), &input.wires).context("writing wires.json")?;
    let result = measure(&input);
    for alert in &result.alerts {
        tell(live, alert);
    }
    let file = live
        .run_dir()
        .create("result.json")
        .context("result.json")?;
    serde_json::to_writer_pretty(BufWriter::new(file), &result).context("writing result.json")
}

/// Puts an alert into the journal, at the times it was raised and cleared.
fn tell(live: &Live, alert: &AlertResult) {
    let said = |state: &str| EventKind::Alert {
        alert: alert.alert.word().to_owned(),
        state: state.to_owned(),
        about: alert.about.clone(),
        probe: alert.probe.clone(),
        metric: alert.metric.clone(),
    };
    live.sink().at(alert.raised_ns, said("raised"));
    if let Some(cleared) = alert.cleared_ns {
        live.sink().at(cleared, said("cleared"));
    }
}

/// One table a flow: every sequence number, when it left, every arrival.
fn packets(flows: &[FlowLog], run_dir: &RunDir) -> std::io::Result<()> {
    for flow in flows {
        let name = format!("packets/{}.{}.csv", flow.probe, flow.from);
        let mut out = BufWriter::<File>::new(run_dir.create(name)?);
        writeln!(out, "seq,sent_ns,received_ns,ttl")?;
        let mut arrivals: Vec<_> = flow.received.iter().collect();
        arrivals.sort_by_key(|arrival| (arrival.seq, arrival.at));
        let mut arrivals = arrivals.into_iter().peekable();
        for (seq, sent) in (0_u32..).zip(&flow.sent) {
            let sent = sent.map(|ns| ns.to_string()).unwrap_or_default();
            let mut arrived = false;
            while let Some(arrival) = arrivals.next_if(|arrival| arrival.seq == seq) {
                writeln!(out, "{seq},{sent},{},{}", arrival.at, arrival.ttl)?;
                arrived = true;
            }
            if !arrived {
                writeln!(out, "{seq},{sent},,")?;
            }
        }
        out.flush()?;
    }
    Ok(())
}
