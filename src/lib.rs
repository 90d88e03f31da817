//! bellboard: who is told of what, and was it delivered.
//!
//! Modules use only modules to their left: `domain → channels → store → dispatch → http → console → config → cli → main`.

pub mod domain;

pub mod channels;

pub mod store;

pub mod dispatch;

pub mod console;

pub mod config;

pub mod cli;
