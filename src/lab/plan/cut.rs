//! A cut made by hand, in the words of a scenario's `cut` step, against the plan
//! of a lab that is up.

use super::{DaemonPlan, LagPlan, NodePlan, Plan};
use crate::{
    lab::model::{Fault, How, Kind, Tag},
    units::{LinkName, NodeName, SessionName, nearest},
};

/// What somebody wants cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut<'a> {
    /// A link, a session, an IPsec VPN for the sessions in its tunnels, or a node; or a tag and its value, `location:EAST`.
    pub target: &'a str,
    /// How; left out, links go silent and a session is shut down.
    pub how: Option<How>,
    /// For `one-way`: the end whose packets vanish.
    pub from: Option<&'a str>,
    /// For `carrier` and `bgp-shutdown`: the end at which it happens.
    pub at: Option<&'a str>,
}

/// Why there is no such cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// The target's name means nothing that can be cut this way.
    #[error("no {what} is called `{name}`{hint}")]
    Unknown {
        /// `link`, `session`, `node`, all three, or a tag.
        what: &'static str,
        /// What was written.
        name: String,
        /// What may have been meant, or what there is.
        hint: String,
    },
    /// The cut does not fit its target or its options.
    #[error("{0}")]
    Unfit(String),
}

/// The fault that `cut` means in this lab.
///
/// # Errors
/// In words for the user: an unknown name, or a combination that makes no sense.
pub fn cut(plan: &Plan, cut: &Cut<'_>) -> Result<Fault, CutError> {
    if let Some((tag, value)) = cut.target.split_once(':')
        && let Some(tag) = Tag::parse(tag)
    {
        return of_tag(plan, cut, tag, value);
    }
    let how = match cut.how {
        Some(how) => how,
        None => usual(plan, cut.target)?,
    };
    for (key, given, fits) in [
        ("from", cut.from, how.takes_from()),
        ("at", cut.at, how.takes_at()),
    ] {
        if given.is_some() && !fits {
            return Err(CutError::Unfit(format!("a {how} cut has no `{key}`")));
        }
    }
    match how {
        How::Silent | How::OneWay | How::Carrier => of_link(plan, cut, how),
        How::BgpShutdown => of_session(plan, cut),
        How::Maintenance => of_tunnel(plan, cut.target),
        How::Kill | How::Freeze | How::Node => of_node(plan, cut.target, how),
    }
}

/// What carries `name`: a `link`, a `session` or a `node`.
pub fn what_is(plan: &Plan, name: &str) -> Option<&'static str> {
    let is_direct = plan.direct.iter().any(|link| link.link.as_str() == name);
    if is_direct || links(plan).any(|link| link == name) {
        Some("link")
    } else if sessions(plan).any(|session| session == name) {
        Some("session")
    } else if nodes(plan).any(|node| node == name) {
        Some("node")
    } else {
        None
    }
}

/// What is meant when only a target is named.
fn usual(plan: &Plan, target: &str) -> Result<How, CutError> {
    if links(plan).any(|name| name == target) {
        Ok(How::Silent)
    } else if sessions(plan).any(|name| name == target) {
        Ok(How::BgpShutdown)
    } else if plan.direct.iter().any(|link| link.link.as_str() == target) {
        Err(not_a(plan, How::Silent, target))
    } else if nodes(plan).any(|name| name == target) {
        Err(CutError::Unfit(format!(
            "`{target}` is a node; say how: kill or freeze (its daemon), or node (all of it)"
        )))
    } else {
        let all = links(plan).chain(sessions(plan)).chain(nodes(plan));
        Err(unknown("link, session or node", target, all))
    }
}

fn of_link(plan: &Plan, cut: &Cut<'_>, how: How) -> Result<Fault, CutError> {
    let (link, ends): (LinkName, _) = if let Some(lag) = lag(plan, cut.target) {
        if how == How::OneWay {
            return Err(CutError::Unfit(format!(
                "`{}` is a LAG; a one-way cut hits one of its links: {}",
                lag.lag,
                joined(&lag.links)
            )));
        }
        (lag.lag.clone(), [&lag.ends[0].node, &lag.ends[1].node])
    } else if let Some(wire) = plan
        .wires
        .iter()
        .find(|wire| wire.link.as_str() == cut.target)
    {
        (wire.link.clone(), [&wire.ends[0].node, &wire.ends[1].node])
    } else {
        return Err(not_a(plan, how, cut.target));
    };
    if how == How::Carrier {
        let at = cut.at.map(|at| one_end(at, ends)).transpose()?;
        return Ok(Fault::Carrier { link, at });
    }
    let from = cut.from.map(|from| one_end(from, ends)).transpose()?;
    if how == How::OneWay && from.is_none() {
        return Err(CutError::Unfit(format!(
            "a one-way cut needs `from`, whose packets vanish: {} or {}",
            ends[0], ends[1]
        )));
    }
    Ok(Fault::Silent { link, from })
}

fn of_session(plan: &Plan, cut: &Cut<'_>) -> Result<Fault, CutError> {
    // All sessions of a VPN have the same two ends.
    let Some(found) = plan.sessions_of(cut.target).first().copied() else {
        return Err(not_a(plan, How::BgpShutdown, cut.target));
    };
    let ends = [&found.ends[0].node, &found.ends[1].node];
    let session = SessionName::new(cut.target).map_err(|e| CutError::Unfit(e.to_string()))?;
    let is_aws = |end: &&NodeName| {
        let node = plan.node(end.as_str());
        node.is_some_and(|node| Kind::is_word_of_aws(&node.kind))
    };
    let node = match cut.at {
        Some(at) => one_end(at, ends)?,
        // As AWS's own test does it.
        None => ends.into_iter().find(is_aws).cloned().ok_or_else(|| {
            CutError::Unfit(format!(
                "shutting down a session outside AWS needs `at`, the end that does it: {} or {}",
                ends[0], ends[1]
            ))
        })?,
    };
    Ok(Fault::BgpShutdown { session, node })
}

/// AWS's end of one tunnel of a VPN connection with BGP.
fn of_tunnel(plan: &Plan, target: &str) -> Result<Fault, CutError> {
    let sessions = plan.sessions_of(target);
    let [found] = sessions.as_slice() else {
        return Err(match sessions.first() {
            None => not_a(plan, How::Maintenance, target),
            Some(_) => CutError::Unfit(format!(
                "AWS replaces the endpoint of one tunnel at a time: {target}.1 or {target}.2"
            )),
        });
    };
    let unfit = || {
        CutError::Unfit(format!(
            "`{target}` is no tunnel of a VPN connection of AWS's, which has two of IPsec"
        ))
    };
    let charon = |node: &&NodePlan| {
        let DaemonPlan::Charon(charon) = &node.daemon else {
            return None;
        };
        let is_aws = plan
            .node(charon.node.as_str())
            .is_some_and(|node| Kind::is_word_of_aws(&node.kind));
        (charon.tunnel.as_str() == target && is_aws).then(|| charon.node.clone())
    };
    let mut endpoints = plan.nodes.iter();
    let (endpoint, node) = endpoints
        .find_map(|endpoint| Some((endpoint.name.clone(), charon(&endpoint)?)))
        .ok_or_else(unfit)?;
    Ok(Fault::Maintenance {
        tunnel: found.session.clone(),
        node,
        endpoint,
    })
}

fn of_node(plan: &Plan, target: &str, how: How) -> Result<Fault, CutError> {
    let Some(found) = plan.node(target).filter(|node| is_cuttable(node)) else {
        return Err(not_a(plan, how, target));
    };
    let node: NodeName = found.name.clone();
    if how == How::Node {
        if matches!(found.daemon, DaemonPlan::Charon(_)) {
            return Err(CutError::Unfit(format!(
                "`{node}` is a tunnel's endpoint: kill or freeze its daemon"
            )));
        }
        if found.kind == "vpc" {
            return Err(CutError::Unfit(
                "a vpc does not die: it is no machine".to_owned(),
            ));
        }
        let at = |wire: &&super::WirePlan| wire.ends.iter().any(|end| end.node == node);
        let links = plan.wires.iter().filter(at);
        let links = links.map(|wire| wire.link.clone()).collect();
        return Ok(Fault::NodeDeath { node, links });
    }
    if found.daemon == DaemonPlan::None {
        return Err(CutError::Unfit(format!("`{node}` runs no daemon to {how}")));
    }
    Ok(if how == How::Kill {
        Fault::Kill { node }
    } else {
        Fault::Freeze { node }
    })
}

fn of_tag(plan: &Plan, cut: &Cut<'_>, tag: Tag, value: &str) -> Result<Fault, CutError> {
    let how = cut.how.unwrap_or(How::Silent);
    if !how.fits(tag.word()) {
        return Err(CutError::Unfit(format!(
            "a {how} cut hits a {}, and `{}` is a tag: silent, carrier or node",
            how.hits(),
            cut.target
        )));
    }
    if let Some(key) = [("from", cut.from), ("at", cut.at)]
        .into_iter()
        .find_map(|(key, given)| given.map(|_| key))
    {
        return Err(CutError::Unfit(format!(
            "a cut by {tag} has no `{key}`: it hits both ends"
        )));
    }
    let values = || plan.tags.iter().filter(|known| known.tag == tag);
    let Some(found) = values().find(|known| known.value == value) else {
        let values = values().map(|known| known.value.as_str());
        return Err(unknown(tag.word(), value, values));
    };
    if found.links.is_empty() {
        return Err(CutError::Unfit(format!(
            "nothing of `{}` has a link to cut",
            cut.target
        )));
    }
    Ok(Fault::Tagged {
        tag,
        value: value.to_owned(),
        how,
        links: found.links.clone(),
        nodes: if how == How::Node {
            found.nodes.clone()
        } else {
            Vec::new()
        },
    })
}

fn one_end(name: &str, ends: [&NodeName; 2]) -> Result<NodeName, CutError> {
    ends.into_iter()
        .find(|end| end.as_str() == name)
        .cloned()
        .ok_or_else(|| {
            CutError::Unfit(format!(
                "`{name}` is not an end of it; the ends are {} and {}",
                ends[0], ends[1]
            ))
        })
}

/// The name is unknown, or names something that is cut otherwise.
fn not_a(plan: &Plan, how: How, target: &str) -> CutError {
    let others: [(&str, &str, bool); 3] = [
        (
            "link",
            "silent, one-way or carrier",
            links(plan).any(|name| name == target),
        ),
        (
            "session",
            "bgp-shutdown, or maintenance of a tunnel",
            sessions(plan).any(|name| name == target),
        ),
        (
            "node",
            "kill, freeze or node",
            nodes(plan).any(|name| name == target),
        ),
    ];
    let needs = how.hits();
    if let Some((what, fits, _)) = others.into_iter().find(|(.., is)| *is) {
        return CutError::Unfit(format!(
            "a {how} cut hits a {needs}, and `{target}` is a {what}: {fits}"
        ));
    }
    if plan.direct.iter().any(|link| link.link.as_str() == target) {
        return CutError::Unfit(format!(
            "link `{target}` is a plain pair of interfaces, with no wire to cut; a declared link gets one with `shaped: true`"
        ));
    }
    match needs {
        "link" => unknown("link", target, links(plan)),
        "session" => unknown("session", target, sessions(plan)),
        _ => unknown("node", target, nodes(plan)),
    }
}

fn unknown<'a>(
    what: &'static str,
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> CutError {
    let candidates: Vec<&str> = candidates.collect();
    let hint = match nearest(name, candidates.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if candidates.is_empty() => "; this lab has none".to_owned(),
        None => format!("; there are {}", candidates.join(", ")),
    };
    CutError::Unknown {
        what,
        name: name.to_owned(),
        hint,
    }
}

fn links(plan: &Plan) -> impl Iterator<Item = &str> {
    let wires = plan.wires.iter().map(|wire| wire.link.as_str());
    wires.chain(plan.lags.iter().map(|lag| lag.lag.as_str()))
}

fn lag<'p>(plan: &'p Plan, name: &str) -> Option<&'p LagPlan> {
    plan.lags.iter().find(|lag| lag.lag.as_str() == name)
}

fn joined(links: &[LinkName]) -> String {
    let names: Vec<&str> = links.iter().map(LinkName::as_str).collect();
    names.join(", ")
}

/// Sessions, and the VPN connections that have one in each tunnel.
fn sessions(plan: &Plan) -> impl Iterator<Item = &str> {
    let connections = plan.sessions.iter().filter_map(|s| plan.connection_of(s));
    let sessions = plan.sessions.iter().map(|session| session.session.as_str());
    sessions.chain(connections)
}

fn nodes(plan: &Plan) -> impl Iterator<Item = &str> {
    let own = plan.nodes.iter().filter(|node| is_cuttable(node));
    own.map(|node| node.name.as_str())
}

/// Declared nodes, and the endpoints of IPsec tunnels; hosts are not cut.
fn is_cuttable(node: &NodePlan) -> bool {
    node.behind.is_none() || matches!(node.daemon, DaemonPlan::Charon(_))
}
