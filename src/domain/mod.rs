//! What bellboard talks about, with no input or output at all: no file, no socket, no SQL, no wall clock.
//!
//! Everything here is a plain value or a pure function, so every rule of the program (which channels an event goes to, when
//! a delivery is tried again, what a message says) can be read and tested in one place. Outside bytes are parsed once, at
//! the edge, into these types; nothing further in checks them again.
//!
//! To add a rule: put it in the file of its noun, with a table test beside it. To add a noun: one file, one line here.

pub mod time;

pub mod id;

pub mod text;

pub mod secret;

pub mod redactor;

pub mod channel;

pub mod account;

pub mod access;

pub mod catalogue;

pub mod mute;

pub mod matrix;

pub mod destination;

pub mod payload;

pub mod subject;

pub mod event;

pub mod sample;

pub mod message;

pub mod delivery;

pub mod lifecycle;

pub mod retry;

pub mod replay;

pub mod storm;

pub mod health;

pub mod own_event;

pub mod vendor;

pub mod kept_secrets;

pub mod command;

pub mod role;

pub mod intent;
