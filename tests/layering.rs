//! Which room may name which. Textual on purpose: it needs no compiler, and
//! `lib.rs` re-exports nothing, so a path says where it leads.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Files below `rooms` (but not below `but`) never hold any of `words`.
struct Law {
    rooms: &'static [&'static str],
    but: &'static [&'static str],
    words: &'static [&'static str],
}

const PURE: &[&str] = &["lab/", "proto/", "emu/", "results/", "units/"];

#[rustfmt::skip]
const LAWS: &[Law] = &[
    Law { rooms: PURE, but: &[], words: &["tokio", "std::fs", "std::process", "std::thread", "TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener", "Instant::now", "SystemTime", "libc::", "nix::", "rand::rng", "anyhow"] },
    Law { rooms: PURE, but: &[], words: &["os::", "engine::", "cli::"] },
    Law { rooms: &["proto/", "emu/"], but: &[], words: &["lab::", "results::"] },
    Law { rooms: &["proto/"], but: &[], words: &["emu::"] },
    Law { rooms: &["emu/"], but: &[], words: &["proto::"] },
    Law { rooms: &["units/"], but: &[], words: &["lab::", "results::", "proto::", "emu::"] },
    Law { rooms: &["lab/"], but: &[], words: &["proto::", "emu::", "results::"] },
    Law { rooms: &["lab/model/"], but: &[], words: &["spec::", "plan::", "op::"] },
    // Only `spec` makes a lab. A fault, a shape, a load and an expectation also travel, in plans and requests.
    Law { rooms: &["lab/model/"], but: &["lab/model/scenario.rs", "lab/model/link.rs", "lab/model/load.rs"], words: &["Deserialize"] },
    Law { rooms: &["lab/op/"], but: &[], words: &["spec::", "plan::", "model::"] },
    Law { rooms: &["lab/plan/"], but: &[], words: &["spec::"] },
    Law { rooms: &["lab/spec/"], but: &[], words: &["plan::", "op::"] },
    Law { rooms: &["lab/graph/"], but: &[], words: &["spec::", "plan::", "op::"] },
    Law { rooms: &["lab/spec/", "lab/model/", "lab/plan/", "lab/op/"], but: &[], words: &["graph::", "lab::sweep", "super::sweep"] },
    Law { rooms: &["lab/sweep/"], but: &[], words: &["spec::", "plan::", "op::", "graph::Format"] },
    Law { rooms: &["lab/spec/"], but: &["lab/spec/raw"], words: &["Deserialize"] },
    Law { rooms: &["results/"], but: &[], words: &["spec::", "plan::", "op::", "proto::", "emu::"] },
    Law { rooms: &["os/"], but: &[], words: &["spec::", "plan::", "model::", "results::", "engine::", "cli::"] },
    Law { rooms: &["engine/"], but: &[], words: &["cli::"] },
    Law { rooms: &["engine/speaker/", "engine/probe/", "engine/relay/", "engine/daemon/"], but: &[], words: &["scenario::", "supervisor::"] },
    Law { rooms: &[""], but: &["os/"], words: &["rtnetlink", "netns_rs", "wireguard_control", "libc::", "netlink_packet", "netlink_sys"] },
    Law { rooms: &[""], but: &["os/", "engine/init/outer.rs", "engine/observe/watcher.rs", "engine/supervisor/main.rs"], words: &["nix::"] },
    Law { rooms: &[""], but: &["os/netns.rs"], words: &["setns(", "unshare("] },
    Law { rooms: &[""], but: &["os/"], words: &["unsafe_code", "unsafe {"] },
    Law { rooms: &[""], but: &["cli/", "main.rs"], words: &["println!", "eprintln!", "print!(", "process::exit"] },
];

/// Code only: from the line's comment on nothing counts, nor does a test file.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    let tested = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let last = text[..tested].lines().count();
    lines
        .take(last)
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
}

/// Whether `word` stands in `line` by itself, not as the tail of a longer name.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn breaches(path: &str, text: &str) -> Vec<String> {
    // `units.rs` and `units/` are one room.
    let room = path.replacen(".rs", "/", usize::from(!path.contains('/')));
    let is_in = |places: &[&str]| {
        places
            .iter()
            .any(|place| path.starts_with(place) || room.starts_with(place))
    };
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    let laws = LAWS
        .iter()
        .filter(|law| !is_test && is_in(law.rooms) && !is_in(law.but));
    laws.flat_map(|law| law.words)
        .flat_map(|word| {
            code(text)
                .filter(move |(_, line)| names(line, word))
                .map(move |(number, line)| format!("{path}:{number}: `{word}`: {}", line.trim()))
        })
        .collect()
}

/// Where the modules are that a file declares for tests only: file and folder.
fn test_modules(file: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => file.with_file_name(""),
        _ => file.with_extension(""),
    };
    text.split("#[cfg(test)]\nmod ")
        .skip(1)
        .filter_map(|rest| rest.split_once(';'))
        .flat_map(|(name, _)| [folder.join(name), folder.join(format!("{name}.rs"))])
        .collect()
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn arrows_between_rooms_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    assert!(files.len() > 50, "found only {} files", files.len());
    let read = |file: &PathBuf| fs::read_to_string(file).expect("a source file");
    let only_tests: Vec<PathBuf> = files
        .iter()
        .flat_map(|file| test_modules(file, &read(file)))
        .collect();
    let mut found = Vec::new();
    for file in files {
        if only_tests.iter().any(|module| file.starts_with(module)) {
            continue;
        }
        let path = file.strip_prefix(&root).expect("below src");
        found.extend(breaches(&path.to_string_lossy(), &read(&file)));
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn planted_breaches_are_found_and_legal_uses_are_not() {
    #[rustfmt::skip]
    let planted = [
        ("proto/bfd/session.rs", "use tokio::time::sleep;"),
        ("emu/link.rs", "let now = std::time::Instant::now();"),
        ("proto/bgp/rib.rs", "use crate::lab::model::Lab;"),
        ("lab/model/node.rs", "use crate::lab::{plan::Plan};\nuse super::plan::Plan;"),
        ("lab/op/mod.rs", "fn f(lab: &crate::lab::model::Lab) {}"),
        ("lab/plan/net.rs", "crate::os::netns::enter()"),
        ("lab/spec/lower/nodes.rs", "#[derive(Deserialize)]"),
        ("lab/graph/scene.rs", "use crate::lab::plan::Plan;"),
        ("results/report/text.rs", "println!(\"done\");"),
        ("results/measure/mod.rs", "use crate::lab::plan::Plan;"),
        ("engine/deploy/build.rs", "let (c, h, _) = rtnetlink::new_connection()?;"),
        ("os/mount.rs", "nix::sched::setns(fd, flags)?;"),
        ("engine/probe/send.rs", "crate::engine::scenario::step();"),
        ("units.rs", "use std::fs::File;"),
    ];
    for (path, text) in planted {
        assert!(!breaches(path, text).is_empty(), "missed in {path}: {text}");
    }
    #[rustfmt::skip]
    let legal = [
        ("os/netns.rs", "nix::sched::setns(fd, flags)?;"),
        ("lab/plan/net.rs", "use crate::lab::{model::Lab, op::Op};"),
        ("proto/bfd/session.rs", "// tokio drives this\nuse crate::units::Span;"),
        ("cli/run.rs", "eprintln!(\"{error}\");"),
        ("results/measure/mod.rs", "use crate::{lab::model::Lab, units::Span};"),
        ("lab/spec/raw.rs", "#[derive(Deserialize)]"),
        ("engine/tests.rs", "println!(\"seen\");"),
    ];
    for (path, text) in legal {
        assert_eq!(breaches(path, text), Vec::<String>::new());
    }
}
