//! BGP and BFD timers: what the protocols allow, and what AWS does.

use super::{
    super::{At, keys::BFD, raw::Value, reader::Fields},
    Lower,
};
use crate::{
    lab::model::{BgpTimers, aws},
    units::{BfdConfig, Span},
};

/// Fastest BFD: below it scheduling on one host decides, not the protocol.
const MIN_BFD: Span = Span::from_millis(10);
/// Slowest BFD that still says anything.
const MAX_BFD: Span = Span::from_secs(60);
/// How long a speaker waits before it tries to connect again.
const CONNECT_RETRY: Span = Span::from_secs(1);
/// Seconds that a restart time may have.
const RESTART_TIME: std::ops::RangeInclusive<u64> = 1..=4095;
const SECOND: u64 = 1_000_000_000;

impl Lower<'_> {
    /// The timers that the file gives, defaults for the rest.
    pub(super) fn timers(
        &mut self,
        fields: &Fields<'_>,
        hold: Span,
        keepalive: Span,
        aws: bool,
    ) -> BgpTimers {
        let given_hold = self.whole_seconds(fields, "hold");
        let given_keepalive = self.whole_seconds(fields, "keepalive");
        let connect_retry = self
            .whole_seconds(fields, "connect-retry")
            .unwrap_or(CONNECT_RETRY);
        let keepalive = given_keepalive.unwrap_or_else(|| match given_hold {
            Some(hold) => Span::from_secs(hold.as_nanos() / SECOND / 3),
            None => keepalive,
        });
        let hold = given_hold.unwrap_or(hold);
        let seconds = hold.as_nanos() / SECOND;
        let at = fields.at_value("hold");
        if (1..3).contains(&seconds) {
            self.f
                .error(at, "hold-time", format!("a hold time of {hold} is not allowed: it is 0 or at least 3s (RFC 4271 §4.2)"))
                .help("for faster detection use `bfd`");
        } else if seconds == 0 && aws {
            self.f
                .error(
                    at,
                    "aws-hold-time",
                    "AWS refuses a hold time of 0; its least is 3s",
                )
                .help("Direct Connect User Guide, \"BGP-specific settings\"");
        } else if seconds > 65_535 {
            self.f.error(at, "out-of-range", "`hold` is at most 65535s");
        } else if seconds == 0 && keepalive != Span::ZERO {
            self.f.error(
                fields.at_value("keepalive"),
                "keepalive",
                "with a hold time of 0 no keepalives are sent",
            );
        } else if seconds > 0 && keepalive == Span::ZERO {
            self.f.error(
                fields.at_value("keepalive"),
                "keepalive",
                "`keepalive` is at least 1s",
            );
        } else if seconds > 0 && keepalive >= hold {
            let at = fields.at_value(if fields.has("keepalive") {
                "keepalive"
            } else {
                "hold"
            });
            self.f
                .error(at, "keepalive", format!("keepalives every {keepalive} cannot keep a hold time of {hold} from expiring"))
                .help("a third of the hold time is usual");
        }
        if connect_retry == Span::ZERO {
            self.f.error(
                fields.at_value("connect-retry"),
                "out-of-range",
                "`connect-retry` is at least 1s",
            );
        }
        BgpTimers {
            hold,
            keepalive,
            connect_retry,
        }
    }

    fn whole_seconds(&mut self, fields: &Fields<'_>, key: &str) -> Option<Span> {
        let span = fields.parse::<Span>(&mut self.f, key)?;
        if span.as_nanos() % SECOND != 0 {
            self.f.error(
                fields.at_value(key),
                "bad-value",
                format!("`{key}` is in whole seconds, but this is {span}"),
            );
            return None;
        }
        Some(span)
    }

    /// The restart time of graceful restart (RFC 4724 §3: twelve bits of seconds).
    pub(super) fn graceful_restart(&mut self, fields: &Fields<'_>) -> Option<Span> {
        let time = self.whole_seconds(fields, "graceful-restart")?;
        if !RESTART_TIME.contains(&time.as_secs()) {
            let message = format!("a restart time is 1s to 4095s, but this is {time}");
            let at = fields.at_value("graceful-restart");
            self.f.error(at, "out-of-range", message);
            return None;
        }
        Some(time)
    }

    /// What the AWS end offers; the customer's connect-retry does not concern it.
    pub(super) fn aws_timers(hold: Span, keepalive: Span) -> BgpTimers {
        BgpTimers {
            hold,
            keepalive,
            connect_retry: CONNECT_RETRY,
        }
    }

    /// The session's BFD as the file gives it.
    pub(super) fn bfd(&mut self, fields: &Fields<'_>) -> Option<BfdConfig> {
        let (at, tree) = fields.get("bfd")?;
        let (bfd, place) = if matches!(tree.value, Value::Map(_)) {
            let inner = self.f.fields(tree, &BFD, at)?;
            let tx = inner.parse::<Span>(&mut self.f, "tx");
            let rx = inner.parse::<Span>(&mut self.f, "rx");
            let multiplier = inner.number(&mut self.f, "multiplier");
            let min_tx = tx?;
            let bfd = BfdConfig {
                min_tx,
                min_rx: rx.unwrap_or(min_tx),
                multiplier: multiplier?,
            };
            (bfd, inner.at)
        } else {
            let text = self.f.text(at, tree, "bfd")?;
            (self.short_bfd(tree.at, text)?, tree.at)
        };
        for interval in [bfd.min_tx, bfd.min_rx] {
            if !(MIN_BFD..=MAX_BFD).contains(&interval) {
                let message =
                    format!("a BFD interval is {MIN_BFD} to {MAX_BFD}, but this is {interval}");
                self.f.error(place, "out-of-range", message);
                return None;
            }
        }
        Some(bfd)
    }

    fn short_bfd(&mut self, at: At, text: &str) -> Option<BfdConfig> {
        let Some((interval, multiplier)) = text.split_once('/') else {
            self.f
                .error(
                    at,
                    "bad-value",
                    format!("`bfd` is an interval and a multiplier, but this is `{text}`"),
                )
                .help("write it like `300ms/3`");
            return None;
        };
        let interval = match interval.trim().parse::<Span>() {
            Ok(interval) => interval,
            Err(error) => {
                self.f.error(at, "bad-value", format!("`bfd`: {error}"));
                return None;
            }
        };
        match multiplier.trim().parse::<u8>() {
            Ok(multiplier) if multiplier > 0 => Some(BfdConfig {
                min_tx: interval,
                min_rx: interval,
                multiplier,
            }),
            _ => {
                self.f
                    .error(
                        at,
                        "bad-value",
                        format!("a BFD multiplier is 1 to 255, but this is `{multiplier}`"),
                    )
                    .help("RFC 5880 §6.8.1: never 0");
                None
            }
        }
    }

    /// Both ends' BFD on a VIF: AWS's own is closed unless the user insists.
    pub(super) fn vif_bfd(
        &mut self,
        fields: &Fields<'_>,
        unlike_aws: bool,
    ) -> Option<[BfdConfig; 2]> {
        let ours = self.bfd(fields)?;
        if unlike_aws {
            return Some([ours, ours]);
        }
        let at = fields.at_value("bfd");
        let least = aws::VIF_BFD;
        if ours.min_tx < least.min_tx || ours.min_rx < least.min_rx {
            self.f
                .error(
                    at,
                    "aws-bfd",
                    format!(
                        "AWS does BFD on a VIF at {} or slower, not at {}",
                        least.min_tx,
                        ours.min_tx.min(ours.min_rx)
                    ),
                )
                .help("`unlike-aws: true` on the session insists (Direct Connect User Guide, \"BGP-specific settings\")");
        } else if ours.multiplier < least.multiplier {
            self.f
                .error(
                    at,
                    "aws-bfd",
                    format!(
                        "AWS's BFD multiplier on a VIF is at least {}, not {}",
                        least.multiplier, ours.multiplier
                    ),
                )
                .help("`unlike-aws: true` on the session insists");
        }
        Some([ours, least])
    }
}
