//! A directory, labs with names of their own, and commands run as a user runs them.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use backhoe::os::process::PidFd;
use serde_json::Value;

/// Marks every process a test starts, directly or not.
const MARK: &str = "BACKHOE_CLI_TEST";
/// No command here takes this long unless it hangs.
const HANGS: Duration = Duration::from_secs(75);

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn headline() -> String {
    root().join("labs/dx-vpn-backup.yaml").display().to_string()
}

/// One test's directory, its labs, and its mark.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    mark: String,
    labs: Vec<String>,
}

impl Bench {
    pub(crate) fn new(test: &str) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            mark: format!("{test}-{}", std::process::id()),
            labs: Vec::new(),
        }
    }

    /// A lab name nobody else uses; the lab is taken down at the end.
    pub(crate) fn name(&mut self, stem: &str) -> String {
        let name = format!("{stem}-{}", std::process::id());
        self.labs.push(name.clone());
        name
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_backhoe"))
            .args(args)
            .current_dir(self.dir.path())
            .env(MARK, &self.mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts a command and returns when a line it says on stderr contains `word`.
    pub(crate) fn start_until(&self, args: &[&str], word: &str) -> Underway {
        let mut child = self.start(args);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "no `{word}`");
        }
        // Nobody else reads it now; a full pipe would hold the command up.
        let rest = thread::spawn(move || {
            let mut rest = Vec::new();
            stderr.read_to_end(&mut rest).unwrap();
            rest
        });
        Underway {
            child,
            rest,
            what: args.join(" "),
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        finished(self.start(args), &args.join(" "))
    }

    /// Runs a command that must succeed; its standard output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = words(&output);
        assert!(output.status.success(), "{args:?}: {out}{err}");
        out
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// Runs a command with `--json` that must fail with `code`: the one document on
    /// its stdout, and what it said beside it.
    pub(crate) fn fails_json(&self, code: i32, args: &[&str]) -> (Value, String) {
        let output = self.run(args);
        let (out, err) = words(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        let document = serde_json::from_str(&out);
        (
            document.unwrap_or_else(|e| panic!("{args:?}: {e}: {out}")),
            err,
        )
    }

    /// Runs a command that must fail with `code`; what it said.
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = words(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        err
    }

    /// Processes that carry this test's mark, wherever they live.
    pub(crate) fn left(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.mark);
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environ
                    .split(|&byte| byte == 0)
                    .any(|v| v == mark.as_bytes())
            })
            .collect()
    }
}

/// A command that has said what was waited for.
pub(crate) struct Underway {
    child: Child,
    rest: thread::JoinHandle<Vec<u8>>,
    what: String,
}

impl Underway {
    pub(crate) fn process(&self) -> PidFd {
        PidFd::open(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its end, with what it has said on stderr since.
    pub(crate) fn finished(self) -> Output {
        let mut output = finished(self.child, &self.what);
        output.stderr = self.rest.join().unwrap();
        output
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for lab in &self.labs {
            // Most are down already.
            let _ = self.run(&["down", lab]);
        }
    }
}

pub(crate) fn words(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The end of a command, which must come.
pub(crate) fn finished(mut child: Child, what: &str) -> Output {
    let handle = PidFd::open(i32::try_from(child.id()).unwrap()).unwrap();
    let read = |stream: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let (mut stream, mut bytes) = (stream, Vec::new());
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        })
    };
    let stdout = child.stdout.take().map(|s| read(Box::new(s)));
    let stderr = child.stderr.take().map(|s| read(Box::new(s)));
    if !handle.ended_within(HANGS).unwrap() {
        child.kill().unwrap();
        panic!("`backhoe {what}` hangs");
    }
    let joined = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        reader.map(|r| r.join().unwrap()).unwrap_or_default()
    };
    Output {
        status: child.wait().unwrap(),
        stdout: joined(stdout),
        stderr: joined(stderr),
    }
}

/// Waits for a thing that takes time, and says what when it does not come.
pub(crate) fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !seen() {
        assert!(Instant::now() < deadline, "not seen: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
