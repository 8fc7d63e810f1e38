//! AWS's maintenance of a VPN: the endpoint of one tunnel is replaced (Site-to-Site VPN User
//! Guide, "Tunnel endpoint replacements").

use super::{super::reader::Fields, Lower};
use crate::{
    lab::model::{Fault, Kind, endpoint_name},
    units::NodeName,
};

const ONE_AT_A_TIME: &str = "AWS replaces the endpoint of one tunnel at a time";

impl Lower<'_> {
    pub(super) fn maintenance(&mut self, fields: &Fields<'_>) -> Option<Fault> {
        let text = fields.text(&mut self.f, "session")?;
        let at = fields.at_value("session");
        let tunnel = self.session_named(at, text)?;
        let found = self.session(&tunnel)?;
        let ends = found.ends.clone();
        let (static_routes, has_tunnels) = (found.fixed().is_some(), found.ipsec().is_some());
        if !has_tunnels {
            self.f
                .error(
                    at,
                    "cut-target",
                    format!("`{text}` has no second tunnel to go over to"),
                )
                .help(
                    "AWS's maintenance is of a `vpn: ipsec` to a vgw or tgw, which has two tunnels",
                );
            return None;
        }
        let (name, number) = text
            .rsplit_once('.')
            .filter(|(name, _)| {
                self.lab
                    .sessions
                    .keys()
                    .any(|known| known.as_str() == *name)
            })
            .and_then(|(name, number)| Some((name, number.parse::<usize>().ok()?)))
            .or_else(|| {
                self.f
                    .error(at, "cut-target", format!("`{text}` has two tunnels"))
                    .help(format!("{ONE_AT_A_TIME}: `{text}.1` or `{text}.2`"));
                None
            })?;
        let gateway = ends
            .iter()
            .find(|end| self.kind(end).is_some_and(Kind::has_aws_vpn));
        let Some(node) = gateway.cloned() else {
            let message = format!("`{name}` has no end at AWS, which could replace it");
            self.f.error(at, "cut-target", message);
            return None;
        };
        if static_routes {
            self.f
                .error(
                    at,
                    "static-vpn",
                    format!(
                        "`{name}` has static routes, and no BGP to announce the replacement by"
                    ),
                )
                .help("`cut: { node: ENDPOINT, how: kill }` its IKE daemon at AWS's end");
            return None;
        }
        let endpoint = NodeName::new(endpoint_name(node.as_str(), name, number)).ok()?;
        Some(Fault::Maintenance {
            tunnel,
            node,
            endpoint,
        })
    }
}
