//! Measurements of synthetic runs, whose truth is known because the test wrote it.

mod alerts;
mod calibration;
mod cases;
mod cutters;
mod further;
mod isolated;
pub(in crate::results) mod lab;
mod lasting;
pub(in crate::results) mod load;
mod placed;
mod trust;
mod warnings;
