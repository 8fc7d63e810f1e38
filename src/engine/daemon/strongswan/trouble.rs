//! Why a tunnel does not come up, out of what charon logs: its control socket has events
//! for what became of an SA, but none for one that never came to be.

/// Words that a message of charon begins with when something has failed (strongSwan 5.9 and
/// 6.0: `libcharon/sa/ikev2`, `libstrongswan/credentials`).
const BEGINS: [&str; 14] = [
    "tried ",
    "no shared key found for ",
    "no private key found for ",
    "no trusted ",
    "no acceptable proposal found",
    "no matching peer config found",
    "no IKE config found for ",
    "signature validation failed",
    "constraint check failed: ",
    "subject certificate invalid",
    "issuer certificate invalid",
    "no issuer certificate found for ",
    "peer not responding",
    "certificate was revoked",
];
/// What a peer says in a notify is between these.
const RECEIVED: [(&str, &str); 2] = [
    ("received ", " notify error"),
    ("received ", " notify, no "),
];
/// What follows these is about what charon does next, not about what happened.
const NEXT: [&str; 3] = [", trying again", ", looking for another key", ", sending "];

/// What has failed, if that is what a message says: `received AUTHENTICATION_FAILED`.
pub(super) fn told(message: &str) -> Option<String> {
    let begins = BEGINS.iter().any(|words| message.starts_with(words));
    // "tried 1 shared key for 'a' - 'b', but MAC mismatched"
    let whole = begins && (!message.starts_with("tried ") || message.contains(", but "));
    if whole {
        let end = NEXT.iter().filter_map(|next| message.find(next)).min();
        return Some(message.get(..end.unwrap_or(message.len()))?.to_owned());
    }
    RECEIVED.iter().find_map(|(before, after)| {
        let (notify, _) = message.strip_prefix(before)?.split_once(after)?;
        // IKE's own names of notifies are one word.
        (!notify.contains(' ')).then(|| format!("{before}{notify}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_told_apart_from_what_goes_on() {
        for (message, wanted) in [
            (
                "received AUTHENTICATION_FAILED notify error",
                Some("received AUTHENTICATION_FAILED"),
            ),
            (
                "received TS_UNACCEPTABLE notify, no CHILD_SA built",
                Some("received TS_UNACCEPTABLE"),
            ),
            (
                "tried 1 shared key for '198.19.0.1' - '198.19.0.2', but MAC mismatched",
                Some("tried 1 shared key for '198.19.0.1' - '198.19.0.2', but MAC mismatched"),
            ),
            (
                "peer not responding, trying again (2/0)",
                Some("peer not responding"),
            ),
            (
                "signature validation failed, looking for another key",
                Some("signature validation failed"),
            ),
            (
                "no trusted ED25519 public key found for 'CN=gw'",
                Some("no trusted ED25519 public key found for 'CN=gw'"),
            ),
            (
                "received packet: from 198.19.0.1[500] to 198.19.0.2[500]",
                None,
            ),
            ("received end entity cert \"CN=gw\"", None),
            ("tried something", None),
            ("establishing CHILD_SA tunnel{1}", None),
        ] {
            assert_eq!(told(message).as_deref(), wanted, "{message}");
        }
    }
}
