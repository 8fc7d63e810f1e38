//! Measurements of synthetic runs, whose truth is known because the test wrote it.

mod alerts;
mod cases;
mod isolated;
pub(in crate::results) mod lab;
mod trust;
