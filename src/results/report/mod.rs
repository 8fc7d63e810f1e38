//! Results for people and machines: text out of a measured run, nothing measured anew.
