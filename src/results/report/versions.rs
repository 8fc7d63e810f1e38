//! Daemons and their releases, in words.

use crate::results::measure::DaemonVersion;

/// `FRR 8.4.4`; a daemon that did not say which has its name alone.
fn release(daemon: &DaemonVersion) -> String {
    let name = match daemon.program.as_str() {
        "frr" => "FRR",
        "bird" => "BIRD",
        "charon" => "strongSwan",
        "speaker" => "embedded speaker",
        other => other,
    };
    let version = daemon.version.as_ref();
    version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
}

/// `FRR 8.4.4, strongSwan 5.9.8`: those that are not backhoe's own; `None` where there are none.
pub(super) fn foreign(daemons: &[DaemonVersion]) -> Option<String> {
    let own = |daemon: &&DaemonVersion| matches!(daemon.program.as_str(), "speaker" | "service");
    let others: Vec<String> = daemons.iter().filter(|d| !own(d)).map(release).collect();
    (!others.is_empty()).then(|| others.join(", "))
}

/// `FRR 8.4.4 (dc1, east), embedded speaker 0.1.0 (vgw)`; `None` where none ran.
pub(super) fn all(daemons: &[DaemonVersion]) -> Option<String> {
    let each = daemons
        .iter()
        .map(|daemon| format!("{} ({})", release(daemon), daemon.nodes.join(", ")));
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_their_usual_names() {
        let daemon = |program: &str, version: Option<&str>, node: &str| DaemonVersion {
            program: program.to_owned(),
            version: version.map(str::to_owned),
            nodes: vec![node.to_owned()],
        };
        let both = [
            daemon("frr", Some("8.4.4"), "dc1"),
            daemon("speaker", Some("0.1.0"), "vgw"),
            daemon("charon", None, "dc1-backup"),
        ];
        assert_eq!(foreign(&both).as_deref(), Some("FRR 8.4.4, strongSwan"));
        assert_eq!(
            all(&both).as_deref(),
            Some("FRR 8.4.4 (dc1), embedded speaker 0.1.0 (vgw), strongSwan (dc1-backup)")
        );
        assert_eq!(foreign(&both[1..2]), None);
        assert_eq!(all(&[]), None);
    }
}
