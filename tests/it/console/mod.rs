//! The console: keys in, pictures out.

mod harness;

mod screens;

mod keys;

mod anything;
