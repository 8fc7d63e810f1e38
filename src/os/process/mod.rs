//! Processes: forks without exec, programs inside nodes, signals, reaping.

mod fork;
mod pidfd;
mod spawn;
mod tend;
mod watch;

pub use fork::{die_with_parent, fork, fork_in_lab, parent_pid};
pub(super) use fork::{finish_child, require_single_thread};
pub use pidfd::{Exit, PidFd};
pub use spawn::{ExecError, Spawn, exec_in_node};
pub use tend::{
    TITLE, Tend, forget_stdin, ignore_terminal_signals, keep_only, leave_terminal, pause_forever,
    raise_file_limit, set_host_name, set_title, terminate,
};
pub use watch::Watcher;
