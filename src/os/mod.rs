//! The only door to the kernel. No type of rtnetlink, netns-rs, wireguard-control,
//! nix or libc leaves this room.

pub mod clock;
pub mod credentials;
pub mod device_counters;
pub mod fd;
pub mod fib;
pub mod fib_watch;
pub mod host;
pub mod ip_counters;
pub mod ipsec;
pub mod kernel;
pub mod link_watch;
pub mod memory;
pub mod mount;
mod netlink;
pub mod netns;
pub mod nftables;
pub mod packet_ring;
pub mod poll;
pub mod poller;
pub mod pressure;
pub mod process;
pub mod qdisc;
pub mod route_lookup;
pub mod sched;
mod socket_buffer;
pub mod tcp;
pub mod tcp_bulk;
pub mod udp_bfd;
pub mod udp_probe;
pub mod userns;
pub mod wireguard;
