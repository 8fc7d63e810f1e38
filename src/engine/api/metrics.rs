//! What monitoring reads: AWS's metrics by AWS's names, now and minute by minute.

use std::{collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Serialize};

use crate::results::event::MonoNs;

/// By dimension, as AWS calls them: `ConnectionId`, `VirtualInterfaceId`, `VpnId`, …
pub type Dimensions = BTreeMap<String, String>;

/// `GET /v1/metrics.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// The lab.
    pub lab: String,
    /// Every metric's latest value.
    pub metrics: Vec<Metric>,
    /// Every alert that can be raised while the lab is up.
    pub alerts: Vec<AlertNow>,
    /// Minutes since the lab stood, the latest last and perhaps not over.
    pub minutes: Vec<Minute>,
}

/// A metric's value at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// AWS's name.
    pub name: String,
    /// What it is of.
    pub dimensions: Dimensions,
    /// Its value: a state, bits or packets a second over the last second, or bytes so far.
    pub value: f64,
}

/// An alert, raised or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertNow {
    /// `running-on-backup`, `backup-dead` or `load-exceeds-backup`.
    pub alert: String,
    /// The sessions it speaks of; of traffic on a backup, the probe.
    pub about: String,
    /// Whether it is raised.
    pub raised: bool,
}

/// A minute, as statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// When it began, on CLOCK_MONOTONIC.
    pub began: MonoNs,
    /// Whether it is over.
    pub over: bool,
    /// Of every metric.
    pub statistics: Vec<Statistic>,
}

/// A metric over one minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistic {
    /// AWS's name.
    pub name: String,
    /// What it is of.
    pub dimensions: Dimensions,
    /// The last value in it: all that one sample a minute sees of a state.
    pub sample: f64,
    /// Mean of the values seen in it, four a second.
    pub average: f64,
    /// Least of them.
    pub minimum: f64,
    /// Greatest of them.
    pub maximum: f64,
    /// Of a metric in bytes: how many in this minute.
    pub sum: Option<f64>,
}

/// What a metric is, for who reads it.
struct Known {
    name: &'static str,
    /// Prometheus's word.
    kind: &'static str,
    help: &'static str,
}

#[rustfmt::skip]
const KNOWN: &[Known] = &[
    Known { name: "ConnectionState", kind: "gauge", help: "AWS/DX: 1 while AWS's end of the circuit has light, else 0." },
    Known { name: "ConnectionBpsEgress", kind: "gauge", help: "AWS/DX: bits a second that AWS's end of the circuit sends." },
    Known { name: "ConnectionBpsIngress", kind: "gauge", help: "AWS/DX: bits a second that reach AWS's end of the circuit." },
    Known { name: "ConnectionPpsEgress", kind: "gauge", help: "AWS/DX: packets a second that AWS's end of the circuit sends." },
    Known { name: "ConnectionPpsIngress", kind: "gauge", help: "AWS/DX: packets a second that reach AWS's end of the circuit." },
    Known { name: "VirtualInterfaceBgpStatus", kind: "gauge", help: "AWS/DX: 1 while BGP is Established at AWS's end of the VIF, else 0." },
    Known { name: "VirtualInterfaceBpsEgress", kind: "gauge", help: "AWS/DX: bits a second that AWS's end of the VIF sends." },
    Known { name: "VirtualInterfaceBpsIngress", kind: "gauge", help: "AWS/DX: bits a second that reach AWS's end of the VIF." },
    Known { name: "VirtualInterfacePpsEgress", kind: "gauge", help: "AWS/DX: packets a second that AWS's end of the VIF sends." },
    Known { name: "VirtualInterfacePpsIngress", kind: "gauge", help: "AWS/DX: packets a second that reach AWS's end of the VIF." },
    Known { name: "TunnelState", kind: "gauge", help: "AWS/VPN: 1 while BGP is Established at AWS's end of the tunnel, else 0." },
    Known { name: "TunnelDataIn", kind: "counter", help: "AWS/VPN: bytes that reached AWS's end of the tunnel, decrypted." },
    Known { name: "TunnelDataOut", kind: "counter", help: "AWS/VPN: bytes that AWS's end of the tunnel sent, before encryption." },
];

impl Metrics {
    /// In Prometheus's text format, version 0.0.4.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        for known in KNOWN {
            let of_name = self
                .metrics
                .iter()
                .filter(|metric| metric.name == known.name);
            let lines: String = of_name
                .map(|metric| self.line(known.name, &metric.dimensions, metric.value))
                .collect();
            // Writing to a String cannot fail.
            if !lines.is_empty() {
                let _ = write!(
                    text,
                    "# HELP {0} {1}\n# TYPE {0} {2}\n{lines}",
                    known.name, known.help, known.kind
                );
            }
        }
        if !self.alerts.is_empty() {
            text += "# HELP backhoe_alert 1 while the alert is raised, else 0.\n# TYPE backhoe_alert gauge\n";
        }
        for alert in &self.alerts {
            let labels = [("alert", &alert.alert), ("about", &alert.about)];
            let labels = labels.map(|(name, value)| (name.to_owned(), value.clone()));
            let value = if alert.raised { 1.0 } else { 0.0 };
            text += &self.line("backhoe_alert", &labels.into(), value);
        }
        text
    }

    fn line(&self, name: &str, dimensions: &Dimensions, value: f64) -> String {
        let lab = ("lab".to_owned(), self.lab.clone());
        let labels: Vec<String> = std::iter::once((&lab.0, &lab.1))
            .chain(dimensions)
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        format!("{name}{{{}}} {value}\n", labels.join(","))
    }
}

/// A label's value between its quotes.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exposition_has_each_name_once_with_its_help_and_every_label() {
        let of = |name: &str, id: &str, value: f64| Metric {
            name: name.to_owned(),
            dimensions: [("ConnectionId".to_owned(), id.to_owned())].into(),
            value,
        };
        let metrics = Metrics {
            lab: "try".to_owned(),
            metrics: vec![
                of("ConnectionState", "a", 1.0),
                of("ConnectionBpsEgress", "a", 1_500_000.5),
                of("ConnectionState", "b\"\\", 0.0),
            ],
            alerts: vec![AlertNow {
                alert: "load-exceeds-backup".to_owned(),
                about: "prod".to_owned(),
                raised: true,
            }],
            minutes: Vec::new(),
        };
        let expected = "\
# HELP ConnectionState AWS/DX: 1 while AWS's end of the circuit has light, else 0.
# TYPE ConnectionState gauge
ConnectionState{lab=\"try\",ConnectionId=\"a\"} 1
ConnectionState{lab=\"try\",ConnectionId=\"b\\\"\\\\\"} 0
# HELP ConnectionBpsEgress AWS/DX: bits a second that AWS's end of the circuit sends.
# TYPE ConnectionBpsEgress gauge
ConnectionBpsEgress{lab=\"try\",ConnectionId=\"a\"} 1500000.5
# HELP backhoe_alert 1 while the alert is raised, else 0.
# TYPE backhoe_alert gauge
backhoe_alert{lab=\"try\",about=\"prod\",alert=\"load-exceeds-backup\"} 1
";
        assert_eq!(metrics.exposition(), expected);
    }
}
