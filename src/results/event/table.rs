//! A flow's packets as a table: `seq,sent_ns,received_ns,ttl`, every number in order, arrivals
//! of one number in order of time; last those of numbers that were never sent.

use std::fmt::Write as _;

use super::{Arrival, FlowLog, FlowRecord};

const HEAD: &str = "seq,sent_ns,received_ns,ttl";

impl FlowLog {
    /// Puts arrivals in the order in which their stamps have them, the same whether they come
    /// from a socket or from a table.
    pub fn sort(&mut self) {
        let key = |a: &Arrival| (a.at, a.seq, a.ttl);
        self.received.sort_by_key(key);
    }

    /// The table of its packets.
    pub fn table(&self) -> String {
        let mut out = String::with_capacity(40 * (self.sent.len() + 1));
        out.push_str(HEAD);
        out.push('\n');
        let mut arrivals: Vec<&Arrival> = self.received.iter().collect();
        arrivals.sort_by_key(|arrival| (arrival.seq, arrival.at, arrival.ttl));
        let mut arrivals = arrivals.into_iter().peekable();
        for (seq, sent) in (0_u32..).zip(&self.sent) {
            let sent = sent.map(|ns| ns.to_string()).unwrap_or_default();
            let mut arrived = false;
            while let Some(arrival) = arrivals.next_if(|arrival| arrival.seq == seq) {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "{seq},{sent},{},{}", arrival.at, arrival.ttl);
                arrived = true;
            }
            if !arrived {
                let _ = writeln!(out, "{seq},{sent},,");
            }
        }
        for stray in arrivals {
            let _ = writeln!(out, "{},,{},{}", stray.seq, stray.at, stray.ttl);
        }
        out
    }

    /// The flow of a record and its table.
    ///
    /// # Errors
    /// The first line that is none of such a table.
    pub fn read(record: &FlowRecord, table: &str) -> Result<Self, String> {
        let mut flow = Self {
            id: record.id,
            probe: record.probe.clone(),
            from: record.from.clone(),
            to: record.to.clone(),
            rate: record.rate,
            size: record.size,
            sent: Vec::with_capacity(record.numbered as usize),
            received: Vec::new(),
            turns: record.turns.clone(),
        };
        let mut lines = (1_usize..).zip(table.lines());
        if lines.next().is_none_or(|(_, head)| head != HEAD) {
            return Err(format!("line 1 is not `{HEAD}`"));
        }
        for (number, line) in lines {
            let wrong = || format!("line {number} is no packet: `{line}`");
            let (seq, sent, arrival) = row(line).ok_or_else(wrong)?;
            if seq < record.numbered && seq as usize == flow.sent.len() {
                flow.sent.push(sent);
            }
            flow.received.extend(arrival);
        }
        flow.sort();
        if flow.sent.len() != record.numbered as usize {
            let (there, all) = (flow.sent.len(), record.numbered);
            return Err(format!("it has {there} of {all} sequence numbers"));
        }
        Ok(flow)
    }
}

/// Number, send time and arrival of a line.
fn row(line: &str) -> Option<(u32, Option<u64>, Option<Arrival>)> {
    let mut cells = line.split(',');
    let seq = cells.next()?.parse().ok()?;
    let sent = match cells.next()? {
        "" => None,
        sent => Some(sent.parse().ok()?),
    };
    let arrival = match (cells.next()?, cells.next()?) {
        ("", "") => None,
        (at, ttl) => Some(Arrival {
            seq,
            at: at.parse().ok()?,
            ttl: ttl.parse().ok()?,
        }),
    };
    cells.next().is_none().then_some((seq, sent, arrival))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> FlowLog {
        let arrival = |seq, at, ttl| Arrival { seq, at, ttl };
        FlowLog {
            id: 3,
            probe: "app".to_owned(),
            from: "h1".to_owned(),
            to: "h2".to_owned(),
            rate: 1000,
            size: 200,
            sent: vec![Some(10), None, Some(30), Some(40)],
            // One twice, one late, one of a number that was never used.
            received: vec![
                arrival(0, 15, 62),
                arrival(3, 44, 62),
                arrival(0, 45, 62),
                arrival(9, 46, 64),
                arrival(2, 47, 61),
            ],
            turns: Vec::new(),
        }
    }

    #[test]
    fn a_flow_survives_its_table() {
        let flow = flow();
        let table = flow.table();
        insta::assert_snapshot!(table, @r"
        seq,sent_ns,received_ns,ttl
        0,10,15,62
        0,10,45,62
        1,,,
        2,30,47,61
        3,40,44,62
        9,,46,64
        ");
        let record = FlowRecord::of(&flow, "packets/app.h1.csv".to_owned(), table.as_bytes());
        assert_eq!(FlowLog::read(&record, &table), Ok(flow));
    }

    #[test]
    fn a_table_that_is_none_is_refused_with_its_line() {
        let flow = flow();
        let table = flow.table();
        let record = FlowRecord::of(&flow, "x.csv".to_owned(), table.as_bytes());
        let read = |table: &str| FlowLog::read(&record, table).unwrap_err();
        assert_eq!(read(""), "line 1 is not `seq,sent_ns,received_ns,ttl`");
        let cut = table.replace("2,30,47,61\n", "2,30,47\n");
        assert_eq!(read(&cut), "line 5 is no packet: `2,30,47`");
        let short = table.replace("3,40,44,62\n9,,46,64\n", "");
        assert_eq!(read(&short), "it has 3 of 4 sequence numbers");
        record.packets.check(table.as_bytes()).unwrap();
        let changed = table.replace("47", "48");
        let error = record.packets.check(changed.as_bytes()).unwrap_err();
        assert_eq!(error, "x.csv was changed since it was written");
        assert!(
            record
                .packets
                .check(b"")
                .unwrap_err()
                .contains("has 0 bytes")
        );
    }
}
