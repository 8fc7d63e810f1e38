//! AWS's maintenance of a tunnel endpoint: what its gateway announces beforehand, and the
//! replacement.

use anyhow::{Context, bail};

use super::{
    Live,
    daemons::Daemon,
    faults::{Signal, bracketed},
};
use crate::{
    engine::wire::Bracket,
    lab::{
        model::aws::{KEPT_MED, MAINTENANCE_NOTICE, REPLACED_MED},
        op::{Netns, Op},
        plan::{DaemonPlan, IpsecBackend},
    },
    os::kernel::is_gone,
    results::event::EventKind,
    units::{NodeName, SessionName},
};

impl Live {
    /// Has the gateway announce over the tunnel with the higher MED and over the other with the
    /// lower one; or, once the tunnel is not to be replaced any more, over both with its own.
    pub(super) fn announce(
        &self,
        tunnel: &SessionName,
        node: &NodeName,
        is_replaced: bool,
    ) -> anyhow::Result<Bracket> {
        let plan = self.plan();
        let own = plan.sessions.iter().find(|of| of.session == *tunnel);
        let connection = own.and_then(|session| plan.connection_of(session));
        let connection = connection.with_context(|| format!("{tunnel} is a tunnel of no VPN"))?;
        self.asked(node, |daemon| {
            let Daemon::Embedded(speaker) = daemon else {
                bail!("{node} is no gateway of AWS's");
            };
            bracketed(|| {
                for session in plan.sessions_of(connection) {
                    let med = match session.session == *tunnel {
                        true => REPLACED_MED,
                        false => KEPT_MED,
                    };
                    speaker.set_med(&session.session, is_replaced.then_some(med))?;
                }
                Ok(())
            })
        })
    }

    /// After the notice that AWS's routing has given, the endpoint is gone: its daemon, and at
    /// the gateway the tunnel's interface, which an ESP in the kernel would keep alive.
    pub(super) fn replace(&self, node: &NodeName, endpoint: &NodeName) -> anyhow::Result<Bracket> {
        std::thread::sleep(MAINTENANCE_NOTICE.as_duration());
        let at = self.signal(&self.daemons_of(endpoint)?, Signal::Kill)?;
        let plan = self.plan().node(endpoint.as_str());
        let Some(DaemonPlan::Charon(charon)) = plan.map(|plan| &plan.daemon) else {
            bail!("{endpoint} is no endpoint of a tunnel");
        };
        let down = Op::SetDown {
            netns: Netns::Node(node.clone()),
            dev: charon.interface.clone(),
        };
        let mut kernel = self
            .kernel
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match kernel.apply(&[down]) {
            // A TUN device goes with its daemon.
            Err(error) if !is_gone(&error.source) => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        if charon.backend == IpsecBackend::Kernel {
            // Nobody else says so: it would live on without its daemon.
            let down = EventKind::Tunnel {
                tunnel: charon.tunnel.to_string(),
                node: node.to_string(),
                state: "down".to_owned(),
                backend: charon.backend.to_string(),
                reason: Some("its endpoint is replaced".to_owned()),
            };
            self.sink().at(at.after, down);
        }
        Ok(at)
    }
}
