//! One test binary for all tests that need no outside program.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

mod tidy;

mod supply;

mod receiver;

mod statements;

mod cli;

mod hostile;

mod console;

mod channels;

mod http;

mod store;

mod dispatch;
