//! Parses, sets up, runs; no logic.

fn main() {}
