//! Background load: from which host to which, and what. Also what is expected of it.

use super::{
    super::{
        keys::{LOAD, OUTCOME, RATES, SHARES, TIMES},
        raw::{Key, Tree, Value},
        reader::{Fields, and_list},
    },
    Lower, Section,
    probes::node_of,
};
use crate::{
    lab::model::{Bounds, Endpoint, ExpectAfter, Load, LoadExpect, Transport},
    units::{Bytes, Family, LOAD_HEADER_LEN, LoadName, Span},
};

/// What an expectation needs for itself.
const TAKEN: &str = "after";
const SAMPLING: Span = Span::from_millis(100);
/// Reading more often would disturb what is measured.
const LEAST_SAMPLING: Span = Span::from_millis(10);
const MOST_SAMPLING: Span = Span::from_secs(10);
const SIZE: Bytes = Bytes::new(1_000);
/// Packets a second of UDP that one thread of this program still keeps up with.
const MOST_PACKETS: u32 = 50_000;
/// The kernel's TCP_CA_NAME_MAX, without the zero at its end.
const LONGEST_NAME: usize = 15;

/// Keys of an outcome that are of loads alone, and those that are of loads as well.
const OF_LOADS: [&str; 3] = ["throughput", "share", "stall"];
const ALSO_OF_LOADS: &str = "loss";

impl Lower<'_> {
    pub(super) fn load(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("load") else {
            return;
        };
        for (key, tree) in self.f.entries(tree, at, "load") {
            if key.text == TAKEN {
                let message = "a load cannot be called `after`: `expect` uses the word";
                self.f.error(key.at, "bad-name", message);
            } else if self.is_known(Section::Probes, &key.text) {
                let message = format!("`{}` is already a probe", key.text);
                self.f
                    .error(key.at, "bad-name", message)
                    .help("`expect` names both, and could not tell them apart");
            }
            let name = self.f.name::<LoadName>(key.at, &key.text);
            if let (Some(name), Some(load)) = (name, self.read_load(key, tree)) {
                self.lab.load.insert(name, load);
            }
        }
    }

    fn read_load(&mut self, key: &Key, tree: &Tree) -> Option<Load> {
        let fields = self.f.fields(tree, &LOAD, key.at)?;
        let ends = self.load_ends(&fields);
        let sampling = self.sampling(&fields);
        let asked = match fields.choice(&mut self.f, "family") {
            Some("ipv6") => Some(Family::Ipv6Unicast),
            Some(_) => Some(Family::Ipv4Unicast),
            None => None,
        };
        let transport = self.transport(&fields);
        let ends = ends?;
        let family = self.common_family(&fields, &ends, asked)?;
        let transport = transport?;
        self.check_load(&fields, (&transport, family), &ends);
        Some(Load {
            ends,
            family,
            transport,
            sampling: sampling?,
            line: key.at.line,
        })
    }

    fn load_ends(&mut self, fields: &Fields<'_>) -> Option<[Endpoint; 2]> {
        let [from, to] = ["from", "to"].map(|key| {
            let (_, tree) = fields.get(key)?;
            self.host(tree, key)
        });
        let (from, to) = (from?, to?);
        if from == to {
            let message = format!("`{from}` cannot send to itself");
            self.f.error(fields.at_value("to"), "ends", message);
            return None;
        }
        self.check_way(fields.at_value("to"), &from, &to);
        Some([from, to])
    }

    fn sampling(&mut self, fields: &Fields<'_>) -> Option<Span> {
        if !fields.has("sampling") {
            return Some(SAMPLING);
        }
        let sampling = fields.parse::<Span>(&mut self.f, "sampling")?;
        if !(LEAST_SAMPLING..=MOST_SAMPLING).contains(&sampling) {
            let message =
                format!("`sampling` is {sampling}, but may be {LEAST_SAMPLING} to {MOST_SAMPLING}");
            let at = fields.at_value("sampling");
            self.f.error(at, "out-of-range", message);
            return None;
        }
        Some(sampling)
    }

    fn transport(&mut self, fields: &Fields<'_>) -> Option<Transport> {
        let protocol = fields.choice(&mut self.f, "protocol")?;
        let (foreign, of): (&[&str], _) = match protocol {
            "tcp" => (&["rate", "size"], "udp"),
            _ => (&["streams", "congestion-control"], "tcp"),
        };
        for key in foreign.iter().filter(|key| fields.has(key)) {
            let message = format!("`{key}` is of `protocol: {of}`");
            let found = self.f.error(fields.at_key(key), "foreign-key", message);
            if *key == "rate" {
                found.help("TCP takes what it gets; limit the links it takes it from");
            }
        }
        if protocol == "tcp" {
            return Some(Transport::Tcp {
                streams: fields.number(&mut self.f, "streams").unwrap_or(1),
                congestion_control: match fields.has("congestion-control") {
                    true => Some(self.congestion_control(fields)?),
                    false => None,
                },
            });
        }
        if !fields.has("rate") {
            self.f
                .error(fields.at, "missing-key", "`protocol: udp` needs `rate`")
                .help("the offered rate, such as `2mbit`");
            return None;
        }
        let rate = fields.parse(&mut self.f, "rate")?;
        let size = match fields.has("size") {
            true => fields.parse(&mut self.f, "size")?,
            false => SIZE,
        };
        let transport = Transport::Udp { rate, size };
        let packets = transport.packet_rate().unwrap_or(0);
        if packets > MOST_PACKETS {
            let message = format!(
                "{rate} of {size} are {packets} packets a second, and may be {MOST_PACKETS}"
            );
            self.f
                .error(fields.at_value("rate"), "out-of-range", message)
                .help("make the packets larger");
            return None;
        }
        Some(transport)
    }

    fn congestion_control(&mut self, fields: &Fields<'_>) -> Option<String> {
        let text = fields.text(&mut self.f, "congestion-control")?;
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if text.is_empty() || text.len() > LONGEST_NAME || !text.chars().all(is_word) {
            let message = format!("`{text}` is no congestion control of the kernel's");
            self.f
                .error(fields.at_value("congestion-control"), "bad-value", message)
                .help("such as `cubic`, `reno` or `bbr`; the host's are in /proc/sys/net/ipv4/tcp_available_congestion_control");
            return None;
        }
        Some(text.to_owned())
    }

    fn check_load(
        &mut self,
        fields: &Fields<'_>,
        (transport, family): (&Transport, Family),
        ends: &[Endpoint; 2],
    ) {
        let [a, b] = ends.each_ref().map(node_of);
        match transport {
            Transport::Udp { size, .. } => {
                let headers = match family {
                    Family::Ipv4Unicast => 20 + 8,
                    Family::Ipv6Unicast => 40 + 8,
                };
                let least = headers + LOAD_HEADER_LEN as u64;
                let (mtu, what) = self.narrowest(a, b);
                let at = fields.at_value("size");
                if size.get() < least {
                    let message =
                        format!("a packet of a load has at least {least}B, but `size` is {size}");
                    self.f.error(at, "out-of-range", message);
                } else if size.get() > mtu {
                    let message =
                        format!("packets of {size} do not fit through {what}, whose MTU is {mtu}B");
                    self.f.error(at, "mtu", message);
                }
            }
            Transport::Tcp { .. } => {
                let between = self.between(a, b);
                let mut links = self.lab.links.values();
                let is_limited = links.any(|link| {
                    link.ends.iter().all(|end| between.contains(end))
                        && link.shape.iter().any(|shape| shape.rate.is_some())
                });
                if !is_limited && self.links_complete() {
                    let [from, to] = ends;
                    let message = format!(
                        "no link between `{from}` and `{to}` has a `rate`: TCP takes what this host can carry, and that is what is measured"
                    );
                    self.f.warn(fields.at, "unlimited-load", message);
                }
            }
        }
    }

    /// An expectation of a probe that asks for what only loads have.
    pub(super) fn only_of_loads(&mut self, outcome: &Fields<'_>, probe: &str) {
        for key in OF_LOADS.into_iter().filter(|key| outcome.has(key)) {
            let message = format!("`{key}` is of a load, and `{probe}` is none");
            let loads: Vec<String> = self.lab.load.keys().map(ToString::to_string).collect();
            let found = self.f.error(outcome.at_key(key), "expect", message);
            if !loads.is_empty() {
                found.help(format!("there is {}", and_list(&loads)));
            }
        }
    }

    pub(super) fn load_expectation(&mut self, after: Option<&ExpectAfter>, key: &Key, tree: &Tree) {
        let Some(outcome) = self.f.fields(tree, &OUTCOME, key.at) else {
            return;
        };
        let of_loads = |key: &str| OF_LOADS.contains(&key) || key == ALSO_OF_LOADS;
        if let Some(other) = outcome.keys().find(|key| !of_loads(key)) {
            let message = format!("`{other}` is of a probe, and `{}` is a load", key.text);
            self.f
                .error(outcome.at_key(other), "expect", message)
                .help("of a load there are `throughput`, `share`, `stall` and, of UDP, `loss`");
            return;
        }
        if matches!(&tree.value, Value::Map(entries) if entries.is_empty()) {
            let message = "of a load an expectation says `throughput`, `share`, `stall` or `loss`";
            self.f.error(key.at, "expect", message);
        }
        let load = LoadName::new(key.text.clone()).ok();
        let known = load.as_ref().and_then(|name| self.lab.load.get(name));
        let is_tcp = known.is_some_and(|load| load.transport.packet_rate().is_none());
        if is_tcp && outcome.has("loss") {
            let message = "TCP sends again what is lost: `loss` is of a load of UDP";
            self.f
                .error(outcome.at_key("loss"), "expect", message)
                .help("what users see of it is in `throughput` and `stall`");
        }
        if after == Some(&ExpectAfter::Start) && outcome.has("share") {
            let message =
                "`share` compares with what was before the first fault, and that is `start`";
            self.f.error(outcome.at_key("share"), "expect", message);
        }
        let throughput = self.bounds(&outcome, ("throughput", &RATES));
        let share = self.bounds(&outcome, ("share", &SHARES));
        let expect = |after: &ExpectAfter, load| LoadExpect {
            after: after.clone(),
            load,
            throughput: throughput.map(|bounds| least(&outcome, "throughput", bounds)),
            share: share.map(|bounds| least(&outcome, "share", bounds)),
            stall: None,
            loss: None,
            line: key.at.line,
        };
        let mut expect = after.zip(load).map(|(after, load)| expect(after, load));
        let stall = self.bounds(&outcome, ("stall", &TIMES));
        let loss = self.bounds(&outcome, ("loss", &SHARES));
        if let Some(expect) = &mut expect {
            (expect.stall, expect.loss) = (stall, loss);
        }
        self.lab.load_expect.extend(expect);
    }
}

/// Of what is to be large a plain value is the least.
fn least<T>(outcome: &Fields<'_>, key: &str, bounds: Bounds<T>) -> Bounds<T> {
    let is_plain = outcome
        .get(key)
        .is_some_and(|(_, tree)| matches!(tree.value, Value::Text(_)));
    match is_plain {
        true => Bounds {
            at_least: bounds.at_most,
            at_most: None,
        },
        false => bounds,
    }
}
