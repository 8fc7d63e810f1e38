//! What happened and what it means: events, measurements, reports. Pure.

pub mod capacity;
pub mod capture;
pub mod event;
pub mod measure;
pub mod replay;
pub mod report;
pub mod schema;
pub mod suite;
pub mod sweep;
