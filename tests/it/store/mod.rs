//! The store, through its public face, on real files.

mod accept;

mod trouble;

mod access;

mod chain;

mod changes;

mod handed;

mod open;

mod queue;

mod plans;

mod log;

mod replays;

mod failing;

mod rotation;

mod keys;

mod forget;

mod wiping;

mod upgrades;

mod released;
mod released_rows;

mod prune;

mod backlog;
mod backup;

mod storms;

mod damage;

mod health;

mod mutes;

mod others;

mod ending;

mod rescheduling;

mod breaking;
