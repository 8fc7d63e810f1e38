//! What a node is, at a glance: strokes in a square of 24 by 24.

/// The strokes of a kind's icon. A kind that has none gets a plain one.
pub(super) fn strokes(kind: &str) -> &'static str {
    match kind {
        "data-center" => "M6 4h12v16H6zM6 9.3h12M6 14.7h12M9 6.7h.01M9 12h.01M9 17.3h.01",
        "router" => {
            "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17zM7 10h8l-2.5-2.5M17 14H9l2.5 2.5"
        }
        "switch" => "M3.5 6.5h17v11h-17zM7 10.5h8l-2-2M17 13.5H9l2 2",
        "host" => "M4 5h16v11H4zM9 20h6M12 16v4",
        "internet" => "M7.2 18h9.6a3.9 3.9 0 0 0 .7-7.7a5.8 5.8 0 0 0-11-1.2a4.5 4.5 0 0 0 .7 8.9z",
        "dx-location" => {
            "M12 21s6.2-6 6.2-10.6a6.2 6.2 0 1 0-12.4 0C5.8 15 12 21 12 21zM12 12.6a2.1 2.1 0 1 0 0-4.2a2.1 2.1 0 1 0 0 4.2z"
        }
        "tgw" => {
            "M12 9a3 3 0 1 0 0 6a3 3 0 1 0 0-6zM12 9V4M12 20v-5M9 12H4M20 12h-5M4 4l5.9 5.9M20 20l-5.9-5.9M20 4l-5.9 5.9M4 20l5.9-5.9"
        }
        "dxgw" => "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 3v18M4 7.5l16 9M20 7.5l-16 9",
        "vpc" => "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 9h6v6H9z",
        "peering" => "M8 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8zM16 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8z",
        // Of a virtual private gateway, and of whatever gateway comes.
        _ => "M12 3l8 4.5v9L12 21l-8-4.5v-9zM8 12h8l-2.8-2.8M16 12l-2.8 2.8",
    }
}
