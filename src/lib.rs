//! bellboard: who is told of what, and was it delivered.
//!
//! One binary: a terminal console, a command line, and a dispatcher in the process, over one SQLite file.
//!
//! # The cut
//!
//! `domain → metrics → channels → store → dispatch → http → console → config → cli → main`: a module uses only modules to its left.
//! `tests/it/tidy.rs` checks that, and the other rules.
//!
//! | module | is | must not know |
//! |---|---|---|
//! | [`domain`] | what is talked about, and every rule, as plain values and pure functions | files, sockets, SQL, the time |
//! | [`metrics`] | the one list of what is counted for Prometheus | whose it is, how it is read |
//! | [`channels`] | one file a channel: its fields, how it is checked, how it sends | the store, the clock, the console |
//! | [`store`] | the only SQL: reads through a pool, writes through one task with group commit | how a channel sends |
//! | [`dispatch`] | takes what is due, sends it, writes what became of it | how a channel speaks, SQL |
//! | [`http`] | events in, enrolment of devices and browsers, the vendor's shape, health | SQL, how a channel sends |
//! | [`console`] | a stack of screens over the store | how anything is sent or stored |
//! | [`config`] | the options that the modules declare, from a file and the environment | what they are for |
//! | [`cli`] | one file a command family; the demo | SQL, how a channel sends |
//!
//! # The way of an event
//!
//! [`store::Store::accept`] decides by [`domain::matrix::fan_out`] where it goes and stores event, deliveries and reasons in
//! one commit. The [`dispatch::engine`] claims what is due, lane by lane ([`dispatch::lane`]), sends by
//! [`channels::Senders::send`], decides by [`domain::delivery::after_try`] what follows, and has that written. Every commit
//! changes [`store::Store::revision`], which wakes the console, here and in other processes.
//!
//! # The way of a change
//!
//! Whatever a person changes is a [`domain::command::Command`]. [`store::Store::run`] executes it, writes the audit trail, and
//! knows how to take it back; the console's undo, `--read-only` and the command line hang on that.
//!
//! # Words
//!
//! *Account*: a customer. *Event type*: a row of the matrix. *Channel*: a column. *Destination*: one address in one channel of
//! one account. *Preference*: a cell that differs from the default. *Event*: something that happened. *Delivery*: one event to
//! one destination. *Attempt*: one try of a delivery. *Lane*: what waits for one destination. *Claim*: a delivery taken to be
//! sent, until its *lease* ends. *Change*: a row of the audit trail.
//!
//! # To add
//!
//! - a channel: one file in [`channels`] and a line in each `match` that the compiler then points at;
//! - a screen: one file in [`console`]'s screens, its keys in the keymap's table, one snapshot test;
//! - a command: one file in [`cli`] and a line in `args`; a change also a variant of [`domain::command::Command`];
//! - a table or column: a migration, never an edit of one that was released.

/// Sends and their results are made on one thread and freed on another, which costs the system's allocator a sixth of a
/// delivery.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod domain;

pub mod metrics;

pub mod channels;

pub mod store;

pub mod dispatch;

pub mod http;

pub mod console;

pub mod config;

pub mod cli;
