//! The only door to the kernel. No type of rtnetlink, netns-rs, wireguard-control,
//! nix or libc leaves this room.

mod netlink;

pub mod clock;
pub mod fib;
pub mod fib_watch;
pub mod host;
pub mod link_watch;
pub mod netns;
pub mod sched;
pub mod udp_probe;
pub mod credentials;
pub mod kernel;
pub mod mount;
pub mod netns;
pub mod process;
pub mod sched;
pub mod userns;
