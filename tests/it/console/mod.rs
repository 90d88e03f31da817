//! The console: keys in, pictures out.

pub mod harness;

mod screens;

mod sending;

mod jobs;

mod keys;

mod together;

mod marking;
mod roles;

mod filling;

mod simulating;

mod speaking;

mod terminal;

mod sizes;

mod anything;

mod errors;

mod proof;

mod watching;
