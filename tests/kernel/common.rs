//! Namespaces to test in.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::fd::{AsFd, AsRawFd},
    process::Command,
    time::{Duration, Instant},
};

use backhoe::os::netns::NetnsFd;

/// Says that a part of a test did not run, because this kernel or host lacks
/// something. Also in the file that BACKHOE_TEST_NOTES names, if any, so that
/// whoever runs the tests can show it although the test has passed.
pub(crate) fn not_tested(what: &str, why: impl std::fmt::Display) {
    note(&format!("not tested here: {what}: {why}"));
}

/// Says what a test ran on, where that differs between kernels.
pub(crate) fn tested(what: &str) {
    note(&format!("tested here: {what}"));
}

#[expect(clippy::print_stdout, reason = "a test says what it ran on")]
fn note(line: &str) {
    println!("{line}");
    if let Some(path) = std::env::var_os("BACKHOE_TEST_NOTES") {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        // In one piece: tests may run beside one another.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// A namespace nobody else uses.
pub(crate) fn namespace() -> NetnsFd {
    NetnsFd::fresh().unwrap_or_else(|error| {
        panic!("kernel tests need root, or run them under `unshare -Urnm`: {error}")
    })
}

/// The namespace's path, as `ip` in another one understands it.
pub(crate) fn path(namespace: &NetnsFd) -> String {
    let fd = namespace.as_fd().as_raw_fd();
    format!("/proc/{}/fd/{fd}", std::process::id())
}

/// Runs a shell script inside the namespace and returns what it printed; a
/// failing command fails the test.
pub(crate) fn sh(namespace: &NetnsFd, script: &str) -> String {
    let output = namespace
        .run(|| Command::new("sh").args(["-ec", script]).output())
        .unwrap();
    assert!(
        output.status.success(),
        "`{script}` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Two namespaces joined by `a0`/`b0` with addresses 10.0.0.1 and .2 (/24) and
/// fd00::1 and ::2 (/64), loopbacks up.
pub(crate) fn joined() -> (NetnsFd, NetnsFd) {
    let (a, b) = (namespace(), namespace());
    join(&a, &b, "a0", "b0", 0);
    (a, b)
}

/// Joins two namespaces by a veth pair; the `index`th pair has 10.0.INDEX.0/24
/// and fd00:0:0:INDEX::/64.
pub(crate) fn join(a: &NetnsFd, b: &NetnsFd, a_name: &str, b_name: &str, index: u8) {
    // A process that sits in `b` gives `ip` something to name the namespace by.
    let mut sitter = b.run(|| Command::new("sleep").arg("60").spawn()).unwrap();
    let pid = sitter.id();
    // Equal interface indices at both ends delay the news of carrier loss by 250 ms and more.
    let (a_index, b_index) = (100 + u32::from(index), 200 + u32::from(index));
    sh(
        a,
        &format!(
            "ip link set lo up
             ip link add {a_name} index {a_index} type veth \
                 peer name {b_name} index {b_index} netns {pid}
             ip addr add 10.0.{index}.1/24 dev {a_name}
             ip addr add fd00:0:0:{index}::1/64 dev {a_name} nodad
             ip link set {a_name} up"
        ),
    );
    sh(
        b,
        &format!(
            "ip link set lo up
             ip addr add 10.0.{index}.2/24 dev {b_name}
             ip addr add fd00:0:0:{index}::2/64 dev {b_name} nodad
             ip link set {b_name} up"
        ),
    );
    sitter.kill().unwrap();
    sitter.wait().unwrap();
}

/// Looks again and again until `look` finds something; names what was awaited
/// when `limit` is over.
#[expect(clippy::disallowed_methods, reason = "kernel tests run in real time")]
pub(crate) fn await_some<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
