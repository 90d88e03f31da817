//! The screens, one file each. To add one, see [`crate::console::screen`].

pub mod accounts;

pub mod account_form;

pub mod account;

pub mod account_words;

pub mod account_find;

pub mod destinations;

pub mod destination_form;

pub mod delivery;

pub mod event;

pub mod dead;

pub mod failures;

pub mod split;

pub mod history;

pub mod history_words;

pub mod copy;

pub mod palette;

pub mod missed;

pub mod mute;

pub mod export;

pub mod preview;

pub mod simulate;

pub mod pick;

pub mod help;

pub mod test_watch;
