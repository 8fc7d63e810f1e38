//! A lab that lives: everything here is told what to do by a plan.

pub mod api;
pub mod board;
pub mod capture;
pub mod conformance;
pub mod daemon;
pub mod deal;
pub mod deploy;
pub mod doctor;
pub mod init;
pub mod instrument;
pub mod known_outages;
pub mod live;
pub mod load;
pub mod node;
pub mod observe;
pub mod probe;
pub mod relay;
pub mod scenario;
pub mod service;
pub mod sink;
pub mod speaker;
pub mod supervisor;
pub mod wire;
