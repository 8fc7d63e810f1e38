//! Faults by hand: what the user said, made true.

use super::actor::{Supervisor, refused};
use crate::{
    engine::{
        api::{CutRequest, FaultDone, FaultRequest, Refusal, RestoreRequest},
        live::AppliedFault,
    },
    lab::{
        model::{Fault, How},
        plan::{self, Cut, CutError},
    },
    units::{LinkName, nearest},
};

impl Supervisor {
    pub(super) fn fault(&self, ask: &FaultRequest) -> Result<FaultDone, Refusal> {
        self.idle()?;
        let at = self.live.apply(&ask.label, &ask.fault).map_err(refused)?;
        Ok(done(&ask.label, &ask.fault, (at.before, at.after)))
    }

    pub(super) fn cut(&self, ask: &CutRequest) -> Result<FaultDone, Refusal> {
        self.idle()?;
        let how = ask.how.as_deref().map(how).transpose()?;
        let cut = Cut {
            target: &ask.target,
            how,
            from: ask.from.as_deref(),
            at: ask.at.as_deref(),
        };
        let fault = plan::cut(self.live.plan(), &cut).map_err(|error| match error {
            CutError::Unknown { .. } => Refusal::NotFound(error.to_string()),
            CutError::Unfit(_) => Refusal::Wrong(error.to_string()),
        })?;
        // `EAST` of `location:EAST`: a name has no colon.
        let usual = if let Fault::Tagged { value, .. } = &fault {
            value
        } else {
            &ask.target
        };
        let label = ask.label.as_deref().unwrap_or(usual);
        // A label is typed like any other name.
        LinkName::new(label).map_err(|error| match &ask.label {
            Some(_) => Refusal::Wrong(error.to_string()),
            None => Refusal::Wrong(format!("{error}; name this cut: --as LABEL")),
        })?;
        if label != ask.target
            && let Some(what) = plan::what_is(self.live.plan(), label)
        {
            return Err(Refusal::Wrong(format!(
                "`{label}` is a {what} of this lab, so `restore {label}` could mean either; \
                 name this cut of {} otherwise: --as LABEL",
                ask.target
            )));
        }
        for (taken, applied) in self.live.faults() {
            if applied.fault == fault {
                return Err(Refusal::Conflict(format!(
                    "{} is already cut ({}); restore it first: backhoe restore {taken}",
                    fault.target(),
                    fault.name()
                )));
            }
            if taken == label {
                return Err(Refusal::Conflict(format!(
                    "a fault called `{label}` is in force ({} of {}); name this one: --as LABEL",
                    applied.fault.name(),
                    applied.fault.target()
                )));
            }
        }
        self.fault(&FaultRequest {
            label: label.to_owned(),
            fault,
        })
    }

    pub(super) fn restore(&self, ask: &RestoreRequest) -> Result<Vec<FaultDone>, Refusal> {
        self.idle()?;
        let faults = self.live.faults();
        let labels: Vec<String> = match (&ask.label, ask.all) {
            (None, true) => latest_first(&faults),
            (Some(name), false) => vec![named(name, &faults)?],
            _ => {
                return Err(Refusal::Wrong(
                    "restore one fault by its label, or all".to_owned(),
                ));
            }
        };
        let mut restored = Vec::new();
        let mut refusals = Vec::new();
        for label in &labels {
            let Some(applied) = faults.get(label) else {
                continue;
            };
            // One that cannot be undone keeps none of the others in force.
            match self.live.restore(label) {
                Ok(at) => restored.push(done(label, &applied.fault, (at.before, at.after))),
                Err(error) => refusals.push((label, refused(error))),
            }
        }
        match refusals.into_iter().next() {
            None => Ok(restored),
            Some((_, refusal)) if labels.len() == 1 => Err(refusal),
            Some((label, refusal)) => {
                let others: Vec<&str> = restored.iter().map(|done| done.label.as_str()).collect();
                Err(refusal.with(&format!(
                    "{label} is still in force (restored: {}): ",
                    if others.is_empty() {
                        "none".to_owned()
                    } else {
                        others.join(", ")
                    }
                )))
            }
        }
    }
}

/// Faults are undone in the reverse of the order in which they came, so each finds
/// things as it left them.
fn latest_first(faults: &Faults) -> Vec<String> {
    let mut order: Vec<(u64, &String)> = faults
        .iter()
        .map(|(label, applied)| (applied.at.before, label))
        .collect();
    order.sort_by_key(|&(at, _)| std::cmp::Reverse(at));
    order.into_iter().map(|(_, label)| label.clone()).collect()
}

fn how(word: &str) -> Result<How, Refusal> {
    How::parse(word).ok_or_else(|| {
        let words = How::NAMES.join(", ");
        Refusal::Wrong(format!("nothing is cut `{word}`; it is one of {words}"))
    })
}

type Faults = std::collections::BTreeMap<String, AppliedFault>;

/// The label of the fault that `name` means. A label comes before a target: whoever
/// gave one meant it. Without one, what exactly one fault hits.
fn named(name: &str, faults: &Faults) -> Result<String, Refusal> {
    if faults.contains_key(name) {
        return Ok(name.to_owned());
    }
    let hits: Vec<&String> = faults
        .iter()
        .filter(|(_, applied)| applied.fault.is_of(name))
        .map(|(label, _)| label)
        .collect();
    match hits.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let words = faults
                .iter()
                .flat_map(|(label, applied)| [label.clone(), applied.fault.target()]);
            let words: Vec<String> = words.collect();
            let hint = match nearest(name, words.iter().map(String::as_str)) {
                Some(near) => format!("; did you mean `{near}`?"),
                None if faults.is_empty() => "; nothing is".to_owned(),
                None => {
                    let labels: Vec<&str> = faults.keys().map(String::as_str).collect();
                    format!("; in force: {}", labels.join(", "))
                }
            };
            Err(Refusal::NotFound(format!(
                "nothing called `{name}` is cut{hint}"
            )))
        }
        several => {
            let labels: Vec<&str> = several.iter().map(|label| label.as_str()).collect();
            Err(Refusal::Wrong(format!(
                "several faults hit `{name}`: {}; restore one by its label",
                labels.join(", ")
            )))
        }
    }
}

fn done(label: &str, fault: &Fault, (before, after): (u64, u64)) -> FaultDone {
    FaultDone {
        label: label.to_owned(),
        fault: fault.name().to_owned(),
        target: fault.target(),
        before,
        after,
    }
}
